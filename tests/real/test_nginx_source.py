"""The nginx-rtmp source against a real nginx: publishes, viewers, ends of sessions, lives of the worker."""

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from streamusage.agent.metering import meter
from streamusage.agent.reading import Reading, SourceError
from streamusage.agent.sources.common.callbacks.spool import CallbackSpool
from streamusage.agent.sources.nginx_rtmp.source import NginxRtmpSource
from streamusage.core.addresses import Address
from streamusage.core.clock import SystemClock
from streamusage.core.reasons import LOG_NOT_OPENED, LOG_NOT_UNDERSTOOD
from tests.support.real.nginx import Nginx, sum_log
from tests.support.real.processes import Programs, free_port, until
from tests.support.waiting import PATIENT

EARLIER_LOG_FORMAT = (
    '$msec $connection $remote_addr "$command" "$app" "$name" "$args" '
    'rx=$bytes_received tx=$bytes_sent t=$session_time "$flashver"'
)
"""The format that earlier versions recommended. Quoted fields after the application and at the end are optional."""

pytestmark = pytest.mark.real


@pytest.fixture
async def source(nginx: Nginx) -> AsyncIterator[NginxRtmpSource]:
    opened = NginxRtmpSource(nginx.stat_url, nginx.access_log, options=PATIENT)
    yield opened
    await opened.close()


def streams(reading: Reading) -> tuple[list[str], list[str]]:
    """Return the names of publishes and of viewers' streams, sorted."""
    return (
        sorted(f"{publish.scope}/{publish.name}" for publish in reading.publishes),
        sorted(f"{viewer.scope}/{viewer.name}" for viewer in reading.viewers),
    )


async def test_publishers_and_viewers_appear_and_end_with_their_log_line(nginx: Nginx, source: NginxRtmpSource) -> None:
    before = await source.read(None)
    assert streams(before) == ([], [])
    assert before.logs_ends
    assert before.bytes_in == before.bytes_out == 0

    first, second = nginx.publish("s1"), nginx.publish("s2", app="event")
    await nginx.wait_for_clients(2)
    viewers = [nginx.watch("s1"), nginx.watch("s1"), nginx.watch("s2", app="event")]
    alone = nginx.watch("nobody")
    await nginx.wait_for_clients(6)
    sent_at = time.monotonic()
    during = await source.read(before.cursor)
    response_time_ms = int((time.monotonic() - sent_at) * 1000)
    assert streams(during) == (["event/s2", "live/s1"], ["event/s2", "live/nobody", "live/s1", "live/s1"])
    assert during.boot == before.boot
    assert {viewer.protocol for viewer in during.viewers} == {"rtmp"}
    assert during.bytes_in > 0
    assert all(0 <= viewer.age_ms < 20_000 for viewer in during.viewers)

    await asyncio.sleep(1.2)
    for program in (*viewers, alone, first, second):
        program.stop()
    await nginx.wait_for_clients(0)
    after = await source.read(during.cursor)
    assert streams(after) == ([], [])
    assert {line.connection_id for line in after.ended if line.kind == "play"} == {
        viewer.viewer_id for viewer in during.viewers
    }
    assert {line.connection_id for line in after.ended if line.kind == "publish"} == {
        publish.publish_id for publish in during.publishes
    }
    started = {viewer.viewer_id: during.at - viewer.age_ms for viewer in during.viewers}
    for line in after.ended:
        if line.kind == "play":
            duration_ms = line.ended_at - started[line.connection_id]
            # An age is computed from the time of the request, and the log rounds a visit down to whole seconds.
            assert -20 <= duration_ms - line.duration_ms < 1020 + response_time_ms
    sums = sum_log(nginx.access_log)
    assert (after.bytes_in, after.bytes_out) == (sums.bytes_in, sums.bytes_out)
    assert sums.plays == 4

    again = await source.read(after.cursor)
    assert again.ended == ()
    assert await source.ended_between(before.cursor, again.cursor) == after.ended


async def test_boot_has_the_same_name_for_every_source_and_reading(nginx: Nginx) -> None:
    names = set()
    for _ in range(5):
        source = NginxRtmpSource(nginx.stat_url, nginx.access_log, options=PATIENT)
        reading = await source.read(None)
        for _ in range(3):
            reading = await source.read(reading.cursor)
            names.add(reading.boot)
            await asyncio.sleep(0.11)
        await source.close()
    assert len(names) == 1


