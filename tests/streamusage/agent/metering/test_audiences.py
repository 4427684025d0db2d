"""The meter on what servers tell as numbers: counters of connections, viewers who are only counted, counts of joins."""

from typing import Any

import msgspec
import pytest

from streamusage.agent.metering import meter
from streamusage.agent.metering.additions import Additions
from streamusage.agent.metering.counters import KEEP_GONE_MS, inherit_baseline
from streamusage.agent.reading import AudienceReading, CounterReading
from tests.support.agent.readings import T0, connections, line, publish, reading, run, view_time, viewer


def counter(key: str, bytes_out: int) -> CounterReading:
    return CounterReading(key=key, bytes_in=0, bytes_out=bytes_out)


def audience(viewers: int, joined: int | None = None, **fields: Any) -> AudienceReading:
    return AudienceReading(key="a", scope="live", name="s1", protocol="hls", viewers=viewers, joined=joined, **fields)


def sent(additions: Additions) -> int:
    return sum(slot.bytes_out for slot in additions.slots.values())


def test_counters_of_connections_add_up_whatever_comes_and_goes() -> None:
    _, added = run(
        reading(0, counters=(counter("c1", 500),)),
        reading(1_000, counters=(counter("c1", 700), counter("c2", 50))),
        reading(2_000, counters=(counter("c2", 80),)),
        reading(3_000, counters=(counter("c1", 750), counter("c2", 80))),
    )
    assert sent(added) == 250 + 80, "what c1 had before counting began is not ours; it comes back and goes on"


def test_lines_bring_the_tail_of_a_counter_that_is_gone() -> None:
    ended = line(1, 1_900, 1_000, counter="mount", bytes_out=900)
    state, added = run(
        reading(0),
        reading(1_000, counters=(counter("mount", 600),)),
        reading(2_000, ended=(ended,)),
    )
    assert sent(added) == 900
    _, more = meter.step(state, reading(3_000, counters=(counter("mount", 850),)))
    assert sent(more) == 0, "a counter that lags behind the log adds nothing that is counted already"


def test_a_new_journal_inherits_what_lines_told_of_a_counter() -> None:
    ended = line(1, 900, 800, counter="mount", bytes_out=700)
    old, added = run(reading(0), reading(1_000, counters=(counter("mount", 600),), ended=(ended,)))
    first = reading(2_000, counters=(counter("mount", 650),))
    own, _ = meter.start(first)
    bridged, bridge = meter.step(old, first)
    baseline, inherited = inherit_baseline(own.baseline, bridged.baseline)
    state, after = meter.step(
        msgspec.structs.replace(own, baseline=baseline), reading(3_000, counters=(counter("mount", 1_000),))
    )
    assert sent(added) + sent(bridge) + sent(inherited) + sent(after) == 1_000
    assert state.baseline.counters[0].logged_out == 700


def test_viewers_as_a_number_are_integrated_as_a_lower_bound() -> None:
    _, added = run(
        reading(0, logs_ends=False, audiences=(audience(2),)),
        reading(10_000, logs_ends=False, audiences=(audience(5),), misses="numbers only"),
        reading(20_000, logs_ends=False, audiences=(audience(3),), misses="numbers only"),
    )
    assert connections(added) == 3
    assert view_time(added) == 20_000 + 30_000
    assert {(span.state, span.reason) for span in added.spans} == {("partial", "numbers only")}


def test_the_servers_count_of_joins_is_better_than_rises() -> None:
    _, added = run(
        reading(0, audiences=(audience(2, 10),)),
        reading(1_000, audiences=(audience(2, 14),)),
        reading(2_000, audiences=(audience(1, 1),)),
    )
    assert connections(added) == 4 + 1, "four joined though the number stood still; then the count began again"


def test_a_number_is_not_integrated_over_a_time_that_nobody_saw() -> None:
    _, added = run(
        reading(0, logs_ends=False, audiences=(audience(2),)),
        reading(61_000, logs_ends=False, audiences=(audience(2),)),
    )
    assert view_time(added) == 0
    assert [span.state for span in added.spans] == ["partial"]


