"""A real Node-Media-Server 2: players over RTMP and HTTP-FLV, bytes equal to the server's own, a restart."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from streamusage.agent.metering import meter
from streamusage.agent.reading import Reading, SourceError
from streamusage.agent.sources.node_media_server.source import NodeMediaServerSource
from streamusage.core.clock import SystemClock
from tests.support.real.node_media_server2 import NodeMediaServer2, install_node_media_server2
from tests.support.real.processes import Programs
from tests.support.waiting import PATIENT

pytestmark = [pytest.mark.real, pytest.mark.real_node]

POLL_S = 0.25


@pytest.fixture(scope="session")
def module(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return install_node_media_server2(tmp_path_factory.mktemp("npm2"))


@pytest.fixture
async def server(tmp_path: Path, programs: Programs, module: Path, clip: Path) -> NodeMediaServer2:
    directory = tmp_path / "nms2"
    directory.mkdir()
    started = NodeMediaServer2(directory, programs, module, clip)
    await started.start()
    return started


def create_source(server: NodeMediaServer2, password: str) -> NodeMediaServerSource:
    return NodeMediaServerSource(
        server.url, "admin", lambda: password, None, Path("unused"), SystemClock(), options=PATIENT
    )


class Counted:
    """What the agent counts of a server that is polled until `stop`."""

    def __init__(self, source: NodeMediaServerSource) -> None:
        self._source = source
        self._state: meter.MeterState | None = None
        self._cursor: str | None = None
        self.connections: Counter[str] = Counter()
        self.received = self.sent = self.view_time_ms = 0
        self.boots: list[str] = []
        self.last: Reading | None = None

    async def read(self) -> Reading:
        reading = await self._source.read(self._cursor)
        if self._state is None:
            self._state, _ = meter.start(reading)
        else:
            self._state, additions = meter.step(self._state, reading)
            for slot in additions.slots.values():
                self.connections += slot.connections
                self.received, self.sent = self.received + slot.bytes_in, self.sent + slot.bytes_out
                self.view_time_ms += slot.view_time_ms
        if reading.boot not in self.boots:
            self.boots.append(reading.boot)
        self._cursor, self.last = reading.cursor, reading
        return reading

    async def poll(self) -> None:
        """Read again and again."""
        while True:
            await self.read()
            await asyncio.sleep(POLL_S)

    @property
    def open_viewers(self) -> int:
        assert self._state is not None
        return len(self._state.viewers)


@pytest.fixture
async def counted(server: NodeMediaServer2) -> AsyncIterator[Counted]:
    source = create_source(server, server.password)
    yield Counted(source)
    await source.close()


async def test_players_over_rtmp_and_http_are_counted_and_bytes_are_the_servers(
    server: NodeMediaServer2, counted: Counted
) -> None:
    await counted.read()
    before = await server.traffic()
    polling = asyncio.create_task(counted.poll())
    publisher = server.publish()
    await server.wait_for(1, 0)
    joining_at = time.monotonic()
    viewers = [server.watch_rtmp(), server.watch_rtmp(), server.watch_http()]
    await server.wait_for(1, 3)
    joined_at = time.monotonic()
    await asyncio.sleep(4)
    assert counted.last is not None
    assert Counter(viewer.protocol for viewer in counted.last.viewers) == {"rtmp": 2, "flv": 1}
    assert {(viewer.scope, viewer.name) for viewer in counted.last.viewers} == {("live", "s1")}
    assert [(publish.scope, publish.name) for publish in counted.last.publishes] == [("live", "s1")]
    leaving_at = time.monotonic()
    for viewer in viewers:
        viewer.stop()
    await server.wait_for(1, 0)
    left_at = time.monotonic()
    publisher.stop()
    await server.wait_for(0, 0)
    polling.cancel()
    for _ in range(3):
        await counted.read()
    after = await server.traffic()
    assert (counted.received, counted.sent) == (after[0] - before[0], after[1] - before[1])
    assert counted.connections == {"rtmp": 2, "flv": 1}
    assert counted.open_viewers == 0
    least_ms, most_ms = 3_000 * (leaving_at - joined_at - 2), 3_000 * (left_at - joining_at + 2)
    assert least_ms <= counted.view_time_ms <= most_ms
    assert len(counted.boots) == 1


async def test_restart_is_another_life_whose_bytes_count_from_zero(server: NodeMediaServer2, counted: Counted) -> None:
    publisher = server.publish()
    await server.wait_for(1, 0)
    await asyncio.sleep(3)
    await counted.read()
    publisher.stop()
    await server.wait_for(0, 0)
    server.stop()
    with pytest.raises(SourceError, match="is Node-Media-Server running"):
        await counted.read()
    await asyncio.sleep(10)  # lives are named by their start to ten seconds
    await server.start()
    await counted.read()  # as an agent that reads each second: the uptime is shorter than before
    publisher = server.publish()
    viewer = server.watch_http()
    await server.wait_for(1, 1)
    await counted.read()
    viewer.stop()
    publisher.stop()
    await server.wait_for(0, 0)
    before_restart = counted.received
    await counted.read()
    assert len(counted.boots) == 2
    assert counted.connections == {"flv": 1}
    received, sent = await server.traffic()
    assert (counted.received, counted.sent) == (received, sent)
    assert before_restart < received


async def test_wrong_password_names_the_version(server: NodeMediaServer2) -> None:
    source = create_source(server, "wrong")
    with pytest.raises(SourceError, match="This is Node-Media-Server 2"):
        await source.read(None)
    await source.close()
