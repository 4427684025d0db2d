"""One agent watches nginx-rtmp, Icecast and Node-Media-Server: ten viewers each, one killed, each server restarted in
the middle, the service away for a while. The daily statistics are the servers' own figures: to the byte where the
server knows the byte, within the stated bound where it does not, and the bound is shown.
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
from tests.support.real.estate import POLL_INTERVAL_MS, SYNC_INTERVAL_MS, Accounts, Service, Totals
from tests.support.real.icecast import MP3_BYTES_PER_SECOND, Icecast
from tests.support.real.nginx import Nginx, log_truth
from tests.support.real.node_media_server import NodeMediaServer
from tests.support.real.processes import Program, Programs, until

pytestmark = [pytest.mark.real, pytest.mark.real_icecast, pytest.mark.real_node]

BEFORE = (0.5, 1.0, 2.0, 3.0)
"""Stays, in seconds, of viewers who came together and left before the restart; the third is killed."""
CUT = 2
"""Viewers who were there when the server was restarted."""
AFTER = (0.5, 4.0, 7.0, 20.0)

VIEWERS = len(BEFORE) + CUT + len(AFTER)

OUTAGE_SECONDS = 6.0

MOVED_IN_A_POLL = 25_000
"""More bytes than a publisher or its viewers move from the last look at the counters until the server is stopped."""


class MediaServer(Protocol):
    """What the three have in common for this test."""

    def section(self) -> str: ...
    def environment(self) -> dict[str, str]: ...
    async def start(self) -> None: ...
    def stop(self) -> None: ...
    def publish(self) -> Program: ...
    def watch(self) -> Program: ...
    async def published(self) -> None: ...
    async def watched_by(self, viewers: int) -> None: ...
    async def emptied(self) -> None: ...


class OneStream:
    """An nginx whose viewers all watch one stream."""

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

    def publish(self) -> Program:
        return self.nginx.publish("s1")

    def watch(self) -> Program:
        return self.nginx.watch("s1")

    async def published(self) -> None:
        await self.nginx.settled(1)

    async def watched_by(self, viewers: int) -> None:
        await self.nginx.settled(viewers + 1)

    async def emptied(self) -> None:
        await self.nginx.settled(0)


@dataclass
class Watched:
    """What the test itself saw of a server and its viewers. Times are elapsed ones unless they are named UTC."""

    at_least_ms: int = 0
    """How long its viewers watched for certain, all together."""
    at_most_ms: int = 0
    before_stop: tuple[Any, Any] = (None, None)
    """The server's counters, twice before it was stopped: the agent took its reading between the two or later."""
    looked_at_ms: int = 0
    """UTC, of the first of them."""
    answered_at_ms: int = 0
    """UTC, when the server answered again."""


def utc_ms() -> int:
    return time.time_ns() // 1_000_000


async def audience(server: MediaServer, stays: Sequence[float], seen: Watched, killed: int | None = None) -> None:
    """Viewers who come together; each stays so many seconds from when all are there. One may be killed."""
    began = time.monotonic()
    viewers = [server.watch() for _ in stays]
    await server.watched_by(len(stays))
    came = time.monotonic()

    async def leave(viewer: Program, seconds: float, ending: signal.Signals) -> None:
        await asyncio.sleep(seconds)
        seen.at_least_ms += int((time.monotonic() - came) * 1000)
        await asyncio.to_thread(viewer.stop, ending)
        seen.at_most_ms += int((time.monotonic() - began) * 1000)

    endings = (signal.SIGKILL if index == killed else signal.SIGTERM for index in range(len(stays)))
    await asyncio.gather(*(leave(*each) for each in zip(viewers, stays, endings, strict=True)))
    await server.watched_by(0)


