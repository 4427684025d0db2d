"""Byte counters with a shorter life than the boot, and the log lines that complete them."""

from itertools import accumulate, pairwise

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamusage.agent.metering import meter
from streamusage.agent.metering.additions import Additions
from streamusage.agent.metering.counters import KEEP_GONE_MS, inherit_baseline
from streamusage.agent.reading import CounterReading, Reading
from streamusage.core.reasons import COUNTER_FELL
from tests.support.agent.readings import line, reading, run, view_time, viewer


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
    baseline, inherited = inherit_baseline(own.baseline, bridged.baseline, first.at)
    state, after = meter.step(
        msgspec.structs.replace(own, baseline=baseline), reading(3_000, counters=(counter("mount", 1_000),))
    )
    assert sent(added) + sent(bridge) + sent(inherited) + sent(after) == 1_000
    assert state.baseline.counters[0].logged_out == 700


def test_new_journal_that_reaches_the_service_late_inherits_the_log_lines_of_a_counter_that_is_gone() -> None:
    earlier = line(1, 900, 800, counter="mount", bytes_out=700)
    old, added = run(reading(0), reading(1_000, counters=(counter("mount", 600),), ended=(earlier,)))
    first = reading(2_000, counters=(counter("mount", 650),))
    own, _ = meter.start(first)
    bridged, bridge = meter.step(old, first)
    last = line(2, 2_900, 800, counter="mount", bytes_out=300)
    own, after = meter.step(own, reading(3_000, ended=(last,)))
    own, more = meter.step(own, reading(3_000 + 2 * KEEP_GONE_MS))
    baseline, inherited = inherit_baseline(own.baseline, bridged.baseline, first.at)
    assert sum(map(sent, (added, bridge, after, more, inherited))) == 1_000
    state, _ = meter.step(msgspec.structs.replace(own, baseline=baseline), reading(4_000 + 2 * KEEP_GONE_MS))
    assert state.baseline.counters == ()


@pytest.mark.parametrize("behind_ms", [0, 3_600_000, -3_600_000])
def test_new_journal_whose_time_line_was_set_since_inherits_when_accounting_began(behind_ms: int) -> None:
    """A viewer who begins later counts from its start, although the time line was set behind that of the service."""
    run_1 = {"run": "run 1"}
    old, _ = meter.start(reading(0, elapsed_ms=1_000_000, **run_1))
    first = reading(50_000, elapsed_ms=1_050_000, **run_1)
    own, _ = meter.start(first)
    bridged, _ = meter.step(old, first)
    own, _ = meter.step(own, reading(60_000 - behind_ms, elapsed_ms=1_060_000, **run_1))
    baseline, _ = inherit_baseline(own.baseline, bridged.baseline, first.at)
    state = msgspec.structs.replace(own, baseline=baseline)
    seen = reading(90_000 - behind_ms, elapsed_ms=1_090_000, viewers=(viewer(1, 25_000),), **run_1)
    _, added = meter.step(state, seen)
    assert view_time(added) == 25_000


def unpolled(at: int, *counters: tuple[int | None, int | None]) -> Reading:
    """A reading with one counter, or with none."""
    return reading(
        at, counters=tuple(CounterReading(key="m", bytes_in=counted[0], bytes_out=counted[1]) for counted in counters)
    )


def count(*values: tuple[int | None, int | None]) -> tuple[int, int, set[str]]:
    """Return the bytes in and out of a counter with these values, a second apart, and the reasons of its time."""
    _, added = run(*(unpolled(1_000 * number, value) for number, value in enumerate(values)))
    bytes_in, bytes_out = (
        sum(getattr(slot, name) for slot in added.slots.values()) for name in ("bytes_in", "bytes_out")
    )
    return bytes_in, bytes_out, {span.reason for span in added.spans if span.reason}


@pytest.mark.parametrize(("fell_in", "fell_out"), [(0, 600), (600, 0), (600, 600)])
def test_figure_that_fell_to_less_than_half_started_again(fell_in: int, fell_out: int) -> None:
    counted = tuple(400 if fell else 0 for fell in (fell_in, fell_out))
    assert count((1_000, 1_000), (1_000 - fell_in, 1_000 - fell_out)) == (*counted, {COUNTER_FELL})


@pytest.mark.parametrize(
    ("values", "counted"),
    [
        pytest.param((1_000, 950, 1_100), 100, id="falls a little"),
        pytest.param((1_000, 900, 900, 950, 1_100), 100, id="stays lower for some readings"),
        pytest.param((1_000, 0, 1_100), 100, id="is 0 in one reading"),
        pytest.param((1_000, 20, 40, 1_100), 100, id="is wrong and grows"),
        pytest.param((1_000, None, 1_100), 100, id="is invalid in one reading"),
        pytest.param((1_000, None, None, 1_100, None), 100, id="is invalid now and then"),
        pytest.param((None, 5_000, 5_100), 100, id="is invalid at the start of accounting"),
        pytest.param((1_000, 100, 400, 900, 1_400, 2_000), 2_000, id="starts again and grows"),
        pytest.param((1_000, 100, None, 400, 900), 900, id="starts again and is invalid then"),
    ],
)
def test_counter_that_falls_or_is_invalid_counts_no_byte_twice(values: tuple[int | None, ...], counted: int) -> None:
    for bytes_in, bytes_out in ((7, None), (None, 7)):
        pairs = [
            (value if bytes_in is None else bytes_in, value if bytes_out is None else bytes_out) for value in values
        ]
        assert count(*pairs)[:2] == ((counted, 0) if bytes_in is None else (0, counted))


def test_time_of_a_lower_counter_is_partial_until_it_is_above_its_highest_value() -> None:
    assert count((0, 1_000), (0, 900))[2] == {COUNTER_FELL}
    state, _ = run(unpolled(0, (0, 1_000)), unpolled(1_000, (0, 900)))
    state, still_lower = meter.step(state, unpolled(2_000, (0, 950)))
    assert [span.reason for span in still_lower.spans] == [COUNTER_FELL]
    _, above = meter.step(state, unpolled(3_000, (0, 1_050)))
    assert [span.reason for span in above.spans] == [""]
    assert sent(above) == 50


@given(st.lists(st.one_of(st.none(), st.integers(0, 3_000)), min_size=2, max_size=12))
def test_any_values_of_a_counter_count_no_more_than_their_rises(values: list[int | None]) -> None:
    valid = [value for value in values if value is not None]
    rises = sum(max(0, later - earlier) for earlier, later in pairwise(valid))
    highest = accumulate(valid, max)
    falls_to = sum(later for before, later in zip(highest, valid[1:], strict=False) if 2 * later < before)
    assert 0 <= count(*((0, value) for value in values))[1] <= rises + falls_to


def test_counter_that_is_new_counts_from_its_first_valid_value() -> None:
    _, added = run(unpolled(0), unpolled(1_000, (None, None)), unpolled(2_000, (0, 500)))
    assert sent(added) == 500


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
