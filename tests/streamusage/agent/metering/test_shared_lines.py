"""Lines whose bytes several counters contain: the larger of both sums counts, whichever comes first."""

from hypothesis import given
from hypothesis import strategies as st

from streamusage.agent.metering import counters
from streamusage.agent.metering.counters import KEEP_GONE_MS
from streamusage.agent.metering.shared_lines import add_shared_lines
from streamusage.agent.reading import SHARED, CounterReading
from streamusage.api.report import OpenCounter
from tests.support.agent.readings import line, reading, run

ZERO = CounterReading(key=SHARED, bytes_in=0, bytes_out=0)


def shown(**bytes_out: int) -> tuple[CounterReading, ...]:
    return (ZERO, *(CounterReading(key=key, bytes_in=0, bytes_out=value) for key, value in bytes_out.items()))


def test_line_adds_only_what_all_counters_together_lack() -> None:
    moved = line(1, 3_000, 2_000, bytes_out=1_800, counter=SHARED)
    _, added = run(
        reading(0, counters=shown(a=0, b=0)),
        reading(2_000, counters=shown(b=600, a=590)),
        reading(4_000, counters=shown(b=600, a2=600), ended=(moved,)),
        reading(6_000, counters=shown(b=600, a2=600)),
    )
    assert sum(slot.bytes_out for slot in added.slots.values()) == 1_800


def test_counter_that_follows_its_line_later_adds_nothing() -> None:
    _, added = run(
        reading(0, counters=shown(a=0, b=0)),
        reading(2_000, counters=shown(a=100, b=100), ended=(line(1, 1_000, 900, bytes_out=1_000, counter=SHARED),)),
        reading(4_000, counters=shown(a=500, b=500)),
        reading(6_000, counters=shown(a=500, b=600)),
    )
    assert sum(slot.bytes_out for slot in added.slots.values()) == 1_100


def test_counter_that_is_no_longer_kept_is_remembered_in_the_sum() -> None:
    _, added = run(
        reading(0, counters=shown(a=0, b=0)),
        reading(1_000, counters=shown(a=700, b=0)),
        reading(2_000, counters=shown(b=0)),
        reading(3_000 + KEEP_GONE_MS, counters=shown(b=100)),
        reading(4_000 + KEEP_GONE_MS, counters=shown(b=200), ended=(line(1, 0, 0, bytes_out=900, counter=SHARED),)),
    )
    assert sum(slot.bytes_out for slot in added.slots.values()) == 900


@given(
    st.lists(
        st.tuples(st.sampled_from("abc"), st.integers(0, 50), st.booleans(), st.integers(0, 80)),
        min_size=1,
        max_size=12,
    )
)
def test_sum_is_never_less_than_lines_or_counters_nor_more_than_both(
    steps: list[tuple[str, int, bool, int]],
) -> None:
    known: tuple[OpenCounter, ...] = ()
    values = {"a": 0, "b": 0, "c": 0}
    total = lines = 0
    for at, (key, growth, is_shared, logged) in enumerate(steps):
        values[key] += growth
        lines += logged
        own = {} if is_shared else {key: (0, logged)}
        moved = counters.advance(
            [counter for counter in known if counter.key != SHARED],
            [CounterReading(key=name, bytes_in=0, bytes_out=value) for name, value in values.items()],
            own,
            at,
        )
        result = add_shared_lines(known, moved, (0, 0 if is_shared else logged), (0, logged if is_shared else 0))
        assert result.bytes_out >= 0
        known, total = result.counters, total + result.bytes_out
        assert max(lines, sum(values.values())) <= total <= lines + sum(values.values())
