"""HLS viewers from an access log: bytes to the byte, viewers by session id or address, alike for every reader."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import tests.support.agent
from streamusage.agent.metering import meter
from streamusage.agent.reading import EndedConnection, LogGoneError, Reading
from streamusage.agent.sources.hls.source import HlsCursor, HlsSource
from streamusage.agent.sources.hls.viewers import Viewers, parse_line, stream_of
from streamusage.agent.sources.icecast.access_log import parse_line as parse_icecast
from streamusage.agent.sources.icecast.source import ended_of
from streamusage.core.reasons import LINES_LOST
from tests.support.agent.manual_clock import HandClock

FIXTURES = Path(tests.support.agent.__file__).parent / "fixtures"
T0 = 1_795_000_000


def line(second: float, path: str = "/hls/s1.m3u8", sent: int = 100, sid: str = "-", ip: str = "10.0.0.1") -> bytes:
    return f'{T0 + second:.3f} {ip} "GET {path} HTTP/1.1" 200 {sent} "Player" "{sid}"'.encode()


def fold(*lines: bytes, idle_ms: int = 30_000) -> list[EndedConnection]:
    return Viewers(idle_ms).fold([request for each in lines if (request := parse_line(each)) is not None])


def totals(told: list[EndedConnection]) -> tuple[int, int, int]:
    return (
        sum(each.kind == "join" for each in told),
        sum(each.duration_ms for each in told if each.kind == "watch"),
        sum(each.bytes_out for each in told),
    )


def test_a_viewer_comes_with_its_first_request_and_watches_to_its_last() -> None:
    assert totals(fold(line(0), line(4), line(4.5, "/hls/s1-7.ts", 5000), line(9))) == (1, 9_000, 5300)


def test_who_was_silent_for_too_long_comes_again() -> None:
    assert totals(fold(line(0), line(5), line(60), line(62))) == (2, 7_000, 400)


def test_a_session_id_tells_viewers_of_one_address_apart() -> None:
    assert totals(fold(line(0, sid="a"), line(0, sid="b"), line(2, sid="a"), line(2, sid="b")))[0] == 2
    assert totals(fold(line(0, sid="a"), line(2, sid="a", ip="10.9.9.9")))[0] == 1
    assert totals(fold(line(0), line(0, ip="10.0.0.2")))[0] == 2


def test_refused_requests_are_traffic_only() -> None:
    assert totals(fold(line(0).replace(b" 200 ", b" 404 "))) == (0, 0, 100)


@pytest.mark.parametrize(
    ("path", "stream"),
    [
        ("/hls/s1.m3u8", ("hls", "s1")),
        ("/hls/s1-17.ts", ("hls", "s1")),
        ("/live/room/s1/index.m3u8", ("live/room", "s1")),
        ("/live/room/s1/17.ts", ("live/room", "s1")),
        ("/s1.m3u8", ("hls", "s1")),
        ("/hls/cam2.m3u8", ("hls", "cam2")),
    ],
)
def test_the_stream_of_a_path(path: str, stream: tuple[str, str]) -> None:
    assert stream_of(path) == stream


async def test_an_agent_that_begins_again_goes_on_as_if_it_had_stayed(tmp_path: Path) -> None:
    log = tmp_path / "hls.log"
    log.write_bytes(b"")
    clock = HandClock(T0 * 1000)
    now = 1

    def write(*lines: bytes) -> None:
        with log.open("ab") as file:
            file.write(b"".join(each + b"\n" for each in lines))

    steady, started_anew = HlsSource(log, 30_000, clock), HlsSource(log, 30_000, clock)
    first = await steady.read(None)
    write(line(now), line(now + 4))
    clock.now += 6_000
    second = await steady.read(first.cursor)
    write(line(now + 9))
    clock.now += 6_000
    third = await steady.read(second.cursor)
    anew = await started_anew.read(second.cursor)
    assert totals(list(third.ended)) == totals(list(anew.ended)) == (0, 5_000, 100)
    assert totals(list(await started_anew.ended_between(first.cursor, third.cursor))) == (1, 9_000, 300)
    counted = sum_of(first, second, third)
    assert counted == (1, 9_000, 300)
    assert await steady.read(second.cursor) == third, "a reading that no journal has is told again"


async def test_a_log_that_is_gone_is_said(tmp_path: Path) -> None:
    log = tmp_path / "hls.log"
    log.write_bytes(line(0) + b"\n")
    source = HlsSource(log, 30_000, HandClock(T0 * 1000))
    first = await source.read(None)
    log.unlink()
    log.write_bytes(line(7) + b"\n")
    second = await source.read(first.cursor)
    assert (first.misses, second.misses) == ("", LINES_LOST)
    assert totals(list(second.ended)) == (1, 0, 100)
    assert (await source.read(second.cursor)).misses == ""
    with pytest.raises(LogGoneError):
        await source.ended_between(first.cursor, second.cursor)


def sum_of(first: Reading, *others: Reading) -> tuple[int, int, int]:
    state, _ = meter.start(first)
    connections = view_time = sent = 0
    for reading in others:
        state, added = meter.step(state, reading)
        for slot in added.slots.values():
            connections += sum(slot.connections.values())
            view_time += slot.view_time_ms
            sent += slot.bytes_out
    return connections, view_time, sent


@given(st.binary(max_size=200))
def test_any_line_is_taken_or_passed_over(text: bytes) -> None:
    parse_line(text)
    parse_icecast(text)


@given(st.text(max_size=80))
def test_any_cursor_is_taken(text: str) -> None:
    cursor = HlsCursor.parse(text)
    assert HlsCursor.parse(str(cursor)) == cursor


def test_icecasts_own_log() -> None:
    lines = [parse_icecast(each) for each in (FIXTURES / "icecast_access.log").read_bytes().splitlines()]
    ended = ended_of([each for each in lines if each is not None], {}, {})
    assert sum(each.kind == "publish" for each in ended) == 4
    plays = [each for each in ended if each.kind == "play"]
    assert (len(plays), sum(each.bytes_out for each in plays)) == (7, 661_860)
    assert {each.counter.partition("-")[0] for each in plays} == {
        each.connection_id.partition("-")[0] for each in ended if each.kind == "publish"
    }


def test_pages_and_refusals_of_icecast_are_no_listeners() -> None:
    head = b"127.0.0.1 - - [21/Nov/2026:22:00:37 +0000] "
    assert parse_icecast(head + b'"GET /nosuch.mp3 HTTP/1.1" 404 362 "-" "curl" 0') is None
    assert parse_icecast(head + b'"GET /admin/stats HTTP/1.1" 200 1654 "-" "curl" 0') is None
    page = parse_icecast(head + b'"GET /status.xsl HTTP/1.1" 200 1654 "-" "a \\" 200 9 b" 0')
    assert page is not None
    assert ended_of([page], {"/a.mp3": 1}, {}) == ()
