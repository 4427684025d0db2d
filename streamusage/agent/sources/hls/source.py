"""HLS viewers from the access log of the HTTP server that serves the stream: no other interface reports them.

All figures are a fold over the log, so every reader of the log computes the same ones. docs/sources/hls.md lists what
is exact and what is bounded.
"""

import contextlib
from pathlib import Path

import msgspec

from streamusage.access_logs.media_paths.layouts import classify
from streamusage.agent.reading import EndedConnection, LogGoneError, Reading
from streamusage.agent.sources.common.cursors import JsonCursor
from streamusage.agent.sources.common.kind import SourceContext, SourceKind
from streamusage.agent.sources.common.logs.follower import LogPosition
from streamusage.agent.sources.common.logs.reader import LogReader
from streamusage.agent.sources.common.logs.understood import UnderstoodLog
from streamusage.agent.sources.common.sample_time import Instant
from streamusage.agent.sources.hls.config import HlsConfig
from streamusage.agent.sources.hls.ignored_visits import IgnoredVisits
from streamusage.agent.sources.hls.log_lines import LOG_FORM, RequestParser
from streamusage.agent.sources.hls.requests import HlsRequest, RequestRules
from streamusage.agent.sources.hls.viewers import HlsViewers
from streamusage.core.clock import Clock
from streamusage.core.reasons import (
    HLS_INFERRED,
    HLS_LOG_GONE,
    HLS_LOG_NOT_OPENED,
    HLS_LOG_NOT_UNDERSTOOD,
    LOG_NOT_OPENED,
    LOG_NOT_UNDERSTOOD,
)

REMEMBERED_PAUSES = 2
"""How many times `idle_after` a viewer's requests are read again after a restart."""

_LOG_REASONS = {LOG_NOT_OPENED: HLS_LOG_NOT_OPENED, LOG_NOT_UNDERSTOOD: HLS_LOG_NOT_UNDERSTOOD}
"""This source has no counters beside the log."""


class HlsCursor(JsonCursor, frozen=True):
    """What the journal stores for this source: the position in the log, and two earlier ones.

    A viewer at `position` has a request after `earlier`, so the viewers can be computed anew from there.
    """

    position: str = ""
    earlier: str = ""
    earlier_at: int = 0
    between: str = ""
    """The next value of `earlier`, once a reading is more than the remembered time later."""
    between_at: int = 0
    between_elapsed_ms: int = -1
    """Elapsed time of `between`, which no step of a clock moves; -1 in a cursor of an earlier version."""
    starts: dict[str, int] = msgspec.field(default_factory=dict)
    """When each stream that is on air began to be watched, by a digest of its name."""

    def advance(self, position: LogPosition, now: Instant, remember_ms: int, starts: dict[str, int]) -> "HlsCursor":
        """Return the cursor at a later position."""
        return msgspec.structs.replace(self._advance(position, now, remember_ms), starts=starts)

    def _advance(self, position: LogPosition, now: Instant, remember_ms: int) -> "HlsCursor":
        text = str(position)
        if not self.earlier:
            return HlsCursor(text, text, now.wall_ms, text, now.wall_ms, now.elapsed_ms)
        since_ms = now.elapsed_ms - self.between_elapsed_ms
        if self.between_elapsed_ms < 0 or since_ms < 0:  # another run of the machine
            return msgspec.structs.replace(self, position=text, between_elapsed_ms=now.elapsed_ms)
        if since_ms <= remember_ms:
            return msgspec.structs.replace(self, position=text)
        return HlsCursor(text, self.between, self.between_at, text, now.wall_ms, now.elapsed_ms)


class HlsSource:
    """A `streamusage.agent.reading.Source`."""

    def __init__(self, access_log: Path, idle_after_ms: int, clock: Clock, parser: RequestParser | None = None) -> None:
        """`parser` applies the configured rules; the default has none of the operator's own."""
        self._clock = clock
        self._idle_after_ms = idle_after_ms
        parser = parser or RequestParser(RequestRules(classify))
        self._log: UnderstoodLog[HlsRequest] = UnderstoodLog(
            LogReader(access_log, clock, remedy="configure the web server to write it", is_required=True),
            clock,
            parser.parse_lines,
            LOG_FORM,
            HLS_LOG_GONE,
        )
        self._viewers = HlsViewers(idle_after_ms)
        self._viewers_position: LogPosition | None = None
        self._ignored = IgnoredVisits(idle_after_ms)

    async def close(self) -> None:
        """Do nothing: no file or connection is kept open."""

    async def read(self, cursor: str | None) -> Reading:
        """As `Source.read`."""
        before = HlsCursor.parse(cursor)
        stored = LogPosition.parse(before.position)
        start = await self._log.start(stored)
        if stored is None:
            self._viewers = HlsViewers(self._idle_after_ms)
        elif stored != self._viewers_position:
            self._viewers = await self._viewers_at(before)
        log = await self._log.read(start)
        entries = self._viewers.fold(log.values)
        self._ignored.add(log.values)
        self._viewers_position = log.position
        now = Instant.take(self._clock)
        misses = _LOG_REASONS.get(log.misses, log.misses)
        return Reading(
            at=now.wall_ms,
            elapsed_ms=now.elapsed_ms,
            boot="hls",
            started_at=0,
            stream_traffic="measured",
            audiences=self._viewers.audiences(now.wall_ms),
            ended=(*entries, *log.unreadable),
            publishes=self._viewers.runs.publishes(now.wall_ms),
            cursor=self._cursor(before, log.position, now) or cursor or "",
            logs_ends=True,
            misses=misses or (HLS_INFERRED if self._viewers.is_inferred else ""),
            problem=log.problem,
            log_lines=log.lines,
            unreadable_lines=log.unreadable_lines,
            ignored=self._ignored.count(now.wall_ms),
        )

    async def ended_between(self, from_cursor: str, to_cursor: str) -> tuple[EndedConnection, ...]:
        """As `Source.ended_between`."""
        start, end = HlsCursor.parse(from_cursor), HlsCursor.parse(to_cursor)
        await self._log.start(LogPosition.parse(end.position))  # detects the form of the log
        viewers = await self._viewers_at(start)
        requests, unreadable = await self._log.read_between(
            LogPosition.parse(start.position), LogPosition.parse(end.position)
        )
        return (*viewers.fold(requests), *unreadable)

    def _cursor(self, before: HlsCursor, position: LogPosition | None, now: Instant) -> str:
        """Return the cursor after a reading; empty where the log was never opened."""
        if position is None:
            return ""
        remember_ms = self._idle_after_ms * REMEMBERED_PAUSES
        return str(before.advance(position, now, remember_ms, self._viewers.runs.starts()))

    async def _viewers_at(self, cursor: HlsCursor) -> HlsViewers:
        """Return the viewers at a cursor, computed from the lines before it as far as the log still has them."""
        viewers = HlsViewers(self._idle_after_ms)
        with contextlib.suppress(LogGoneError):
            requests, _ = await self._log.read_between(
                LogPosition.parse(cursor.earlier), LogPosition.parse(cursor.position)
            )
            viewers.fold(requests)
        viewers.runs.restore_starts(cursor.starts)
        return viewers


def _create(config: HlsConfig, context: SourceContext) -> HlsSource:
    parser = RequestParser(config.request_rules(), config.log_format)
    return HlsSource(config.access_log, config.idle_after_ms, context.clock, parser)


SOURCE = SourceKind(
    kind="hls",
    server="any HTTP server that serves HLS or DASH",
    viewers="exact with session ids, else a lower bound",
    traffic="exact",
    config=HlsConfig,
    create=_create,
    stream_traffic="measured",
)
