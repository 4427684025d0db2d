"""The HLS source: figures depend on the log only, not on which agent reads it and from where."""

import asyncio
import random
import tempfile
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamusage.agent.metering import meter
from streamusage.agent.reading import EndedConnection, LogGoneError, Reading
from streamusage.agent.sources.common.logs.follower import LogPosition
from streamusage.agent.sources.common.sample_time import Instant
from streamusage.agent.sources.hls.source import HlsCursor, HlsSource
from streamusage.core.reasons import HLS_INFERRED, HLS_LOG_NOT_OPENED, HLS_LOG_NOT_UNDERSTOOD, LINES_LOST
from tests.support.agent.hls_log import LOG_START_S, LogFigures, hls_line, sum_entries
from tests.support.agent.manual_clock import HandClock


async def test_restarted_agent_reads_the_same_figures(tmp_path: Path) -> None:
    log = tmp_path / "hls.log"
    log.write_bytes(b"")
    clock = HandClock(LOG_START_S * 1000)

    source, restarted = HlsSource(log, 30_000, clock), HlsSource(log, 30_000, clock)
    first = await source.read(None)
    append_lines(log, hls_line(1), hls_line(5))
    clock.now += 6_000
    second = await source.read(first.cursor)
    append_lines(log, hls_line(10))
    clock.now += 6_000
    third = await source.read(second.cursor)
    third_after_restart = await restarted.read(second.cursor)
    assert third.misses == HLS_INFERRED
    assert sum_entries(third.ended) == sum_entries(third_after_restart.ended) == LogFigures(0, 5_000, 100)
    between = await restarted.ended_between(first.cursor, third.cursor)
    assert sum_entries(between) == LogFigures(1, 9_000, 300)
    assert meter_figures(first, second, third) == LogFigures(1, 9_000, 300)
    assert await source.read(second.cursor) == third, "a reading that no journal recorded can be repeated"


async def test_lost_lines_are_reported(tmp_path: Path) -> None:
    log = tmp_path / "hls.log"
    log.write_bytes(hls_line(0) + b"\n")
    source = HlsSource(log, 30_000, HandClock(LOG_START_S * 1000))
    first = await source.read(None)
    log.unlink()
    log.write_bytes(hls_line(7) + b"\n")
    second = await source.read(first.cursor)
    assert (first.misses, second.misses) == ("", LINES_LOST)
    assert sum_entries(second.ended) == LogFigures(1, 0, 100)
    assert (await source.read(second.cursor)).misses == ""
    with pytest.raises(LogGoneError):
        await source.ended_between(first.cursor, second.cursor)


async def test_log_of_which_no_line_is_readable_is_not_relied_on(tmp_path: Path) -> None:
    log = tmp_path / "hls.log"
    log.write_bytes(b"started worker process 31\n")
    clock = HandClock(LOG_START_S * 1000)
    source = HlsSource(log, 30_000, clock)
    first = await source.read(None)
    assert first.misses == HLS_LOG_NOT_UNDERSTOOD
    assert str(log) in first.problem
    assert "log_format" in first.problem
    append_lines(log, hls_line(1), hls_line(5))
    clock.now += 6_000
    second = await source.read(first.cursor)
    assert (second.misses, second.problem) == (HLS_INFERRED, "")
    assert sum_entries(second.ended).connections == 1


async def test_form_of_the_log_may_change(tmp_path: Path) -> None:
    log = tmp_path / "hls.log"
    log.write_bytes(hls_line(0, sid="a") + b"\n")
    clock = HandClock(LOG_START_S * 1000)
    source = HlsSource(log, 30_000, clock)
    first = await source.read(None)
    changed = b'10.0.0.1 - - [18/Nov/2026:11:06:4%d +0000] "GET /hls/s1-%d.ts HTTP/1.1" 200 100 "-" "Player"'
    append_lines(log, *(changed % (second, second) for second in range(6)))
    clock.now += 6_000
    second = await source.read(first.cursor)
    assert sum_entries(second.ended) == LogFigures(1, 5_000, 600)


