"""nginx with the RTMP module, read by its statistics page and, where it is given, its access log.

The page is read first and the log after it: a connection's line is written in the very moment in which it leaves the
page, so a viewer who is gone from the page has its line in the same reading, unless it left its stream and stayed
connected. What is exact here and what is bounded stands in docs/sources/nginx-rtmp.md.
"""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import NamedTuple, TypeVar

import httpx
import msgspec

from streamusage.agent.source import EndedConnection, PublishReading, Reading, SourceError, ViewerReading
from streamusage.agent.sources.hook_spool import HookSpool
from streamusage.agent.sources.log_follower import LogFollower, LogPosition
from streamusage.agent.sources.nginx_hooks import Sessions
from streamusage.agent.sources.nginx_log import LOG_FORMAT, parse_line
from streamusage.agent.sources.nginx_stat import StatError, StatPage, parse_stat
from streamusage.clock import Clock, SystemClock

LOG = logging.getLogger(__name__)

LARGEST_PAGE_BYTES = 32 << 20
"""More than a hundred thousand clients. A larger answer is not the page."""

MISSING_LOG_AFTER_MS = 60_000
"""A rotation leaves no log for a moment; for longer than this nobody may rely on it."""

ANSWERS_ALONE = 20
"""Answers in a row after which a worker is the only one. Of several, each lets the next one accept after at most 16
connections (`ngx_reorder_accept_events`)."""

PROBE_PAUSE_SECONDS = 0.025

SIDE_BY_SIDE_MS = 1000
"""In a reload the old worker may answer for about a tenth of a second beside the new one. Two that answer in turn for
longer than this are several workers."""

LONGEST_SETTLING_MS = 10_000

NO_LOG = "no access log: viewers who came and went between two readings are known by their bytes only"
CALLBACKS_LOST = "callbacks were lost while the agent did not listen: viewers who came and went meanwhile are unknown"

SAME_BEGINNING_S = 2
"""What a proxy between agent and server may shift the `Date` of an answer by, one answer more than the next."""


class Boot(NamedTuple):
    """One life of a worker. It is named by facts of the server alone, so it has one name whoever asks and when."""

    began_s: int
    """When the configuration was loaded: the answer's `Date` minus the page's uptime. Both are read off one clock in
    one turn of the worker's loop, so that the difference does not move with time, delay or a stepped clock."""
    pid: int

    def __str__(self) -> str:
        return f"{self.began_s}-{self.pid}"

    def is_same(self, other: "Boot") -> bool:
        return self.pid == other.pid and abs(self.began_s - other.began_s) <= SAME_BEGINNING_S

    @classmethod
    def parse(cls, text: str) -> "Boot | None":
        began, _, pid = text.rpartition("-")
        try:
            return cls(int(began), int(pid))
        except ValueError:
            return None


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


