"""One agent watches nginx-rtmp, Icecast and Node-Media-Server, with an outage of the service in between.

Each server has ten viewers, one of them killed, and is restarted in the middle. The daily statistics equal the servers'
own figures: to the byte where the server reports it, else within the documented bound, which the coverage shows.
"""

import asyncio
import signal
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import pytest

from streamusage.agent.status_file import read_status
from streamusage.core.reasons import ICECAST_SOURCE_LEFT
from tests.support.real.estate import POLL_INTERVAL_MS, SYNC_INTERVAL_MS, ReportedFigures, ServiceProcess, Totals
from tests.support.real.icecast import MP3_BYTES_PER_SECOND, Icecast
from tests.support.real.nginx import Nginx, sum_log
from tests.support.real.node_media_server import NodeMediaServer
from tests.support.real.processes import Programs, RunningProgram, until

pytestmark = [pytest.mark.real, pytest.mark.real_icecast, pytest.mark.real_node]

VISITS_BEFORE_RESTART_S = (0.5, 1.0, 2.0, 3.0)
"""Visits of viewers who join together and leave before the restart; the third is killed."""
CUT_VIEWERS = 2
"""Viewers who watch when the server is restarted."""
VISITS_AFTER_RESTART_S = (0.5, 4.0, 7.0, 20.0)

VIEWERS = len(VISITS_BEFORE_RESTART_S) + CUT_VIEWERS + len(VISITS_AFTER_RESTART_S)

OUTAGE_SECONDS = 6.0

MAX_BYTES_BEFORE_STOP = 25_000
"""More bytes than a publisher or its viewers move between the last request of the counters and the server's stop."""


class RealMediaServer(Protocol):
    """The interface of the three servers for this test."""

    def section(self) -> str: ...
    def environment(self) -> dict[str, str]: ...
    async def start(self) -> None: ...
    def stop(self) -> None: ...
    def publish(self) -> RunningProgram: ...
    def watch(self) -> RunningProgram: ...
    async def wait_until_published(self) -> None: ...
    async def wait_for_viewers(self, viewers: int) -> None: ...
    async def wait_until_idle(self) -> None: ...


class SingleStreamNginx:
    """An nginx with all viewers on one stream."""

    def __init__(self, nginx: Nginx) -> None:
        self.nginx = nginx

    def section(self) -> str:
        return f"""
            kind = "nginx-rtmp"
            stat_url = "{self.nginx.stat_url}"
            access_log = "{self.nginx.access_log}"
        """

    def environment(self) -> dict[str, str]:
        return {}

    async def start(self) -> None:
        await self.nginx.start()

    def stop(self) -> None:
        self.nginx.stop()

    def publish(self) -> RunningProgram:
        return self.nginx.publish("s1")

    def watch(self) -> RunningProgram:
        return self.nginx.watch("s1")

    async def wait_until_published(self) -> None:
        await self.nginx.wait_for_clients(1)

    async def wait_for_viewers(self, viewers: int) -> None:
        await self.nginx.wait_for_clients(viewers + 1)

    async def wait_until_idle(self) -> None:
        await self.nginx.wait_for_clients(0)


@dataclass
class Observation:
    """What the test observed of a server and its viewers."""

    min_view_time_ms: int = 0
    """Lower bound of the view time of all viewers together."""
    max_view_time_ms: int = 0
    """Upper bound of it."""
    before_stop: tuple[Any, Any] = (None, None)
    """The server's counters at two times before its stop: the agent's last reading is between them or later."""
    counters_at_ms: int = 0
    """When the first of them was requested, in UTC milliseconds."""
    restarted_at_ms: int = 0
    """When the server responded again, in UTC milliseconds."""


def utc_ms() -> int:
    return time.time_ns() // 1_000_000


