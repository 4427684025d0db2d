"""Figures by stream of short sequences of readings."""

from collections import Counter
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamusage.agent.metering import meter, stream_figures
from streamusage.agent.metering.additions import Additions
from streamusage.agent.metering.stream_figures import MOST_PARTS
from streamusage.agent.reading import (
    AudienceReading,
    CounterReading,
    PublishReading,
    Reading,
    StreamCounterReading,
    ViewerReading,
)
from streamusage.core.coverage import SLOT_MS
from streamusage.core.usage import StreamId
from tests.support.agent.readings import T0, line, reading

ONE, TWO = StreamId("live", "one"), StreamId("live", "two")


def viewer(number: int, stream: StreamId, age_ms: int) -> ViewerReading:
    return ViewerReading(viewer_id=str(number), scope=stream.scope, name=stream.name, protocol="rtmp", age_ms=age_ms)


def publish(number: int, stream: StreamId, age_ms: int) -> PublishReading:
    return PublishReading(publish_id=str(number), scope=stream.scope, name=stream.name, age_ms=age_ms)


def counter(stream: StreamId, bytes_in: int | None, bytes_out: int | None) -> StreamCounterReading:
    return StreamCounterReading(scope=stream.scope, name=stream.name, bytes_in=bytes_in, bytes_out=bytes_out)


def step(*readings: Reading) -> Additions:
    """Return the additions of the last reading, whose parts by stream fit into the slots."""
    state, added = meter.start(readings[0])
    for following in readings[1:]:
        state, added = meter.step(state, following)
        for slot, parts in added.streams.items():
            whole = added.slots[slot]
            assert sum(part.connections for part in parts.values()) <= whole.connections.total()
            for name in ("bytes_in", "bytes_out", "view_time_ms"):
                assert sum(getattr(part, name) for part in parts.values()) <= getattr(whole, name)
    return added


def by_stream(added: Additions, name: str) -> dict[StreamId, int]:
    sums: Counter[StreamId] = Counter()
    for parts in added.streams.values():
        for stream, part in parts.items():
            sums[stream] += getattr(part, name)
    return +sums


def test_connections_and_view_time_belong_to_the_stream_of_the_viewer() -> None:
    added = step(
        reading(0, viewers=(viewer(1, ONE, 500),)),
        reading(10_000, viewers=(viewer(1, ONE, 10_500), viewer(2, TWO, 4_000)), ended=()),
    )
    assert by_stream(added, "connections") == {TWO: 1}
    assert by_stream(added, "view_time_ms") == {ONE: 10_000, TWO: 4_000}


def test_viewers_who_are_only_in_the_log_belong_to_the_stream_of_their_line() -> None:
    added = step(reading(0), reading(10_000, ended=(line(5, 9_000, 3_000, name="two"),)))
    assert by_stream(added, "connections") == {TWO: 1}
    assert by_stream(added, "view_time_ms") == {TWO: 3_000}


def test_bytes_of_the_server_are_dealt_in_proportion_to_the_counters_of_the_streams() -> None:
    fields: dict[str, Any] = {"stream_traffic": "measured"}
    added = step(
        reading(0, bytes_out=1_000, stream_counters=(counter(ONE, 0, 700), counter(TWO, 0, 300)), **fields),
        reading(10_000, bytes_out=2_101, stream_counters=(counter(ONE, 0, 1_100), counter(TWO, 0, 900)), **fields),
    )
    assert by_stream(added, "bytes_out") == {ONE: 440, TWO: 661}, "the server sent 101 bytes more than the streams"
    assert {part.traffic for parts in added.streams.values() for part in parts.values()} == {"measured"}


def test_counter_of_a_stream_that_is_new_or_fell_started_from_zero() -> None:
    added = step(
        reading(0, bytes_out=1_000, stream_counters=(counter(ONE, 0, 700),)),
        reading(10_000, bytes_out=1_100, stream_counters=(counter(ONE, 0, 30), counter(TWO, 0, 70))),
    )
    assert by_stream(added, "bytes_out") == {ONE: 30, TWO: 70}


def test_counters_that_the_last_reading_did_not_have_measure_nothing_yet() -> None:
    state, _ = meter.start(reading(0, bytes_out=0, viewers=(viewer(1, ONE, 500),)))
    counters = (counter(ONE, 0, 1), counter(TWO, 0, 10**9))
    _, added = meter.step(
        state, reading(10_000, bytes_out=100, viewers=(viewer(1, ONE, 10_500),), stream_counters=counters)
    )
    assert by_stream(added, "bytes_out") == {ONE: 100}


def test_figure_of_a_stream_that_is_no_count_stands() -> None:
    added = step(
        reading(0, bytes_out=1_000, stream_counters=(counter(ONE, 0, 700), counter(TWO, 0, 300))),
        reading(10_000, bytes_out=1_100, stream_counters=(counter(ONE, 0, None), counter(TWO, 0, 400))),
    )
    assert by_stream(added, "bytes_out") == {TWO: 100}


def test_bytes_without_counters_of_streams_are_dealt_by_view_time_and_time_on_air() -> None:
    added = step(
        reading(0, viewers=(viewer(1, ONE, 500),), publishes=(publish(8, ONE, 600),)),
        reading(
            10_000,
            bytes_in=300,
            bytes_out=1_400,
            viewers=(viewer(1, ONE, 10_500), viewer(2, TWO, 4_000)),
            publishes=(publish(8, ONE, 10_600), publish(9, TWO, 5_000)),
        ),
    )
    assert by_stream(added, "bytes_out") == {ONE: 1_000, TWO: 400}
    assert by_stream(added, "bytes_in") == {ONE: 200, TWO: 100}
    assert {part.traffic for parts in added.streams.values() for part in parts.values()} == {"apportioned"}


