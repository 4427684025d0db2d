"""Rollups of hours equal the sums of their slots; sums over servers and over runs of minutes."""

from hypothesis import given
from hypothesis import strategies as st

from streamusage.core.coverage import SLOT_MS, Interval
from streamusage.service.rules.rollups import (
    HOUR_MS,
    QUARTER_MS,
    Rollup,
    SlotRollup,
    pack_minutes,
    roll_up_hours,
    roll_up_interval,
    sum_minutes,
    sum_rollups,
    sum_runs,
    unpack_minutes,
)

START = 1_795_003_200_000 - 1_795_003_200_000 % HOUR_MS


counts = st.integers(0, 2**40)


tops = st.none() | st.tuples(counts, st.integers(START, START + 10 * HOUR_MS))


@st.composite
def slots(draw: st.DrawFn) -> list[SlotRollup]:
    """Slots of a few hours; the same slot may come from several epochs."""
    return [
        SlotRollup(
            START + minute * SLOT_MS,
            Rollup(
                draw(st.dictionaries(st.sampled_from(["rtmp", "hls", "webrtc"]), st.integers(0, 99))),
                *(draw(counts) for _ in range(3)),
                draw(tops),
                draw(tops),
                *(draw(counts) for _ in range(4)),
            ),
        )
        for minute in draw(st.lists(st.integers(0, 299), max_size=12))
    ]


@given(slots(), st.integers(0, 20), st.integers(0, 20))
def test_rollup_of_an_interval_is_the_sum_of_its_slots(found: list[SlotRollup], one: int, other: int) -> None:
    interval = Interval(START + min(one, other) * QUARTER_MS, START + max(one, other) * QUARTER_MS)
    figures, minutes = roll_up_interval(roll_up_hours(found), interval)
    inside = [slot for slot in found if interval.from_ms <= slot.slot < interval.to_ms]
    assert figures == sum_rollups(slot.figures for slot in inside)
    by_minute = [0] * (interval.length_ms // SLOT_MS)
    for slot, slot_figures in inside:
        by_minute[(slot - interval.from_ms) // SLOT_MS] += slot_figures.bytes_out
    assert unpack_minutes(minutes.bytes_out) == by_minute


@given(st.lists(st.lists(counts, min_size=3, max_size=3), max_size=50))
def test_servers_are_added_up_minute_by_minute(servers: list[list[int]]) -> None:
    assert unpack_minutes(sum_minutes([pack_minutes(minutes) for minutes in servers], 3)) == [
        sum(minutes[at] for minutes in servers) for at in range(3)
    ]


@given(st.lists(counts, min_size=30, max_size=30))
def test_runs_of_minutes_are_added_up(minutes: list[int]) -> None:
    assert sum_runs(pack_minutes(minutes), 5) == [sum(minutes[at : at + 5]) for at in range(0, 30, 5)]
