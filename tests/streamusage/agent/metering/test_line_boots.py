"""Lines of the log after a restart of the media server: ids begin again, and a clock may have been set meanwhile."""

from typing import Any

import pytest

from streamusage.agent.metering.additions import Additions
from streamusage.agent.metering.meter import MeterState
from streamusage.agent.reading import DrainingBoot, EndedConnection
from streamusage.core.reasons import CALLBACKS_LOST, ID_USED_AGAIN, IDS_BEGAN_AGAIN, OLD_WORKER_SERVES, RESTARTED
from tests.support.agent.readings import T0, connections, line, publish, reading, run, view_time, viewer

CLOCK: dict[str, Any] = {"run": "run 1", "machine_offset_ms": T0 - 1_000_000}


def incomplete(added: Additions) -> list[tuple[int, int, str]]:
    """Return the time that is not counted: from when, to when, and the reason."""
    return [(span.from_ms - T0, span.to_ms - T0, span.reason) for span in added.spans if span.state != "counted"]


@pytest.mark.parametrize("set_by_ms", [-700, 700])
def test_viewer_counts_once_where_the_clock_is_set_by_less_than_a_second_before_a_restart(set_by_ms: int) -> None:
    """By the clock that dates its line, the viewer of the ended boot began 659 ms after the present boot did."""
    state, added = run(
        reading(-10_000, elapsed_ms=990_000, **CLOCK),
        reading(0, elapsed_ms=1_000_000, viewers=(viewer(2, 4),), **CLOCK),
        reading(
            70_041, boot="b2", started_at=T0 + 41 + set_by_ms, started_granularity_ms=0, uptime_ms=70_000,
            elapsed_ms=1_070_041, run="run 1", machine_offset_ms=T0 - 1_000_000 + set_by_ms,
            ended=(line(2, 41 + set_by_ms, 45, granularity_ms=0),),
        ),
    )  # fmt: skip
    assert connections(added) == 1
    assert not state.viewers


def test_viewer_of_the_present_boot_counts_where_one_of_an_ended_boot_with_its_id_began_long_before() -> None:
    state, added = run(
        reading(-10_000, elapsed_ms=990_000, **CLOCK),
        reading(0, elapsed_ms=1_000_000, viewers=(viewer(2, 4),), **CLOCK),
        reading(
            70_041, boot="b2", started_at=T0 + 41, started_granularity_ms=0, uptime_ms=70_000, elapsed_ms=1_070_041,
            ended=(line(2, 5_041, 2_000, granularity_ms=0),), **CLOCK,
        ),
    )  # fmt: skip
    assert connections(added) == 2
    assert state.viewers.keys() == {"b1/2"}


@pytest.mark.parametrize("kind", ["play", "publish"])
@pytest.mark.parametrize("granularity_ms", [0, 1000])
@pytest.mark.parametrize("age_ms", [4, 2_100])
def test_bytes_of_a_line_that_may_be_of_two_boots_count_once(kind: str, granularity_ms: int, age_ms: int) -> None:
    """A connection of the ended boot, which crashed, began 700 ms before one of the present boot with its id."""
    shown = {"viewers": (viewer(2, age_ms),)} if kind == "play" else {"publishes": (publish(2, age_ms),)}
    of_present = line(2, 5_700 - age_ms, 5_000, kind=kind, granularity_ms=granularity_ms, bytes_in=900)
    _, added = run(
        reading(-10_000, elapsed_ms=990_000, **CLOCK),
        reading(0, elapsed_ms=1_000_000, **shown, **CLOCK),
        reading(
            50_041, boot="b2", started_at=T0 + 41, started_granularity_ms=0, uptime_ms=50_000, elapsed_ms=1_050_041,
            bytes_in=900, ended=(of_present,), age_slack_ms=1_000, **CLOCK,
        ),
    )  # fmt: skip
    assert sum(slot.bytes_in for slot in added.slots.values()) == 900
    # An exact line that began 1.4 s before the present boot is of the ended one.
    is_in_doubt = kind == "play" and (granularity_ms, age_ms) != (0, 2_100)
    assert [reason for _, _, reason in incomplete(added)] == [RESTARTED, *[ID_USED_AGAIN] * is_in_doubt]