def test_bytes_that_no_stream_explains_are_not_by_stream() -> None:
    added = step(reading(0), reading(10_000, bytes_in=300, bytes_out=1_400))
    assert added.streams == {}
    assert added.slots[T0].bytes_out == 1_400


def test_bytes_of_a_counter_that_names_its_stream_belong_to_it() -> None:
    def counters(one: int, two: int, other: int) -> tuple[CounterReading, ...]:
        return (
            CounterReading(key="1", bytes_in=0, bytes_out=one, scope="live", name="one"),
            CounterReading(key="2", bytes_in=0, bytes_out=two, scope="live", name="two"),
            CounterReading(key="3", bytes_in=0, bytes_out=other),
        )

    added = step(reading(0, counters=counters(5, 5, 5)), reading(10_000, counters=counters(1_005, 305, 77)))
    assert by_stream(added, "bytes_out") == {ONE: 1_000, TWO: 300}
    assert added.slots[T0].bytes_out == 1_372, "72 bytes are of a counter without a stream"


def test_last_bytes_of_a_counter_belong_to_the_stream_of_its_line() -> None:
    gone = (CounterReading(key="c", bytes_in=0, bytes_out=900, scope="live", name="two"),)
    added = step(
        reading(0, counters=gone),
        reading(10_000, ended=(line(1, 9_000, 9_000, name="two", bytes_out=1_000, counter="c"),)),
    )
    assert by_stream(added, "bytes_out") == {TWO: 100}


def test_bytes_of_one_counter_for_all_lines_belong_to_the_streams_of_the_lines() -> None:
    lines = [
        msgspec.structs.replace(line(0, 9_000, 0, counter="log"), kind="other", name=name, bytes_out=bytes_out)
        for name, bytes_out in (("one", 700), ("two", 301))
    ]
    added = step(reading(0), reading(10_000, ended=tuple(lines)))
    assert by_stream(added, "bytes_out") == {ONE: 700, TWO: 301}


def test_bytes_of_a_boot_that_ended_belong_to_the_stream_of_the_line_that_shows_them() -> None:
    added = step(
        reading(0, bytes_out=500),
        reading(
            20_000,
            boot="b2",
            started_at=T0 + 10_000,
            bytes_out=0,
            ended=(line(4, 9_000, 30_000, name="two", bytes_out=900),),
        ),
    )
    assert by_stream(added, "bytes_out") == {TWO: 400}


@pytest.mark.parametrize("name", ["", "one"])
def test_audience_without_a_name_is_not_by_stream(name: str) -> None:
    def audience(viewers: int) -> tuple[AudienceReading, ...]:
        return (AudienceReading(key="a", scope="live", name=name, protocol="rtmp", viewers=viewers),)

    added = step(reading(0, audiences=audience(2)), reading(10_000, audiences=audience(3), bytes_out=50))
    assert by_stream(added, "view_time_ms") == ({ONE: 20_000} if name else {})
    assert by_stream(added, "bytes_out") == ({ONE: 50} if name else {})
    assert by_stream(added, "connections") == ({ONE: 1} if name else {})


def test_figures_of_streams_before_the_newest_slots_of_a_long_pause_are_not_by_stream() -> None:
    streams = [StreamId("live", str(number)) for number in range(2_000)]
    viewers = [viewer(number, stream, 500) for number, stream in enumerate(streams)]
    pause_ms = 300 * SLOT_MS
    stayed = [msgspec.structs.replace(viewer, age_ms=500 + pause_ms) for viewer in viewers]
    added = step(reading(0, viewers=tuple(viewers)), reading(pause_ms, viewers=tuple(stayed), bytes_out=30_000_000))
    assert sum(slot.bytes_out for slot in added.slots.values()) == 30_000_000
    assert len(added.streams) == MOST_PARTS // 2_000
    assert min(added.streams) == T0 + 200 * SLOT_MS
    assert sum(by_stream(added, "bytes_out").values()) == 100 * 100_000


def test_streams_beyond_the_limit_are_not_by_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream_figures, "MOST_STREAMS", 1)
    added = step(
        reading(0, viewers=(viewer(1, ONE, 500),)),
        reading(10_000, viewers=(viewer(1, ONE, 10_500), viewer(2, TWO, 4_000)), bytes_out=100),
    )
    assert len(by_stream(added, "view_time_ms")) == 1
    assert added.slots[T0].view_time_ms == 14_000


@given(
    st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 10**6)), min_size=1, max_size=5),
    st.integers(0, 10**7),
    st.integers(1_000, 200_000),
)
def test_measured_streams_sum_to_the_server_in_every_slot(
    rises: list[tuple[int, int]], bytes_out: int, pause_ms: int
) -> None:
    def counters(factor: int) -> tuple[StreamCounterReading, ...]:
        return tuple(
            counter(StreamId("live", f"s{number}"), rise_in * factor, rise_out * factor)
            for number, (rise_in, rise_out) in enumerate(rises)
        )

    added = step(
        reading(0, stream_counters=counters(1)),
        reading(pause_ms, bytes_out=bytes_out, stream_counters=counters(2)),
    )
    for slot, whole in added.slots.items():
        parts = added.streams.get(slot, {}).values()
        has_shares = bytes_out and any(rise_out for _, rise_out in rises)
        assert sum(part.bytes_out for part in parts) == (whole.bytes_out if has_shares else 0)
