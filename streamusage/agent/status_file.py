"""Status file of an agent: a small file beside its journal, rewritten every two seconds and read by `agent status`.

The running agent locks the journal itself; other programs read this file. It contains no token.
"""

import contextlib
import os
import time
from pathlib import Path

import msgspec

from streamusage.agent.journal.folding import FOLD_AFTER_MS, QUARTER_MS
from streamusage.agent.journal.ledger import Ledger
from streamusage.agent.journal.rows import JournalTotals
from streamusage.agent.sync.schedule import SyncSchedule
from streamusage.api.report import AgentPhase
from streamusage.core.atomic_file import write_atomically

STALE_AFTER_SECONDS = 30.0
"""A status that is older belongs to an agent that does not run, or hangs."""


class Owed(msgspec.Struct, frozen=True, kw_only=True):
    """Figures that are counted but not acknowledged by the service."""

    connections: int
    bytes_in: int
    bytes_out: int
    view_time_ms: int
    oldest_minute: int | None
    """Start of the oldest unacknowledged slot, UTC milliseconds."""
    folds_at: int | None
    """When the oldest samples are folded to quarters of an hour; the figures themselves are never folded."""


class Status(msgspec.Struct, frozen=True, kw_only=True):
    """State of one agent at one instant. Times are UTC milliseconds of the agent's clock."""

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
    """The agent's clock minus the service's at the last reply; `None` before the first reply."""


def status_path(journal: Path) -> Path:
    """Return the path of the status file that belongs to a journal."""
    return journal.with_name(journal.name + ".status")


def owed_figures(ledger: Ledger) -> Owed:
    """Return the figures that the service has not acknowledged."""
    totals: JournalTotals = ledger.head.counted - ledger.head.handed_over
    oldest = ledger.oldest_unacknowledged_slot()
    return Owed(
        connections=totals.connections,
        bytes_in=totals.bytes_in,
        bytes_out=totals.bytes_out,
        view_time_ms=totals.view_time_ms,
        oldest_minute=oldest,
        folds_at=None if oldest is None else oldest // QUARTER_MS * QUARTER_MS + QUARTER_MS + FOLD_AFTER_MS,
    )


class StatusFile:
    """Writes the status of one agent at a limited rate."""

    def __init__(self, server: str, journal: Path, every_ms: int = 2_000) -> None:
        self._server = server
        self._journal = journal
        self._every_ms = every_ms
        self._written_at_elapsed_ms: int | None = None
        self._phase: AgentPhase | None = None
        self._phase_since = 0
        self.last: Status | None = None
        """The last status written; `None` before the first, and after the agent has ended."""

    def write(
        self,
        ledger: Ledger,
        schedule: SyncSchedule,
        source_error: str,
        clock_offset_ms: int | None,
        now_ms: int,
        elapsed_ms: int,
    ) -> None:
        """Write the status if it is due. Where the directory is not writable, only the status is lost."""
        if schedule.phase != self._phase:
            self._phase, self._phase_since = schedule.phase, now_ms
        elif self._written_at_elapsed_ms is not None and elapsed_ms - self._written_at_elapsed_ms < self._every_ms:
            return
        self._written_at_elapsed_ms = elapsed_ms
        baseline = ledger.head.baseline
        status = Status(
            server=self._server,
            pid=os.getpid(),
            written_at=now_ms,
            phase=schedule.phase,
            phase_since=self._phase_since,
            failures=schedule.failures,
            next_attempt_in_ms=max(0, schedule.due_ms - elapsed_ms),
            last_error=schedule.last_error,
            source_error=source_error,
            last_reading_at=None if baseline is None else baseline.at,
            owed=owed_figures(ledger),
            epoch=ledger.head.epoch,
            revision=ledger.head.revision,
            acknowledged=ledger.head.acknowledged,
            journal=str(self._journal),
            journal_bytes=_size(self._journal),
            clock_offset_ms=clock_offset_ms,
        )
        self.last = status
        with contextlib.suppress(OSError):
            write_atomically(status_path(self._journal), msgspec.json.encode(status), sync=False)


def read_status(journal: Path) -> Status | None:
    """Return the status beside a journal; `None` where there is no readable one."""
    try:
        return msgspec.json.decode(status_path(journal).read_bytes(), type=Status)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError):
        return None


def is_running(journal: Path, status: Status) -> bool:
    """Return whether the agent of a status still runs: its process exists, and the file was written recently.

    The age is that of the file, because the agent's clock follows the service and may differ from the machine's.
    """
    try:
        age_seconds = time.time() - status_path(journal).stat().st_mtime
        if age_seconds > STALE_AFTER_SECONDS:
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
