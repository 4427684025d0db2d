"""Ages on pages: a late response widens the interval of a start and never moves it; steps of clocks change no age."""

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from email.utils import format_datetime

import pytest

from streamusage.agent.reading import Reading
from tests.support.agent.http_answers import answer, answering
from tests.support.agent.manual_clock import SteppedClock
from tests.support.agent.media_servers import CREATED, MEDIA_SERVERS

TIMESTAMP = re.compile(rb'"timestamp":"[^"]*"')

ELAPSED_MS = 50_000_000
NOW_MS = 1_795_298_400_250
"""The server's wall time when the first request is sent: 2026-11-21 22:00:00 UTC."""

AGES_MS = {
    "srs": ("/api/v1/clients/", {"p1": 9_500, "77": 3_250}, 0),
    "wowza": ("/monitoring/current", {"": 60_000}, 1_000),
    "stream-manager-2": ("/as/v1/streams/stream/group-1", {"": 600_000}, 0),
}
"""By kind: end of the path of the page that lists ages, the ages by id (or of all), and their unit."""

CREATED_MS = int(datetime.fromisoformat(CREATED).timestamp() * 1000)


def find_start_in_id(key: str) -> int:
    """Return the start at the end of a publish's id."""
    return int(key.rpartition("-")[2])


STARTS: dict[str, Callable[[str], int]] = {
    "mediamtx": lambda key: CREATED_MS if key.startswith("u-") else find_start_in_id(key),
    "red5pro": find_start_in_id,
    "node-media-server": find_start_in_id,
}
"""By kind: the start by the server's clock, by id."""


class Exchange:
    """One reading with responses that are delayed before and after the server writes them."""

    def __init__(
        self, kind: str, *, before_ms: int = 0, after_ms: int = 0, late_path: str = "", wall_step_ms: int = 0
    ) -> None:
        self.clock = SteppedClock(ELAPSED_MS, NOW_MS - ELAPSED_MS)
        self.written_ms: dict[str, int] = {}
        """Elapsed time at which the response of each path was written."""
        self._kind = kind
        self._routes = MEDIA_SERVERS[kind].routes
        self._delays_ms = before_ms, after_ms
        self._late_path = late_path
        self._wall_step_ms = wall_step_ms

    def _respond(self, request: bytes) -> bytes:
        path = request.split(b" ", 2)[1].decode("latin-1").partition("?")[0]
        if path not in self._routes:
            return answer(b"", "404 Not Found")
        before_ms, after_ms = self._delays_ms if path.endswith(self._late_path) else (0, 0)
        self.clock.now += before_ms
        self.written_ms[path] = self.clock.now
        server_ms = self.clock.now + NOW_MS - ELAPSED_MS
        server_time = datetime.fromtimestamp(server_ms / 1000, UTC)
        body = TIMESTAMP.sub(b'"timestamp":"%s"' % server_time.isoformat().encode(), self._routes[path])
        self.clock.now += after_ms
        self.clock.wall_ahead_ms += self._wall_step_ms
        self._wall_step_ms = 0
        return answer(body, Date=format_datetime(server_time.replace(microsecond=0), usegmt=True))

    async def read(self) -> Reading:
        async with answering() as answers:
            answers.next = [self._respond]
            source = MEDIA_SERVERS[self._kind].create_source(answers.url, self.clock)
            try:
                return await source.read(None)
            finally:
                await source.close()


def intervals(reading: Reading) -> dict[str, tuple[int, int]]:
    """Return the interval of each start in elapsed time, by id."""
    ages_ms = {publish.publish_id: publish.age_ms for publish in reading.publishes}
    ages_ms |= {viewer.viewer_id: viewer.age_ms for viewer in reading.viewers}
    assert ages_ms
    latest = {key: reading.elapsed_ms - age_ms for key, age_ms in ages_ms.items()}
    return {key: (at - reading.age_slack_ms, at) for key, at in latest.items()}


def figure_of(figures: Mapping[str, int], key: str) -> int:
    return figures[key] if key in figures else figures[""]


@pytest.mark.parametrize(("before_ms", "after_ms"), [(0, 0), (4_000, 0), (0, 4_000), (1_500, 2_500)])
@pytest.mark.parametrize("kind", AGES_MS)
async def test_late_page_gives_an_interval_that_contains_the_start(kind: str, before_ms: int, after_ms: int) -> None:
    path, ages_ms, unit_ms = AGES_MS[kind]
    exchange = Exchange(kind, before_ms=before_ms, after_ms=after_ms, late_path=path)
    reading = await exchange.read()
    written_ms = next(written for written_path, written in exchange.written_ms.items() if written_path.endswith(path))
    if kind == "wowza":
        written_ms = max(exchange.written_ms.values())
    for key, (earliest_ms, latest_ms) in intervals(reading).items():
        age_ms = figure_of(ages_ms, key)
        assert earliest_ms <= written_ms - age_ms <= latest_ms
        assert latest_ms == written_ms + after_ms - age_ms, "the end of the interval: the page was written at the end"
        assert latest_ms - earliest_ms == before_ms + after_ms + unit_ms


@pytest.mark.parametrize(("before_ms", "after_ms"), [(0, 0), (4_000, 0), (0, 4_000)])
@pytest.mark.parametrize("kind", STARTS)
async def test_absolute_start_lies_in_its_interval_although_the_agents_clock_is_an_hour_off(
    kind: str, before_ms: int, after_ms: int
) -> None:
    exchange = Exchange(kind, before_ms=before_ms, after_ms=after_ms)
    exchange.clock.wall_ahead_ms += 3_600_000
    reading = await exchange.read()
    for key, (earliest_ms, latest_ms) in intervals(reading).items():
        assert earliest_ms <= STARTS[kind](key) - (NOW_MS - ELAPSED_MS) <= latest_ms
    assert reading.age_slack_ms <= before_ms + after_ms + 2_000


@pytest.mark.parametrize("step_ms", [3 * 3_600_000, -400 * 86_400_000])
@pytest.mark.parametrize("kind", MEDIA_SERVERS)
async def test_step_of_the_wall_clock_during_a_request_changes_no_age(kind: str, step_ms: int) -> None:
    steady = await Exchange(kind).read()
    stepped = await Exchange(kind, wall_step_ms=step_ms).read()
    assert stepped.at == steady.at + step_ms
    assert sorted(intervals(stepped).values()) == sorted(intervals(steady).values())
    assert (stepped.elapsed_ms, stepped.uptime_ms) == (steady.elapsed_ms, steady.uptime_ms)
