"""The meter on short sequences of readings. tests/faults covers it over thousands of histories."""

from collections import Counter
from typing import Any

import msgspec
import pytest

from streamusage.agent.metering import meter
from streamusage.agent.reading import CounterReading, Reading
from streamusage.api.report import Peak
from streamusage.core.coverage import SLOT_MS
from tests.support.agent.readings import T0, connections, line, publish, reading, run, view_time, viewer


def test_counting_begins_at_the_first_reading() -> None:
    state, added = meter.start(reading(0, bytes_out=5_000, viewers=(viewer(1, 3_600_000),)))
    assert added.slots[T0].connections == {"rtmp": 1}, "connected viewers count where counting begins"
    assert added.slots[T0].view_time_ms == 0
    assert added.slots[T0].bytes_out == 0
    assert state.baseline.bytes_out == 5_000


def test_viewer_that_left_while_the_first_page_was_answered_is_not_open() -> None:
    """Its line would never come again, and the line of a later connection with its id would end it."""
    first = reading(0, viewers=(viewer(1, 3_000), viewer(2, 3_000)), ended=(line(1, -10, 2_000), line(3, -20, 5_000)))
    state, added = meter.start(first)
    assert connections(added) == 2
    assert (
        [row.viewer_id for row in state.viewers.values()]
        == [row.viewer_id for row in added.viewers.values()]
        == ["b1/2"]
    )
    assert (state.baseline.logged_in, state.baseline.logged_out) == (0, 0), "the bridge credits the lines"


def test_line_that_ended_an_earlier_connection_of_an_id_leaves_the_viewer_on_the_first_page() -> None:
    state, _ = meter.start(reading(0, viewers=(viewer(1, 90_000),), ended=(line(1, -10, 2_000),)))
    assert list(state.viewers) == ["b1/1"]


@pytest.mark.parametrize("logs_ends", [True, False])
def test_line_of_a_boot_that_ended_is_none_of_an_earlier_boot_where_other_lines_are_missing(logs_ends: bool) -> None:
    last_line = line(4, 49_000, 30_000, kind="publish", bytes_in=500)
    _, added = run(
        reading(0),
        reading(20_000, boot="b2", started_at=T0 + 10_000, bytes_in=500),
        reading(60_000, boot="b3", started_at=T0 + 50_000, logs_ends=logs_ends, ended=(last_line,)),
    )
    assert sum(slot.bytes_in for slot in added.slots.values()) == 500


def test_bytes_of_a_publish_just_before_a_restart_are_not_those_of_the_publish_with_its_id_just_after_it() -> None:
    last_before = line(1, 9_999, 900, kind="publish", bytes_in=400, granularity_ms=0)
    state, added = run(
        reading(0),
        reading(
            15_000, boot="b2", started_at=T0 + 10_000, started_granularity_ms=0,
            publishes=(publish(1, 4_000),), ended=(last_before,),
        ),
        reading(
            30_000, boot="b2", started_at=T0 + 10_000, started_granularity_ms=0, bytes_in=700,
            ended=(line(1, 29_000, 18_000, kind="publish", bytes_in=700, granularity_ms=0),),
        ),
    )  # fmt: skip
    assert sum(slot.bytes_in for slot in added.slots.values()) == 1_100
    assert state.baseline.logged_in == 700


def test_difference_of_counters_is_spread_over_the_slots_of_its_time() -> None:
    _, added = run(reading(0), reading(SLOT_MS * 2, bytes_in=600, bytes_out=2_000))
    assert {slot - T0: (a.bytes_in, a.bytes_out) for slot, a in added.slots.items()} == {
        0: (300, 1_000),
        SLOT_MS: (300, 1_000),
    }


