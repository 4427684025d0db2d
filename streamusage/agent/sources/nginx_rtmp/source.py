"""nginx with the RTMP module: its statistics page and, if configured, its access log or its callbacks.

The page is read before the log. nginx writes a connection's line at the moment in which the connection leaves the page,
so a viewer who is no longer on the page has its line in the same reading, except a viewer who left its stream and
stayed connected. docs/sources/nginx-rtmp.md lists what is exact and what is bounded.
"""

import logging
from pathlib import Path
from typing import NamedTuple, TypeVar

import httpx
import msgspec
from pydantic import model_validator

from streamusage.agent.config.sources import HttpUrl, ListenAddress, SourceSection, UserPath
from streamusage.agent.reading import EndedConnection, PublishReading, Reading, ViewerReading
from streamusage.agent.sources.common.callback_reader import CallbackReader, SessionEnds
from streamusage.agent.sources.common.callback_spool import CallbackSpool
from streamusage.agent.sources.common.kind import SourceContext, SourceKind
from streamusage.agent.sources.common.log_follower import LogPosition
from streamusage.agent.sources.common.log_reader import LogReader
from streamusage.agent.sources.common.sample_time import Instant
from streamusage.agent.sources.nginx_rtmp.access_log import LOG_FORMAT, parse_line
from streamusage.agent.sources.nginx_rtmp.callbacks import NginxOpenSessions
from streamusage.agent.sources.nginx_rtmp.page_reader import StatPageReader, WorkerBoot
from streamusage.core.clock import Clock, SystemClock
from streamusage.core.reasons import LINES_LOST, NGINX_NO_LOG

LOG = logging.getLogger(__name__)

_LOG_REMEDY = "set `access_log PATH streamtop;` with that path in the rtmp block of nginx.conf and reload nginx"


class NginxRtmpCursor(NamedTuple):
    """What the journal stores for this source: the boot of the last reading, and the position in log or spool."""

    boot: WorkerBoot | None
    position: LogPosition | None

    def __str__(self) -> str:
        return f"{self.boot or ''}|{self.position or ''}"

    @classmethod
    def parse(cls, text: str | None) -> "NginxRtmpCursor":
        """Return the cursor that `str` encoded; missing or invalid parts are None."""
        boot, _, position = (text or "").partition("|")
        return cls(WorkerBoot.parse(boot), LogPosition.parse(position))


Listed = TypeVar("Listed", PublishReading, ViewerReading)


def _add_age(listed: Listed, by_ms: int) -> Listed:
    """Return a listed connection as of the reading, `by_ms` later: its line was not in the log by then.

    The page was written at its first byte or earlier, so the sum is the least possible age.
    """
    return msgspec.structs.replace(listed, age_ms=listed.age_ms + by_ms)


class NginxRtmpConfig(SourceSection):
    """nginx with the RTMP module."""

    stat_url: HttpUrl
    access_log: UserPath | None = None
    """With it, the ends of sessions are exact."""
    notify_listen: ListenAddress | None = None
    """Listen address for nginx's callbacks, an alternative to a log that is on another machine."""
    spool: UserPath | None = None
    """File of received callbacks; default: beside the journal."""

    @model_validator(mode="after")
    def _reject_log_with_callbacks(self) -> "NginxRtmpConfig":
        if self.access_log is not None and self.notify_listen is not None:
            raise ValueError("access_log and notify_listen both report the ends of sessions; set only one of them")
        return self


