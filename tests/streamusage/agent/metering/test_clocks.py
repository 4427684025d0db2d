"""Clocks that are wrong, and corrected, while one viewer watches: it counts once, for as long as it watched."""

from itertools import pairwise
from typing import Any

import msgspec
import pytest

from streamusage.agent.metering import meter
from streamusage.agent.metering.additions import Additions
from streamusage.agent.metering.meter import MeterState
from streamusage.agent.reading import EndedConnection, Reading, ViewerReading
from streamusage.core.reasons import CALLBACKS_LOST, CLOCK_SET_FORWARD
from tests.support.agent import readings

T = 1_795_824_000_000
DAY_S = 86_400
STARTED = 1_500
STEPS_S = (
    *(-DAY_S * 400, -DAY_S, -3600, -60, -20, -10, -7, -5, -3, -2.5, -1.5),
    *(1.5, 2.5, 5, 60, 3600, DAY_S, DAY_S * 400),
)


class OneViewer:
    """A media server with one viewer, read once a second by an agent whose clock is set while the viewer watches.

    `offset` is what the agent's time line is off at present, `machine_offset` the same of the machine's wall clock,
    with which nginx dates its log.
    """

    def __init__(self, *, has_machine_clock: bool = False) -> None:
        self.offset = self.machine_offset = 0
        self.run = "run 1"
        self.elapsed_from = 1_000_000
        self.has_machine_clock = has_machine_clock
        self.now = 0
        self.totals: list[Additions] = []
        self.state, _ = meter.start(self.reading())

    def reading(self, *lines: EndedConnection, is_open: bool = False) -> Reading:
        at, elapsed = T + self.now + self.offset, self.elapsed_from + self.now
        viewer = ViewerReading(viewer_id="7", scope="live", name="a", protocol="rtmp", age_ms=self.now - STARTED)
        return Reading(
            at=at,
            boot="b.1",
            started_at=T - 100_000 + (self.machine_offset if self.has_machine_clock else self.offset),
            bytes_in=self.now,
            bytes_out=self.now,
            viewers=(viewer,) if is_open else (),
            ended=lines,
            run=self.run,
            elapsed_ms=elapsed,
            machine_offset_ms=T + self.now + self.machine_offset - elapsed if self.has_machine_clock else None,
            logs_ends=True,
            cursor="c",
        )

    def take(self, *lines: EndedConnection, is_open: bool = False) -> None:
        self.now += 1_000
        self.state, added = meter.step(self.state, self.reading(*lines, is_open=is_open))
        self.totals.append(added)

    def line(self, ended: int) -> EndedConnection:
        return EndedConnection(
            connection_id="7",
            kind="play",
            scope="live",
            name="a",
            protocol="rtmp",
            ended_at=T + ended + (self.machine_offset if self.has_machine_clock else self.offset),
            duration_ms=(ended - STARTED) // 1000 * 1000,
            granularity_ms=1000,
            bytes_in=1,
            bytes_out=1,
        )

    def pause(self, length_ms: int) -> None:
        """Let time pass in which the agent's machine is paused, and its clocks with it."""
        self.now += length_ms
        self.elapsed_from -= length_ms
        self.offset -= length_ms
        self.machine_offset -= length_ms

    def restart(self, *lines: EndedConnection, uptime_ms: int, **fields: Any) -> None:
        """Take a reading of the media server that restarted so long ago."""
        page = self.reading(*lines)
        restarted = msgspec.structs.replace(
            page, boot="b.2", started_at=page.at - uptime_ms, uptime_ms=uptime_ms, **fields
        )
        self.state, added = meter.step(self.state, restarted)
        self.totals.append(added)

    def watch(self, readings: int) -> None:
        for _ in range(readings):
            self.take(is_open=self.now + 1_000 > STARTED)

    def leave(self) -> int:
        """Let the viewer leave, read five times more, and return how long it watched."""
        ended = self.now + 400
        self.take(self.line(ended))
        for _ in range(5):
            self.take()
        return ended - STARTED

    @property
    def connections(self) -> int:
        return sum(sum(slot.connections.values()) for added in self.totals for slot in added.slots.values())

    @property
    def view_time_ms(self) -> int:
        return sum(slot.view_time_ms for added in self.totals for slot in added.slots.values())

    def check(self, watched_ms: int) -> None:
        assert self.connections == 1
        assert abs(self.view_time_ms - watched_ms) <= 1_000
        assert not self.state.viewers
        spans = [span for added in self.totals for span in added.spans]
        for earlier, later in pairwise(spans):
            assert earlier.to_ms == later.from_ms, "no time is without a state"


