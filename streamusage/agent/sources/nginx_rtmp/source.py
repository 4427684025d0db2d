"""nginx with the RTMP module, read by its statistics page and, where it is given, its access log.

The page is read first and the log after it: a connection's line is written in the very moment in which it leaves the
page, so a viewer who is gone from the page has its line in the same reading, unless it left its stream and stayed
connected. What is exact here and what is bounded stands in docs/sources/nginx-rtmp.md.
"""

import logging
from pathlib import Path
from typing import NamedTuple, TypeVar

import httpx
import msgspec

from streamusage.agent.reading import EndedConnection, PublishReading, Reading, ViewerReading
from streamusage.agent.sources.common.callback_spool import HookSpool
from streamusage.agent.sources.common.callbacks import Callbacks, Told
from streamusage.agent.sources.common.log_follower import LogPosition
from streamusage.agent.sources.common.log_reader import LogReader
from streamusage.agent.sources.nginx_rtmp.access_log import LOG_FORMAT, parse_line
from streamusage.agent.sources.nginx_rtmp.callbacks import NginxOpenSessions
from streamusage.agent.sources.nginx_rtmp.page import Boot, NginxPage
from streamusage.core.clock import Clock, SystemClock
from streamusage.core.reasons import LINES_LOST, NGINX_NO_LOG

LOG = logging.getLogger(__name__)

_TO_HAVE_IT = "set `access_log PATH streamtop;` with that path in the rtmp block of nginx.conf and reload nginx"


class NginxRtmpCursor(NamedTuple):
    """What the journal keeps for this source: the boot that was read last, and the place in the log."""

    boot: Boot | None
    position: LogPosition | None

    def __str__(self) -> str:
        return f"{self.boot or ''}|{self.position or ''}"

    @classmethod
    def parse(cls, text: str | None) -> "NginxRtmpCursor":
        boot, _, position = (text or "").partition("|")
        return cls(Boot.parse(boot), LogPosition.parse(position))


Seen = TypeVar("Seen", PublishReading, ViewerReading)


def _older(seen: Seen, by_ms: int) -> Seen:
    """A connection that is still there this much later: its line was not in the log by then."""
    return msgspec.structs.replace(seen, age_ms=seen.age_ms + by_ms)


class NginxRtmpSource:
    """An `agent.source.Source`. `close` it when done; it closes only an HTTP client that it made itself."""

    def __init__(
        self,
        stat_url: str,
        access_log: Path | None = None,
        clock: Clock | None = None,
        *,
        http: httpx.AsyncClient | None = None,
        timeout_seconds: float = 5.0,
        callbacks: HookSpool | None = None,
    ) -> None:
        self._clock = clock or SystemClock()
        self._page = NginxPage(stat_url, self._clock, http, timeout_seconds)
        self._log = LogReader(access_log, self._clock, to_have_it=_TO_HAVE_IT) if access_log else None
        self._callbacks = Callbacks(callbacks, NginxOpenSessions) if callbacks else None
        self._joinable = True

    async def read(self, cursor: str | None) -> Reading:
        """As `Source.read`."""
        before = NginxRtmpCursor.parse(cursor)
        if self._callbacks is not None:
            position = await self._callbacks.start(before.position)
            sample = await self._page.read(before.boot)
            told = await self._callbacks.read(before.position, position)
        elif self._log is not None:
            position = before.position or await self._end_of_log(self._log)
            sample = await self._page.read(before.boot)
            told = await self._read_log(self._log, position)
        else:
            sample = await self._page.read(before.boot)
            told = Told((), None, False, NGINX_NO_LOG)
        at = max(sample.at, self._clock.now_ms())
        return Reading(
            at=at,
            boot=str(sample.boot),
            started_at=(sample.boot.began_s + 1) * 1000,
            bytes_in=sample.page.bytes_in,
            bytes_out=sample.page.bytes_out,
            publishes=tuple(_older(publish, at - sample.at) for publish in sample.page.publishes),
            viewers=tuple(_older(viewer, at - sample.at) for viewer in sample.page.viewers),
            ended=told.ended,
            cursor=str(NginxRtmpCursor(sample.boot, told.position)),
            logs_ends=told.logs_ends,
            misses=told.misses,
        )

    async def ended_between(self, from_cursor: str, to_cursor: str) -> tuple[EndedConnection, ...]:
        """As `Source.ended_between`."""
        start, end = NginxRtmpCursor.parse(from_cursor).position, NginxRtmpCursor.parse(to_cursor).position
        if self._callbacks is not None:
            return await self._callbacks.between(start, end)
        if self._log is not None:
            return self._parse(await self._log.between(start, end))
        return ()

    async def close(self) -> None:
        if self._callbacks is not None:
            await self._callbacks.close()
        await self._page.close()

    async def _end_of_log(self, log: LogReader) -> LogPosition:
        """Where to begin in a log that was not read before. Its last line tells whether it is of use."""
        position = await log.end()
        last = await log.last_line()
        if last is not None:
            self._parse([last])
        return position

    async def _read_log(self, log: LogReader, position: LogPosition) -> Told:
        read = await log.read(position)
        ended = self._parse(read.lines)
        logs_ends = self._joinable and log.is_there
        return Told(ended, read.position, logs_ends, NGINX_NO_LOG if not logs_ends else LINES_LOST if read.lost else "")

    def _parse(self, lines: list[bytes]) -> tuple[EndedConnection, ...]:
        """The lines that tell of a connection which the page names too."""
        ended = []
        connections = [parse_line(line) for line in lines]
        for connection in connections:
            if connection is not None and connection.connection_id:
                self._joinable = True
                ended.append(connection)
            elif connection is not None and self._joinable:
                self._joinable = False
                LOG.warning(
                    "log_without_ids path=%s detail='lines in the format `combined` do not say which connection they "
                    "are of, so they are not used; set in nginx.conf: log_format streamtop %s'",
                    self._log.follower.path if self._log else "",
                    repr(LOG_FORMAT),
                )
        if self._log is not None:
            self._log.unreadable(connections.count(None), f"log_format streamtop {LOG_FORMAT!r}")
        return tuple(ended)