async def test_log_with_its_fields_in_a_header_is_read_from_its_end_on(tmp_path: Path) -> None:
    log = tmp_path / "u_ex.log"
    line = b"2026-11-18 11:06:%02d 10.0.0.1 GET /hls/s1-%d.ts 200 100 Player"
    header = b"#Software: Example\n#Fields: date time c-ip cs-method cs-uri-stem sc-status sc-bytes cs(User-Agent)\n"
    log.write_bytes(header + b"\n".join(line % (0, number) for number in range(2000)) + b"\n")
    clock = HandClock(LOG_START_S * 1000)
    first = await HlsSource(log, 30_000, clock).read(None)
    assert (first.misses, first.problem) == ("", "")
    append_lines(log, *(line % (second, 2000 + second) for second in range(40, 46)))
    clock.now += 6_000
    source = HlsSource(log, 30_000, clock)
    second = await source.read(first.cursor)
    assert sum_entries(second.ended) == LogFigures(1, 5_000, 600)
    another = HlsSource(log, 30_000, clock)
    assert sum_entries(await another.ended_between(first.cursor, second.cursor)) == LogFigures(1, 5_000, 600)


async def test_unreadable_line_makes_its_own_minute_partial(tmp_path: Path) -> None:
    log = tmp_path / "hls.log"
    log.write_bytes(hls_line(0, sid="a") + b"\n")
    clock = HandClock(LOG_START_S * 1000)
    source = HlsSource(log, 30_000, clock)
    first = await source.read(None)
    append_lines(log, hls_line(1, sid="a"), b"\xff\xfe what", hls_line(5, sid="a"))
    clock.now += 6_000
    second = await source.read(first.cursor)
    assert second.misses == ""
    assert [entry.kind for entry in second.ended].count("unreadable") == 1
    assert sum_entries(second.ended)[:2] == (1, 4_000)


async def test_log_that_cannot_be_opened_is_read_later(tmp_path: Path) -> None:
    log = tmp_path / "hls.log"
    source = HlsSource(log, 30_000, HandClock(LOG_START_S * 1000))
    first = await source.read(None)
    assert first.misses == HLS_LOG_NOT_OPENED
    assert first.problem.endswith("not found; configure the web server to write it")
    log.write_bytes(b"")
    second = await source.read(first.cursor)
    append_lines(log, hls_line(1, sid="a"))
    third = await source.read(second.cursor)
    assert (second.misses, third.misses) == ("", "")
    assert sum_entries(third.ended).connections == 1


class Sessions:
    """Sessions as the meter records them: end, whether live, and highest number of subscribers."""

    def __init__(self) -> None:
        self._state: meter.MeterState | None = None
        self.joined: Counter[tuple[str, int]] = Counter()
        self.rows: dict[tuple[str, int], tuple[int, bool, int]] = {}

    def add(self, reading: Reading) -> None:
        if self._state is None:
            self._state, added = meter.start(reading)
        else:
            self._state, added = meter.step(self._state, reading)
        for session in added.sessions.values():
            key = (session.name, session.start_time - LOG_START_S * 1000)
            self.joined[key] += session.joined
            self.rows[key] = (session.end_time - LOG_START_S * 1000, session.live, session.highest)