async def live_through(
    server: MediaServer, counters: Callable[[], Awaitable[Any]], last_reading_ms: Callable[[], int]
) -> Watched:
    """The whole story of one server. `last_reading_ms` is when the agent read it last, as far as it told."""
    seen = Watched()
    publisher = server.publish()
    await server.published()
    await audience(server, BEFORE, seen, killed=2)
    began = time.monotonic()
    cut = [server.watch() for _ in range(CUT)]
    await server.watched_by(CUT)
    came = time.monotonic()
    await asyncio.sleep(1.5)
    looks: list[tuple[int, Any]] = []

    async def is_read() -> bool:
        counted = await counters()
        looks.append((utc_ms(), counted))
        return last_reading_ms() >= looks[0][0]

    await until(is_read, "the agent took a reading", seconds=20)
    seen.looked_at_ms, looked = [look for look in looks if look[0] <= last_reading_ms()][-1]
    seen.before_stop = looked, await counters()
    seen.at_least_ms += CUT * int((time.monotonic() - came) * 1000)
    server.stop()
    seen.at_most_ms += CUT * int((time.monotonic() - began) * 1000)
    for program in (publisher, *cut):
        program.stop()
    await asyncio.sleep(1.2)
    await server.start()
    seen.answered_at_ms = utc_ms()
    publisher = server.publish()
    await server.published()
    await audience(server, AFTER, seen)
    publisher.stop()
    await server.emptied()
    return seen


@pytest.fixture
async def nginx_server(tmp_path: Path, programs: Programs, clip: Path) -> OneStream:
    directory = tmp_path / "nginx"
    directory.mkdir()
    return OneStream(Nginx(directory, programs, clip))


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


async def test_figures_equal_the_servers_own(
    tmp_path: Path, programs: Programs, nginx_server: OneStream, icecast: Icecast, nms: NodeMediaServer
) -> None:
    servers: dict[str, MediaServer] = {"nginx": nginx_server, "icecast": icecast, "nms": nms}
    await asyncio.gather(*(server.start() for server in servers.values()))
    service = Service(tmp_path, programs, list(servers))
    await service.start()
    agent = start_agent(tmp_path, programs, service, servers)
    accounts = {name: Accounts(service, name) for name in servers}
    try:
        await asyncio.gather(*(account.synced() for account in accounts.values()))
    except AssertionError as late:
        raise AssertionError(f"{late}\n{agent.output()[-3000:]}") from None

    async def outage() -> None:
        await asyncio.sleep(14)
        service.kill()
        await asyncio.sleep(OUTAGE_SECONDS)
        await service.start()

    async def page_of_nginx() -> tuple[int, int]:
        return root_counters(await nginx_server.nginx.page())

    async def lines_of_icecast() -> None:
        return None

    def read_by_the_agent(name: str) -> Callable[[], int]:
        def last_reading_ms() -> int:
            status = read_status(journal_of(tmp_path, name))
            return status.last_reading_at or 0 if status else 0

        return last_reading_ms

    on_nginx, on_icecast, on_nms, _ = await asyncio.gather(
        live_through(nginx_server, page_of_nginx, read_by_the_agent("nginx")),
        live_through(icecast, lines_of_icecast, read_by_the_agent("icecast")),
        live_through(nms, nms.traffic, read_by_the_agent("nms")),
        outage(),
    )
    await asyncio.gather(icecast.logged(VIEWERS), nms.called_back("donePlay", VIEWERS - CUT))
    nginx_after = root_counters(await nginx_server.nginx.page())
    nms_after = await nms.traffic()
    await asyncio.gather(*(account.synced() for account in accounts.values()))
    totals = {name: await account.totals() for name, account in accounts.items()}
    gaps = {name: await account.gaps() for name, account in accounts.items()}
    print(agent.output())
    for name in servers:
        print(name, totals[name], gaps[name])

    assert "Traceback" not in agent.output()
    for name, seen in (("nginx", on_nginx), ("icecast", on_icecast), ("nms", on_nms)):
        assert totals[name].connections == VIEWERS, name
        # Logs of whole seconds may be off by one each.
        assert totals[name].view_time_ms - seen.at_least_ms > -VIEWERS * 1000, name
        assert totals[name].view_time_ms - seen.at_most_ms < VIEWERS * 1000, name
        assert_the_restart_is_shown(gaps[name], seen)
        assert any(gap["state"] == "backfilled" for gap in gaps[name]), name

    # nginx: the first life up to the last reading, the second to the byte, and to its log.
    assert_within(totals["nginx"], on_nginx.before_stop, nginx_after)
    truth = log_truth(nginx_server.nginx.access_log)
    assert truth.plays == VIEWERS - CUT, "nginx logs nothing of connections that it cuts"

    # Icecast: every listener has a line, also those who were cut. What its sources sent is known in steps.
    heard = icecast.truth()
    assert totals["icecast"].bytes_out == heard.bytes_out
    assert abs(totals["icecast"].view_time_ms - heard.listening_seconds * 1000) <= VIEWERS * 1000
    assert totals["icecast"].bytes_in > 10 * MP3_BYTES_PER_SECOND
    assert any("a source left" in (gap["reason"] or "") for gap in gaps["icecast"]), "the bound is not shown"

    # Node-Media-Server: as nginx; that it called back of each viewer but those that it cut was waited for.
    assert_within(totals["nms"], on_nms.before_stop, nms_after)
    await nms.postbox.close()

    for name, account in accounts.items():
        records = await account.sessions()
        mine = [record for record in records if record["name"] == ("a.mp3" if name == "icecast" else "s1")]
        assert all(not record["live"] for record in mine), name


