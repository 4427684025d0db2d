"""Logs as operators have them, with the truth about each: connections, view time, bytes and streams.

Each case is a log that grows while an agent reads it every second.
"""

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

import pytest

from streamusage.agent.metering import meter
from streamusage.agent.sources.common.kind import SourceContext
from streamusage.agent.sources.hls.config import HlsConfig
from streamusage.agent.sources.hls.source import SOURCE
from tests.support.agent.hls_log import LOG_START_S
from tests.support.agent.manual_clock import HandClock

SEGMENTS = 12
SEGMENT_S = 4
IDLE = "15s"


class Request(NamedTuple):
    """A request at a second after the start of the log."""

    at: float
    path: str
    address: str = "198.51.100.7"
    agent: str = "Player/1"
    method: str = "GET"
    status: int = 200
    sent: int = 1000
    sid: str = "-"


class Truth(NamedTuple):
    viewers: int
    watched_s: float
    """View time of all viewers: from the first segment to the end of the last one."""
    streams: set[tuple[str, str]]


Form = Callable[[Request], str]


def streamtop(request: Request) -> str:
    return (
        f'{LOG_START_S + request.at:.3f} {request.address} "{request.method} {request.path} HTTP/1.1" '
        f'{request.status} {request.sent} "{request.agent}" "{request.sid}"'
    )


def combined(request: Request) -> str:
    time = datetime.fromtimestamp(LOG_START_S + int(request.at), UTC).strftime("%d/%b/%Y:%H:%M:%S +0000")
    return (
        f'{request.address} - - [{time}] "{request.method} {request.path} HTTP/1.1" {request.status} {request.sent} '
        f'"https://site.example/" "{request.agent}"'
    )


class Case(NamedTuple):
    requests: list[Request]
    truth: Truth
    form: Form = streamtop
    settings: Mapping[str, object] = MappingProxyType({})


def player(*paths: str, start: float = 0.0, once: tuple[str, ...] = (), **fields: object) -> Iterator[Request]:
    """One viewer who fetches some paths once and others with every segment; `{n}` is the segment's number."""
    for path in once:
        yield Request(start, path)._replace(**fields)
    for index in range(SEGMENTS):
        number = 40 + int(start) // SEGMENT_S + index
        for path in paths:
            at = start + index * SEGMENT_S
            yield Request(at, path.format(n=number, at=1_795_000_000 + number * 4))._replace(**fields)


def lone_viewer(stream: tuple[str, str], *paths: str, once: tuple[str, ...] = ()) -> Case:
    return Case(list(player(*paths, once=once)), Truth(1, SEGMENTS * SEGMENT_S, {stream}))


def several(viewers: int, stream: tuple[str, str], *requests: Iterable[Request], **settings: object) -> Case:
    merged = sorted((request for part in requests for request in part), key=lambda request: request.at)
    return Case(merged, Truth(viewers, viewers * SEGMENTS * SEGMENT_S, {stream}), settings=settings)


def nobody(*requests: Request, **settings: object) -> Case:
    return Case(list(requests), Truth(0, 0, set()), settings=settings)


def switching(*paths: str) -> Iterator[Request]:
    """One viewer who switches the rendition with every third segment, and fetches that segment in both."""
    for index in range(SEGMENTS):
        rendition = index // 3 % len(paths)
        yield Request(index * SEGMENT_S, paths[rendition].format(n=index))
        if index % 3 == 2:
            yield Request(index * SEGMENT_S + 0.5, paths[(rendition + 1) % len(paths)].format(n=index))


SEGMENT = "/hls/s1-{n}.ts"
HLS = ("hls", "s1")
LIVE = ("live", "s1")

