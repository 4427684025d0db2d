"""HLS viewers from the access log of the HTTP server that serves the stream: no other interface reports them.

All figures are a fold over the log, so every reader of the log computes the same ones. docs/sources/hls.md lists what
is exact and what is bounded.
"""

import contextlib
from pathlib import Path
from typing import Annotated

import msgspec
from pydantic import Field

from streamusage.agent.config.sources import SourceSection, UserPath, duration_between
from streamusage.agent.reading import EndedConnection, LogGoneError, Reading
from streamusage.agent.sources.common.cursors import JsonCursor
from streamusage.agent.sources.common.kind import SourceContext, SourceKind
from streamusage.agent.sources.common.log_follower import LogPosition
from streamusage.agent.sources.common.log_reader import LogReader
from streamusage.agent.sources.common.sample_time import Instant
from streamusage.agent.sources.hls.viewers import LOG_FORMAT, HlsRequest, HlsViewers, has_log_format, parse_line
from streamusage.core.clock import Clock
from streamusage.core.reasons import HLS_LOG_GONE, LINES_LOST


class HlsCursor(JsonCursor, frozen=True):
    """What the journal stores for this source: the position in the log, and two earlier ones.

    A viewer at `position` has a request after `earlier`, so the viewers can be computed anew from there.
    """

    position: str = ""
    earlier: str = ""
    earlier_at: int = 0
    between: str = ""
    """The next value of `earlier`, once a reading is more than `idle_after` later."""
    between_at: int = 0

    def advance(self, position: LogPosition, at: int, idle_after_ms: int) -> "HlsCursor":
        """Return the cursor at a later position."""
        text = str(position)
        if not self.earlier:
            return HlsCursor(text, text, at, text, at)
        if at - self.between_at <= idle_after_ms:
            return msgspec.structs.replace(self, position=text)
        return HlsCursor(text, self.between, self.between_at, text, at)


class HlsConfig(SourceSection):
    """HLS viewers, from the access log of the HTTP server that serves the playlists."""

    access_log: UserPath
    idle_after_ms: Annotated[int, duration_between("2s", "10m"), Field(alias="idle_after")] = 30_000
    """A viewer without a request for longer than this has left."""


class HlsSource:
    """A `streamusage.agent.reading.Source`."""

    def __init__(self, access_log: Path, idle_after_ms: int, clock: Clock) -> None:
        self._clock = clock
        self._idle_after_ms = idle_after_ms
        self._log = LogReader(access_log, clock)
        self._viewers = HlsViewers(idle_after_ms)
        self._viewers_position: LogPosition | None = None

    async def close(self) -> None:
        """Do nothing: no file or connection is kept open."""

    async def read(self, cursor: str | None) -> Reading:
        """As `Source.read`."""
        before = HlsCursor.parse(cursor)
        position = LogPosition.parse(before.position)
        entries: list[EndedConnection] = []
        lost = False
        if position is None:
            self._viewers = HlsViewers(self._idle_after_ms)
            position = await self._log.end_position()
        else:
            if position != self._viewers_position:
                self._viewers = await self._viewers_at(before)
            batch = await self._log.read_lines(position)
            position, lost = batch.position, batch.lost
            entries = self._viewers.fold(self._parse_requests(batch.lines))
        self._viewers_position = position
        now = Instant.take(self._clock)
        at = now.wall_ms
        return Reading(
            at=at,
            elapsed_ms=now.elapsed_ms,
            boot="hls",
            started_at=0,
            audiences=self._viewers.audiences(at),
            ended=tuple(entries),
            cursor=str(before.advance(position, at, self._idle_after_ms)),
            logs_ends=True,
            misses=HLS_LOG_GONE if not self._log.is_reliable else LINES_LOST if lost else "",
        )

    async def ended_between(self, from_cursor: str, to_cursor: str) -> tuple[EndedConnection, ...]:
        """As `Source.ended_between`."""
        start, end = HlsCursor.parse(from_cursor), HlsCursor.parse(to_cursor)
        viewers = await self._viewers_at(start)
        lines = await self._log.lines_between(LogPosition.parse(start.position), LogPosition.parse(end.position))
        return tuple(viewers.fold(self._parse_requests(lines)))

    async def _viewers_at(self, cursor: HlsCursor) -> HlsViewers:
        """Return the viewers at a cursor, computed from the lines before it as far as the log still has them."""
        viewers = HlsViewers(self._idle_after_ms)
        with contextlib.suppress(LogGoneError):
            lines = await self._log.lines_between(LogPosition.parse(cursor.earlier), LogPosition.parse(cursor.position))
            viewers.fold(self._parse_requests(lines))
        return viewers

    def _parse_requests(self, lines: list[bytes]) -> list[HlsRequest]:
        unreadable = sum(not has_log_format(line) for line in lines)
        self._log.warn_unreadable(unreadable, f"log_format streamtop {LOG_FORMAT!r}")
        return [request for line in lines if (request := parse_line(line)) is not None]


def _create(config: HlsConfig, context: SourceContext) -> HlsSource:
    return HlsSource(config.access_log, config.idle_after_ms, context.clock)


SOURCE = SourceKind(
    kind="hls",
    server="any HTTP server that serves HLS",
    viewers="inferred from requests",
    traffic="exact",
    config=HlsConfig,
    create=_create,
)
