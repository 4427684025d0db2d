"""nginx with the RTMP module: its statistics page and, if configured, its access log or its callbacks.

The page is read before the log. nginx writes a connection's line at the moment in which the connection leaves the page,
so a viewer who is no longer on the page has its line in the same reading, except a viewer who left its stream and
stayed connected. docs/sources/nginx-rtmp.md lists what is exact and what is bounded.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple, TypeVar

import httpx
import msgspec
from pydantic import model_validator

from streamusage.access_logs.nginx_rtmp import parse_time
from streamusage.agent.config.sources import HttpUrl, UserPath
from streamusage.agent.reading import EndedConnection, PublishReading, Reading, SourceError, ViewerReading
from streamusage.agent.sources.common.callbacks.forward import CallbackForward, CallbackSection
from streamusage.agent.sources.common.callbacks.reader import CallbackReader, SessionEnds
from streamusage.agent.sources.common.callbacks.spool import CallbackSpool
from streamusage.agent.sources.common.ignored import IgnoringSection
from streamusage.agent.sources.common.kind import SourceContext, SourceKind
from streamusage.agent.sources.common.logs.agreement import REMEDY, LogAgreement
from streamusage.agent.sources.common.logs.follower import LogPosition
from streamusage.agent.sources.common.logs.line_form import LineForms
from streamusage.agent.sources.common.logs.reader import LogReader
from streamusage.agent.sources.common.logs.understood import LogRead, UnderstoodLog
from streamusage.agent.sources.common.sample_time import Instant
from streamusage.agent.sources.nginx_rtmp.access_log import LOG_FORMAT, parse_line
from streamusage.agent.sources.nginx_rtmp.callbacks import NginxOpenSessions, call_of
from streamusage.agent.sources.nginx_rtmp.departures import Departures
from streamusage.agent.sources.nginx_rtmp.page_reader import PageSample, StatPageReader, WorkerBoot
from streamusage.agent.sources.nginx_rtmp.workers import (
    MOST_EARLIER,
    FindMaster,
    FindWorker,
    continued_ids,
    drained,
    draining,
    earlier_workers,
    find_master,
    find_worker,
    masters,
)
from streamusage.client.http_options import HttpOptions
from streamusage.core.clock import Clock, SystemClock
from streamusage.core.reasons import COUNTER_INVALID, LOG_NOT_UNDERSTOOD, NGINX_NO_LOG

_LOG_REMEDY = "set `access_log PATH streamtop;` with that path in the rtmp block of nginx.conf and reload nginx"

_LOG_FORM = (
    f"`log_format streamtop {LOG_FORMAT!r};` and `access_log PATH streamtop;` in the rtmp block of nginx.conf, where "
    "PATH is `access_log` of the agent's configuration. nginx's own format `combined` has no connection ids and cannot "
    "be used"
)

LEAST_SHARE_MISSING = 0.5
"""Of the viewers who left the page, more than this share must lack a line: a viewer may stay connected."""


class NginxRtmpCursor(NamedTuple):
    """What the journal stores for this source: the boot of the last reading, and the position in log or spool."""

    boot: WorkerBoot | None
    position: LogPosition | None
    earlier: tuple[WorkerBoot, ...] = ()
    """Earlier workers that may still serve connections."""
    masters: Mapping[WorkerBoot, int] = {}
    """The process ids of the masters of these workers, as far as they were seen."""

    def __str__(self) -> str:
        boots = () if self.boot is None else (self.boot, *self.earlier)
        masters_of = [f"{boot}+{self.masters[boot]}" for boot in boots if boot in self.masters]
        names = [str(self.boot or ""), *map(str, self.earlier), *masters_of]
        return f"{','.join(names)}|{self.position or ''}"

    @classmethod
    def parse(cls, text: str | None) -> "NginxRtmpCursor":
        """Return the cursor that `str` encoded; missing or invalid parts are None."""
        boots, _, position = (text or "").partition("|")
        boot, *others = boots.split(",")
        others = others[: 2 * MOST_EARLIER + 1]
        known = (WorkerBoot.parse(name) for name in others if "+" not in name)
        return cls(
            WorkerBoot.parse(boot),
            LogPosition.parse(position),
            tuple(filter(None, known))[:MOST_EARLIER],
            dict(filter(None, map(_parse_master, others))),
        )


def _parse_master(text: str) -> tuple[WorkerBoot, int] | None:
    name, _, master = text.partition("+")
    boot = WorkerBoot.parse(name)
    is_number = master.isascii() and master.isdecimal() and len(master) <= 10
    return (boot, int(master)) if boot is not None and is_number else None


Listed = TypeVar("Listed", PublishReading, ViewerReading)


def _add_age(listed: Listed, by_ms: int) -> Listed:
    """Return a listed connection as of the reading, `by_ms` later: its line was not in the log by then.

    The page was written at its first byte or earlier, so the sum is the least possible age.
    """
    return msgspec.structs.replace(listed, age_ms=listed.age_ms + by_ms)


class NginxRtmpConfig(CallbackSection, IgnoringSection):
    """nginx with the RTMP module."""

    stat_url: HttpUrl
    access_log: UserPath | None = None
    """With it, the ends of sessions are exact."""

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
        options: HttpOptions | None = None,
        spool: CallbackSpool | None = None,
        find_worker: FindWorker = find_worker,
        find_master: FindMaster = find_master,
    ) -> None:
        self._clock = clock or SystemClock()
        self._find_worker, self._find_master = find_worker, find_master
        self._page = StatPageReader(stat_url, self._clock, http, options)
        self._log = (
            UnderstoodLog(
                LogReader(access_log, self._clock, remedy=_LOG_REMEDY),
                self._clock,
                parse_lines,
                _LOG_FORM,
                NGINX_NO_LOG,
            )
            if access_log
            else None
        )
        self._departures = Departures()
        self._agreement = LogAgreement(LEAST_SHARE_MISSING)
        self._callbacks = CallbackReader(spool, NginxOpenSessions) if spool else None

    async def read(self, cursor: str | None) -> Reading:
        """As `Source.read`."""
        before = NginxRtmpCursor.parse(cursor)
        problem = ""
        log_lines = unreadable_lines = 0
        if self._callbacks is not None:
            position = await self._callbacks.start(before.position)
            sample = await self._page.read_page(before.boot)
            serving = self._find_serving(before, sample)
            at = Instant.take(self._clock)
            ends = await self._callbacks.read_ends(before.position, position)
        elif self._log is not None:
            log_position = await self._log.start(before.position)
            sample = await self._page.read_page(before.boot)
            # Before the log, too: a worker that has ended by now wrote all of its lines.
            serving = self._find_serving(before, sample)
            # Before the log: who leaves while it is read is counted up to here, and the rest with the line.
            at = Instant.take(self._clock)
            log = await self._log.read(log_position)
            log_lines, unreadable_lines = log.lines, log.unreadable_lines
            disagreement = self._compare(sample, log)
            ends = SessionEnds((*log.values, *log.unreadable), log.position, log.logs_ends, log.misses or disagreement)
            problem = log.problem or (f"{disagreement}; {REMEDY}" if disagreement else "")
        else:
            sample = await self._page.read_page(before.boot)
            at = Instant.take(self._clock)
            ends = SessionEnds((), None, False, NGINX_NO_LOG)
            serving = {}
        if ends.misses == LOG_NOT_UNDERSTOOD:
            serving = {}  # no line would ever end what an earlier worker serves
        has_counts = min(sample.page.bytes_in, sample.page.bytes_out) >= 0
        if not has_counts and before.boot is None:
            raise SourceError(
                "the byte counters on nginx's page are no counts (negative, or above 2^53), and counting cannot begin "
                "without them; the next reading tries again; reload nginx if this lasts"
            )
        since_page_ms = at.elapsed_ms - sample.first_byte_ms
        masters_of = masters(before.masters, serving, sample.boot, self._find_worker, self._find_master)
        return Reading(
            at=at.wall_ms,
            elapsed_ms=at.elapsed_ms,
            boot=str(sample.boot),
            started_at=(sample.boot.began_s + 1) * 1000,
            bytes_in=sample.page.bytes_in,
            bytes_out=sample.page.bytes_out,
            publishes=tuple(_add_age(publish, since_page_ms) for publish in sample.page.publishes),
            viewers=tuple(_add_age(viewer, since_page_ms) for viewer in sample.page.viewers),
            stream_counters=sample.page.stream_counters,
            stream_traffic="measured",
            age_slack_ms=sample.slack_ms,
            ended=ends.ended,
            cursor=str(NginxRtmpCursor(sample.boot, ends.position, tuple(serving), masters_of)),
            logs_ends=ends.logs_ends,
            draining=draining(serving),
            drained=drained(before.earlier, sample.boot, self._find_worker),
            continued_ids=continued_ids((*serving, *before.earlier), sample.boot, masters_of),
            misses=ends.misses or ("" if has_counts else COUNTER_INVALID),
            problem=problem,
            log_lines=log_lines,
            unreadable_lines=unreadable_lines,
        )

    def _find_serving(self, before: NginxRtmpCursor, sample: PageSample) -> dict[WorkerBoot, bool]:
        """Return the earlier workers that may still serve connections, and whether each certainly does."""
        return earlier_workers(before.boot, before.earlier, sample.boot, self._find_worker)

    def _compare(self, sample: PageSample, log: LogRead[EndedConnection]) -> str:
        """Return the reason if the log does not explain which viewers left the page; empty if it does."""
        if self._log is None or not log.logs_ends:
            self._agreement.forget()
            return ""
        boot = str(sample.boot)
        if boot != self._departures.boot:
            self._departures = Departures(boot)
        departures = self._departures
        departures.update(
            (viewer.viewer_id for viewer in sample.page.viewers), (line.connection_id for line in log.values)
        )
        return self._agreement.observe(
            boot, self._clock.elapsed_ms(), departures.left, departures.explained, self._log.has_lines
        )

    async def ended_between(self, from_cursor: str, to_cursor: str) -> tuple[EndedConnection, ...]:
        """As `Source.ended_between`."""
        start, end = NginxRtmpCursor.parse(from_cursor).position, NginxRtmpCursor.parse(to_cursor).position
        if self._callbacks is not None:
            return await self._callbacks.ends_between(start, end)
        if self._log is not None:
            connections, unreadable = await self._log.read_between(start, end)
            return (*connections, *unreadable)
        return ()

    async def close(self) -> None:
        """As `Source.close`."""
        if self._callbacks is not None:
            await self._callbacks.close()
        await self._page.close()


def parse_lines(lines: list[bytes], forms: LineForms) -> list[EndedConnection]:
    """Return the connections of lines with an id, by which they are matched with the page."""
    ended = []
    for line in lines:
        connection = parse_line(line)
        if connection is not None and connection.connection_id:
            forms.add_readable(connection.ended_at)
            ended.append(connection)
        else:
            forms.add_unreadable(parse_time(line))
    return ended


def _create(config: NginxRtmpConfig, context: SourceContext) -> NginxRtmpSource:
    spool = (
        None
        if config.notify_listen is None
        else CallbackSpool(
            config.notify_listen,
            context.spool_path,
            SystemClock(),
            forward=CallbackForward.of(config),
            call_of=call_of,
        )
    )
    return NginxRtmpSource(config.stat_url, config.access_log, context.clock, options=config.http_options, spool=spool)


SOURCE = SourceKind(
    kind="nginx-rtmp",
    server="nginx with the RTMP or HTTP-FLV module",
    viewers="exact with log or callbacks",
    traffic="exact",
    config=NginxRtmpConfig,
    create=_create,
    stream_traffic="measured",
)
