"""The time between two readings: how long it was, and how remembered times compare with those of the new reading. Pure.

A duration comes from the clock that never steps, within one run; across runs from the media server's own ages; else it
is unknown. It never comes from wall time, which decides only where units are filed.

Readings before the time of day is known are on the *undated* scale, which no clock shows.
"""

from collections.abc import Iterable
from itertools import islice
from typing import NamedTuple

from streamusage.agent.reading import EndedConnection, Reading
from streamusage.api.report import Baseline, ViewerRow

UNDATED_FROM_MS = 5_000_000_000_000
"""Times from here on (the year 2128) are undated."""

SAME_MAPPING_MS = 1_000
"""Up to this difference two mappings of a machine's wall clock are one clock that was slewed."""

PAUSED_FROM_MS = 2_000
"""From this on, beyond the answer times of two pages, more time passed on the media server than on the agent's machine:
the machine is virtual and was paused together with its clocks. Ages may be whole seconds."""

_LONG_ANSWER_MS = 8_000
"""Answer time of a page whose baseline does not record it (an earlier version)."""

_ENOUGH_AGES = 32

_LATE_LINE_MS = 90_000
"""How much later than its time a line may be written to the log (nginx can buffer its log for a minute)."""

_LATEST_LINE_MS = 24 * 3600 * 1000
"""A line that seems to be even later was written by another clock."""


def is_undated(at_ms: int) -> bool:
    """Return whether a time is on the undated scale."""
    return at_ms >= UNDATED_FROM_MS


def offset_of(baseline: Baseline) -> int:
    """Return the offset by which a baseline is dated; that of an earlier version follows from its other times."""
    return baseline.at - baseline.elapsed_ms if baseline.offset_ms is None else baseline.offset_ms


class Passage(NamedTuple):
    """The time from the last reading to the present one. Times are on the scale of the present reading."""

    passed_ms: int | None
    """How long it was; `None` where nothing shows it."""
    last_at: int
    """When the last reading was taken: a guess, good for filing only, where `passed_ms` is `None`."""
    is_same_run: bool
    step_ms: int
    """How remembered times move to the present scale."""
    line_shifts: tuple[int, ...]
    """What is added to the time of a log line: by the machine's clock as it was at the last reading, and, where the
    clock was set since, as it is now."""
    latest_shift: int
    """The larger of these two, also where they are nearly the same."""

    def date_line(self, ended_at: int, now: int) -> int:
        """Return the end of a connection on the present scale: between the two readings, or written late."""
        for shift in self.line_shifts:
            if self._fits(ended_at + shift, now):
                return min(ended_at + shift, now)
        at = ended_at + self.line_shifts[0]
        if len(self.line_shifts) == 1 and self.last_at - _LATEST_LINE_MS <= at:
            return min(at, now)
        return min(max(at, self.last_at), now)

    def is_possible(self, ended_at: int, now: int) -> bool:
        """Return whether a connection can have ended at the time of its log line, by the one clock that is known.

        Another clock wrote a line of the future, or of a day before the last reading: `date_line` only bounds it.
        """
        at = ended_at + self.line_shifts[0]
        return self.last_at - _LATEST_LINE_MS <= at <= now + SAME_MAPPING_MS

    def latest_end(self, ended_at: int, now: int) -> int:
        """Return the latest possible end of a connection, by any of the clocks that may have written its line."""
        return min(ended_at + self.latest_shift, now)

    def ended_within(self, ended_at: int, now: int, length_ms: int) -> bool:
        """Return whether a connection ended in the last `length_ms`, by the clock as it is set now."""
        return abs(now - ended_at - self.line_shifts[-1]) <= length_ms

    def is_between(self, ended_at: int, now: int) -> bool:
        """Return whether the time of a log line lies between the two readings, by the clocks as they are known."""
        return any(self._fits(ended_at + shift, now) for shift in self.line_shifts)

    def _fits(self, at: int, now: int) -> bool:
        return self.last_at - _LATE_LINE_MS <= at <= now + SAME_MAPPING_MS

    @property
    def are_lines_exact(self) -> bool:
        """Whether the start of a log line's connection can be compared with remembered starts."""
        return len(self.line_shifts) == 1 and self.passed_ms is not None