def test_connection_counts_in_the_slot_of_its_start_and_view_time_where_it_passes() -> None:
    _, added = run(reading(0), reading(SLOT_MS + 5_000, viewers=(viewer(7, 15_000, "hls"),)))
    assert added.slots[T0].connections == {"hls": 1}
    assert added.slots[T0].view_time_ms == 10_000
    assert added.slots[T0 + SLOT_MS].view_time_ms == 5_000
    assert not added.slots[T0 + SLOT_MS].connections


def test_log_line_makes_the_end_of_a_viewer_exact() -> None:
    _, added = run(
        reading(0),
        reading(1_000, viewers=(viewer(7, 400),)),
        reading(2_000, ended=(line(7, 1_730, 1_000),)),
    )
    assert connections(added) == 1
    assert view_time(added) == 1_130, "from its start at 600 to its end at 1,730"


def test_late_dated_line_makes_no_view_time_longer_than_its_duration() -> None:
    """The machine's clock was slewed since the last reading, so that the line seems to be later than it is."""
    _, added = run(
        reading(0),
        reading(1_000, viewers=(viewer(7, 400),)),
        reading(900_000, ended=(line(7, 899_800, 899_100, granularity_ms=0),)),
    )
    assert view_time(added) == 899_100


def test_viewer_between_two_readings_is_counted_from_the_log() -> None:
    state, added = run(reading(0), reading(5_000, ended=(line(9, 4_000, 2_000),)))
    assert connections(added) == 1
    assert view_time(added) == 2_000
    assert not state.viewers


def test_viewer_that_left_between_statistics_and_log_is_not_counted_beyond_its_end() -> None:
    state, added = run(reading(0), reading(5_000, viewers=(viewer(7, 3_000),), ended=(line(7, 4_990, 2_000),)))
    assert view_time(added) == 2_990
    assert not state.viewers


def test_without_a_log_a_viewer_ends_at_the_last_reading_that_showed_it() -> None:
    _, added = run(
        reading(0, logs_ends=False),
        reading(1_000, logs_ends=False, viewers=(viewer(7, 400),)),
        reading(2_000, logs_ends=False),
    )
    assert view_time(added) == 400


def test_restart_counts_from_zero_and_declares_the_unobserved_time_lost() -> None:
    _, added = run(
        reading(0, bytes_out=900, logs_ends=False),
        reading(10_000, boot="b2", started_at=T0 + 4_000, bytes_out=300, logs_ends=False),
    )
    assert added.slots[T0].bytes_out == 300
    assert [(s.from_ms - T0, s.to_ms - T0, s.state) for s in added.spans] == [
        (0, 4_000, "lost"),
        (4_000, 10_000, "counted"),
    ]


def test_falling_counters_mean_another_boot_under_any_name() -> None:
    state, added = run(reading(0, bytes_out=900), reading(1_000, bytes_out=300), reading(2_000, bytes_out=100))
    assert added.slots[T0].bytes_out == 400
    assert state.baseline.boot == "b1~2"
    assert {span.state for span in added.spans} == {"partial"}


def test_log_lines_of_a_draining_worker_add_bytes_beyond_its_last_counters() -> None:
    before = reading(0, bytes_out=1_000, viewers=(viewer(7, 5_000),))
    after = reading(10_000, boot="b2", started_at=T0 + 1_000, bytes_out=50)
    gone = line(7, 15_000, 20_000, bytes_out=1_800)
    last = reading(20_000, boot="b2", started_at=T0 + 1_000, bytes_out=50, ended=(gone,))
    state, added = run(reading(-5_000), before, after, last)
    total = sum(slot.bytes_out for slot in added.slots.values())
    assert total == 1_800 + 50, "1,000 by the counters, 800 more by the log, and the new worker's 50"
    assert view_time(added) == 20_000
    assert not state.viewers


