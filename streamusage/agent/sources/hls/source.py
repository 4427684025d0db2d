"""HLS viewers by the access log of the HTTP server that serves the stream: there is nothing else to ask.

All figures are a fold over the log, so they come out alike whoever reads it. What is exact here and what is bounded
stands in docs/sources/hls.md.
"""

import contextlib
from pathlib import Path

import msgspec

from streamusage.agent.reading import EndedConnection, LogGoneError, Reading
from streamusage.agent.sources.common.cursors import JsonCursor
from streamusage.agent.sources.common.log_follower import LogPosition
from streamusage.agent.sources.common.log_reader import LogReader
from streamusage.agent.sources.hls.viewers import LOG_FORMAT, Request, Viewers, is_line, parse_line
from streamusage.core.clock import Clock
from streamusage.core.reasons import HLS_LOG_GONE, LINES_LOST


class HlsCursor(JsonCursor, frozen=True):
    """What the journal keeps for this source."""

    position: str = ""
    earlier: str = ""
    """A place from before which nobody can still watch: from there on, who watches can be worked out anew."""
    earlier_at: int = 0
    between: str = ""
    """The next such place, once enough time has passed."""
    between_at: int = 0

    def moved(self, position: LogPosition, at: int, idle_after_ms: int) -> "HlsCursor":
        """The cursor at a later place."""
        here = str(position)
        if not self.earlier:
            return HlsCursor(here, here, at, here, at)
        if at - self.between_at <= idle_after_ms:
            return msgspec.structs.replace(self, position=here)
        return HlsCursor(here, self.between, self.between_at, here, at)


class HlsSource:
    """An `agent.source.Source`."""

    def __init__(self, access_log: Path, idle_after_ms: int, clock: Clock) -> None:
        self._clock = clock
        self._idle_after_ms = idle_after_ms
        self._log = LogReader(access_log, clock)
        self._viewers = Viewers(idle_after_ms)
        self._viewers_at: LogPosition | None = None

    async def close(self) -> None:
        """Nothing is held open."""

    async def read(self, cursor: str | None) -> Reading:
        """As `Source.read`."""
        before = HlsCursor.parse(cursor)
        position = LogPosition.parse(before.position)
        told: list[EndedConnection] = []
        lost = False
        if position is None:
            self._viewers = Viewers(self._idle_after_ms)
            position = await self._log.end()
        else:
            if position != self._viewers_at:
                self._viewers = await self._viewers_before(before)
            read = await self._log.read(position)
            position, lost = read.position, read.lost
            told = self._viewers.fold(self._requests(read.lines))
        self._viewers_at = position
        at = max([self._clock.now_ms(), *(each.ended_at for each in told[-1:])])
        return Reading(
            at=at,
            boot="hls",
            started_at=0,
            audiences=self._viewers.audiences(at),
            ended=tuple(told),
            cursor=str(before.moved(position, at, self._idle_after_ms)),
            logs_ends=True,
            misses=HLS_LOG_GONE if not self._log.is_there else LINES_LOST if lost else "",
        )

    async def ended_between(self, from_cursor: str, to_cursor: str) -> tuple[EndedConnection, ...]:
        """As `Source.ended_between`."""
        start, end = HlsCursor.parse(from_cursor), HlsCursor.parse(to_cursor)
        viewers = await self._viewers_before(start)
        lines = await self._log.between(LogPosition.parse(start.position), LogPosition.parse(end.position))
        return tuple(viewers.fold(self._requests(lines)))

    async def _viewers_before(self, cursor: HlsCursor) -> Viewers:
        """Who watches at a place in the log, by what was asked for not long before, as far as that is still there."""
        viewers = Viewers(self._idle_after_ms)
        with contextlib.suppress(LogGoneError):
            lines = await self._log.between(LogPosition.parse(cursor.earlier), LogPosition.parse(cursor.position))
            viewers.fold(self._requests(lines))
        return viewers

    def _requests(self, lines: list[bytes]) -> list[Request]:
        self._log.unreadable(sum(not is_line(line) for line in lines), f"log_format streamtop {LOG_FORMAT!r}")
        return [request for line in lines if (request := parse_line(line)) is not None]
