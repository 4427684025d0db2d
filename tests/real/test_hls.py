"""HLS viewers of a real nginx with `hls` of nginx-rtmp: the figures are those of nginx's log and of the players."""

import asyncio
import re
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from streamusage.agent.metering import meter
from streamusage.agent.reading import Reading
from streamusage.agent.sources.hls.source import HlsSource
from streamusage.core.clock import SystemClock
from tests.support.real.estate import SYNC_INTERVAL_MS, AgentProcess, ReportedFigures, ServiceProcess
from tests.support.real.nginx import Nginx
from tests.support.real.processes import Programs, until

pytestmark = pytest.mark.real

SEGMENT_S = 2
IDLE_AFTER_MS = 10_000
WATCH_S = 16


class SwitchingPlayer:
    """A player of the master playlist that changes the rendition after every second segment."""

    def __init__(self, nginx: Nginx) -> None:
        self._url = nginx.hls_url
        self._task = asyncio.create_task(self._play())

    async def stop(self) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def _play(self) -> None:
        renditions = ("s1_low", "s1_mid")
        async with httpx.AsyncClient(trust_env=False, headers={"User-Agent": "switcher/1"}) as http:
            await http.get(f"{self._url}/s1.m3u8")
            played: list[str] = []
            while True:
                rendition = renditions[len(played) // 2 % 2]
                playlist = (await http.get(f"{self._url}/{rendition}.m3u8")).text
                segments = re.findall(rf"^{rendition}(-\d+\.ts)$", playlist, re.MULTILINE)
                segment = next((segment for segment in segments[-3:] if segment not in played), None)
                if segment is not None:
                    await http.get(f"{self._url}/{rendition}{segment}")
                    played.append(segment)
                await asyncio.sleep(SEGMENT_S / 2)


async def monitor(nginx: Nginx) -> None:
    """Requests of monitors: HEAD of playlist and segment, a playlist alone, and a segment that is gone."""
    async with httpx.AsyncClient(trust_env=False, headers={"User-Agent": "monitor/1"}) as http:
        await http.head(f"{nginx.hls_url}/s1.m3u8")
        playlist = (await http.get(f"{nginx.hls_url}/s1_low.m3u8")).text
        await http.head(f"{nginx.hls_url}/{playlist.split()[-1]}")
        assert (await http.get(f"{nginx.hls_url}/s1_low-99999999.ts")).status_code == 404


class Meter:
    """The sums over the readings of a source."""

    def __init__(self) -> None:
        self._state: meter.MeterState | None = None
        self.connections = self.view_time_ms = self.bytes_out = 0
        self.sessions: set[tuple[str, str, int]] = set()

    def add(self, reading: Reading) -> None:
        self._state, added = meter.step(self._state, reading) if self._state else meter.start(reading)
        for slot in added.slots.values():
            self.connections += sum(slot.connections.values())
            self.view_time_ms += slot.view_time_ms
            self.bytes_out += slot.bytes_out
        self.sessions |= {(session.scope, session.name, session.start_time) for session in added.sessions.values()}


@pytest.fixture
async def figures(nginx: Nginx) -> AsyncIterator[tuple[HlsSource, Meter, list[Reading]]]:
    """A source that is read every half second, with another agent every few seconds."""
    sums, readings = Meter(), []

    async def read_on() -> None:
        cursor = None
        while True:
            source = HlsSource(nginx.hls_log, IDLE_AFTER_MS, SystemClock())
            for _ in range(6):
                reading = await source.read(cursor)
                cursor = reading.cursor
                sums.add(reading)
                readings.append(reading)
                await asyncio.sleep(0.5)

    task = asyncio.create_task(read_on())
    yield HlsSource(nginx.hls_log, IDLE_AFTER_MS, SystemClock()), sums, readings
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def sent_bytes(log: Path) -> int:
    """The sum of nginx's own log."""
    return sum(int(line.split('"')[2].split()[1]) for line in log.read_text().splitlines())


def fetches(log: Path, user_agent: str) -> list[tuple[int, str]]:
    """The segments that were sent to a player, with the times in milliseconds, by nginx's own log."""
    return [
        (round(float(line.split()[0]) * 1000), line.split(".ts HTTP")[0].rpartition("/")[2])
        for line in log.read_text().splitlines()
        if f'"{user_agent}"' in line and ".ts HTTP" in line and '" 20' in line and '"GET ' in line
    ]


def watched_ms(log: Path, user_agent: str) -> int:
    """The time from the first segment of a player to its last one."""
    times = [at for at, _ in fetches(log, user_agent)]
    return max(times) - min(times)


def proven_ms(log: Path, user_agent: str) -> int:
    """The time from the first proof that two players share a user agent to the last one.

    A proof is a segment that was sent twice within its duration, which is the shorter one of the last two pauses before
    a new segment. It proves two players from the first segment on that was sent twice within this duration. A program
    that starts late on a busy machine is proven late, and so are players that fetch several segments at once: nothing
    in the log shows then when the second one began. Where one of them falls behind by more than a segment, nothing
    shows any longer that there are two. Zero where no single pause proves it.
    """
    first: dict[str, int] = {}
    sent_twice: list[tuple[int, int]] = []
    since: int | None = None
    until_at = newest_at = 0
    pauses = [0]
    for at, segment in fetches(log, user_agent):
        if segment not in first:
            pauses = [*pauses, at - newest_at][-2:]
            newest_at = first[segment] = at
            continue
        sent_twice.append((at, at - first[segment]))
        if at - first[segment] <= min(pauses):
            until_at = at
            if since is None:
                since = next(twice_at for twice_at, apart_ms in sent_twice if apart_ms <= min(pauses))
    return 0 if since is None else until_at - since


async def test_players_count_once_and_bytes_are_those_of_the_log(
    nginx: Nginx, figures: tuple[HlsSource, Meter, list[Reading]]
) -> None:
    _, sums, readings = figures
    publishers = [nginx.publish("s1_low", app="hls"), nginx.publish("s1_mid", app="hls")]
    low, mid = (nginx.directory / "www" / "hls" / f"s1_{rendition}.m3u8" for rendition in ("low", "mid"))
    await until(lambda: low.exists() and mid.exists() and mid.read_text().count(".ts") >= 3, "playlists have segments")
    started = time.monotonic()
    alone = nginx.watch_hls("s1_low.m3u8", "tv/1")
    twins = [nginx.watch_hls("s1_mid.m3u8", "phone/1") for _ in range(2)]
    switcher = SwitchingPlayer(nginx)
    while time.monotonic() - started < WATCH_S:
        await monitor(nginx)
        await asyncio.sleep(1)
    assert [(a.scope, a.name, a.viewers) for a in readings[-1].audiences] == [("hls", "s1", 4)]
    for program in (alone, *twins):
        program.stop()
    await switcher.stop()
    played_ms = round((time.monotonic() - started) * 1000)
    await until(lambda: sums.bytes_out == sent_bytes(nginx.hls_log), "all lines are read")
    for publisher in publishers:
        publisher.stop()
    assert sums.connections == 4
    assert {(scope, name) for scope, name, _ in sums.sessions} == {("hls", "s1")}
    assert len(sums.sessions) == 1
    by_log_ms = sum(watched_ms(nginx.hls_log, agent) for agent in ("tv/1", "switcher/1"))
    twins_ms, proven_twin_ms = watched_ms(nginx.hls_log, "phone/1"), proven_ms(nginx.hls_log, "phone/1")
    # One segment for each twin: the log does not show which of the two fetched the first and the last segment.
    least_ms = by_log_ms + twins_ms + proven_twin_ms - 2 * SEGMENT_S * 1000
    fetched = fetches(nginx.hls_log, "phone/1")
    assert least_ms <= sums.view_time_ms <= by_log_ms + 2 * twins_ms, f"of {by_log_ms} ms and of the twins {fetched}"
    assert sums.view_time_ms <= 4 * played_ms


async def test_stream_of_an_origin_and_its_hls_viewers_are_one_usage_record(
    nginx: Nginx, programs: Programs, tmp_path: Path
) -> None:
    service = ServiceProcess(tmp_path, programs, ["origin-1", "edge-hls"])
    await service.start()
    AgentProcess(tmp_path, programs, "origin-1", service, nginx, SYNC_INTERVAL_MS).start()
    configuration = tmp_path / "edge-hls.toml"
    configuration.write_text(
        f"""
        server = "edge-hls"
        [service]
        url = "{service.url}"
        token_env = "STREAMTOP_AGENT_TOKEN"
        sync_interval = "{SYNC_INTERVAL_MS}ms"
        [source]
        kind = "hls"
        access_log = "{nginx.hls_log}"
        idle_after = "{IDLE_AFTER_MS}ms"
        poll_interval = "200ms"
        [journal]
        path = "{tmp_path / "edge-hls.journal.db"}"
        """
    )
    programs.start(
        "hls agent",
        [sys.executable, "-m", "streamusage.agent", "--config", str(configuration)],
        {"STREAMTOP_AGENT_TOKEN": service.agent_tokens["edge-hls"]},
    )
    origin, edge = ReportedFigures(service, "origin-1"), ReportedFigures(service, "edge-hls")
    await origin.wait_until_synced()
    await edge.wait_until_synced()
    nginx.publish("s2", app="hls")
    playlist = nginx.directory / "www" / "hls" / "s2.m3u8"
    await until(lambda: playlist.exists() and playlist.read_text().count(".ts") >= 3, "the playlist has segments")
    nginx.watch("s2", app="hls")
    for player in ("tv/1", "phone/1"):
        nginx.watch_hls("s2.m3u8", player)

    async def has_three_subscribers() -> bool:
        return [(each["aciveSubscribers"], each["totalSubscribers"]) for each in await origin.sessions()] == [(3, 3)]

    await until(has_three_subscribers, "one record with all subscribers")
    (record,) = await origin.sessions()
    assert (record["scope"], record["name"], record["totalSubscribers"]) == ("hls", "s2", 3)
    assert (await edge.totals()).connections == 2
    servers = {entry["server"]: entry["role"] for entry in (await edge.get("/api/v1/servers"))["servers"]}
    assert servers == {"origin-1": "standalone", "edge-hls": "edge"}
    reasons = {span["reason"].partition(":")[0] for span in await edge.gaps() if span["state"] == "partial"}
    assert reasons == {"inferred, lower bound"}