def test_numbers_make_a_session() -> None:
    _, added = run(
        reading(0),
        reading(1_000, publishes=(publish(1, 900),), audiences=(audience(3),)),
        reading(2_000, publishes=(publish(1, 1_900),), audiences=(audience(1),)),
    )
    session = added.sessions["b1/1"]
    assert (session.active, session.highest, session.live) == (1, 3, True)


def test_connections_that_only_the_servers_count_told_of_are_counted_once() -> None:
    _, added = run(
        reading(0, logs_ends=False, accepted=10, viewers=(viewer(1, 5_000),)),
        reading(1_000, logs_ends=False, accepted=13, viewers=(viewer(1, 6_000), viewer(2, 500))),
        reading(2_000, logs_ends=False, accepted=14, viewers=(viewer(1, 7_000), viewer(2, 1_500), viewer(3, 100))),
        reading(3_000, logs_ends=False, accepted=14, viewers=(viewer(1, 8_000),)),
    )
    assert connections(added) == 4
    assert sum(slot.connections[meter.UNSEEN_PROTOCOL] for slot in added.slots.values()) == 2


def test_a_peak_over_counters_that_move_in_steps_is_never_overstated() -> None:
    _, added = run(
        *(reading(at, step_ms=5_000, counters=(counter("m", at // 5_000 * 5_000),)) for at in range(0, 40_001, 1_000))
    )
    assert added.slots[T0].peak_out is not None
    assert 6_000 <= added.slots[T0].peak_out.bps <= 8_000


def test_a_peak_over_counters_that_come_and_go_is_of_what_was_moved_in_its_window() -> None:
    def of(key: str, moved: int) -> CounterReading:
        return CounterReading(key=key, bytes_in=moved, bytes_out=2 * moved)

    _, added = run(
        *(
            reading(at, counters=(of("old", at), *((of("new", 9 * (at - 20_000)),) if at >= 20_000 else ())))
            for at in range(0, 40_001, 1_000)
        )
    )
    peak_in, peak_out = added.slots[T0].peak_in, added.slots[T0].peak_out
    assert peak_in is not None
    assert peak_out is not None
    assert (peak_in.bps, peak_out.bps) == (80_000, 160_000), "one byte and nine a millisecond"


def test_a_count_of_joins_that_stands_still_adds_nobody() -> None:
    _, added = run(*(reading(at, audiences=(audience(2, 14),)) for at in (0, 1_000, 2_000, 3_000)))
    assert connections(added) == 0


@pytest.mark.parametrize(("fell_in", "fell_out"), [(0, 50), (50, 0), (50, 50)])
def test_a_counter_that_fell_began_again_whichever_of_its_figures_fell(fell_in: int, fell_out: int) -> None:
    before = CounterReading(key="m", bytes_in=1_000, bytes_out=1_000)
    after = CounterReading(key="m", bytes_in=1_000 - fell_in, bytes_out=1_000 - fell_out)
    _, added = run(reading(0, counters=(before,)), reading(1_000, counters=(after,)))
    assert (added.slots[T0].bytes_in, added.slots[T0].bytes_out) == (after.bytes_in, after.bytes_out)


def test_lines_of_a_counter_that_is_gone_are_counted_for_a_while_and_then_by_themselves() -> None:
    shown = CounterReading(key="m", bytes_in=0, bytes_out=700)
    for late_ms, counted in ((KEEP_GONE_MS - 2_000, 1_000), (KEEP_GONE_MS + 2_000, 1_700)):
        last = line(7, 2_000, 2_000, counter="m", bytes_out=1_000)
        _, added = run(
            reading(0),
            reading(1_000, counters=(shown,)),
            reading(2_000),
            reading(1_000 + late_ms),
            reading(2_000 + late_ms, ended=(last,)),
        )
        assert sum(slot.bytes_out for slot in added.slots.values()) == counted
