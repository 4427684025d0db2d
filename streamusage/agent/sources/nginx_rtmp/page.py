"""The statistics page of nginx-rtmp over HTTP: one answer by the worker that is to be counted.

A worker that was not seen before is believed only when it answers alone for a while. During a reload the old worker and
the new one answer side by side, and with several workers they always do: counting each in turn would count everything
again and again.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import httpx

from streamusage.agent.reading import SourceError
from streamusage.agent.sources.common.http_probe import Asker
from streamusage.agent.sources.nginx_rtmp.statistics import StatError, StatPage, parse_stat
from streamusage.core.clock import Clock

HINTS = {
    401: "give the name and password in `stat_url`, or allow the agent's address there",
    403: "allow the agent's address in that location",
    404: "the location needs `rtmp_stat all;`, and `stat_url` its path",
}
"""What an operator can do about a refusal."""

OF_ITS_OWN = {"Connection": "close", "Accept-Encoding": "identity", "Cache-Control": "no-cache"}
"""A connection to one request, so that no worker holds on to the agent."""

ANSWERS_ALONE = 20
"""Answers in a row after which a worker is the only one. Of several, each lets the next one accept after at most 16
connections (`ngx_reorder_accept_events`)."""

PROBE_PAUSE_SECONDS = 0.025

SIDE_BY_SIDE_MS = 1000
"""In a reload the old worker may answer for about a tenth of a second beside the new one. Two that answer in turn for
longer than this are several workers."""

LONGEST_SETTLING_MS = 10_000

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


@dataclass(frozen=True, slots=True)
class Sample:
    """One answer of the page, when it was asked for, and by whom it was given."""

    page: StatPage
    boot: Boot
    at: int
    elapsed_ms: int


class NginxPage:
    """The page at one URL. `close` it when done; it closes only an HTTP client that it made itself."""

    def __init__(self, url: str, clock: Clock, http: httpx.AsyncClient | None, timeout_seconds: float) -> None:
        self._asker = Asker(url, "nginx", timeout_seconds=timeout_seconds, http=http, hints=HINTS)
        self._clock = clock
        self._settled: Boot | None = None
        self._several_workers = False

    async def read(self, known: Boot | None) -> Sample:
        """An answer by the worker that is to be counted. `known` is the boot that was counted last.

        Raises `SourceError`, with what an operator can do about it.
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
                    f"{self._asker.url} is answered by one new worker after the other: nginx restarts over and over, "
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
                    f"{self._asker.url} was answered by worker {previous.boot.pid} and by worker {sample.boot.pid} in "
                    "turn, and each knows only its own connections. Nothing is counted until nginx runs one worker: "
                    "set `worker_processes 1;` in nginx.conf and reload it"
                )
            if sample.boot not in seen:
                seen.append(sample.boot)
        self._settled, self._several_workers = sample.boot, False
        return sample

    async def _poll(self, seen: Sequence[Boot]) -> Sample:
        """One request on a connection of its own, so that no worker holds on to the agent.

        A boot that was seen before keeps the name that it had then.
        """
        at, elapsed_ms = self._clock.now_ms(), self._clock.elapsed_ms()
        answered = await self._asker.answer("GET", (), headers=OF_ITS_OWN)
        try:
            page = parse_stat(answered.body)
        except StatError as error:
            raise SourceError(f"{self._asker.url} gave no statistics: {error}") from None
        boot = Boot((at // 1000 if answered.date_s is None else answered.date_s) - page.uptime_s, page.pid)
        boot = next((before for before in seen if before.is_same(boot)), boot)
        return Sample(page, boot, at, elapsed_ms)

    async def close(self) -> None:
        await self._asker.close()