@pytest.mark.parametrize("granularity_ms", [0, 1_000])
def test_publish_of_a_crashed_boot_is_not_ended_by_the_line_of_a_later_one_with_its_id(granularity_ms: int) -> None:
    """The page showed its latest possible start; the line began five seconds later, in the next boot."""
    gone = line(1, 15_000, 9_000, kind="publish", bytes_in=700, granularity_ms=granularity_ms)
    state, added = run(
        reading(0),
        reading(2_000, publishes=(publish(1, 1_000),)),
        reading(20_000, boot="b2", started_at=T0 + 3_000, bytes_in=700, ended=(gone,)),
    )
    assert sum(slot.bytes_in for slot in added.slots.values()) == 700, "the counters of its boot have them"
    assert state.baseline.logged_in == 700


@pytest.mark.parametrize("granularity_ms", [0, 1_000])
def test_viewer_of_a_crashed_boot_is_not_ended_by_the_line_of_a_later_one_with_its_id(granularity_ms: int) -> None:
    _, added = run(
        reading(0),
        reading(2_000, viewers=(viewer(1, 1_000),)),
        reading(
            20_000, boot="b2", started_at=T0 + 3_000, ended=(line(1, 15_000, 9_000, granularity_ms=granularity_ms),)
        ),
    )
    assert connections(added) == 2


def test_line_from_before_a_restart_is_not_of_the_viewer_who_joined_just_after_it() -> None:
    """Both connections have the same id, and the same length so far."""
    state, added = run(
        reading(0),
        reading(
            60_000, boot="b2", started_at=T0 + 59_998, viewers=(viewer(1, 1),),
            ended=(line(1, 59_498, 1, protocol="hls", granularity_ms=0),),
        ),
    )  # fmt: skip
    assert sum((slot.connections for slot in added.slots.values()), Counter()) == {"rtmp": 1, "hls": 1}
    assert state.viewers.keys() == {"b2/1"}


def test_id_that_is_reused_after_a_restart_is_another_connection() -> None:
    _, added = run(
        reading(0, viewers=(viewer(7, 50_000),)),
        reading(10_000, boot="b2", started_at=T0 + 1_000),
        reading(20_000, boot="b2", ended=(line(7, 19_000, 3_000),)),
    )
    assert connections(added) == 1


def test_long_pause_without_a_log_is_partial() -> None:
    _, added = run(reading(0, logs_ends=False), reading(61_000, logs_ends=False))
    assert [span.state for span in added.spans] == ["partial"]
    _, added = run(reading(0), reading(61_000))
    assert [span.state for span in added.spans] == ["counted"]


def test_backward_step_of_the_wall_clock_loses_nothing() -> None:
    state, added = run(reading(5_000), reading(1_000, bytes_out=70), reading(6_000, bytes_out=100))
    assert sum(slot.bytes_out for slot in added.slots.values()) == 100
    assert [(span.from_ms - T0, span.to_ms - T0) for span in added.spans] == [(5_000, 6_000)]
    assert state.baseline.at == T0 + 6_000


def test_peak_is_measured_over_ten_seconds_and_records_its_window() -> None:
    _, added = run(
        reading(0),
        reading(4_000, bytes_out=40_000),
        reading(10_000, bytes_out=50_000),
        reading(20_000, bytes_out=60_000),
    )
    assert added.slots[T0].peak_out == Peak(8_000, T0 + 20_000, 10_000)
    _, added = run(reading(0), reading(10_000, bytes_out=50_000))
    assert added.slots[T0].peak_out == Peak(40_000, T0 + 10_000, 10_000)


def test_session_counts_joins_and_keeps_the_highest_number() -> None:
    state, added = run(
        reading(0),
        reading(1_000, publishes=(publish(1, 900),), viewers=(viewer(2, 500), viewer(3, 400))),
        reading(2_000, publishes=(publish(1, 1_900),), viewers=(viewer(3, 1_400),), ended=(line(2, 1_800, 1_000),)),
    )
    session = added.sessions["b1/1"]
    assert (session.start_time - T0, session.live, session.active, session.highest) == (100, True, 1, 2)
    assert state.baseline.publishes[0].highest == 2


