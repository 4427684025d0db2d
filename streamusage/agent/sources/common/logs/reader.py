"""A followed log for a source: reads off the event loop, raises `SourceError`, and detects a log that is missing."""

import asyncio
import logging
from pathlib import Path
from typing import NamedTuple

from streamusage.agent.reading import LogAheadError, LogError, LogGoneError, SourceError
from streamusage.agent.sources.common.logs.follower import LogFollower, LogPosition
from streamusage.core.clock import Clock

LOG = logging.getLogger(__name__)

MISSING_AFTER_MS = 60_000
"""A rotation removes the log for a moment only; a log that is missing for longer is not relied on."""

MISSING_DETAIL = (
    "the log was not recreated after a rotation; until it exists, ends of sessions are derived from polling; make the "
    "media server reopen its logs"
)


class LogLines(NamedTuple):
    """Whole lines, and the position after them."""

    lines: list[bytes]
    position: LogPosition
    lost: bool
    """Whether lines before them were lost: they are gone and were never read."""
    written_at_ms: int | None
    """As `LogBatch.written_at_ms`."""
    more: bool
    """As `LogBatch.more`."""


class LogReader:
    """One log. The caller stores the position."""

    def __init__(
        self,
        path: Path,
        clock: Clock,
        setting: str = "access_log",
        remedy: str = "configure the media server to write it",
        *,
        is_required: bool = False,
    ) -> None:
        """`setting` is the log's key in the agent's configuration. `remedy` is the advice for a missing log.

        `is_required`: the source cannot do without the log.
        """
        self.path = path
        self._follower = LogFollower(path)
        self._clock = clock
        self._alternative = "" if is_required else f", or remove `{setting}` from the agent's configuration"
        self._remedy = remedy
        self._missing_since_ms: int | None = None
        self._missing_logged = False
        self._unreadable_logged = False

    async def end_position(self) -> LogPosition:
        """Return the position after the last whole line."""
        try:
            return await asyncio.to_thread(self._follower.end_position)
        except OSError as error:
            raise self._source_error(error) from None

    async def last_lines(self) -> list[bytes]:
        """Return the last whole lines, to detect the log's form."""
        try:
            return await asyncio.to_thread(self._follower.last_lines)
        except OSError as error:
            raise self._source_error(error) from None

    async def read_lines(self, position: LogPosition) -> LogLines:
        """Return the lines written since the position."""
        try:
            batch = await asyncio.to_thread(self._follower.read_lines, position)
        except OSError as error:
            raise self._source_error(error) from None
        if batch.found:
            self._missing_since_ms, self._missing_logged = None, False
        elif self._missing_since_ms is None:
            self._missing_since_ms = self._clock.elapsed_ms()
        return LogLines(batch.lines, batch.position, batch.lost, batch.written_at_ms, batch.more)

    async def lines_between(self, start: LogPosition | None, end: LogPosition | None) -> list[bytes]:
        """Return all lines between two positions.

        Raises `LogGoneError` if a position is None or its file is gone, `LogAheadError` if `start` is after `end`.
        """
        lines = None
        if start is not None and end is not None and start.is_after(end):
            raise LogAheadError(f"the log {self.path} was read further already")
        if start is not None and end is not None:
            try:
                lines = await asyncio.to_thread(self._follower.lines_between, start, end)
            except OSError as error:
                raise self._source_error(error) from None
        if lines is None:
            raise LogGoneError(f"the part of the log {self.path} for that time no longer exists")
        return lines

    @property
    def is_reliable(self) -> bool:
        """Whether the log exists, or is missing for a moment only. Logs a warning once when it is not."""
        if self._missing_since_ms is None or self._clock.elapsed_ms() - self._missing_since_ms < MISSING_AFTER_MS:
            return True
        if not self._missing_logged:
            self._missing_logged = True
            LOG.warning("log_missing path=%s detail='%s'", self.path, MISSING_DETAIL)
        return False

    @property
    def missing_text(self) -> str:
        """What an operator reads about a log that is missing for longer than a moment."""
        return f"log {self.path} is missing: {MISSING_DETAIL}"

    def warn_unreadable(self, line_count: int, expected_format: str) -> None:
        """Log once that some lines have an unknown format. Does nothing for a count of 0."""
        if line_count and not self._unreadable_logged:
            self._unreadable_logged = True
            LOG.warning(
                "log_lines_unreadable path=%s lines=%d detail='lines in an unknown format are skipped; expected: %s'",
                self.path,
                line_count,
                expected_format,
            )

    def _source_error(self, error: OSError) -> SourceError:
        if isinstance(error, FileNotFoundError):
            return LogError(f"log {self.path} not found; {self._remedy}{self._alternative}")
        return LogError(
            f"log {self.path} cannot be read ({error.strerror or error}); nothing is lost, reading continues where it "
            "stopped; give the agent's user permission to read the file and to enter its directory"
        )