class NginxRtmpSource:
    """A `streamusage.agent.reading.Source`. `close` closes only an HTTP client that the source created itself."""

    def __init__(
        self,
        stat_url: str,
        access_log: Path | None = None,
        clock: Clock | None = None,
        *,
        http: httpx.AsyncClient | None = None,
        timeout_seconds: float = 5.0,
        spool: CallbackSpool | None = None,
    ) -> None:
        self._clock = clock or SystemClock()
        self._page = StatPageReader(stat_url, self._clock, http, timeout_seconds)
        self._log = LogReader(access_log, self._clock, remedy=_LOG_REMEDY) if access_log else None
        self._callbacks = CallbackReader(spool, NginxOpenSessions) if spool else None
        self._log_has_ids = True

    async def read(self, cursor: str | None) -> Reading:
        """As `Source.read`."""
        before = NginxRtmpCursor.parse(cursor)
        if self._callbacks is not None:
            position = await self._callbacks.start(before.position)
            sample = await self._page.read_page(before.boot)
            at = Instant.take(self._clock)
            ends = await self._callbacks.read_ends(before.position, position)
        elif self._log is not None:
            position = before.position or await self._find_log_end(self._log)
            sample = await self._page.read_page(before.boot)
            # Before the log: who leaves while it is read is counted up to here, and the rest with the line.
            at = Instant.take(self._clock)
            ends = await self._read_log(self._log, position)
        else:
            sample = await self._page.read_page(before.boot)
            at = Instant.take(self._clock)
            ends = SessionEnds((), None, False, NGINX_NO_LOG)
        since_page_ms = at.elapsed_ms - sample.first_byte_ms
        return Reading(
            at=at.wall_ms,
            elapsed_ms=at.elapsed_ms,
            boot=str(sample.boot),
            started_at=(sample.boot.began_s + 1) * 1000,
            bytes_in=sample.page.bytes_in,
            bytes_out=sample.page.bytes_out,
            publishes=tuple(_add_age(publish, since_page_ms) for publish in sample.page.publishes),
            viewers=tuple(_add_age(viewer, since_page_ms) for viewer in sample.page.viewers),
            age_slack_ms=sample.slack_ms,
            ended=ends.ended,
            cursor=str(NginxRtmpCursor(sample.boot, ends.position)),
            logs_ends=ends.logs_ends,
            misses=ends.misses,
        )

    async def ended_between(self, from_cursor: str, to_cursor: str) -> tuple[EndedConnection, ...]:
        """As `Source.ended_between`."""
        start, end = NginxRtmpCursor.parse(from_cursor).position, NginxRtmpCursor.parse(to_cursor).position
        if self._callbacks is not None:
            return await self._callbacks.ends_between(start, end)
        if self._log is not None:
            return self._parse_lines(self._log, await self._log.lines_between(start, end))
        return ()

    async def close(self) -> None:
        """As `Source.close`."""
        if self._callbacks is not None:
            await self._callbacks.close()
        await self._page.close()

    async def _find_log_end(self, log: LogReader) -> LogPosition:
        """Return where to start in a log that was not read before. Its last line reveals whether it has ids."""
        position = await log.end_position()
        last_line = await log.last_line()
        if last_line is not None:
            self._parse_lines(log, [last_line])
        return position

    async def _read_log(self, log: LogReader, position: LogPosition) -> SessionEnds:
        batch = await log.read_lines(position)
        ended = self._parse_lines(log, batch.lines)
        logs_ends = self._log_has_ids and log.is_reliable
        misses = NGINX_NO_LOG if not logs_ends else LINES_LOST if batch.lost else ""
        return SessionEnds(ended, batch.position, logs_ends, misses)

    def _parse_lines(self, log: LogReader, lines: list[bytes]) -> tuple[EndedConnection, ...]:
        """Return the connections of lines with an id, by which they are matched with the page."""
        ended = []
        connections = [parse_line(line) for line in lines]
        for connection in connections:
            if connection is not None and connection.connection_id:
                self._log_has_ids = True
                ended.append(connection)
            elif connection is not None and self._log_has_ids:
                self._log_has_ids = False
                LOG.warning(
                    "log_without_ids path=%s detail='lines in the format `combined` have no connection id and are not "
                    "used; set in nginx.conf: log_format streamtop %s'",
                    log.path,
                    repr(LOG_FORMAT),
                )
        log.warn_unreadable(connections.count(None), f"log_format streamtop {LOG_FORMAT!r}")
        return tuple(ended)


def _create(config: NginxRtmpConfig, context: SourceContext) -> NginxRtmpSource:
    spool = (
        None if config.notify_listen is None else CallbackSpool(config.notify_listen, context.spool_path, SystemClock())
    )
    return NginxRtmpSource(
        config.stat_url, config.access_log, context.clock, timeout_seconds=config.timeout_seconds, spool=spool
    )


SOURCE = SourceKind(
    kind="nginx-rtmp",
    server="nginx with the RTMP module",
    viewers="exact with log or callbacks",
    traffic="exact",
    config=NginxRtmpConfig,
    create=_create,
)