@dataclass(frozen=True, slots=True)
class _Sample:
    """One answer of the page, when it was had, and by whom it was given."""

    page: StatPage
    boot: Boot
    at: int
    elapsed_ms: int


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
        self._stat_url = stat_url
        self._shown_url = _without_secrets(stat_url)
        self._follower = LogFollower(access_log) if access_log else None
        self._spool = callbacks
        self._sessions: Sessions | None = None
        self._timeout_seconds = timeout_seconds
        self._own_http = http is None
        # The page is the server's own: a proxy from the environment is not meant for it.
        self._http = http or httpx.AsyncClient(trust_env=False)
        self._settled: Boot | None = None
        self._several_workers = False
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
        sample = await self._settle(before.boot)
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
        if self._own_http:
            await self._http.aclose()

    # The page

    async def _settle(self, known: Boot | None) -> _Sample:
        """An answer by the worker that is to be counted.

        A worker that was not seen before is believed only when it answers alone for a while. During a reload the old
        worker and the new one answer side by side, and with several workers they always do: counting each in turn
        would count everything again and again.
        """
        known = known or self._settled
        sample = await self._poll([known] if known else [])
        if sample.boot == known and not self._several_workers:
            return sample
        began_ms = self._clock.elapsed_ms()
        seen, agreed = [known, sample.boot] if known else [sample.boot], 1
        while agreed < ANSWERS_ALONE:
            if self._clock.elapsed_ms() - began_ms > LONGEST_SETTLING_MS:
                raise SourceError(
                    f"{self._shown_url} is answered by one new worker after the other: nginx restarts over and over, "
                    "its error log says why. The next reading tries again"
                )
            await self._clock.sleep(PROBE_PAUSE_SECONDS)
            previous, sample = sample, await self._poll(seen)
            if sample.boot == previous.boot:
                agreed += 1
                continue
            agreed = 1
            if sample.boot in seen and self._clock.elapsed_ms() - began_ms > SIDE_BY_SIDE_MS:
                self._several_workers = True
                raise SourceError(
                    f"{self._shown_url} was answered by worker {previous.boot.pid} and by worker {sample.boot.pid} in "
                    "turn, and each knows only its own connections. Nothing is counted until nginx runs one worker: "
                    "set `worker_processes 1;` in nginx.conf and reload it"
                )
            if sample.boot not in seen:
                seen.append(sample.boot)
        self._settled, self._several_workers = sample.boot, False
        return sample

    async def _poll(self, seen: Sequence[Boot]) -> _Sample:
        """One request on a connection of its own, so that no worker holds on to the agent.

        A boot that was seen before keeps the name that it had then.
        """
        try:
            async with (
                asyncio.timeout(self._timeout_seconds),
                self._http.stream(
                    "GET",
                    self._stat_url,
                    headers={"Connection": "close", "Accept-Encoding": "identity", "Cache-Control": "no-cache"},
                    timeout=self._timeout_seconds,
                    follow_redirects=False,
                ) as response,
            ):
                at, elapsed_ms = self._clock.now_ms(), self._clock.elapsed_ms()
                if response.status_code != 200:
                    raise SourceError(self._explain_status(response.status_code))
                body = bytearray()
                async for part in response.aiter_raw():
                    body += part
                    if len(body) > LARGEST_PAGE_BYTES:
                        raise SourceError(
                            f"{self._shown_url} answered more than {LARGEST_PAGE_BYTES >> 20} MiB, which is not the "
                            "statistics page of nginx-rtmp; check `stat_url`"
                        )
        except TimeoutError:
            raise SourceError(
                f"{self._shown_url} did not answer within {self._timeout_seconds:g} s; the next reading tries again"
            ) from None
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            raise SourceError(
                f"{self._shown_url} cannot be read ({type(error).__name__}: {error}); is nginx running, and does it "
                "listen there? The counters are read as soon as it answers"
            ) from None
        try:
            page = parse_stat(bytes(body))
        except StatError as error:
            raise SourceError(f"{self._shown_url} gave no statistics: {error}") from None
        boot = Boot(_answered_at_s(response.headers.get("Date"), at) - page.uptime_s, page.pid)
        boot = next((before for before in seen if before.is_same(boot)), boot)
        return _Sample(page, boot, at, elapsed_ms)

    def _explain_status(self, status: int) -> str:
        hints = {
            401: "give the name and password in `stat_url`, or allow the agent's address there",
            403: "allow the agent's address in that location",
            404: "the location needs `rtmp_stat all;`, and `stat_url` its path",
        }
        return f"{self._shown_url} answered HTTP {status}; {hints.get(status, 'see the error log of nginx')}"

    # The log

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


def _answered_at_s(date: str | None, at_ms: int) -> int:
    """The server's clock in its answer, in whole seconds; the agent's where it tells none."""
    try:
        return int(parsedate_to_datetime(date or "").timestamp())
    except (ValueError, TypeError, OverflowError, OSError):
        return at_ms // 1000


def _without_secrets(url: str) -> str:
    """The URL as it may be shown: without a user, a password and a query."""
    try:
        parsed = httpx.URL(url)
        return str(parsed.copy_with(username=None, password=None, query=None, fragment=None))
    except (httpx.InvalidURL, ValueError, TypeError):
        return "the stat_url"
