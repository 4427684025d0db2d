"""nginx with the RTMP module, read by its statistics page and, where it is given, its access log.

The page is read first and the log after it: a connection's line is written in the very moment in which it leaves the
page, so a viewer who is gone from the page has its line in the same reading, unless it left its stream and stayed
connected. What is exact here and what is bounded stands in docs/sources/nginx-rtmp.md.
"""

import asyncio
import logging
from pathlib import Path
from typing import NamedTuple, TypeVar

import httpx
import msgspec

from streamusage.agent.source import EndedConnection, PublishReading, Reading, SourceError, ViewerReading
from streamusage.agent.sources.hook_spool import HookSpool
from streamusage.agent.sources.log_follower import LogFollower, LogPosition
from streamusage.agent.sources.nginx_hooks import Sessions
from streamusage.agent.sources.nginx_log import LOG_FORMAT, parse_line
from streamusage.agent.sources.nginx_page import Boot, NginxPage
from streamusage.clock import Clock, SystemClock

LOG = logging.getLogger(__name__)

MISSING_LOG_AFTER_MS = 60_000
"""A rotation leaves no log for a moment; for longer than this nobody may rely on it."""

NO_LOG = "no access log: viewers who came and went between two readings are known by their bytes only"
CALLBACKS_LOST = "callbacks were lost while the agent did not listen: viewers who came and went meanwhile are unknown"