async def run_viewers(
    server: RealMediaServer, visits_s: Sequence[float], observation: Observation, killed: int | None = None
) -> None:
    """Viewers join together; each leaves so many seconds after all have joined. One of them may be killed."""
    started_at = time.monotonic()
    viewers = [server.watch() for _ in visits_s]
    await server.wait_for_viewers(len(visits_s))
    joined_at = time.monotonic()

    async def leave(viewer: RunningProgram, seconds: float, stop_signal: signal.Signals) -> None:
        await asyncio.sleep(seconds)
        observation.min_view_time_ms += int((time.monotonic() - joined_at) * 1000)
        await asyncio.to_thread(viewer.stop, stop_signal)
        observation.max_view_time_ms += int((time.monotonic() - started_at) * 1000)

    stop_signals = (signal.SIGKILL if index == killed else signal.SIGTERM for index in range(len(visits_s)))
    await asyncio.gather(*(leave(*visit) for visit in zip(viewers, visits_s, stop_signals, strict=True)))
    await server.wait_for_viewers(0)


async def observe_server(
    server: RealMediaServer, counters: Callable[[], Awaitable[Any]], last_reading_ms: Callable[[], int]
) -> Observation:
    """Run the viewers of one server and its restart. `last_reading_ms` returns the time of the agent's last reading."""
    observation = Observation()
    publisher = server.publish()
    await server.wait_until_published()
    await run_viewers(server, VISITS_BEFORE_RESTART_S, observation, killed=2)
    started_at = time.monotonic()
    cut = [server.watch() for _ in range(CUT_VIEWERS)]
    await server.wait_for_viewers(CUT_VIEWERS)
    joined_at = time.monotonic()
    await asyncio.sleep(1.5)
    samples: list[tuple[int, Any]] = []

    async def is_read() -> bool:
        values = await counters()
        samples.append((utc_ms(), values))
        return last_reading_ms() >= samples[0][0]

    await until(is_read, "the agent has read the server")
    observation.counters_at_ms, counters_before = [sample for sample in samples if sample[0] <= last_reading_ms()][-1]
    observation.before_stop = counters_before, await counters()
    observation.min_view_time_ms += CUT_VIEWERS * int((time.monotonic() - joined_at) * 1000)
    server.stop()
    observation.max_view_time_ms += CUT_VIEWERS * int((time.monotonic() - started_at) * 1000)
    for program in (publisher, *cut):
        program.stop()
    await asyncio.sleep(1.2)
    await server.start()
    observation.restarted_at_ms = utc_ms()
    publisher = server.publish()
    await server.wait_until_published()
    await run_viewers(server, VISITS_AFTER_RESTART_S, observation)
    publisher.stop()
    await server.wait_until_idle()
    return observation


@pytest.fixture
async def nginx_server(tmp_path: Path, programs: Programs, clip: Path) -> SingleStreamNginx:
    directory = tmp_path / "nginx"
    directory.mkdir()
    return SingleStreamNginx(Nginx(directory, programs, clip))


@pytest.fixture
def icecast(programs: Programs) -> Iterator[Icecast]:
    with tempfile.TemporaryDirectory(prefix="streamtop-icecast-", ignore_cleanup_errors=True) as directory:
        Path(directory).chmod(0o755)
        yield Icecast(Path(directory), programs)


@pytest.fixture
def nms(tmp_path: Path, programs: Programs, clip: Path, node_media_server_app: Path) -> NodeMediaServer:
    directory = tmp_path / "nms"
    directory.mkdir()
    return NodeMediaServer(directory, programs, node_media_server_app, clip)