@pytest.mark.parametrize("readings_after", [0, 1, 2, 3, 5, 10, 30])
@pytest.mark.parametrize("step_s", STEPS_S)
def test_correction_of_the_agents_time_line_counts_a_viewer_once(step_s: float, readings_after: int) -> None:
    server = OneViewer()
    server.watch(20)
    server.offset = int(step_s * 1000)
    server.watch(readings_after)
    server.check(server.leave())


@pytest.mark.parametrize("readings_after", [0, 1, 2, 10])
@pytest.mark.parametrize("step_s", STEPS_S)
def test_step_of_the_machines_clock_counts_a_viewer_once(step_s: float, readings_after: int) -> None:
    server = OneViewer(has_machine_clock=True)
    server.watch(20)
    server.machine_offset = int(step_s * 1000)
    server.watch(readings_after)
    server.check(server.leave())


@pytest.mark.parametrize("step_s", STEPS_S)
def test_machine_that_restarts_with_another_clock_counts_a_viewer_of_another_machine_once(step_s: float) -> None:
    server = OneViewer(has_machine_clock=True)
    server.watch(20)
    server.now += 300_000  # the agent's machine is off
    server.run, server.elapsed_from = "run 2", -server.now
    server.offset = server.machine_offset = int(step_s * 1000)
    server.watch(10)
    server.check(server.leave())


@pytest.mark.parametrize("step_s", STEPS_S)
def test_viewer_that_leaves_while_the_machine_is_off_watched_for_as_long_as_its_log_line_says(step_s: float) -> None:
    server = OneViewer()
    server.watch(20)
    ended = server.now + 100_000
    server.now += 300_000
    server.run, server.elapsed_from = "run 2", -server.now
    server.offset = int(step_s * 1000)
    line = server.line(ended)
    server.take(msgspec.structs.replace(line, ended_at=T + ended))
    server.check(ended - STARTED)


def test_forward_correction_marks_the_time_that_did_not_pass() -> None:
    server = OneViewer()
    server.watch(5)
    server.offset = 3_600_000
    server.watch(1)
    first, second = server.totals[-1].spans
    assert (first.state, first.reason, first.to_ms - first.from_ms) == ("partial", CLOCK_SET_FORWARD, 3_600_000)
    assert (second.state, second.to_ms - second.from_ms) == ("counted", 1_000)


@pytest.mark.parametrize("behind_ms", [600, 90_000])
def test_peak_is_not_measured_over_time_that_a_correction_took_back(behind_ms: int) -> None:
    server = OneViewer()
    server.watch(25)
    server.offset = -behind_ms
    server.watch(120)
    peaks = [slot.peak_out.bps for added in server.totals for slot in added.slots.values() if slot.peak_out]
    assert peaks
    assert max(peaks) <= 8_000 * 1.01, "one byte a millisecond moves all the time"


def test_later_page_narrows_a_start_that_a_slow_page_showed_too_late() -> None:
    server = OneViewer()
    server.watch(3)
    viewer_id, viewer = next(iter(server.state.viewers.items()))
    late = msgspec.structs.replace(viewer, started_at=viewer.started_at + 4_000)
    server.state = MeterState(server.state.baseline, {viewer_id: late})
    before = server.view_time_ms
    server.watch(1)
    assert server.view_time_ms - before == 1_000 + 4_000
    assert server.state.viewers[viewer_id].started_at == viewer.started_at


@pytest.mark.parametrize("skew_s", STEPS_S)
def test_log_of_a_machine_with_another_clock_counts_a_viewer_once(skew_s: float) -> None:
    server = OneViewer()
    server.watch(20)
    line = server.line(server.now + 400)
    ended = server.now + 400
    server.take(msgspec.structs.replace(line, ended_at=line.ended_at + int(skew_s * 1000)))
    for _ in range(5):
        server.take()
    server.check(ended - STARTED)


def test_start_of_the_media_server_is_remembered_on_the_agents_time_line() -> None:
    server = OneViewer(has_machine_clock=True)
    server.machine_offset = 3 * 3_600_000
    state, _ = meter.start(server.reading())
    assert state.baseline.started_at == T - 100_000


def test_short_pause_of_the_virtual_machine_is_recognized_by_the_age_of_a_viewer() -> None:
    server = OneViewer()
    server.watch(20)
    server.now += 3_000
    server.elapsed_from -= 3_000
    server.offset -= 3_000
    server.watch(1)
    assert abs(server.view_time_ms - (server.now - STARTED)) <= 1_000


