"""Parts of stored UTC days equal the sums of their hours."""

from hypothesis import given
from hypothesis import strategies as st

from streamusage.core.coverage import SLOT_MS, Interval
from streamusage.service.rules.percentile import SAMPLE_MINUTES
from streamusage.service.rules.rollups import (
    HOUR_MS,
    QUARTER_MS,
    Rollup,
    RollupPeak,
    SlotRollup,
    roll_up_hours,
    roll_up_interval,
    sum_runs,
)
from streamusage.service.rules.utc_days import (
    DAY_MS,
    NOTHING,
    UNFIT,
    DayPart,
    UtcDay,
    add_parts,
    encode_day,
    split_by_utc_day,
    unpack_five_minutes,
)

START = 1_795_046_400_000 - 1_795_046_400_000 % DAY_MS
DAYS = 3
counts = st.integers(0, 2**40) | st.integers(0, 3)


@st.composite
def slots(draw: st.DrawFn) -> list[SlotRollup]:
    """Slots of three UTC days, many of them around midnight; the same slot may come from several epochs."""
    minutes = st.integers(0, DAYS * 1440 - 1) | st.sampled_from([0, 14, 15, 59, 60, 1439, 1440, 1455, 2879, 2880])

    def peak(slot: int) -> RollupPeak | None:
        return draw(st.none() | st.tuples(st.integers(0, 4), st.integers(slot, slot + SLOT_MS)))

    found = []
    for minute in draw(st.lists(minutes, max_size=12)):
        slot = START + minute * SLOT_MS
        connections = draw(st.dictionaries(st.sampled_from(["rtmp", "hls", "webrtc"]), st.integers(0, 99)))
        sums = [draw(counts) for _ in range(3)]
        late = [draw(st.just(0) | counts) for _ in range(4)]
        found.append(SlotRollup(slot, Rollup(connections, *sums, peak(slot), peak(slot), *late)))
    return found


def days_of(found: list[SlotRollup]) -> dict[int, UtcDay]:
    hours = roll_up_hours(found)
    return {day_ms: encode_day(hours, day_ms) for day_ms in range(START, START + DAYS * DAY_MS, DAY_MS)}


def without_zeros(figures: Rollup) -> tuple[object, ...]:
    counted = {protocol: count for protocol, count in figures.connections.items() if count}
    return (counted, *(getattr(figures, name) for name in Rollup.__struct_fields__[1:]))


@given(slots(), st.integers(0, 2 * 96), st.integers(92, 100))
def test_part_of_days_is_the_sum_of_its_hours(found: list[SlotRollup], first: int, quarters: int) -> None:
    from_ms = START + first * QUARTER_MS
    interval = Interval(from_ms, min(from_ms + quarters * QUARTER_MS, START + DAYS * DAY_MS))
    split = split_by_utc_day(interval)
    if split is None:
        return
    days = days_of(found)
    parts = add_parts([DayPart(days[day_ms], day_ms, begin, end) for day_ms, begin, end in split])
    figures, minutes = roll_up_interval(roll_up_hours(found), interval)
    assert without_zeros(parts.figures) == without_zeros(figures)
    assert list(unpack_five_minutes(parts.samples_in)) == sum_runs(minutes.bytes_in, SAMPLE_MINUTES)
    assert list(unpack_five_minutes(parts.samples_out)) == sum_runs(minutes.bytes_out, SAMPLE_MINUTES)


def test_interval_is_split_at_utc_midnight() -> None:
    hour = 4
    assert split_by_utc_day(Interval(START, START + DAY_MS)) == [(START, 0, 96)]
    assert split_by_utc_day(Interval(START + HOUR_MS, START + DAY_MS + HOUR_MS)) == [
        (START, hour, 96),
        (START + DAY_MS, 0, hour),
    ]
    assert split_by_utc_day(Interval(START - QUARTER_MS, START + DAY_MS + QUARTER_MS)) == [
        (START - DAY_MS, 95, 96),
        (START, 0, 96),
        (START + DAY_MS, 0, 1),
    ]
    assert split_by_utc_day(Interval(START + HOUR_MS, START + 2 * HOUR_MS)) is None


def test_numbers_that_do_not_fit_make_a_day_unfit() -> None:
    for huge in (
        Rollup(bytes_out=2**53),
        Rollup(view_time_ms=2**63),
        Rollup(peak_in=(2**63, START)),
        Rollup(peak_out=(1, START + 40 * DAY_MS)),
    ):
        day = encode_day(roll_up_hours([SlotRollup(START, huge)]), START)
        assert (day, day.fits()) == (UNFIT, False)
    assert encode_day(roll_up_hours([SlotRollup(START, Rollup(bytes_out=2**53 - 1))]), START).fits()
    assert NOTHING.fits()