async def test_figures_equal_those_of_the_servers(
    tmp_path: Path, programs: Programs, nginx_server: SingleStreamNginx, icecast: Icecast, nms: NodeMediaServer
) -> None:
    servers: dict[str, RealMediaServer] = {"nginx": nginx_server, "icecast": icecast, "nms": nms}
    await asyncio.gather(*(server.start() for server in servers.values()))
    service = ServiceProcess(tmp_path, programs, list(servers))
    await service.start()
    agent = start_agent(tmp_path, programs, service, servers)
    figures = {name: ReportedFigures(service, name) for name in servers}
    try:
        await asyncio.gather(*(reported.wait_until_synced() for reported in figures.values()))
    except AssertionError as timeout:
        raise AssertionError(f"{timeout}\n{agent.output()[-3000:]}") from None

    async def outage() -> None:
        await asyncio.sleep(14)
        service.kill()
        await asyncio.sleep(OUTAGE_SECONDS)
        await service.start()

    async def nginx_counters() -> tuple[int, int]:
        return root_counters(await nginx_server.nginx.page())

    async def icecast_counters() -> None:
        return None

    def last_reading_of(name: str) -> Callable[[], int]:
        def last_reading_ms() -> int:
            status = read_status(journal_of(tmp_path, name))
            return status.last_reading_at or 0 if status else 0

        return last_reading_ms

    on_nginx, on_icecast, on_nms, _ = await asyncio.gather(
        observe_server(nginx_server, nginx_counters, last_reading_of("nginx")),
        observe_server(icecast, icecast_counters, last_reading_of("icecast")),
        observe_server(nms, nms.traffic, last_reading_of("nms")),
        outage(),
    )
    await asyncio.gather(icecast.wait_for_log_lines(VIEWERS), nms.wait_for_callbacks("donePlay", VIEWERS - CUT_VIEWERS))
    nginx_after = root_counters(await nginx_server.nginx.page())
    nms_after = await nms.traffic()
    await asyncio.gather(*(reported.wait_until_synced() for reported in figures.values()))
    totals = {name: await reported.totals() for name, reported in figures.items()}
    gaps = {name: await reported.gaps() for name, reported in figures.items()}
    print(agent.output())
    for name in servers:
        print(name, totals[name], gaps[name])

    assert "Traceback" not in agent.output()
    for name, observation in (("nginx", on_nginx), ("icecast", on_icecast), ("nms", on_nms)):
        assert totals[name].connections == VIEWERS, name
        # A log with whole seconds may differ by one second per viewer.
        assert totals[name].view_time_ms - observation.min_view_time_ms > -VIEWERS * 1000, name
        assert totals[name].view_time_ms - observation.max_view_time_ms < VIEWERS * 1000, name
        assert_restart_is_shown(gaps[name], observation)
        assert any(gap["state"] == "backfilled" for gap in gaps[name]), name

    # nginx: the first life up to the last reading, the second life to the byte and as its log.
    assert_within(totals["nginx"], on_nginx.before_stop, nginx_after)
    nginx_sums = sum_log(nginx_server.nginx.access_log)
    assert nginx_sums.plays == VIEWERS - CUT_VIEWERS, "nginx logs no line for connections that it cuts"

    # Icecast: each listener has a line, also if it was cut. Bytes of its sources are counted in steps.
    icecast_sums = icecast.sum_log()
    assert totals["icecast"].bytes_out == icecast_sums.bytes_out
    assert abs(totals["icecast"].view_time_ms - icecast_sums.listening_seconds * 1000) <= VIEWERS * 1000
    assert totals["icecast"].bytes_in > 10 * MP3_BYTES_PER_SECOND
    assert any(ICECAST_SOURCE_LEFT in (gap["reason"] or "") for gap in gaps["icecast"]), "the bound is not shown"

    # Node-Media-Server: as nginx. The callbacks of all viewers that it did not cut were waited for above.
    assert_within(totals["nms"], on_nms.before_stop, nms_after)
    await nms.callback_recorder.close()

    for name, reported in figures.items():
        records = await reported.sessions()
        own_records = [record for record in records if record["name"] == ("a.mp3" if name == "icecast" else "s1")]
        assert all(not record["live"] for record in own_records), name


def journal_of(directory: Path, server: str) -> Path:
    return directory / f"{server}.journal.db"