CASES = {
    # One viewer, on the server's own layout.
    "nginx variants": lone_viewer(HLS, "/hls/s1_mid.m3u8", "/hls/s1_mid-{n}.ts", once=("/hls/s1.m3u8",)),
    "nginx nested variants": lone_viewer(
        HLS, "/hls/s1_hd720/index.m3u8", "/hls/s1_hd720/{n}.ts", once=("/hls/s1.m3u8",)
    ),
    "nginx-vod": lone_viewer(
        HLS, "/hls/s1.mp4/index-v1-a1.m3u8", "/hls/s1.mp4/seg-{n}-v1-a1.ts", once=("/hls/s1.mp4/master.m3u8",)
    ),
    "nginx-vod dash": lone_viewer(
        ("dash", "s1"),
        "/dash/s1.mp4/manifest.mpd",
        "/dash/s1.mp4/fragment-{n}-v1-x3.m4s",
        "/dash/s1.mp4/fragment-{n}-a1-x3.m4s",
        once=("/dash/s1.mp4/init-v1-x3.mp4",),
    ),
    "wowza": lone_viewer(
        LIVE, "/live/s1/chunklist_w123.m3u8", "/live/s1/media_w123_{n}.ts", once=("/live/s1/playlist.m3u8",)
    ),
    "wowza smil": lone_viewer(
        LIVE,
        "/live/_definst_/smil:s1.smil/chunklist_w9_b800000_sleng.m3u8",
        "/live/_definst_/smil:s1.smil/media_w9_b800000_sleng_{n}.ts",
        once=("/live/_definst_/smil:s1.smil/playlist.m3u8",),
    ),
    "mediamtx": lone_viewer(HLS, "/s1/main_stream.m3u8", "/s1/0a1b2c3d4e5f_main_seg{n}.mp4", once=("/s1/index.m3u8",)),
    "mediamtx parts": lone_viewer(
        LIVE,
        *("/live/s1/video1_stream.m3u8?_HLS_msn={n}", "/live/s1/0a1b2c3d4e5f_video1_part{n}1.mp4"),
        *("/live/s1/0a1b2c3d4e5f_video1_part{n}2.mp4", "/live/s1/0a1b2c3d4e5f_audio2_part{n}3.mp4"),
        once=("/live/s1/index.m3u8", "/live/s1/0a1b2c3d4e5f_video1_init.mp4"),
    ),
    "ovenmediaengine": lone_viewer(
        ("app", "s1"),
        *("/app/s1/chunklist_0_video_llhls.m3u8", "/app/s1/part_0_{n}_1_video_KEY_llhls.m4s"),
        *("/app/s1/part_0_{n}_2_video_KEY_llhls.m4s", "/app/s1/part_1_{n}_1_audio_KEY_llhls.m4s"),
        once=("/app/s1/llhls.m3u8", "/app/s1/init_0_video_KEY_llhls.m4s"),
    ),
    "ant media": lone_viewer(
        ("LiveApp", "s1"),
        "/LiveApp/streams/s1_720p800kbps.m3u8",
        "/LiveApp/streams/s1_720p800kbps0000000{n}.ts",
        once=("/LiveApp/streams/s1_adaptive.m3u8",),
    ),
    "srs": lone_viewer(LIVE, "/live/s1.m3u8?hls_ctx=8w8r2k5x", "/live/s1-{n}.ts?hls_ctx=8w8r2k5x"),
    "flussonic": lone_viewer(
        HLS, "/s1/tracks-v1a1/mono.m3u8", "/s1/tracks-v1a1/2024/01/02/03/{n}/05-06000.ts", once=("/s1/index.m3u8",)
    ),
    "packager folders": lone_viewer(
        HLS, "/hls/s1/v0/index.m3u8", "/hls/s1/v0/seg_{n}.ts", once=("/hls/s1/master.m3u8",)
    ),
    "packager dash": lone_viewer(
        ("dash", "s1"),
        *("/dash/s1/manifest.mpd", "/dash/s1/chunk-stream0-000{n}.m4s", "/dash/s1/chunk-stream1-000{n}.m4s"),
        once=("/dash/s1/init-stream0.m4s", "/dash/s1/init-stream1.m4s"),
    ),
    # One viewer who changes rendition, host, token or socket.
    "switching suffixes": several(1, HLS, switching("/hls/s1_low-{n}.ts", "/hls/s1_hi-{n}.ts", "/hls/s1_720p-{n}.ts")),
    "switching folders": several(1, HLS, switching("/hls/s1/360p/{n}.ts", "/hls/s1/1080p/{n}.ts")),
    "switching bitrates": several(
        1, LIVE, switching("/live/s1/media_w1_b500000_{n}.ts", "/live/s1/media_w1_b900000_{n}.ts")
    ),
    "rotating tokens": several(
        1, LIVE, (request._replace(path=f"{request.path}?token={request.at}") for request in player("/live/s1-{n}.ts"))
    ),
    "tokens in names": several(
        1, LIVE, (Request(4.0 * index, f"/live/s1/media_w{index // 4}7_{index}.ts") for index in range(SEGMENTS))
    ),
    # Several viewers.
    "two addresses": several(2, HLS, player(SEGMENT), player(SEGMENT, address="198.51.100.8")),
    "two players behind one address": several(2, HLS, player(SEGMENT), player(SEGMENT, agent="Player/2")),
    "two of one player behind one address": several(2, HLS, player(SEGMENT), player(SEGMENT, start=0.7)),
    "two session ids behind one address": several(2, HLS, player(SEGMENT, sid="a"), player(SEGMENT, sid="b")),
    "two CMCD ids behind one address": several(
        2,
        HLS,
        player(SEGMENT + "?CMCD=bl%3D2%2Csid%3D%22a%22"),
        player(SEGMENT + "?CMCD=sid%3D%22b%22"),
    ),
    # Nobody: monitors, own tools, caches.
    "HEAD of a playlist": nobody(*(Request(at, "/hls/s1.m3u8", method="HEAD", sent=280) for at in range(0, 40, 2))),
    "HEAD of a segment": nobody(*(Request(at, f"/hls/s1-{at}.ts", method="HEAD") for at in range(0, 40, 2))),
    "playlists only": nobody(*(Request(at, "/hls/s1/index.m3u8", agent="Uptime/2") for at in range(0, 40, 2))),
    "refused": nobody(*(Request(at, f"/hls/s1-{at}.ts", status=403) for at in range(0, 40, 2))),
    "ignored tool": nobody(*player(SEGMENT, agent="probe/3"), ignore=["agent:probe*"]),
    "ignored network": nobody(*player(SEGMENT), ignore=["198.51.100.0/24"]),
    "cache of a network": nobody(*player(SEGMENT, agent="Amazon CloudFront")),
    # Addresses behind proxies.
    "forwarded address": several(
        1, HLS, player(SEGMENT, address="203.0.113.7, 10.0.0.4"), trusted_proxy=["10.0.0.0/8"]
    ),
    "two forwarded addresses": several(
        2,
        HLS,
        player(SEGMENT, address="203.0.113.7, 10.0.0.4"),
        player(SEGMENT, address="203.0.113.8, 10.0.0.4"),
        trusted_proxy=["10.0.0.4"],
    ),
    "forged first address": several(
        1,
        HLS,
        (request._replace(address=f"6.6.{int(request.at)}.6, 203.0.113.7, 10.0.0.4") for request in player(SEGMENT)),
        trusted_proxy=["10.0.0.0/8"],
    ),
    # Other forms of logs.
    "combined": lone_viewer(HLS, "/hls/s1.m3u8", SEGMENT)._replace(form=combined),
    "combined with a quote in the agent": Case(
        list(player(SEGMENT, agent='Play\\"er/1')), Truth(1, SEGMENTS * SEGMENT_S, {HLS}), combined
    ),
    "combined of two viewers": several(2, HLS, player(SEGMENT), player(SEGMENT, address="2001:db8::7"))._replace(
        form=combined
    ),
}