@pytest.mark.parametrize(("paused_ms", "credited"), [(800_000, 0), (50_000, 400)])
def test_bytes_of_a_line_that_ends_a_viewer_only_in_doubt_count_once(paused_ms: int, credited: int) -> None:
    """Callbacks of the ended boot were lost. The line is of the present boot, whose counters contain it; the clock was
    5 minutes behind when it was written, so that it seems to be of the ended one. In a pause of less than a minute no
    clock is set and set back unnoticed, and the line is what it seems to be.
    """
    _, added = run(
        reading(-10_000, elapsed_ms=990_000, **CLOCK),
        reading(0, elapsed_ms=1_000_000, viewers=(viewer(1, 4),), **CLOCK),
        reading(
            paused_ms, boot="b2", started_at=T0 + paused_ms // 2, uptime_ms=paused_ms - paused_ms // 2,
            elapsed_ms=1_000_000 + paused_ms, bytes_out=900, logs_ends=False, misses=CALLBACKS_LOST,
            ended=(line(1, 5_000, 30_000, bytes_out=400),), **CLOCK,
        ),
    )  # fmt: skip
    assert connections(added) == 1
    assert sum(slot.bytes_out for slot in added.slots.values()) == 900 + credited
    assert [reason for _, _, reason in incomplete(added)] == [RESTARTED, CALLBACKS_LOST]


@pytest.mark.parametrize(
    ("drained", "continued", "credited"),
    [((), (), 0), (("b1",), (), 0), (("b1",), ("b1",), 400)],
    ids=["restart", "upgrade", "reload"],
)
def test_bytes_of_a_viewer_from_just_before_a_reload_count_because_its_id_is_not_used_again(
    drained: tuple[str, ...], continued: tuple[str, ...], credited: int
) -> None:
    """By the clocks, which differ by up to a second, the connection may have begun after the last reading. After an
    upgrade, too, ids begin again.
    """
    _, added = run(
        reading(-10_000, elapsed_ms=990_000, **CLOCK),
        reading(-500, elapsed_ms=999_500, viewers=(viewer(1, 0),), **CLOCK),
        reading(
            0, boot="b2", started_at=T0, uptime_ms=100, elapsed_ms=1_000_000, bytes_out=900,
            draining=(DrainingBoot("b1", is_certain=True),), continued_ids=continued, **CLOCK,
        ),
        reading(
            10, boot="b2", started_at=T0, uptime_ms=110, elapsed_ms=1_000_010, bytes_out=900, drained=drained,
            continued_ids=continued, ended=(line(1, 0, 500, bytes_out=400),), **CLOCK,
        ),
    )  # fmt: skip
    assert connections(added) == 1
    assert sum(slot.bytes_out for slot in added.slots.values()) == 900 + credited
    assert ({reason for _, _, reason in incomplete(added)} == {OLD_WORKER_SERVES}) == bool(credited)
    assert not credited or IDS_BEGAN_AGAIN not in {reason for _, _, reason in incomplete(added)}


def upgraded_twice(*ended: EndedConnection) -> tuple[MeterState, Additions]:
    """Return the state and what is added where two upgrades followed within a second. A viewer of each earlier binary
    has the id 1 and watched when it was last read; the lines of both are in the last reading.
    """
    draining = (DrainingBoot("b1", is_certain=True), DrainingBoot("b2", is_certain=True))
    return run(
        reading(-9_000, started_at=T0 - 10_000),
        reading(400, started_at=T0 - 10_000, viewers=(viewer(1, 200),)),
        reading(900, boot="b2", started_at=T0 + 1_000, viewers=(viewer(1, 100),), draining=draining[:1]),
        reading(20_000, boot="b3", started_at=T0 + 2_000, draining=draining),
        reading(30_000, boot="b3", started_at=T0 + 2_000, drained=("b1", "b2"), ended=ended),
    )