def start_agent(
    directory: Path, programs: Programs, service: ServiceProcess, servers: dict[str, RealMediaServer]
) -> RunningProgram:
    """Start one agent for all servers."""
    sections = "".join(
        f"""
            [[source]]
            server = "{name}"
            journal = "{journal_of(directory, name)}"
            token_env = "TEST_TOKEN_{name.upper()}"
            poll_interval = "{POLL_INTERVAL_MS}ms"
            {server.section()}
        """
        for name, server in servers.items()
    )
    configuration = directory / "agent.toml"
    configuration.write_text(
        f"""
            [service]
            url = "{service.url}"
            sync_interval = "{SYNC_INTERVAL_MS}ms"
            {sections}
        """
    )
    environment = {f"TEST_TOKEN_{name.upper()}": service.agent_tokens[name] for name in servers}
    for server in servers.values():
        environment |= server.environment()
    return programs.start(
        "agent", [sys.executable, "-m", "streamusage.agent", "--config", str(configuration)], environment
    )


def root_counters(page: str) -> tuple[int, int]:
    """Return nginx's own sums: bytes in and out."""
    head = page.partition("<server>")[0]
    return tuple(int(head.partition(f"<{name}>")[2].partition("<")[0]) for name in ("bytes_in", "bytes_out"))  # type: ignore[return-value]


def assert_within(totals: Totals, before_stop: tuple[tuple[int, int], tuple[int, int]], after: tuple[int, int]) -> None:
    """The second life is counted to the byte, the first up to the traffic between the last reading and its end."""
    earlier, later = before_stop
    for counted, at_least, at_most, second_life in zip(
        (totals.bytes_in, totals.bytes_out), earlier, later, after, strict=True
    ):
        first_life = counted - second_life
        assert at_least <= first_life <= at_most + MAX_BYTES_BEFORE_STOP, f"{at_least} <= {first_life} <= {at_most}"


def assert_restart_is_shown(gaps: list[dict[str, Any]], observation: Observation) -> None:
    shown = [gap for gap in gaps if gap["state"] in ("partial", "lost") and "restarted" in (gap["reason"] or "")]
    assert shown, f"the restart is not shown: {gaps}"
    # It lasts from the last reading to the server's start, which may be known in whole seconds.
    assert all(
        observation.counters_at_ms <= gap["from"] <= gap["to"] <= observation.restarted_at_ms + 1000 for gap in shown
    ), shown


async def test_lost_callbacks_make_the_time_partial(tmp_path: Path, programs: Programs, nms: NodeMediaServer) -> None:
    """A stopped agent loses callbacks: traffic is still exact, viewers are covered partially."""
    await nms.start()
    service = ServiceProcess(tmp_path, programs, ["nms"])
    await service.start()
    reported = ReportedFigures(service, "nms")
    agent = start_agent(tmp_path, programs, service, {"nms": nms})
    await reported.wait_until_synced()
    publisher = nms.publish()
    await nms.wait_until_published()
    stayer = nms.watch()
    await nms.wait_for_viewers(1)
    await reported.wait_until_synced()
    agent.kill()
    visitor = nms.watch()
    await nms.wait_for_viewers(2)
    await asyncio.sleep(1)
    visitor.stop()
    await nms.wait_for_viewers(1)
    start_agent(tmp_path, programs, service, {"nms": nms})
    await reported.wait_until_synced()
    stayer.stop()
    await nms.wait_for_viewers(0)
    publisher.stop()
    await nms.wait_until_idle()
    await nms.wait_for_callbacks("donePlay", 2)
    await reported.wait_until_synced()
    await reported.wait_until_synced()
    totals = await reported.totals()
    assert (totals.bytes_in, totals.bytes_out) == await nms.traffic()
    assert totals.connections == 1, "the visit was in callbacks only, and those are lost"
    assert any(
        gap["state"] == "partial" and "callbacks were lost" in (gap["reason"] or "") for gap in await reported.gaps()
    )
    await nms.callback_recorder.close()