async def test_reload_is_a_new_boot_and_its_drained_sessions_are_still_logged(
    nginx: Nginx, source: NginxRtmpSource
) -> None:
    publisher = nginx.publish("s1")
    await nginx.wait_for_clients(1)
    viewer = nginx.watch("s1")
    await nginx.wait_for_clients(2)
    before = await source.read(None)
    (watching,) = before.viewers

    nginx.reload()
    await until(lambda: len(nginx.worker_pids()) == 2, "the new worker has started")
    reading = before
    while reading.boot == before.boot:
        reading = await source.read(reading.cursor)
    assert streams(reading) == ([], [])
    assert reading.bytes_out < before.bytes_out
    steady = [(reading := await source.read(reading.cursor)).boot for _ in range(5)]
    assert len(set(steady)) == 1

    viewer.stop()
    publisher.stop()
    await until(lambda: len(nginx.worker_pids()) == 1, "the old worker has ended")
    after = await source.read(reading.cursor)
    assert {(line.kind, line.connection_id) for line in after.ended} == {
        ("play", watching.viewer_id),
        ("publish", before.publishes[0].publish_id),
    }


async def test_killed_worker_is_a_new_boot_although_the_uptime_continues(nginx: Nginx, source: NginxRtmpSource) -> None:
    nginx.publish("s1")
    await nginx.wait_for_clients(1)
    before = await source.read(None)
    nginx.kill_worker()
    await nginx.wait_for_clients(0)
    after = await source.read(before.cursor)
    assert after.boot != before.boot
    assert after.started_at == before.started_at
    assert after.ended == ()
    assert after.bytes_in < before.bytes_in


async def test_restart_is_a_new_boot_and_its_cut_sessions_have_no_line(nginx: Nginx, source: NginxRtmpSource) -> None:
    nginx.publish("s1")
    await nginx.wait_for_clients(1)
    before = await source.read(None)
    nginx.stop()
    with pytest.raises(SourceError, match="is nginx running"):
        await source.read(before.cursor)
    await nginx.start()
    after = await source.read(before.cursor)
    assert after.boot != before.boot
    assert after.ended == ()
    assert streams(after) == ([], [])


async def test_log_is_followed_through_rotation(nginx: Nginx, source: NginxRtmpSource) -> None:
    nginx.publish("s1")
    await nginx.wait_for_clients(1)
    start = reading = await source.read(None)
    ended: list[str] = []

    async def watch_once(read_now: bool = True) -> str:
        nonlocal reading
        viewer = nginx.watch("s1")
        await nginx.wait_for_clients(2)
        seen = await source.read(reading.cursor)
        reading = seen
        ended.extend(line.connection_id for line in seen.ended)
        viewer.stop()
        await nginx.wait_for_clients(1)
        if read_now:
            reading = await source.read(reading.cursor)
            ended.extend(line.connection_id for line in reading.ended)
        return seen.viewers[0].viewer_id

    viewers = [await watch_once()]
    rotated = nginx.access_log.with_name("rtmp_access.log.1")
    nginx.access_log.rename(rotated)
    viewers.append(await watch_once())
    viewers.append(await watch_once(read_now=False))
    nginx.reopen_logs()
    await until(nginx.access_log.exists, "nginx opened a new log")
    viewers.append(await watch_once())
    assert ended == viewers
    assert sum_log(nginx.access_log, rotated).plays == 4
    whole = await source.ended_between(start.cursor, reading.cursor)
    assert [line.connection_id for line in whole] == viewers
    assert reading.logs_ends


async def test_several_workers_are_refused(tmp_path: Path, programs: Programs, clip: Path) -> None:
    directory = tmp_path / "two"
    directory.mkdir()
    nginx = Nginx(directory, programs, clip, workers=2)
    await nginx.start()
    source = NginxRtmpSource(nginx.stat_url, nginx.access_log, options=PATIENT)
    for _ in range(2):
        with pytest.raises(SourceError, match="worker_processes 1"):
            await source.read(None)
    await source.close()