def test_lines_of_viewers_of_two_upgrades_end_each_of_them_once() -> None:
    """By their lines they began up to a second before: the nearest start of the first line is that of the other one."""
    state, added = upgraded_twice(line(1, 25_900, 25_000), line(1, 26_790, 25_000))
    assert connections(added) == 2
    assert not state.viewers


def test_bytes_of_lines_that_may_be_of_either_of_two_upgrades_are_not_counted_and_the_time_is_partial() -> None:
    _, added = upgraded_twice(line(1, 25_900, 25_000, bytes_out=700), line(1, 26_790, 25_000, bytes_out=40))
    assert sum(slot.bytes_out for slot in added.slots.values()) == 0
    assert incomplete(added)[-1] == (20_000, 30_000, IDS_BEGAN_AGAIN)


@pytest.mark.parametrize("began_at", [2_400, 78_000])
def test_line_of_an_unread_boot_ends_no_viewer_of_another_stream_who_had_its_id(began_at: int) -> None:
    """The server crashed twice between two readings. The boot between them served another viewer with the id."""
    state, added = run(
        reading(-10_000, elapsed_ms=990_000, **CLOCK),
        reading(0, elapsed_ms=1_000_000, viewers=(viewer(1, 4),), **CLOCK),
        reading(
            720_000, boot="b3", started_at=T0 + 400_000, uptime_ms=320_000, elapsed_ms=1_720_000,
            ended=(line(1, began_at + 92_000, 92_000, name="s2", granularity_ms=0),), **CLOCK,
        ),
    )  # fmt: skip
    assert connections(added) == 2
    assert state.viewers.keys() == {"b1/1"}


@pytest.mark.parametrize("pages", [(), (3,)], ids=["before the next page", "after the next page"])
def test_time_is_partial_in_which_a_viewer_may_have_joined_whose_line_ends_one_of_the_boot_before(
    pages: tuple[int, ...],
) -> None:
    """The server crashed at 1 ms and was back at 2 ms. A viewer of the new boot got the id of one who joined at -1 ms.
    The line of an hour that ends it shows its start to within 720 ms.
    """
    began_at = 4
    of_present: dict[str, Any] = {"boot": "b2", "started_at": T0 + 2, "started_granularity_ms": 0}
    _, added = run(
        reading(-10_000),
        reading(0, viewers=(viewer(1, 1),)),
        *(reading(at, **of_present) for at in pages),
        reading(3_700_000, ended=(line(1, began_at + 3_600_000, 3_600_000, granularity_ms=0),), **of_present),
    )
    assert connections(added) == 1, "it may have been a reload, which ends no viewer"
    assert incomplete(added) == [(0, 2, RESTARTED), (pages[0] if pages else 2, began_at + 720 + 1, ID_USED_AGAIN)]


@pytest.mark.parametrize("behind_ms", [0, 5_000])
def test_bytes_of_a_day_long_line_that_may_be_of_two_boots_count_once(behind_ms: int) -> None:
    """The clocks of log and pages drift apart: by the line, the viewer joined before the page that did not show it."""
    of_present: dict[str, Any] = {"boot": "b2", "started_at": T0 + 2, "started_granularity_ms": 0, **CLOCK}
    day_ms = 86_400_000
    of_viewer = line(1, 4 + day_ms - behind_ms, day_ms, granularity_ms=0, bytes_out=900)
    _, added = run(
        reading(-10_000, elapsed_ms=990_000, **CLOCK),
        reading(0, elapsed_ms=1_000_000, viewers=(viewer(1, 1),), **CLOCK),
        reading(3, elapsed_ms=1_000_003, uptime_ms=1, **of_present),
        reading(
            day_ms + 200, elapsed_ms=day_ms + 1_000_200, uptime_ms=day_ms + 198, bytes_out=900, ended=(of_viewer,),
            **of_present,
        ),
    )  # fmt: skip
    assert sum(slot.bytes_out for slot in added.slots.values()) == 900
    assert [(from_ms, to_ms) for from_ms, to_ms, _ in incomplete(added)] == [(0, 2), (3, day_ms + 200)]


