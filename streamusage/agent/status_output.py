"""`streamtop agent status` and `streamtop agent check`: what an agent is at, and whether its configuration works."""

import time
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from streamusage.agent.config.files import AgentConfig
from streamusage.agent.journal.sqlite import JournalError, SqliteJournal
from streamusage.agent.reading import Source, SourceError
from streamusage.agent.status_file import Status, is_running, read_status
from streamusage.agent.sync.link import LinkError, ServiceLink
from streamusage.api.report import EpochRequest


def status_lines(status: Status, running: bool, now_ms: int) -> list[str]:
    """A status in words, a fact a line."""
    owed = status.owed
    lines = [
        f"{status.server}  {status.phase if running else 'not running'}",
        f"  since          {_instant(status.phase_since)} ({_length(now_ms - status.phase_since)})",
        f"  last reading   {_instant(status.last_reading_at)}",
        f"  owed           {owed.connections:,} connections, {owed.bytes_in:,} bytes in, {owed.bytes_out:,} bytes out, "
        f"{_length(owed.view_time_ms)} of view time",
        f"  oldest minute  {_instant(owed.oldest_minute)}",
    ]
    if owed.folds_at is not None:
        lines.append(f"  trends fold    in {_length(max(0, owed.folds_at - now_ms))} (figures are never folded)")
    lines.append(f"  journal        {status.journal}, {status.journal_bytes / 1e6:.1f} MB")
    if status.clock_offset_ms is not None:
        lines.append(f"  clock          {status.clock_offset_ms:+,} ms against the service")
    if status.last_error:
        lines.append(f"  last error     {status.last_error} ({status.failures} in a row)")
        lines.append(f"  next attempt   in {_length(status.next_attempt_in_ms)}")
    if status.source_error:
        lines.append(f"  media server   {status.source_error}")
    return lines


def told(journals: Iterable[Path]) -> list[tuple[Status, bool]]:
    """The statuses beside these journals, with whether the agent runs; journals without one are left out."""
    return [
        (status, is_running(journal, status)) for journal in journals if (status := read_status(journal)) is not None
    ]


def status_json(statuses: list[tuple[Status, bool]]) -> str:
    """The statuses as a JSON list, each with `running`."""
    return msgspec.json.format(
        msgspec.json.encode([{**msgspec.to_builtins(status), "running": running} for status, running in statuses]),
        indent=2,
    ).decode()


async def check_source(unit: AgentConfig, source: Source) -> str:
    """Reads the media server once, or asks a running agent where only one can listen. Raises `SourceError`."""
    status = _status_of_running(unit.journal_path)
    if status is not None and getattr(unit.source, "notify_listen", None):
        if status.source_error:
            raise SourceError(status.source_error)
        return f"the running agent {status.pid} reads it, last at {_instant(status.last_reading_at)}"
    reading = await source.read(None)
    ends = "ends of sessions are exact" if reading.logs_ends else "ends of sessions are known to one poll interval"
    return f"{len(reading.publishes)} publishers, {len(reading.viewers)} viewers, boot {reading.boot}; {ends}"


def check_journal(path: Path) -> str:
    """Opens the journal, if there is one, and reads all of it. Raises `JournalError`."""
    if not path.exists():
        return f"{path} is not there yet; the agent makes it"
    status = _status_of_running(path)
    if status is not None:
        return f"{path} is in use by the running agent {status.pid}"
    journal = SqliteJournal(path)
    try:
        journal.check()
        with journal.transaction() as tx:
            head = tx.head()
        if head is None:
            return f"{path} is sound, and nothing is in it yet"
        return f"{path} is sound, revision {head.revision}, acknowledged {head.acknowledged}"
    finally:
        journal.close()


async def check_service(link: ServiceLink) -> str:
    """Asks the service for an epoch number, which has no effect. Raises `LinkError`."""
    issued = await link.issue_epoch(EpochRequest(journal="check"))
    offset_ms = time.time_ns() // 1_000_000 - issued.now
    knows = "never heard of this server" if issued.baseline is None else f"has it up to {_instant(issued.baseline.at)}"
    return f"answers, takes this agent's token, {knows}; clock {offset_ms:+,} ms against it"


def _status_of_running(journal: Path) -> Status | None:
    status = read_status(journal)
    return status if status is not None and is_running(journal, status) else None


CHECK_ERRORS = (SourceError, JournalError, LinkError)


def describe(config: AgentConfig) -> str:
    """What is checked, in a line."""
    return f"{config.server} for {config.service.url}"


def _instant(at_ms: int | None) -> str:
    return "none" if at_ms is None else datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def _length(length_ms: int) -> str:
    seconds = length_ms // 1000
    if seconds < 120:
        return f"{seconds} s"
    if seconds < 7200:
        return f"{seconds // 60} min"
    return f"{seconds // 3600} h" if seconds < 172_800 else f"{seconds // 86_400} d"
