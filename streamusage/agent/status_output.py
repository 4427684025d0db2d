"""Output of `streamtop agent status` and `streamtop agent check`."""

import time
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import msgspec

from streamusage.agent.config.files import AgentConfig
from streamusage.agent.journal.sqlite import JournalError, SqliteJournal
from streamusage.agent.reading import IgnoredViewers, Source, SourceError
from streamusage.agent.status_file import CURRENT_SECONDS, Status, is_running, read_status, status_age_seconds
from streamusage.agent.sync.link import ServiceLink
from streamusage.api.report import EpochRequest
from streamusage.client.errors import RequestError


class FoundStatus(NamedTuple):
    """A status, and what is known about the agent that wrote it."""

    status: Status
    running: bool
    age_seconds: float
    """How long ago it was written."""

    @property
    def is_current(self) -> bool:
        """Whether it describes the present."""
        return self.running and self.age_seconds <= CURRENT_SECONDS

    @property
    def is_healthy(self) -> bool:
        """Whether the agent runs, counts into its journal, and the service is up to date."""
        is_counting = not self.status.journal_error and not self.was_never_read
        return self.is_current and self.status.phase == "online" and is_counting

    @property
    def was_never_read(self) -> bool:
        """Whether the media server cannot be read and never gave a reading: nothing is counted."""
        return self.status.last_reading_at is None and bool(self.status.source_error)


def format_status(found: FoundStatus, now_ms: int) -> list[str]:
    """Return a status as lines of text, one fact on each line."""
    status, owed = found.status, found.status.owed
    lines = [f"{status.server}  {_format_state(found)}"]
    if found.running and not found.is_current:
        lines.append(
            f"  status         the agent (process {status.pid}) runs, but wrote its last status "
            f"{_format_duration(int(found.age_seconds * 1000))} ago: its disk is full, or it hangs; the lines below "
            "have that age; its log has the cause"
        )
    if status.journal_error:
        since = status.journal_error_since or status.written_at
        lines.append(
            f"  journal error  {status.journal_error}; since {_format_time(since)} "
            f"({_format_duration(max(0, now_ms - since))}); nothing is lost, the media server's counters continue; "
            "free disk space before the media server restarts"
        )
    lines += [
        f"  since          {_format_time(status.phase_since)} ({_format_duration(now_ms - status.phase_since)})",
        f"  last reading   {_format_time(status.last_reading_at)}",
        f"  owed           {owed.connections:,} connections, {owed.bytes_in:,} bytes in, {owed.bytes_out:,} bytes out, "
        f"{_format_duration(owed.view_time_ms)} of view time",
        f"  oldest minute  {_format_time(owed.oldest_minute)}",
    ]
    if owed.folds_at is not None:
        until_fold = _format_duration(max(0, owed.folds_at - now_ms))
        lines.append(f"  trends fold    in {until_fold} (figures are never folded)")
    if status.ignored is not None:
        lines.append(
            f"  ignored        {_format_ignored(status.ignored)} since the agent started; their traffic counts"
        )
    lines.append(f"  journal        {status.journal}, {status.journal_bytes / 1e6:.1f} MB")
    if status.clock_offset_ms is not None:
        lines.append(f"  clock          {status.clock_offset_ms:+,} ms relative to the service")
    if status.last_error:
        plural = "" if status.failures == 1 else "s"
        lines.append(f"  last error     {status.last_error} ({status.failures} consecutive failure{plural})")
        lines.append(f"  next attempt   in {_format_duration(status.next_attempt_in_ms)}")
    if status.source_error:
        failed_at = status.source_error_since
        failing = (
            ""
            if failed_at is None
            else f"since {_format_time(failed_at)} ({_format_duration(max(0, now_ms - failed_at))}): "
        )
        lines.append(f"  media server   cannot be read {failing}{status.source_error}")
    return lines


def _format_ignored(ignored: IgnoredViewers) -> str:
    return f"{ignored.present:,} viewers now, {ignored.connections:,} connections"