def test_time_is_partial_where_no_clock_shows_of_which_boot_a_line_is_that_ends_a_viewer() -> None:
    """The machine restarted. The line is of the boot that ended with it, or of the one since then, which had the id."""
    _, added = run(
        reading(-10_000, elapsed_ms=990_000, **CLOCK),
        reading(0, elapsed_ms=1_000_000, viewers=(viewer(1, 4_000),), **CLOCK),
        reading(
            300_000, boot="b2", started_at=T0 + 30_000, uptime_ms=270_000, elapsed_ms=280_000, run="run 2",
            machine_offset_ms=T0 + 20_000, ended=(line(1, 36_000, 5_000),),
        ),
    )  # fmt: skip
    assert connections(added) == 1
    assert incomplete(added) == [(0, 30_000, RESTARTED), (30_000, 300_000, ID_USED_AGAIN)]


def test_line_ends_the_viewer_who_was_shown_for_hours_and_not_one_of_a_crashed_boot_who_had_its_id() -> None:
    """By its whole seconds the line began nearer to the viewer who joined 100 ms before the crash."""
    of_present: dict[str, Any] = {"boot": "b2", "started_at": T0 + 1_000}
    state, added = run(
        reading(-10_000),
        reading(0, viewers=(viewer(1, 100),)),
        reading(10_000, viewers=(viewer(1, 9_100),), **of_present),
        reading(7_200_000, viewers=(viewer(1, 7_199_100),), **of_present),
        reading(7_210_000, ended=(line(1, 7_205_000, 7_205_000),), **of_present),
    )
    assert connections(added) == 2
    assert view_time(added) == 100 + 7_205_000
    assert state.viewers.keys() == {"b1/1"}


@pytest.mark.parametrize("is_last_boot_known", [True, False])
def test_line_of_a_boot_that_ended_ends_no_viewer_who_joined_later_and_is_on_the_page(is_last_boot_known: bool) -> None:
    """The server ended in order at 900 ms, and was back at 1,000 ms. The viewer on the page joined at 1,100 ms."""
    state, added = run(
        reading(-10_000),
        reading(400, viewers=(viewer(1, 50),) if is_last_boot_known else ()),
        reading(3_000, boot="b2", started_at=T0 + 1_000, viewers=(viewer(1, 1_900),), ended=(line(1, 0, 0),)),
        reading(3_600_000, boot="b2", started_at=T0 + 1_000, viewers=(viewer(1, 3_598_900),)),
    )
    assert state.viewers.keys() == {"b2/1"}
    assert connections(added) == 2
    assert 3_598_900 <= view_time(added) <= 3_598_900 + 550


@pytest.mark.parametrize("is_first_line_of_present", [False, True])
def test_lines_that_end_viewers_of_a_draining_and_of_the_present_boot_count_the_time_of_each(
    is_first_line_of_present: bool,
) -> None:
    """A binary upgrade: ids begin again, and two viewers with one id joined at nearly the same time."""
    of_present: dict[str, Any] = {"boot": "b2", "started_at": T0 + 1_000}
    draining = (DrainingBoot("b1", is_certain=True),)
    lines = [line(1, 60_000, 60_000), line(1, 90_000, 90_000)]
    _, added = run(
        reading(-10_000),
        reading(0, viewers=(viewer(1, 100),)),
        reading(10_000, viewers=(viewer(1, 9_100),), draining=draining, **of_present),
        reading(50_000, viewers=(viewer(1, 49_100),), draining=draining, **of_present),
        reading(100_000, ended=tuple(lines if is_first_line_of_present else lines[::-1]), **of_present),
    )
    assert connections(added) == 2
    assert abs(view_time(added) - 60_000 - 90_000) <= 2_000
