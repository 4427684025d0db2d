"""Byte counters with a shorter life than the boot, and the log lines that complete them."""

import msgspec
import pytest

from streamusage.agent.metering import meter
from streamusage.agent.metering.additions import Additions
from streamusage.agent.metering.counters import KEEP_GONE_MS, inherit_baseline
from streamusage.agent.reading import CounterReading
from tests.support.agent.readings import T0, line, reading, run


def counter(key: str, bytes_out: int) -> CounterReading:
    return CounterReading(key=key, bytes_in=0, bytes_out=bytes_out)


def sent(additions: Additions) -> int:
    return sum(slot.bytes_out for slot in additions.slots.values())


def test_bytes_of_counters_add_up_while_counters_appear_and_disappear() -> None:
    _, added = run(
        reading(0, counters=(counter("c1", 500),)),
        reading(1_000, counters=(counter("c1", 700), counter("c2", 50))),
        reading(2_000, counters=(counter("c2", 80),)),
        reading(3_000, counters=(counter("c1", 750), counter("c2", 80))),
    )
    assert sent(added) == 250 + 80, "bytes of c1 before the first reading do not count; c1 reappears and continues"


def test_log_lines_add_the_last_bytes_of_a_counter_that_is_gone() -> None:
    ended = line(1, 1_900, 1_000, counter="mount", bytes_out=900)
    state, added = run(
        reading(0),
        reading(1_000, counters=(counter("mount", 600),)),
        reading(2_000, ended=(ended,)),
    )
    assert sent(added) == 900
    _, more = meter.step(state, reading(3_000, counters=(counter("mount", 850),)))
    assert sent(more) == 0, "a counter that lags behind the log adds no counted bytes again"


def test_new_journal_inherits_the_log_lines_of_a_counter() -> None:
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


@pytest.mark.parametrize(("fell_in", "fell_out"), [(0, 50), (50, 0), (50, 50)])
def test_counter_of_which_either_figure_fell_started_again(fell_in: int, fell_out: int) -> None:
    before = CounterReading(key="m", bytes_in=1_000, bytes_out=1_000)
    after = CounterReading(key="m", bytes_in=1_000 - fell_in, bytes_out=1_000 - fell_out)
    _, added = run(reading(0, counters=(before,)), reading(1_000, counters=(after,)))
    assert (added.slots[T0].bytes_in, added.slots[T0].bytes_out) == (after.bytes_in, after.bytes_out)


def test_log_lines_of_a_missing_counter_complete_it_for_a_while_and_then_count_alone() -> None:
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
