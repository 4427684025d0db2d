"""Status file of an agent: a small file beside its journal, rewritten every two seconds and read by `agent status`.

The running agent locks the journal itself; other programs read this file. It contains no token.

The file has a fixed length, so that a status can be written on a full disk: there it replaces the content in place. A
disk where even this fails leaves an old status, which readers recognize by its age.
"""

import os
import time
from contextlib import suppress
from pathlib import Path

import msgspec

from streamusage.agent.activity import AgentActivity
from streamusage.agent.journal.folding import FOLD_AFTER_MS, QUARTER_MS
from streamusage.agent.journal.ledger import Ledger
from streamusage.agent.journal.rows import JournalTotals
from streamusage.agent.journal.sqlite import JournalError
from streamusage.agent.reading import IgnoredViewers
from streamusage.agent.sync.schedule import SyncSchedule
from streamusage.api.report import AgentPhase
from streamusage.core.atomic_file import write_atomically
from streamusage.core.clock import SystemClock, boot_id

CURRENT_SECONDS = 10.0
"""A status that is older says nothing about the present: the agent does not run, hangs, or cannot write."""

STALE_AFTER_SECONDS = 30.0
"""A status that is older belongs to an agent that does not run, where a process cannot be identified beyond its id."""

READ_ATTEMPTS = 3
READ_PAUSE_SECONDS = 0.05

BLOCK_BYTES = 4096
"""The file is filled with spaces to a multiple of this."""


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
    journal_error: str = ""
    """Why the last reading could not be written to the journal; empty if it was written."""
    journal_error_since: int | None = None
    """Since when no reading could be written."""
    process: str = ""
    """Identity of the process beyond its id; empty where the platform has none."""
    source_error_since: int | None = None
    """Since when no reading was possible; `None` while the media server can be read."""
    ignored: IgnoredViewers | None = None
    """Viewers that the setting `ignore` leaves out; `None` without it."""
    unacknowledged_rows: int = 0
    """Rows of the journal that the service has not acknowledged."""
    elapsed_ms: int = 0
    """Elapsed time of the machine when this was written, comparable within the boot that `process` names."""


def status_path(journal: Path) -> Path:
    """Return the path of the status file that belongs to a journal."""
    return journal.with_name(journal.name + ".status")


def owed_figures(ledger: Ledger, machine_offset_ms: int = 0) -> Owed:
    """Return the figures that the service has not acknowledged. `machine_offset_ms` is the machine's wall time minus
    its elapsed time, for figures whose time of day is not known yet.
    """
    totals: JournalTotals = ledger.head.counted - ledger.head.handed_over
    oldest = ledger.oldest_unacknowledged_slot()
    if oldest is not None:
        oldest = ledger.shown_time(oldest, machine_offset_ms)
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
        self.server = server
        self._journal = journal
        self._every_ms = every_ms
        self._written_at_elapsed_ms: int | None = None
        self._phase: AgentPhase | None = None
        self._phase_since = 0
        self._journal_error = ""
        self._journal_error_since: int | None = None
        self._rows = 0
        self.activity = AgentActivity()
        self._owed = Owed(connections=0, bytes_in=0, bytes_out=0, view_time_ms=0, oldest_minute=None, folds_at=None)
        self._process = _identify_process(os.getpid())
        self.last: Status | None = None
        """The last status written; `None` before the first, and after the agent has ended."""
        self.without_status = "starting"
        """The state of the agent where it has no `last`."""

    def record_journal_error(self, error: str, now_ms: int) -> None:
        """Show in the next status that a reading could not be written to the journal."""
        if not self._journal_error:
            self._journal_error_since = now_ms
            self._written_at_elapsed_ms = None
        self._journal_error = error

    def record_journal_written(self) -> None:
        """Show in the next status that the journal can be written."""
        if self._journal_error:
            self._written_at_elapsed_ms = None
        self._journal_error, self._journal_error_since = "", None

    def write(
        self,
        ledger: Ledger,
        schedule: SyncSchedule,
        source_error: str,
        clock_offset_ms: int | None,
        now_ms: int,
        elapsed_ms: int,
        source_failed_since_ms: int | None = None,
        ignored: IgnoredViewers | None = None,
    ) -> None:
        """Write the status if it is due. Where the file is not writable, only the status is lost.

        While the journal cannot be read, the status has the last known figures. `source_failed_since_ms` is the
        elapsed time of the first failed reading.
        """
        if schedule.phase != self._phase:
            self._phase, self._phase_since = schedule.phase, now_ms
        elif self._written_at_elapsed_ms is not None and elapsed_ms - self._written_at_elapsed_ms < self._every_ms:
            return
        self._written_at_elapsed_ms = elapsed_ms
        with suppress(JournalError):
            self._owed = owed_figures(ledger, now_ms - elapsed_ms)
            self._rows = ledger.count_unacknowledged()
        baseline = ledger.head.baseline
        status = Status(
            server=self.server,
            pid=os.getpid(),
            written_at=now_ms,
            phase=schedule.phase,
            phase_since=self._phase_since,
            failures=schedule.failures,
            next_attempt_in_ms=max(0, schedule.due_ms - elapsed_ms),
            last_error=schedule.last_error,
            source_error=source_error,
            ignored=ignored,
            source_error_since=(
                None if source_failed_since_ms is None else now_ms - elapsed_ms + source_failed_since_ms
            ),
            last_reading_at=None if baseline is None else ledger.shown_time(baseline.at, now_ms - elapsed_ms),
            owed=self._owed,
            epoch=ledger.head.epoch,
            revision=ledger.head.revision,
            acknowledged=ledger.head.acknowledged,
            journal=str(self._journal),
            journal_bytes=_size(self._journal),
            clock_offset_ms=clock_offset_ms,
            journal_error=self._journal_error,
            journal_error_since=self._journal_error_since,
            process=self._process,
            unacknowledged_rows=self._rows,
            elapsed_ms=SystemClock().elapsed_ms(),
        )
        self.last = status
        with suppress(OSError):
            _write(status_path(self._journal), msgspec.json.encode(status))