def passage_between(before: Baseline, viewers: dict[str, ViewerRow], boot: str, reading: Reading) -> Passage:
    """Return the time from a baseline with its open viewers to a reading. `boot` is the media server's boot of the
    reading, `before.boot` if it is the same.
    """
    last_at = before.elapsed_ms + offset_of(before)
    elapsed_ms = reading.elapsed_ms - before.elapsed_ms
    if not reading.run:
        passed_ms = max(0, reading.at - before.at)
        return Passage(passed_ms, reading.at - passed_ms, True, 0, (0,), 0)
    is_same_run = reading.run == before.run and elapsed_ms >= 0
    passed = _passed_on_media_server(before, viewers, boot, reading, last_at)
    if is_same_run:
        slack_before_ms = _LONG_ANSWER_MS if before.age_slack_ms is None else before.age_slack_ms
        if passed is None or passed <= elapsed_ms + slack_before_ms + reading.age_slack_ms + PAUSED_FROM_MS:
            passed = elapsed_ms
        assumed_ms = passed
    else:
        are_comparable = not is_undated(last_at) and not is_undated(reading.at)
        guess_ms = max(0, reading.at - last_at) if are_comparable else 0
        assumed_ms = guess_ms if passed is None else passed
    step_ms = reading.at - assumed_ms - last_at
    shifts = _line_shifts(before, reading, step_ms)
    latest_shift = max(*shifts, _present_shift(reading))
    return Passage(passed, reading.at - assumed_ms, is_same_run, step_ms, shifts, latest_shift)


def _passed_on_media_server(
    before: Baseline, viewers: dict[str, ViewerRow], boot: str, reading: Reading, last_at: int
) -> int | None:
    """Return the time that passed by the age of a viewer who stayed, else by the media server's uptime.

    The uptime comes second because some servers take it from a wall clock.
    """
    if boot != before.boot:
        return None
    grown_ms = min(islice(_grown_ages(viewers, boot, reading, last_at), _ENOUGH_AGES), default=None)
    if grown_ms is not None:
        return grown_ms
    if reading.uptime_ms is not None and before.uptime_ms is not None and reading.uptime_ms >= before.uptime_ms:
        return reading.uptime_ms - before.uptime_ms
    return None


def _grown_ages(viewers: dict[str, ViewerRow], boot: str, reading: Reading, last_at: int) -> Iterable[int]:
    for viewer in reading.viewers:
        known = viewers.get(f"{boot}/{viewer.viewer_id}")
        if known is not None and known.counted_to is None:
            grown_ms = viewer.age_ms - (last_at - known.started_at)
            if grown_ms >= 0:
                yield grown_ms


def _line_shifts(before: Baseline, reading: Reading, step_ms: int) -> tuple[int, ...]:
    if reading.machine_offset_ms is None:
        return (0,)
    now = _present_shift(reading)
    if before.machine_offset_ms is None:
        return (now,)
    earlier = offset_of(before) - before.machine_offset_ms + step_ms
    return (earlier,) if abs(earlier - now) <= SAME_MAPPING_MS else (earlier, now)


def are_lines_in_order(lines: Iterable[EndedConnection]) -> bool:
    """Return whether the times of log lines rise as one clock does that was not set back between two lines."""
    newest = 0
    for line in lines:
        if line.ended_at < newest - _LATE_LINE_MS:
            return False
        newest = max(newest, line.ended_at)
    return True


def latest_start(reading: Reading, now: int) -> int:
    """Return the latest possible start of the media server's boot on the scale of the reading; 0 if unknown."""
    if reading.uptime_ms is not None:
        return max(1, now - reading.uptime_ms)
    return max(1, reading.started_at + _present_shift(reading)) if reading.started_at else 0


def _present_shift(reading: Reading) -> int:
    """Return what is added to a time of the machine's wall clock, as the clock is set at the reading."""
    if reading.machine_offset_ms is None:
        return 0
    return reading.at - reading.elapsed_ms - reading.machine_offset_ms


def is_newer(baseline: Baseline, reading: Reading) -> bool:
    """Return whether a baseline is later than a reading, as far as anything but wall time shows: the clock of one run,
    or counters of one boot, which never fall.
    """
    if baseline.run and baseline.run == reading.run:
        return baseline.elapsed_ms > reading.elapsed_ms
    if baseline.boot != reading.boot:
        return False
    if baseline.uptime_ms is not None and reading.uptime_ms is not None:
        return baseline.uptime_ms > reading.uptime_ms + reading.uptime_granularity_ms
    return baseline.bytes_in > reading.bytes_in or baseline.bytes_out > reading.bytes_out
