"""A followed log as a source uses it: off the loop, its faults as `SourceError`, its absence noticed."""

import asyncio
import logging
from pathlib import Path
from typing import NamedTuple

from streamusage.agent.reading import LogGoneError, SourceError
from streamusage.agent.sources.common.log_follower import LogFollower, LogPosition
from streamusage.core.clock import Clock

LOG = logging.getLogger(__name__)

MISSING_AFTER_MS = 60_000
"""A rotation leaves no log for a moment; for longer than this nobody may rely on it."""


class Lines(NamedTuple):
    """Whole lines, and the position after them."""

    lines: list[bytes]
    position: LogPosition
    lost: bool
    """Whether lines before them are gone that nobody read."""


class LogReader:
    """One log. The position is the caller's to keep."""

    def __init__(
        self,
        path: Path,
        clock: Clock,
        setting: str = "access_log",
        to_have_it: str = "let the media server write it",
    ) -> None:
        """`setting` is the log's key in the agent's configuration, `to_have_it` what an operator does for the log."""
        self.follower = LogFollower(path)
        self._clock = clock
        self._setting = setting
        self._to_have_it = to_have_it
        self._missing_since: int | None = None
        self._missing_told = False
        self._unreadable_told = False

    async def end(self) -> LogPosition:
        """The position after the last whole line."""
        try:
            return await asyncio.to_thread(self.follower.end)
        except OSError as error:
            raise self._error(error) from None

    async def last_line(self) -> bytes | None:
        """The last whole line, for a look at its format; `None` where there is none."""
        try:
            return await asyncio.to_thread(self.follower.last_line)
        except OSError as error:
            raise self._error(error) from None

    async def read(self, position: LogPosition) -> Lines:
        """The lines written since."""
        try:
            batch = await asyncio.to_thread(self.follower.read, position)
        except OSError as error:
            raise self._error(error) from None
        if batch.found:
            self._missing_since, self._missing_told = None, False
        elif self._missing_since is None:
            self._missing_since = self._clock.elapsed_ms()
        return Lines(batch.lines, batch.position, batch.lost)

    async def between(self, start: LogPosition | None, end: LogPosition | None) -> list[bytes]:
        """All lines between two positions. Raises `LogGoneError` where a position is unknown or its file is gone."""
        lines = None
        if start is not None and end is not None:
            try:
                lines = await asyncio.to_thread(self.follower.between, start, end)
            except OSError as error:
                raise self._error(error) from None
        if lines is None:
            raise LogGoneError(f"the log {self.follower.path} of that time is not there any more")
        return lines

    @property
    def is_there(self) -> bool:
        """Whether the log can be relied on; says once when it cannot."""
        if self._missing_since is None or self._clock.elapsed_ms() - self._missing_since < MISSING_AFTER_MS:
            return True
        if not self._missing_told:
            self._missing_told = True
            LOG.warning(
                "log_missing path=%s detail='it was not put back after a rotation; ends of sessions are taken from "
                "polling until it is there: let the media server open its logs anew'",
                self.follower.path,
            )
        return False

    def unreadable(self, lines: int, wanted: str) -> None:
        """Says once that there are lines in no known form."""
        if lines and not self._unreadable_told:
            self._unreadable_told = True
            LOG.warning(
                "log_lines_unreadable path=%s lines=%d detail='they are passed over, now and later; wanted: %s'",
                self.follower.path,
                lines,
                wanted,
            )

    def _error(self, error: OSError) -> SourceError:
        path = self.follower.path
        if isinstance(error, FileNotFoundError):
            return SourceError(
                f"the log {path} is not there: {self._to_have_it}, or take `{self._setting}` out of the agent's "
                "configuration"
            )
        return SourceError(
            f"the log {path} cannot be read ({error.strerror or error}); the agent's user needs to read it and to "
            "enter its directory. Nothing is lost meanwhile: it is read from where it was left"
        )