class Cursor(NamedTuple):
    """What the journal keeps for this source: the boot that was read last, and the place in the log."""

    boot: Boot | None
    position: LogPosition | None

    def __str__(self) -> str:
        return f"{self.boot or ''}|{self.position or ''}"

    @classmethod
    def parse(cls, text: str | None) -> "Cursor":
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
        self._follower = LogFollower(access_log) if access_log else None
        self._spool = callbacks
        self._sessions: Sessions | None = None
        self._joinable = True
        self._unreadable_told = False
        self._missing_told = False
        self._log_missing_since: int | None = None

    async def read(self, cursor: str | None) -> Reading:
        """As `Source.read`."""
        before = Cursor.parse(cursor)
        if self._spool is not None:
            await self._spool.start()
        position = before.position or await self._end_of_log()
        sample = await self._page.read(before.boot)
        lost = False
        if self._spool is not None:
            ended, position, lost = await self._read_callbacks(self._spool, before.position, position)
        else:
            ended, position = await self._read_log(position, sample.elapsed_ms)
        logs_ends = not lost if self._spool is not None else self._logs_ends(sample.elapsed_ms)
        at = max(sample.at, self._clock.now_ms())
        return Reading(
            at=at,
            boot=str(sample.boot),
            started_at=(sample.boot.began_s + 1) * 1000,
            bytes_in=sample.page.bytes_in,
            bytes_out=sample.page.bytes_out,
            publishes=tuple(_older(publish, at - sample.at) for publish in sample.page.publishes),
            viewers=tuple(_older(viewer, at - sample.at) for viewer in sample.page.viewers),
            ended=ended,
            cursor=str(Cursor(sample.boot, position)),
            logs_ends=logs_ends,
            misses="" if logs_ends else CALLBACKS_LOST if lost else NO_LOG,
        )

    async def ended_between(self, from_cursor: str, to_cursor: str) -> tuple[EndedConnection, ...]:
        """As `Source.ended_between`; nothing, and a warning, where the log of that time is gone."""
        start, end = Cursor.parse(from_cursor).position, Cursor.parse(to_cursor).position
        if self._spool is not None and start is not None:
            sessions = Sessions()
            sessions.fold(await self._spool.before(start))
            return tuple(sessions.fold(await self._spool.between(start, end))[0])
        if self._follower is None or start is None or end is None:
            return ()
        try:
            lines = await asyncio.to_thread(self._follower.between, start, end)
        except OSError as error:
            raise self._log_error(error) from None
        if lines is None:
            LOG.warning(
                "log_lines_lost path=%s detail='the log that another journal had read up to is not there any more; "
                "sessions that ended since are known by the counters only'",
                self._follower.path,
            )
            return ()
        return self._parse(lines)

    async def close(self) -> None:
        if self._spool is not None:
            await self._spool.close()
        await self._page.close()

    async def _end_of_log(self) -> LogPosition | None:
        """Where to begin in a log that was not read before. Its last line tells whether it is of use."""
        if self._spool is not None:
            return await self._spool.end()
        if self._follower is None:
            return None
        try:
            position = await asyncio.to_thread(self._follower.end)
            last = await asyncio.to_thread(self._follower.last_line)
        except OSError as error:
            raise self._log_error(error) from None
        if last is not None:
            self._parse([last])
        return position

    async def _read_log(
        self, position: LogPosition | None, elapsed_ms: int
    ) -> tuple[tuple[EndedConnection, ...], LogPosition | None]:
        if self._follower is None or position is None:
            return (), None
        try:
            batch = await asyncio.to_thread(self._follower.read, position)
        except OSError as error:
            raise self._log_error(error) from None
        if batch.found:
            self._log_missing_since = None
            self._missing_told = False
        elif self._log_missing_since is None:
            self._log_missing_since = elapsed_ms
        return self._parse(batch.lines), batch.position

    async def _read_callbacks(
        self, spool: HookSpool, known: LogPosition | None, position: LogPosition | None
    ) -> tuple[tuple[EndedConnection, ...], LogPosition | None, bool]:
        """The sessions whose end was called back, and whether callbacks were lost."""
        if known is None or position is None:
            self._sessions = Sessions()
            return (), position, False
        if self._sessions is None:
            self._sessions = Sessions()
            self._sessions.fold(await spool.before(known))
        hooks, position = await spool.read(position)
        ended, lost = self._sessions.fold(hooks)
        return tuple(ended), position, lost

    def _logs_ends(self, elapsed_ms: int) -> bool:
        if self._follower is None or not self._joinable:
            return False
        missing_since = self._log_missing_since
        if missing_since is None or elapsed_ms - missing_since < MISSING_LOG_AFTER_MS:
            return True
        if not self._missing_told:
            self._missing_told = True
            LOG.warning(
                "log_missing path=%s detail='it was not put back after a rotation; ends of sessions are taken from "
                "polling until it is there: let nginx reopen its logs (nginx -s reopen)'",
                self._follower.path,
            )
        return False

    def _parse(self, lines: list[bytes]) -> tuple[EndedConnection, ...]:
        """The lines that tell of a connection which the page names too."""
        ended = []
        unreadable = 0
        for line in lines:
            connection = parse_line(line)
            if connection is None:
                unreadable += 1
            elif connection.connection_id:
                self._joinable = True
                ended.append(connection)
            elif self._joinable:
                self._joinable = False
                LOG.warning(
                    "log_without_ids path=%s detail='lines in the format `combined` do not say which connection they "
                    "are of, so they are not used; set in nginx.conf: log_format streamtop %s'",
                    self._follower.path if self._follower else "",
                    repr(LOG_FORMAT),
                )
        if unreadable and not self._unreadable_told:
            self._unreadable_told = True
            LOG.warning(
                "log_lines_unreadable path=%s lines=%d detail='they are not in a known format or could be read in two "
                "ways; they are passed over, now and later; wanted: log_format streamtop %s'",
                self._follower.path if self._follower else "",
                unreadable,
                repr(LOG_FORMAT),
            )
        return tuple(ended)

    def _log_error(self, error: OSError) -> SourceError:
        path = self._follower.path if self._follower else ""
        if isinstance(error, FileNotFoundError):
            return SourceError(
                f"the access log {path} is not there. Set `access_log {path} streamtop;` in the rtmp block of "
                "nginx.conf and reload nginx, or take `access_log` out of the agent's configuration"
            )
        return SourceError(
            f"the access log {path} cannot be read ({error.strerror or error}); the agent's user needs to read it and "
            "to enter its directory. Nothing is lost meanwhile: it is read from where it was left"
        )
