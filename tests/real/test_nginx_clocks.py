"""The nginx-rtmp source in trouble with time: a page that arrives late, a media machine whose clock is set."""

from pathlib import Path

import pytest

from streamusage.agent.metering import meter
from streamusage.agent.reading import Reading
from streamusage.agent.sources.nginx_rtmp.source import NginxRtmpSource
from streamusage.agent.sources.nginx_rtmp.statistics import parse_stat
from tests.support.real.fake_clock import FakeClock
from tests.support.real.nginx import Nginx, sum_log
from tests.support.real.processes import Programs
from tests.support.real.slow_proxy import SlowProxy
from tests.support.waiting import PATIENT

pytestmark = pytest.mark.real

DELAY_MS = 4_000
TOLERANCE_MS = 20
"""nginx takes its time once in each turn of its loop."""


def latest_start_ms(reading: Reading) -> int:
    """Return the latest possible start of the only viewer, in elapsed time."""
    (viewer,) = reading.viewers
    return reading.elapsed_ms - viewer.age_ms


@pytest.mark.parametrize("late", ["request", "response"])
async def test_late_page_does_not_move_the_start_of_a_viewer(nginx: Nginx, late: str) -> None:
    nginx.watch("s1")
    await nginx.wait_for_clients(1)
    async with SlowProxy(nginx.http_port) as proxy:
        url = f"http://127.0.0.1:{proxy.port}/stat"
        source = NginxRtmpSource(url, nginx.access_log, options=PATIENT)
        prompt = await source.read(None)
        if late == "request":
            proxy.before_seconds = DELAY_MS / 1000
        else:
            proxy.after_seconds = DELAY_MS / 1000
        delayed = await source.read(prompt.cursor)
        await source.close()
    earliest_ms = latest_start_ms(prompt) - prompt.age_slack_ms
    assert prompt.age_slack_ms < DELAY_MS <= delayed.age_slack_ms
    # Both intervals contain the start, so they overlap.
    assert latest_start_ms(delayed) - delayed.age_slack_ms - TOLERANCE_MS <= latest_start_ms(prompt)
    assert earliest_ms - TOLERANCE_MS <= latest_start_ms(delayed)
    if late == "request":
        assert abs(latest_start_ms(delayed) - latest_start_ms(prompt)) <= prompt.age_slack_ms + 2 * TOLERANCE_MS + (
            delayed.age_slack_ms - DELAY_MS
        )


@pytest.mark.parametrize("late", ["request", "response"])
async def test_viewers_on_late_pages_count_as_in_the_log(nginx: Nginx, late: str) -> None:
    async with SlowProxy(nginx.http_port) as proxy:
        url = f"http://127.0.0.1:{proxy.port}/stat"
        source = NginxRtmpSource(url, nginx.access_log, options=PATIENT)
        state, _ = meter.start(reading := await source.read(None))
        if late == "request":
            proxy.before_seconds = DELAY_MS / 1000
        else:
            proxy.after_seconds = DELAY_MS / 1000
        viewers = [nginx.watch("s1") for _ in range(3)]
        await nginx.wait_for_clients(3)
        connections = view_time_ms = 0

        async def read() -> None:
            nonlocal state, reading, connections, view_time_ms
            reading = await source.read(reading.cursor)
            state, additions = meter.step(state, reading)
            connections += sum(sum(slot.connections.values()) for slot in additions.slots.values())
            view_time_ms += sum(slot.view_time_ms for slot in additions.slots.values())

        for _ in range(2):
            await read()
        for viewer in viewers:
            viewer.stop()
        await nginx.wait_for_clients(0)
        for _ in range(2):
            await read()
        await source.close()
    sums = sum_log(nginx.access_log)
    assert (connections, len(state.viewers)) == (sums.plays, 0) == (3, 0)
    # The log rounds each visit down to whole seconds. A start is known to the delay of its page until its line.
    assert -sums.plays * DELAY_MS <= view_time_ms - sums.view_seconds * 1000 < sums.plays * 1_020


async def test_set_clock_of_the_media_machine_is_no_restart_and_changes_no_age(
    tmp_path: Path, programs: Programs, clip: Path
) -> None:
    clock = FakeClock(tmp_path / "clock")
    directory = tmp_path / "nginx"
    directory.mkdir()
    nginx = Nginx(directory, programs, clip, clock=clock)
    await nginx.start()
    nginx.publish("s1")
    await nginx.wait_for_clients(1)
    viewer = nginx.watch("s1")
    await nginx.wait_for_clients(2)
    source = NginxRtmpSource(nginx.stat_url, nginx.access_log, options=PATIENT)
    reading = first = await source.read(None)
    uptimes_s = []
    for ahead_s in (3 * 3600, -3600, -400 * 86_400, 0):
        clock.set_ahead(ahead_s)
        reading = await source.read(reading.cursor)
        assert reading.boot == first.boot
        assert reading.bytes_out >= first.bytes_out
        slack_ms = first.age_slack_ms + reading.age_slack_ms + 2 * TOLERANCE_MS
        assert abs(latest_start_ms(reading) - latest_start_ms(first)) <= slack_ms
        assert reading.uptime_ms is None
        uptimes_s.append(parse_stat((await nginx.page()).encode()).uptime_s)
    assert max(uptimes_s) > 3 * 3600, "nginx's uptime moves with its wall clock"
    assert min(uptimes_s) < 0

    clock.set_ahead(3600)
    viewer.stop()
    await nginx.wait_for_clients(1)
    after = await source.read(reading.cursor)
    await source.close()
    (line,) = after.ended
    assert after.boot == first.boot
    assert line.ended_at > after.at + 3_500_000, "the log is dated by nginx's clock"
    assert line.duration_ms <= after.elapsed_ms - latest_start_ms(first) + first.age_slack_ms + TOLERANCE_MS