def journal_of(directory: Path, server: str) -> Path:
    return directory / f"{server}.journal.db"


def start_agent(directory: Path, programs: Programs, service: Service, servers: dict[str, MediaServer]) -> Program:
    """One agent for all of them."""
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
    """nginx's own sums: bytes in and out."""
    head = page.partition("<server>")[0]
    return tuple(int(head.partition(f"<{name}>")[2].partition("<")[0]) for name in ("bytes_in", "bytes_out"))  # type: ignore[return-value]


def assert_within(totals: Totals, before_stop: tuple[tuple[int, int], tuple[int, int]], after: tuple[int, int]) -> None:
    """The second life is counted to the byte; of the first all but what moved between the last reading and the end."""
    earlier, later = before_stop
    for counted, at_least, at_most, second_life in zip(
        (totals.bytes_in, totals.bytes_out), earlier, later, after, strict=True
    ):
        first_life = counted - second_life
        assert at_least <= first_life <= at_most + MOVED_IN_A_POLL, f"{at_least} <= {first_life} <= {at_most}"


def assert_the_restart_is_shown(gaps: list[dict[str, Any]], seen: Watched) -> None:
    shown = [gap for gap in gaps if gap["state"] in ("partial", "lost") and "restarted" in (gap["reason"] or "")]
    assert shown, f"the restart is not shown: {gaps}"
    # It goes from the last reading to when the server began, which may be told in whole seconds.
    assert all(seen.looked_at_ms <= gap["from"] <= gap["to"] <= seen.answered_at_ms + 1000 for gap in shown), shown


async def test_a_callback_that_the_agent_missed_is_said(
    tmp_path: Path, programs: Programs, nms: NodeMediaServer
) -> None:
    """An agent that was away has lost the callbacks of that time: traffic is right, viewers are covered in part."""
    await nms.start()
    service = Service(tmp_path, programs, ["nms"])
    await service.start()
    account = Accounts(service, "nms")
    agent = start_agent(tmp_path, programs, service, {"nms": nms})
    await account.synced()
    publisher = nms.publish()
    await nms.published()
    stayer = nms.watch()
    await nms.watched_by(1)
    await account.synced()
    agent.kill()
    visitor = nms.watch()
    await nms.watched_by(2)
    await asyncio.sleep(1)
    visitor.stop()
    await nms.watched_by(1)
    start_agent(tmp_path, programs, service, {"nms": nms})
    await account.synced()
    stayer.stop()
    await nms.watched_by(0)
    publisher.stop()
    await nms.emptied()
    await nms.called_back("donePlay", 2)
    await account.synced()
    await account.synced()
    totals = await account.totals()
    assert (totals.bytes_in, totals.bytes_out) == await nms.traffic()
    assert totals.connections == 1, "the visitor was in callbacks only, and those are lost"
    assert any(
        gap["state"] == "partial" and "callbacks were lost" in (gap["reason"] or "") for gap in await account.gaps()
    )
    await nms.postbox.close()