def _format_state(found: FoundStatus) -> str:
    if not found.running:
        return "not running"
    if not found.is_current:
        return f"no status for {_format_duration(int(found.age_seconds * 1000))}"
    if found.status.journal_error:
        return "cannot write its journal"
    return "no reading yet" if found.was_never_read else found.status.phase


def load_statuses(journals: Iterable[Path]) -> list[FoundStatus]:
    """Return the statuses beside these journals. Journals without one are omitted."""
    return [
        FoundStatus(status, is_running(journal, status), status_age_seconds(journal, status))
        for journal in journals
        if (status := read_status(journal)) is not None
    ]


def format_json(statuses: list[FoundStatus]) -> str:
    """Return the statuses as a JSON list, each with the fields `running`, `current` and `healthy`."""
    return msgspec.json.format(
        msgspec.json.encode(
            [
                {
                    **msgspec.to_builtins(found.status),
                    "running": found.running,
                    "current": found.is_current,
                    "healthy": found.is_healthy,
                }
                for found in statuses
            ]
        ),
        indent=2,
    ).decode()


async def check_source(unit: AgentConfig, source: Source) -> str:
    """Read the media server once and return a summary. Raises `SourceError`.

    Where a running agent occupies the port for callbacks, its last reading is reported instead.
    """
    status = _status_of_running(unit.journal_path)
    if status is not None and getattr(unit.source, "notify_listen", None):
        if status.source_error:
            raise SourceError(status.source_error)
        return f"read by the running agent (process {status.pid}), last at {_format_time(status.last_reading_at)}"
    reading = await source.read(None)
    if reading.problem:
        raise SourceError(f"figures of this server are partial: {reading.problem}")
    precision = "exact" if reading.logs_ends else "known to one poll interval"
    counts = f"{len(reading.publishes)} publishing, {len(reading.viewers)} viewing"
    if reading.ignored is not None:
        counts += f" and {reading.ignored.present} ignored"
    return f"{counts}, boot {reading.boot}; session ends are {precision}"


def check_journal(path: Path) -> str:
    """Read all of an existing journal and return a summary. Raises `JournalError`."""
    if not path.exists():
        return f"{path} does not exist yet; the agent will create it"
    status = _status_of_running(path)
    if status is not None:
        return f"{path} is in use by the running agent (process {status.pid})"
    journal = SqliteJournal(path)
    try:
        journal.check()
        with journal.transaction() as tx:
            head = tx.head()
        if head is None:
            return f"{path} is intact and empty"
        return f"{path} is intact, revision {head.revision}, acknowledged {head.acknowledged}"
    finally:
        journal.close()


async def check_service(link: ServiceLink) -> str:
    """Request an epoch number from the service, which has no effect, and return a summary. Raises `RequestError`."""
    issued = await link.issue_epoch(EpochRequest(journal="check"))
    offset_ms = time.time_ns() // 1_000_000 - issued.now
    baseline = issued.baseline
    known = "no figures of this server" if baseline is None else f"figures up to {_format_time(baseline.at)}"
    return f"reachable, accepts this agent's token, has {known}; clock {offset_ms:+,} ms relative to it"


def _status_of_running(journal: Path) -> Status | None:
    status = read_status(journal)
    return status if status is not None and is_running(journal, status) else None


CHECK_ERRORS = (SourceError, JournalError, RequestError)


def describe_unit(config: AgentConfig) -> str:
    """Return what is checked, in one line."""
    return f"{config.server}, reporting to {config.service.url}"


def _format_time(at_ms: int | None) -> str:
    return "none" if at_ms is None else datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def _format_duration(length_ms: int) -> str:
    seconds = length_ms // 1000
    if seconds < 120:
        return f"{seconds}s"
    if seconds < 7200:
        return f"{seconds // 60}m"
    return f"{seconds // 3600}h" if seconds < 172_800 else f"{seconds // 86_400}d"