def test_viewer_counts_once_where_the_machine_is_paused_and_the_media_server_restarts() -> None:
    server = OneViewer()
    server.watch(20)
    server.pause(600_000)
    ended = server.now
    server.now += 1_000
    server.restart(server.line(ended), uptime_ms=500)
    assert server.connections == 1
    assert abs(server.view_time_ms - (ended - STARTED)) <= 1_000
    assert not server.state.viewers


def test_viewer_counts_once_where_the_boot_after_the_pause_is_older_than_it_watched() -> None:
    server = OneViewer()
    server.watch(20)
    server.pause(600_000)
    line = server.line(server.now)
    server.now += 1_000_000
    server.restart(line, uptime_ms=999_000, started_granularity_ms=0)
    assert server.connections == 1
    assert not server.state.viewers


def test_viewer_counts_once_where_the_machine_was_paused_twice_and_its_clock_was_set() -> None:
    """Nothing shows when the line was written, and the present boot is older than the viewer watched."""
    server = OneViewer(has_machine_clock=True)
    server.watch(20)
    server.pause(600_000)
    line = server.line(server.now)
    server.pause(700_000)
    server.machine_offset += 3_600_000
    server.restart(line, uptime_ms=699_000)
    assert server.connections == 1
    assert not server.state.viewers


def test_viewer_counts_once_where_the_clock_of_its_line_was_set_and_set_back() -> None:
    server = OneViewer()
    server.watch(20)
    server.now += 600_000
    ended = server.now - 400_000
    line = msgspec.structs.replace(server.line(ended), ended_at=server.line(ended).ended_at + 300_000)
    server.restart(line, uptime_ms=5_000)
    assert server.connections == 1
    assert not server.state.viewers


def test_line_of_a_clock_far_ahead_is_not_of_the_viewer_whose_age_is_its_duration_by_chance() -> None:
    year_ms = 365 * DAY_S * 1000
    clock = {"run": "run 1", "machine_offset_ms": readings.T0 - 1_000_000}
    state, added = readings.run(
        readings.reading(0, elapsed_ms=1_000_000, **clock),
        readings.reading(
            600_000, **SECOND_BOOT, uptime_ms=500_000, elapsed_ms=1_600_000, viewers=(readings.viewer(2, 70_500),),
            ended=(readings.line(2, 200_000 + year_ms, 70_000),), age_slack_ms=3_000, **clock,
        ),
    )  # fmt: skip
    assert readings.connections(added) == 2
    assert state.viewers.keys() == {"b2/2"}


def test_viewer_who_left_while_the_first_page_after_a_reboot_was_answered_counts_once() -> None:
    """The answer took 14.6 ms: two clocks round that differently."""
    state, added = readings.run(
        readings.reading(0, run="run 1", elapsed_ms=1_000_000, machine_offset_ms=readings.T0 - 1_000_000),
        readings.reading(
            600_000, **SECOND_BOOT, uptime_ms=500_000, run="run 2", elapsed_ms=20_000,
            machine_offset_ms=readings.T0 + 580_000, viewers=(readings.viewer(2, 70_000),), age_slack_ms=14,
            ended=(readings.line(2, 600_000, 70_015, granularity_ms=0),),
        ),
    )  # fmt: skip
    assert readings.connections(added) == 1
    assert not state.viewers


def test_line_of_a_clock_behind_counts_where_its_boot_ended_days_ago_and_no_reading_was_taken_since() -> None:
    """The publish keeps the ended boot: its line may still come."""
    clock = {"run": "run 1", "machine_offset_ms": readings.T0 - 1_000_000}
    _, added = readings.run(
        readings.reading(0, elapsed_ms=1_000_000, publishes=(readings.publish(1, 5_000),), **clock),
        readings.reading(
            3 * DAY_S * 1000, boot="b2", started_at=readings.T0 + DAY_S * 1000, uptime_ms=2 * DAY_S * 1000,
            elapsed_ms=1_000_000 + 3 * DAY_S * 1000, ended=(readings.line(9, -10_000, 30_000),), **clock,
        ),
    )  # fmt: skip
    assert readings.connections(added) == 1


def test_unknown_start_of_accounting_stays_unknown_when_the_time_line_moves() -> None:
    server = OneViewer()
    state = MeterState(msgspec.structs.replace(server.state.baseline, since=0), {})
    server.offset += DAY_S * 1000
    server.now += 1_000
    state, _ = meter.step(state, server.reading())
    assert state.baseline.since == 0