def read_status(journal: Path) -> Status | None:
    """Return the status beside a journal; `None` where there is no readable one."""
    for _ in range(READ_ATTEMPTS):
        try:
            return msgspec.json.decode(status_path(journal).read_bytes(), type=Status)
        except OSError:
            return None
        except (msgspec.DecodeError, UnicodeDecodeError):
            time.sleep(READ_PAUSE_SECONDS)  # it may be replaced in place at this moment
    return None


def is_running(journal: Path, status: Status) -> bool:
    """Return whether the process that wrote a status still runs. It may hang, or be unable to write its status.

    Where a process cannot be identified beyond its id, a status that is too old belongs to another process.
    """
    if status.process:
        return _identify_process(status.pid) == status.process
    if status_age_seconds(journal, status) > STALE_AFTER_SECONDS:
        return False
    try:
        os.kill(status.pid, 0)
    except PermissionError:
        return True
    except OSError:
        return False
    return True


def status_age_seconds(journal: Path, status: Status) -> float:
    """Return how long ago a status was written, in elapsed time if it is of this boot, else by the age of its file."""
    boot = boot_id()
    if boot and status.process.partition("/")[0] == boot:
        return max(0, SystemClock().elapsed_ms() - status.elapsed_ms) / 1000
    try:
        return time.time() - status_path(journal).stat().st_mtime
    except OSError:
        return float("inf")


def _identify_process(pid: int) -> str:
    """Return boot id and start of a process, which no other process has; empty where it is not known or not running."""
    boot = boot_id()
    try:
        # The name of the program is in parentheses and may contain spaces; the start is the 20th field after it.
        fields = Path(f"/proc/{pid}/stat").read_text("utf-8", "replace").rpartition(")")[2].split()
        return f"{boot}/{fields[19]}" if boot else ""
    except (OSError, IndexError):
        return ""


def _write(path: Path, content: bytes) -> None:
    """Replace the content of the file; on a full disk, in place. Raises `OSError` if neither is possible."""
    content = content.ljust(-(-len(content) // BLOCK_BYTES) * BLOCK_BYTES)
    try:
        write_atomically(path, content, sync=False)
    except OSError:
        with path.open("r+b", buffering=0) as file:
            file.write(content.ljust(os.fstat(file.fileno()).st_size))


def _size(journal: Path) -> int:
    paths = (journal.with_name(journal.name + suffix) for suffix in ("", "-wal"))
    return sum(path.stat().st_size for path in paths if path.exists())