class Counted(NamedTuple):
    viewers: int
    watched_s: float
    bytes_out: int
    streams: set[tuple[str, str]]
    """Streams that were reported as sessions."""
    misses: set[str]


def append(log: Path, case: Case, requests: Iterable[Request]) -> None:
    with log.open("a") as file:
        file.write("".join(case.form(request) + "\n" for request in requests))


async def count(log: Path, case: Case) -> Counted:
    """The figures of an agent that reads the log every second while it grows."""
    append(log, case, [Request(-60, "/hls/other.m3u8")])
    clock = HandClock(LOG_START_S * 1000)
    config = HlsConfig.model_validate({"kind": "hls", "access_log": log, "idle_after": IDLE, **case.settings})
    source = SOURCE.create(config, SourceContext(clock, log))
    reading = await source.read(None)
    state, _ = meter.start(reading)
    viewers = watched_ms = bytes_out = 0
    streams, misses = set(), set()
    waiting = list(case.requests)
    for second in range(SEGMENTS * SEGMENT_S + 30):
        due = [request for request in waiting if request.at <= second]
        waiting = waiting[len(due) :]
        append(log, case, due)
        clock.now = (LOG_START_S + second) * 1000 + 500
        reading = await source.read(reading.cursor)
        misses.add(reading.misses)
        state, added = meter.step(state, reading)
        for slot in added.slots.values():
            viewers += sum(slot.connections.values())
            watched_ms += slot.view_time_ms
            bytes_out += slot.bytes_out
        streams |= {(session.scope, session.name) for session in added.sessions.values()}
    assert not waiting
    return Counted(viewers, watched_ms / 1000, bytes_out, streams, misses - {""})


@pytest.mark.parametrize("name", CASES)
def test_figures_are_the_truth(name: str, tmp_path: Path) -> None:
    case = CASES[name]
    counted = asyncio.run(count(tmp_path / "a.log", case))
    truth = case.truth
    assert counted.viewers == truth.viewers
    # A second viewer with the identity of another is known from its second segment on.
    bound_s = (SEGMENT_S + (SEGMENT_S if "two of one player" in name else 0)) * max(1, truth.viewers)
    assert truth.watched_s - bound_s <= counted.watched_s <= truth.watched_s
    assert counted.bytes_out == sum(request.sent for request in case.requests)
    assert counted.streams == truth.streams
    assert len(counted.misses) == (1 if truth.viewers and "id" not in name and name != "srs" else 0)
