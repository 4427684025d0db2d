"""Lines of the log after a restart of the media server: ids begin again, and a clock may have been set meanwhile."""

from typing import Any

import pytest

from streamusage.agent.reading import DrainingBoot
from streamusage.core.reasons import CALLBACKS_LOST, RESTARTED
from tests.support.agent.readings import T0, connections, line, publish, reading, run, viewer

CLOCK: dict[str, Any] = {"run": "run 1", "machine_offset_ms": T0 - 1_000_000}


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
    assert [span.reason for span in added.spans if span.state != "counted"] == [RESTARTED]


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
    assert [span.reason for span in added.spans if span.state != "counted"] == [RESTARTED, CALLBACKS_LOST]


@pytest.mark.parametrize(("drained", "credited"), [((), 0), (("b1",), 400)], ids=["restart", "reload"])
def test_bytes_of_a_viewer_from_just_before_a_reload_count_because_its_id_is_not_used_again(
    drained: tuple[str, ...], credited: int
) -> None:
    """By the clocks, which differ by up to a second, the connection may have begun after the last reading."""
    _, added = run(
        reading(-10_000, elapsed_ms=990_000, **CLOCK),
        reading(-500, elapsed_ms=999_500, viewers=(viewer(1, 0),), **CLOCK),
        reading(
            0, boot="b2", started_at=T0, uptime_ms=100, elapsed_ms=1_000_000, bytes_out=900,
            draining=(DrainingBoot("b1", is_certain=True),), **CLOCK,
        ),
        reading(
            10, boot="b2", started_at=T0, uptime_ms=110, elapsed_ms=1_000_010, bytes_out=900, drained=drained,
            ended=(line(1, 0, 500, bytes_out=400),), **CLOCK,
        ),
    )  # fmt: skip
    assert connections(added) == 1
    assert sum(slot.bytes_out for slot in added.slots.values()) == 900 + credited


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