def test_subscriber_from_the_log_only_joins_the_session_of_its_time() -> None:
    _, added = run(
        reading(0, publishes=(publish(1, 5_000),)),
        reading(5_000, publishes=(publish(1, 10_000),), ended=(line(2, 4_000, 2_000),)),
    )
    assert (added.sessions["b1/1"].joined, added.sessions["b1/1"].highest) == (1, 1)


def reading_by_wrong_clock(at: int, ahead_ms: int, **fields: Any) -> Reading:
    """A reading of a machine whose wall clock is `ahead_ms` ahead at that time."""
    return reading(at, run="run", elapsed_ms=at, machine_offset_ms=T0 + ahead_ms, **fields)


@pytest.mark.parametrize("ahead_ms", [-600_000, -1_001, -999, -1, 0, 1, 999, 1_001, 600_000])
def test_join_that_began_a_publish_is_counted_by_it_whatever_the_clock_shows(ahead_ms: int) -> None:
    joins = [
        line(0, 4_000 + later_ms + ahead_ms, 0, connection_id="", kind="join", granularity_ms=0)
        for later_ms in (0, 0, 500)
    ]
    _, added = run(
        reading_by_wrong_clock(0, 0),
        reading_by_wrong_clock(5_000, ahead_ms, publishes=(publish(1, 1_000),), ended=tuple(joins)),
    )
    assert connections(added) == 3
    assert (added.sessions["b1/1"].start_time, added.sessions["b1/1"].joined) == (T0 + 4_000, 3)


def test_join_shortly_before_a_new_publish_is_counted_by_the_ended_one() -> None:
    join = line(0, 4_900, 0, connection_id="", kind="join", granularity_ms=0)
    end_of_publish = line(1, 4_950, 9_000, kind="publish")
    _, added = run(
        reading(0, publishes=(publish(1, 4_050),)),
        reading(6_000, publishes=(publish(2, 1_000),), ended=(end_of_publish, join)),
    )
    assert (added.sessions["b1/1"].joined, added.sessions["b1/2"].joined) == (1, 0)


@pytest.mark.parametrize("ends", [False, True], ids=["live session", "ended session"])
def test_viewer_that_left_between_its_first_page_and_the_log_joins_the_session(ends: bool) -> None:
    end_of_publish = (line(1, 4_995, 9_000, kind="publish"),) if ends else ()
    _, added = run(
        reading(0, publishes=(publish(1, 5_000),)),
        reading(
            5_000,
            publishes=(publish(1, 10_000),),
            viewers=(viewer(7, 3_000),),
            ended=(line(7, 4_990, 2_000), *end_of_publish),
        ),
    )
    assert connections(added) == 1
    assert (added.sessions["b1/1"].joined, added.sessions["b1/1"].highest) == (1, 1)


def test_viewers_who_stay_join_the_next_publish_too() -> None:
    _, first = run(reading(0), reading(1_000, publishes=(publish(1, 900),), viewers=(viewer(2, 500),)))
    assert first.sessions["b1/1"].joined == 1
    _, both = run(
        reading(0, publishes=(publish(1, 900),), viewers=(viewer(2, 500),)),
        reading(1_000, viewers=(viewer(2, 1_500),)),
        reading(2_000, publishes=(publish(5, 300),), viewers=(viewer(2, 2_500),)),
    )
    assert not both.sessions["b1/1"].live
    assert both.sessions["b1/5"].joined == 1


def test_log_line_without_id_ends_the_connection_of_its_peer() -> None:
    seen = msgspec.structs.replace(viewer(1, 5_000), viewer_id="7@peer")
    other = msgspec.structs.replace(viewer(1, 900), viewer_id="8@peer")
    gone = line(0, 2_000, 6_000, connection_id="@peer")
    state, added = run(
        reading(0, viewers=(seen,)),
        reading(1_000, viewers=(msgspec.structs.replace(seen, age_ms=6_000), other)),
        reading(2_000, viewers=(msgspec.structs.replace(other, age_ms=1_900),), ended=(gone,)),
    )
    assert set(state.viewers) == {"b1/8@peer"}
    assert connections(added) == 1
    assert view_time(added) == 2_000 + 1_900


