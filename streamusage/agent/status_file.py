"""What an agent tells of itself: a small file beside its journal, written anew now and then, read by `agent status`.

The journal itself is locked by the running agent; this file is for whoever asks. It holds no token.
"""

import contextlib
import os
import time
from pathlib import Path

import msgspec

from streamusage.agent.journal.folding import FOLD_AFTER_MS, QUARTER_MS
from streamusage.agent.journal.ledger import Ledger
from streamusage.agent.journal.rows import JournalTotals
from streamusage.agent.sync.schedule import SyncUp
from streamusage.api.report import AgentPhase

FORGOTTEN_AFTER_SECONDS = 30.0
"""A status that was not written for so long is one of an agent that does not run, or hangs."""


class Owed(msgspec.Struct, frozen=True, kw_only=True):
    """What was counted and the service has not acknowledged."""

    connections: int
    bytes_in: int
    bytes_out: int
    view_time_ms: int
    oldest_minute: int | None
    """The beginning of the oldest slot of it, UTC milliseconds."""
    folds_at: int | None
    """When its oldest samples are folded to quarters of an hour; the figures themselves are never folded."""


class Status(msgspec.Struct, frozen=True, kw_only=True):
    """One agent at one instant. Times are UTC milliseconds by the agent's clock."""

    server: str
    pid: int
    written_at: int
    phase: AgentPhase
    phase_since: int
    failures: int
    next_attempt_in_ms: int
    last_error: str
    source_error: str
    last_reading_at: int | None
    owed: Owed
    epoch: int
    revision: int
    acknowledged: int
    journal: str
    journal_bytes: int
    clock_offset_ms: int | None
    """The agent's clock less the service's at the last reply; `None` before one."""


def status_path(journal: Path) -> Path:
    """Where the agent of a journal puts its status."""
    return journal.with_name(journal.name + ".status")


def owed_by(ledger: Ledger) -> Owed:
    """What a ledger has to hand over."""
    totals: JournalTotals = ledger.head.counted - ledger.head.handed_over
    oldest = ledger.oldest_owed_ms()
    return Owed(
        connections=totals.connections,
        bytes_in=totals.bytes_in,
        bytes_out=totals.bytes_out,
        view_time_ms=totals.view_time_ms,
        oldest_minute=oldest,
        folds_at=None if oldest is None else oldest // QUARTER_MS * QUARTER_MS + QUARTER_MS + FOLD_AFTER_MS,
    )


class StatusFile:
    """Writes one agent's status, not more often than it is worth."""

    def __init__(self, server: str, journal: Path, every_ms: int = 2_000) -> None:
        self._server = server
        self._journal = journal
        self._every_ms = every_ms
        self._written_at_elapsed_ms: int | None = None
        self._phase: AgentPhase | None = None
        self._phase_since = 0
        self.last: Status | None = None
        """What was written last; `None` before that, and once the server is not watched any more."""

    def write(
        self,
        ledger: Ledger,
        sync_up: SyncUp,
        source_error: str,
        clock_offset_ms: int | None,
        now_ms: int,
        elapsed_ms: int,
    ) -> None:
        """Writes the status if it is due. A directory that cannot be written costs the status, not the counting."""
        if sync_up.phase != self._phase:
            self._phase, self._phase_since = sync_up.phase, now_ms
        elif self._written_at_elapsed_ms is not None and elapsed_ms - self._written_at_elapsed_ms < self._every_ms:
            return
        self._written_at_elapsed_ms = elapsed_ms
        baseline = ledger.head.baseline
        status = Status(
            server=self._server,
            pid=os.getpid(),
            written_at=now_ms,
            phase=sync_up.phase,
            phase_since=self._phase_since,
            failures=sync_up.failures,
            next_attempt_in_ms=max(0, sync_up.due_ms - elapsed_ms),
            last_error=sync_up.last_error,
            source_error=source_error,
            last_reading_at=None if baseline is None else baseline.at,
            owed=owed_by(ledger),
            epoch=ledger.head.epoch,
            revision=ledger.head.revision,
            acknowledged=ledger.head.acknowledged,
            journal=str(self._journal),
            journal_bytes=_size(self._journal),
            clock_offset_ms=clock_offset_ms,
        )
        self.last = status
        _replace(status_path(self._journal), msgspec.json.encode(status))


def read_status(journal: Path) -> Status | None:
    """The status beside a journal; `None` where there is none that can be read."""
    try:
        return msgspec.json.decode(status_path(journal).read_bytes(), type=Status)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError):
        return None


def is_running(journal: Path, status: Status) -> bool:
    """Whether the agent that wrote the status of a journal still runs: its process is there and it wrote lately.

    By the file's own time, since the agent's clock is the service's and the machine's may be another.
    """
    try:
        written_s_ago = time.time() - status_path(journal).stat().st_mtime
        if written_s_ago > FORGOTTEN_AFTER_SECONDS:
            return False
        os.kill(status.pid, 0)
    except PermissionError:
        return True
    except OSError:
        return False
    return True


def _size(journal: Path) -> int:
    paths = (journal.with_name(journal.name + suffix) for suffix in ("", "-wal"))
    return sum(path.stat().st_size for path in paths if path.exists())


def _replace(path: Path, content: bytes) -> None:
    new = path.with_name(path.name + ".new")
    with contextlib.suppress(OSError):
        new.write_bytes(content)
        new.chmod(0o644)
        new.replace(path)