@pytest.mark.parametrize("restarts", [False, True])
async def test_stream_is_a_session_from_its_first_segment_until_idle(tmp_path: Path, restarts: bool) -> None:
    log = tmp_path / "hls.log"
    log.write_bytes(b"")
    clock = HandClock(LOG_START_S * 1000)
    sessions = Sessions()
    source = HlsSource(log, 10_000, clock)
    cursor = None
    for second in range(200):
        clock.now = (LOG_START_S + second) * 1000
        if restarts and second % 7 == 0:
            source = HlsSource(log, 10_000, clock)
        reading = await source.read(cursor)
        sessions.add(reading)
        cursor = reading.cursor
        append_lines(log, hls_line(second, "/hls/s2.m3u8"))
        for viewer in range(2):
            if second < 60 or second >= 120:
                append_lines(log, hls_line(second + 0.5, f"/hls/s1-{second}.ts", ip=f"10.0.0.{viewer}"))
    assert sessions.rows == {("s1", 500): (69_000, False, 2), ("s1", 120_500): (199_000, True, 2)}
    assert sessions.joined == {("s1", 500): 2, ("s1", 120_500): 2}


def read_with_restarts(directory: Path, batches: list[list[bytes]], restarts: set[int]) -> LogFigures:
    """The sums over readings, each of a batch of lines and a second apart, with a new agent before some of them."""
    log = directory / "hls.log"
    log.write_bytes(b"")
    clock = HandClock(LOG_START_S * 1000)

    async def read_all() -> LogFigures:
        source = HlsSource(log, 10_000, clock)
        cursor = (await source.read(None)).cursor
        entries: list[EndedConnection] = []
        for number, batch in enumerate(batches):
            append_lines(log, *batch)
            clock.now += 1_000
            if number in restarts:
                source = HlsSource(log, 10_000, clock)
            reading = await source.read(cursor)
            entries += reading.ended
            cursor = reading.cursor
        return sum_entries(entries)

    return asyncio.run(read_all())


@settings(max_examples=25, deadline=None)
@given(st.randoms(use_true_random=False), st.sets(st.integers(0, 79)))
def test_restarts_change_no_figure(choose: random.Random, restarts: set[int]) -> None:
    """Viewers behind one address among them, who are known by their repeated segments only."""
    leaves = {viewer: choose.randrange(1, 80) for viewer in range(6)}
    starts = {viewer: choose.randrange(0, 80) for viewer in range(6)}
    batches = [
        [
            hls_line(second + viewer / 10, f"/hls/s1-{second // 2}.ts", ip=f"10.0.0.{viewer // 2}")
            for viewer in range(6)
            if starts[viewer] <= second <= leaves[viewer] and second % 2 == 0
        ]
        for second in range(80)
    ]
    with tempfile.TemporaryDirectory() as directory:
        without = read_with_restarts(Path(directory), batches, set())
        assert read_with_restarts(Path(directory), batches, restarts) == without


@given(st.text(max_size=80))
def test_any_text_is_a_cursor(text: str) -> None:
    cursor = HlsCursor.parse(text)
    assert HlsCursor.parse(str(cursor)) == cursor


def append_lines(log: Path, *lines: bytes) -> None:
    with log.open("ab") as file:
        file.write(b"".join(line + b"\n" for line in lines))


def meter_figures(first: Reading, *others: Reading) -> LogFigures:
    state, _ = meter.start(first)
    connections = view_time_ms = bytes_out = 0
    for reading in others:
        state, added = meter.step(state, reading)
        for slot in added.slots.values():
            connections += sum(slot.connections.values())
            view_time_ms += slot.view_time_ms
            bytes_out += slot.bytes_out
    return LogFigures(connections, view_time_ms, bytes_out)


def test_cursor_of_an_earlier_version_continues() -> None:
    earlier = HlsCursor.parse('{"position":"7:10:0","earlier":"7:2:0","earlier_at":5,"between":"7:5:0","between_at":9}')
    after = earlier.advance(LogPosition(7, 20, 0), Instant(50_000, 1_000), 60_000, {})
    assert (after.position, after.earlier) == (str(LogPosition(7, 20, 0)), "7:2:0")
    later = after.advance(LogPosition(7, 30, 0), Instant(120_000, 71_000), 60_000, {})
    assert (later.earlier, later.between) == ("7:5:0", str(LogPosition(7, 30, 0)))