def test_step_of_the_wall_clock_moves_view_time_but_does_not_change_its_amount() -> None:
    watching = {"viewers": (viewer(7, 1_000),), "run": "r1"}
    for jump in (3_600_000, -3_600_000):
        _, added = run(
            reading(0, elapsed_ms=50_000, **watching),
            reading(5_000 + jump, elapsed_ms=55_000, **watching),
            reading(9_000 + jump, elapsed_ms=59_000, **watching),
        )
        assert view_time(added) == 9_000
        assert connections(added) == 0


def test_after_a_restart_of_the_machine_the_wall_clock_gives_the_time_away() -> None:
    _, added = run(
        reading(0, elapsed_ms=50_000, run="r1", viewers=(viewer(7, 1_000),)),
        reading(30_000, elapsed_ms=2_000, run="r2", viewers=(viewer(7, 31_000),)),
    )
    assert view_time(added) == 30_000


@pytest.mark.parametrize(("late_ms", "counted_ms"), [(0, 5_000), (900, 5_900), (4_900, 6_900)])
def test_log_line_matches_a_viewer_whose_start_a_late_reply_made_too_early(late_ms: int, counted_ms: int) -> None:
    """Counted view time is never subtracted. None is added beyond the duration of the line."""
    _, added = run(
        reading(0),
        reading(8_000, viewers=(viewer(7, 2_000 + late_ms),)),
        reading(12_000, ended=(line(7, 11_000, 5_000),)),
    )
    assert connections(added) == 1
    assert view_time(added) == counted_ms


def test_log_line_of_an_earlier_connection_does_not_match_the_viewer_with_its_id() -> None:
    before = reading(0)
    restarted = {"boot": "b2", "started_at": T0 + 3_000}
    _, added = run(
        before,
        reading(5_000, viewers=(viewer(7, 1_000),), ended=(line(7, 2_000, 1_000),), **restarted),
        reading(6_000, viewers=(viewer(7, 2_000),), **restarted),
    )
    assert connections(added) == 2, "one connection was never shown, the other is still open"
    assert view_time(added) == 1_000 + 2_000


def test_publish_without_a_log_line_ends_at_the_last_reading_that_showed_it() -> None:
    _, added = run(
        reading(0, logs_ends=False),
        reading(5_000, logs_ends=False, publishes=(publish(1, 5_000),)),
        reading(9_000, logs_ends=False, publishes=(publish(1, 9_000),)),
        reading(20_000, logs_ends=False),
    )
    (session,) = added.sessions.values()
    assert (session.live, session.start_time, session.end_time) == (False, T0, T0 + 9_000)


def test_viewer_from_the_log_only_makes_the_highest_at_least_one() -> None:
    _, added = run(
        reading(0),
        reading(5_000, publishes=(publish(1, 5_000),)),
        reading(9_000, publishes=(publish(1, 9_000),), ended=(line(7, 8_000, 1_000),)),
    )
    (session,) = added.sessions.values()
    assert (session.joined, session.highest) == (1, 1)


def test_peak_over_counters_that_move_in_steps_is_never_too_high() -> None:
    _, added = run(
        *(
            reading(at, step_ms=5_000, counters=(CounterReading(key="m", bytes_in=0, bytes_out=at // 5_000 * 5_000),))
            for at in range(0, 40_001, 1_000)
        )
    )
    assert added.slots[T0].peak_out is not None
    assert 6_000 <= added.slots[T0].peak_out.bps <= 8_000


def test_peak_over_appearing_counters_contains_the_bytes_of_its_window_only() -> None:
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
