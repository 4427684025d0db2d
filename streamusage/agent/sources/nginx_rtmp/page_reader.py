"""The statistics page of nginx-rtmp over HTTP: one response of the worker that is to be counted.

A new worker is accepted only after it has been the only one to respond for a while. During a reload the old and the new
worker both respond, and with several workers this is always so. Counting each response would count everything again
and again, since each worker has its own counters. During a binary upgrade both masters have a worker that responds,
until one of them has to quit: the worker of the newer configuration is counted.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import httpx

from streamusage.agent.reading import SourceError
from streamusage.agent.sources.common.http_probe import HttpProbe
from streamusage.agent.sources.common.sample_time import Instant
from streamusage.agent.sources.nginx_rtmp.statistics import StatError, StatPage, parse_stat
from streamusage.client.http_options import HttpOptions
from streamusage.core.clock import Clock

HINTS = {
    401: "put the user and password into `stat_url`, or allow the agent's address in that location",
    403: "allow the agent's address in that location",
    404: "set `rtmp_stat all;` in a location, and `stat_url` to its path",
}
"""What an operator can do about a refusal, by HTTP status."""

UNSHARED_HEADERS = {"Connection": "close", "Accept-Encoding": "identity", "Cache-Control": "no-cache"}
"""Each request has its own connection, so that the agent is not bound to one worker."""

SETTLED_RESPONSES = 20
"""Consecutive responses after which a worker is the only one: one of several workers accepts at most 16 connections in
a row (`ngx_reorder_accept_events`)."""

PROBE_PAUSE_SECONDS = 0.025

RELOAD_OVERLAP_MS = 1000
"""During a reload the old worker responds beside the new one for about a tenth of a second. Two workers that both
respond for longer than this mean several worker processes."""

MAX_SETTLING_MS = 10_000

START_TOLERANCE_S = 2
"""A proxy between agent and server may shift the `Date` of a response by up to this, varying by response."""


class WorkerBoot(NamedTuple):
    """One life of a worker. Its name depends on the server only, so every agent uses the same name at any time."""

    began_s: int
    """When the configuration was loaded: the response's `Date` minus the page's uptime, in seconds since 1970. The
    worker takes both from one clock in one turn of its loop, so the difference does not depend on delays or clock
    steps. The `Date` of a proxy on another machine breaks this: see `_was_running`."""
    pid: int

    def __str__(self) -> str:
        return f"{self.began_s}-{self.pid}"

    def is_same(self, other: "WorkerBoot") -> bool:
        """Return whether both are one life, despite a proxy that shifts dates."""
        return self.pid == other.pid and abs(self.began_s - other.began_s) <= START_TOLERANCE_S

    def is_newer(self, other: "WorkerBoot") -> bool:
        """Return whether it has a later configuration, so that both are not workers of one."""
        return self.pid != other.pid and self.began_s - other.began_s > START_TOLERANCE_S

    @classmethod
    def parse(cls, text: str) -> "WorkerBoot | None":
        """Return the boot that `str` encoded; None for any other text."""
        began, _, pid = text.rpartition("-")
        try:
            return cls(int(began), int(pid))
        except ValueError:
            return None


@dataclass(frozen=True, slots=True)
class PageSample:
    """One response of the page, the worker that sent it, and when it was requested and received (`ProbeResponse`)."""

    page: StatPage
    boot: WorkerBoot
    dated_boot: WorkerBoot
    """The boot by the dates of this response alone."""
    sent_ms: int
    first_byte_ms: int

    @property
    def slack_ms(self) -> int:
        """How much earlier than its first byte the page may have been written."""
        return self.first_byte_ms - self.sent_ms


class StatPageReader:
    """Reads the page at one URL."""

    def __init__(self, url: str, clock: Clock, http: httpx.AsyncClient | None, options: HttpOptions | None) -> None:
        self._probe = HttpProbe(url, "nginx", clock, options=options, http=http, hints=HINTS)
        self._clock = clock
        self._last: PageSample | None = None
        self._settled: WorkerBoot | None = None
        self._several_workers = False

    async def read_page(self, known_boot: WorkerBoot | None) -> PageSample:
        """Return a response of the worker that is to be counted. `known_boot` is the boot that was counted last.

        Raises `SourceError`, with what an operator can do about it.
        """
        self._last = await self._read_settled_page(known_boot or self._settled)
        return self._last

    async def _read_settled_page(self, known_boot: WorkerBoot | None) -> PageSample:
        sample = await self._fetch_sample([known_boot] if known_boot else [])
        if sample.boot == known_boot and not self._several_workers:
            return sample
        began_ms = self._clock.elapsed_ms()
        seen, consecutive = [known_boot, sample.boot] if known_boot else [sample.boot], 1
        changes = 0
        while consecutive < SETTLED_RESPONSES:
            # Over a slow network the responses of one worker take longer.
            if changes and self._clock.elapsed_ms() - began_ms > MAX_SETTLING_MS:
                raise SourceError(
                    f"{self._probe.url} responded with a new worker each time: nginx restarts repeatedly; the next "
                    "reading tries again; nginx's error log has the cause"
                )
            await self._clock.sleep(PROBE_PAUSE_SECONDS)
            previous, sample = sample, await self._fetch_sample(seen)
            if sample.boot == previous.boot:
                consecutive += 1
                continue
            if known_boot is not None and sample.boot == known_boot and known_boot.is_newer(previous.boot):
                return sample
            consecutive = 1
            changes += 1
            newest = max(seen, key=lambda boot: boot.began_s)
            if sample.boot in seen and newest.is_newer(min(seen, key=lambda boot: boot.began_s)):
                if sample.boot == newest and self._clock.elapsed_ms() - began_ms > RELOAD_OVERLAP_MS:
                    return sample
            elif sample.boot in seen and self._clock.elapsed_ms() - began_ms > RELOAD_OVERLAP_MS:
                self._several_workers = True
                raise SourceError(
                    f"workers {previous.boot.pid} and {sample.boot.pid} both respond at {self._probe.url}, and each "
                    "reports its own connections only. Nothing is counted until nginx runs one worker: "
                    "set `worker_processes 1;` in nginx.conf and reload nginx"
                )
            if sample.boot not in seen:
                seen.append(sample.boot)
        self._settled, self._several_workers = sample.boot, False
        return sample

    async def _fetch_sample(self, seen: Sequence[WorkerBoot]) -> PageSample:
        """Return the response to one request on its own connection.

        A boot that is the same as one of `seen` keeps the name that it had there.
        """
        sent_at = Instant.take(self._clock)
        response = await self._probe.send_request("GET", (), headers=UNSHARED_HEADERS)
        try:
            page = parse_stat(response.body)
        except StatError as error:
            raise SourceError(f"{self._probe.url} returned no usable statistics: {error}") from None
        now_s = sent_at.wall_ms // 1000 if response.date_s is None else response.date_s
        dated_boot = WorkerBoot(now_s - page.uptime_s, page.pid)
        boot = next((known for known in seen if known.is_same(dated_boot)), dated_boot)
        last = self._last
        if boot not in seen and last is not None and last.boot in seen:
            is_last = last.dated_boot.is_same(dated_boot) or _was_running(last, page, response.first_byte_ms)
            boot = last.boot if is_last else boot
        return PageSample(page, boot, dated_boot, response.sent_ms, response.first_byte_ms)

    async def close(self) -> None:
        """Close the HTTP client if the reader created it."""
        await self._probe.close()


def _was_running(last: PageSample, page: StatPage, first_byte_ms: int) -> bool:
    """Return whether the worker of a page was running at the last page, so that it is the same, whatever the dates.

    The ages of connections come from a clock that never steps. The uptime steps with nginx's wall clock, but after a
    restart it is neither longer than the time since the last page nor negative.
    """
    if page.pid != last.page.pid or page.bytes_in < last.page.bytes_in or page.bytes_out < last.page.bytes_out:
        return False
    since_ms = first_byte_ms - last.sent_ms
    ages_ms = [publish.age_ms for publish in page.publishes] + [viewer.age_ms for viewer in page.viewers]
    is_uptime_longer = (page.uptime_s - START_TOLERANCE_S) * 1000 > since_ms
    return max(ages_ms, default=0) > since_ms or is_uptime_longer or page.uptime_s < 0
