"""The Icecast source: statistics, listener lists with late responses, log lines matched with mounts."""

from datetime import UTC, datetime
from email.utils import format_datetime

import pytest

from streamusage.access_logs.icecast import parse_line
from streamusage.agent.reading import SHARED
from streamusage.agent.sources.icecast.source import IcecastCursor, IcecastSource, match_log_lines
from tests.support.agent.http_answers import answer, answering
from tests.support.agent.manual_clock import HandClock
from tests.support.agent.media_servers import open_source, read_fixture, secret
from tests.support.waiting import PATIENT


async def test_reading_without_a_log() -> None:
    async with open_source("icecast") as (source, answers):
        reading = await source.read(None)
        assert b"authorization: basic " in answers.requests[0].lower()
    assert (reading.boot, reading.accepted, reading.logs_ends) == ("1795289587", 4, False)
    streams = [(publish.scope, publish.name) for publish in reading.publishes]
    assert streams == [("icecast", "a.mp3"), ("icecast", "b.ogg")]
    counters = sorted((counter.bytes_in, counter.bytes_out) for counter in reading.counters)
    assert counters == [(0, 0), (6800, 6005), (17913, 51132)], "the first one is that of shared lines"
    assert len({viewer.viewer_id for viewer in reading.viewers}) == 3
    assert "no access log" in reading.misses


async def test_server_without_a_source_has_no_streams() -> None:
    async with open_source("icecast", {"/admin/stats": read_fixture("icecast_admin_stats_empty.xml")}) as (source, _):
        reading = await source.read(None)
    assert (reading.publishes, reading.viewers) == ((), ())
    assert [(counter.key, counter.bytes_out) for counter in reading.counters] == [(SHARED, 0)]


@pytest.mark.parametrize("server_ahead_s", [0, -3_600, 5])
async def test_late_response_does_not_shift_the_start_of_a_listener(server_ahead_s: int) -> None:
    clock = HandClock(1_795_289_700_250)
    listed_ms: list[int] = []

    def respond(request: bytes) -> bytes:
        if b"listclients" not in request:
            return answer(read_fixture("icecast_admin_stats.xml"))
        clock.now += 3_000
        listed_ms.append(clock.now)
        date = format_datetime(datetime.fromtimestamp(clock.now // 1000 + server_ahead_s, UTC), usegmt=True)
        clock.now += 1_000
        listener = b"<listener><IP>1.2.3.4</IP><Connected>7</Connected><ID>%d</ID></listener>" % len(listed_ms)
        return answer(b"<icestats><source>" + listener + b"</source></icestats>", Date=date)

    async with answering() as answers:
        answers.next = [respond]
        source = IcecastSource(answers.url, "admin", secret, None, clock, options=PATIENT)
        reading = await source.read(None)
        await source.close()
    assert len(reading.viewers) == len(listed_ms) == 2
    for viewer in reading.viewers:
        written_ms = listed_ms[int(viewer.viewer_id.partition("@")[0]) - 1]
        latest_ms = reading.at - viewer.age_ms
        assert latest_ms - reading.age_slack_ms <= written_ms // 1000 * 1000 - 7_000 <= latest_ms
    assert reading.age_slack_ms <= 5_000


def test_lines_of_a_recorded_log_belong_to_lives_of_their_mounts() -> None:
    lines = [parse_line(line) for line in read_fixture("icecast_access.log").splitlines()]
    ended = match_log_lines([line for line in lines if line is not None], IcecastCursor(), {})
    assert sum(connection.kind == "publish" for connection in ended) == 4
    plays = [connection for connection in ended if connection.kind == "play"]
    assert (len(plays), sum(play.bytes_out for play in plays)) == (7, 661_860)
    assert {play.counter.partition("-")[0] for play in plays} == {
        connection.connection_id.partition("-")[0] for connection in ended if connection.kind == "publish"
    }


def test_request_of_a_page_is_no_listener() -> None:
    line = parse_line(
        b'127.0.0.1 - - [21/Nov/2026:22:00:37 +0000] "GET /status.xsl HTTP/1.1" 200 1654 "-" "a \\" 200 9 b" 0'
    )
    assert line is not None
    assert match_log_lines([line], IcecastCursor(mounts={"/a.mp3": 1}), {}) == ()


MOVED = b'203.0.113.5 - - [21/Nov/2026:22:00:37 +0000] "GET /a.mp3 HTTP/1.1" 200 9000 "-" "p" 600'
LEFT_S = 1795298437


@pytest.mark.parametrize(
    ("cursor", "counter", "bytes_out"),
    [
        (IcecastCursor(mounts={"/a.mp3": LEFT_S - 700}, since_s=LEFT_S - 800), "life", 9_000),
        (IcecastCursor(mounts={"/a.mp3": LEFT_S - 100}, since_s=LEFT_S - 800), SHARED, 9_000),
        (IcecastCursor(mounts={"/a.mp3": LEFT_S - 100}, since_s=LEFT_S - 500), SHARED, 0),
        (IcecastCursor(mounts={"/a.mp3": LEFT_S - 100}), SHARED, 0),
        (IcecastCursor(left={"/a.mp3": (LEFT_S - 700, LEFT_S - 9)}, since_s=LEFT_S - 800), SHARED, 9_000),
        (IcecastCursor(left={"/a.mp3": (LEFT_S - 700, LEFT_S)}, since_s=LEFT_S - 800), "life", 9_000),
    ],
    ids=["one life", "began before it", "before counting", "earlier version", "stayed on a fallback", "left with it"],
)
def test_line_belongs_to_one_life_or_to_several(cursor: IcecastCursor, counter: str, bytes_out: int) -> None:
    line = parse_line(MOVED)
    assert line is not None
    (ended,) = match_log_lines([line], cursor, cursor.mounts, LEFT_S + 1)
    assert (ended.counter == SHARED, ended.bytes_out) == (counter == SHARED, bytes_out)


def test_cursor_remembers_mounts_whose_source_left_for_a_day() -> None:
    cursor = IcecastCursor().advance(None, {"/a": 5, "/b": 6}, 100)
    assert (cursor.mounts, cursor.left, cursor.since_s) == ({"/a": 5, "/b": 6}, {}, 100)
    cursor = IcecastCursor.parse(str(cursor.advance(None, {"/b": 6}, 200)))
    assert (cursor.left, cursor.since_s) == ({"/a": (5, 200)}, 100)
    assert cursor.advance(None, {"/b": 6}, 300).left == {"/a": (5, 200)}
    assert cursor.advance(None, {"/a": 250, "/b": 6}, 300).left == {}
    assert cursor.advance(None, {"/b": 6}, 200 + 86_400).left == {}