def test_restart_is_marked_also_where_no_time_passes_because_of_a_backward_correction() -> None:
    server = OneViewer()
    server.watch(20)
    server.offset = -3_600_000
    server.now += 1_000
    _, added = meter.step(server.state, msgspec.structs.replace(server.reading(), boot="b.2"))
    assert [span.state for span in added.spans] == ["partial"]


def test_what_a_reading_misses_is_marked_also_where_no_time_passes_because_of_a_backward_correction() -> None:
    server = OneViewer()
    server.watch(20)
    server.offset = -3_600_000
    server.now += 1_000
    _, added = meter.step(server.state, msgspec.structs.replace(server.reading(), misses=CALLBACKS_LOST))
    assert [(span.state, span.reason) for span in added.spans] == [("partial", CALLBACKS_LOST)]


def test_what_the_first_reading_misses_lies_before_accounting() -> None:
    _, added = meter.start(msgspec.structs.replace(OneViewer().reading(), misses=CALLBACKS_LOST))
    assert added.spans == []


def test_viewer_of_the_present_page_is_matched_rather_than_an_older_one_with_its_id() -> None:
    server = OneViewer(has_machine_clock=True)
    server.watch(20)
    server.machine_offset = 3 * 3_600_000
    server.now += 60_000
    page = server.reading()
    viewer = ViewerReading(viewer_id="7", scope="live", name="a", protocol="rtmp", age_ms=30_000)
    line = msgspec.structs.replace(server.line(server.now), duration_ms=31_000)
    restarted = msgspec.structs.replace(
        page, boot="b.2", started_at=page.started_at + 130_000, viewers=(viewer,), ended=(line,), age_slack_ms=2_000
    )
    after, _ = meter.step(server.state, restarted)
    assert "b.2/7" not in after.viewers
    assert after.viewers.keys() == {"b.1/7"}


def test_line_of_an_unknown_clock_is_not_credited_to_an_ended_boot() -> None:
    """Between the readings the machine restarted twice, and its clock was 10 minutes behind meanwhile."""
    line = readings.line(9, 40_000, 30_000, kind="publish", bytes_in=900)
    _, added = readings.run(
        readings.reading(0, bytes_in=500, run="run 1", elapsed_ms=1_000_000),
        readings.reading(100_000, **SECOND_BOOT, uptime_ms=50_000, run="run 1", elapsed_ms=1_100_000),
        readings.reading(
            2_000_000, **SECOND_BOOT, uptime_ms=1_950_000, bytes_in=900, run="run 3", elapsed_ms=30_000, ended=(line,)
        ),
    )
    assert sum(slot.bytes_in for slot in added.slots.values()) == 900


def test_lines_of_a_clock_that_was_set_back_meanwhile_are_not_credited_to_an_ended_boot() -> None:
    """The clock was set back by 10 minutes and right again at the second reading: only the order of lines shows it."""
    lines = (
        readings.line(8, 400_000, 1_000, kind="publish", bytes_in=100),
        readings.line(9, 40_000, 30_000, kind="publish", bytes_in=800),
    )
    clock = {"run": "run 1", "machine_offset_ms": readings.T0 - 1_000_000}
    _, added = readings.run(
        readings.reading(0, bytes_in=500, elapsed_ms=1_000_000, **clock),
        readings.reading(
            2_000_000, **SECOND_BOOT, uptime_ms=1_950_000, bytes_in=900, elapsed_ms=3_000_000, ended=lines, **clock
        ),
    )
    assert sum(slot.bytes_in for slot in added.slots.values()) == 900


def test_line_of_a_connection_that_began_with_its_boot_is_not_credited_to_an_ended_boot() -> None:
    """The clock of the machine drifted by 50 ms since then."""
    line = readings.line(9, 599_950, 549_990, kind="publish", bytes_in=900, granularity_ms=0)
    _, added = readings.run(
        readings.reading(0, bytes_in=500, run="run 1", elapsed_ms=1_000_000, machine_offset_ms=readings.T0 - 1_000_000),
        readings.reading(
            600_000, **SECOND_BOOT, started_granularity_ms=0, bytes_in=900, ended=(line,),
            run="run 1", elapsed_ms=1_600_000, machine_offset_ms=readings.T0 - 1_000_000,
        ),
    )  # fmt: skip
    assert sum(slot.bytes_in for slot in added.slots.values()) == 900


SECOND_BOOT = {"boot": "b2", "started_at": readings.T0 + 50_000}