async def test_missing_log_leaves_the_page_with_a_remedy(nginx: Nginx) -> None:
    source = NginxRtmpSource(nginx.stat_url, nginx.access_log.with_name("other.log"), options=PATIENT)
    reading = await source.read(None)
    assert (reading.logs_ends, reading.misses) == (False, LOG_NOT_OPENED)
    assert "other.log not found" in reading.problem
    await source.close()


async def test_log_without_ids_is_not_relied_on(tmp_path: Path, programs: Programs, clip: Path) -> None:
    directory = tmp_path / "combined"
    directory.mkdir()
    nginx = Nginx(directory, programs, clip, log_format=None)
    await nginx.start()
    source = NginxRtmpSource(nginx.stat_url, nginx.access_log, options=PATIENT)
    reading = await source.read(None)
    viewer = nginx.watch("s1")
    await nginx.wait_for_clients(1)
    viewer.stop()
    await nginx.wait_for_clients(0)
    reading = await source.read(reading.cursor)
    assert [line.kind for line in reading.ended] == ["unreadable"]
    assert (reading.logs_ends, reading.misses) == (False, LOG_NOT_UNDERSTOOD)
    await source.close()


async def test_format_of_earlier_versions_is_read(tmp_path: Path, programs: Programs, clip: Path) -> None:
    directory = tmp_path / "earlier"
    directory.mkdir()
    nginx = Nginx(directory, programs, clip, log_format=EARLIER_LOG_FORMAT)
    await nginx.start()
    source = NginxRtmpSource(nginx.stat_url, nginx.access_log, options=PATIENT)
    before = await source.read(None)
    viewer = nginx.watch("s1")
    await nginx.wait_for_clients(1)
    viewer.stop()
    await nginx.wait_for_clients(0)
    after = await source.read(before.cursor)
    assert [(line.kind, line.scope, line.name) for line in after.ended] == [("play", "live", "s1")]
    await source.close()


@pytest.mark.parametrize(
    "name", ["%5Bred%5Dx", "a&b<c>", 'q"uote', "ümläut", "sp ace", "x?token=1", 'x" rx=0 tx=0 t=9 "y']
)
async def test_unusual_name_is_the_same_on_the_page_and_in_the_log(
    nginx: Nginx, source: NginxRtmpSource, name: str
) -> None:
    before = await source.read(None)
    viewer = nginx.watch(name)
    await nginx.wait_for_clients(1)
    during = await source.read(before.cursor)
    viewer.stop()
    await nginx.wait_for_clients(0)
    after = await source.read(during.cursor)
    (seen,), (line,) = during.viewers, after.ended
    assert (line.connection_id, line.scope, line.name) == (seen.viewer_id, seen.scope, seen.name)


async def test_callbacks_report_every_session_without_a_log(tmp_path: Path, programs: Programs, clip: Path) -> None:
    port = free_port()
    directory = tmp_path / "callbacks"
    directory.mkdir()
    nginx = Nginx(directory, programs, clip, notify_url=f"http://127.0.0.1:{port}/nginx")
    await nginx.start()
    spool = CallbackSpool(Address("127.0.0.1", port), tmp_path / "nginx.hooks", SystemClock())
    source = NginxRtmpSource(nginx.stat_url, spool=spool, options=PATIENT)
    state, _ = meter.start(first := await source.read(None))
    assert first.logs_ends
    publisher = nginx.publish("s1")
    await nginx.wait_for_clients(1)
    stayer = nginx.watch("s1")
    await nginx.wait_for_clients(2)
    state, during_additions = meter.step(state, during := await source.read(first.cursor))
    visitor = nginx.watch("s1")
    await nginx.wait_for_clients(3)
    visitor.stop()
    stayer.stop()
    publisher.stop()
    await until(lambda: spool.path.read_bytes().count(b"_done&") == 3, "nginx sent the callbacks of all three")
    state, after_additions = meter.step(state, after := await source.read(during.cursor))
    assert sorted(line.kind for line in after.ended) == ["play", "play", "publish"]
    connections = [
        sum(sum(slot.connections.values()) for slot in additions.slots.values())
        for additions in (during_additions, after_additions)
    ]
    assert connections == [1, 1], "the first viewer by the page, the short visit by its callback alone"
    assert not state.viewers
    assert (await source.ended_between(first.cursor, after.cursor)) == after.ended
    await source.close()

    refused = nginx.watch("s1")
    await until(lambda: not refused.running, "nginx refuses a play without a listener for its callback")
