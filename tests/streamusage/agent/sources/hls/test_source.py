"""The HLS source: figures depend on the log only, not on which agent reads it and from where."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamusage.agent.metering import meter
from streamusage.agent.reading import LogGoneError, Reading
from streamusage.agent.sources.hls.source import HlsCursor, HlsSource
from streamusage.core.reasons import LINES_LOST
from tests.support.agent.hls_log import LOG_START_S, LogFigures, hls_line, sum_entries
from tests.support.agent.manual_clock import HandClock


async def test_restarted_agent_reads_the_same_figures(tmp_path: Path) -> None:
    log = tmp_path / "hls.log"
    log.write_bytes(b"")
    clock = HandClock(LOG_START_S * 1000)

    def append_lines(*lines: bytes) -> None:
        with log.open("ab") as file:
            file.write(b"".join(line + b"\n" for line in lines))

    source, restarted = HlsSource(log, 30_000, clock), HlsSource(log, 30_000, clock)
    first = await source.read(None)
    append_lines(hls_line(1), hls_line(5))
    clock.now += 6_000
    second = await source.read(first.cursor)
    append_lines(hls_line(10))
    clock.now += 6_000
    third = await source.read(second.cursor)
    third_after_restart = await restarted.read(second.cursor)
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


@given(st.text(max_size=80))
def test_any_text_is_a_cursor(text: str) -> None:
    cursor = HlsCursor.parse(text)
    assert HlsCursor.parse(str(cursor)) == cursor


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
