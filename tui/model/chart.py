"""Subscribers of one stream over time, ready to be drawn: equal steps, each with a figure or none, and its provenance.

Figures that were filled in stand apart, and where nothing is known nothing is drawn: no line crosses a gap.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from streamusage.answers import History
from streamusage.coverage import Provenance
from streamusage.usage import SessionKey
from tui.model.history import PollHistory
from tui.model.sparkline import NoFigure, Point


class Step(NamedTuple):
    """One step of the chart."""

    figure: int | None
    state: Provenance | None
    """`None` where nobody looked."""


@dataclass(frozen=True)
class Chart:
    from_ms: int
    to_ms: int
    steps: tuple[Step, ...]
    source: str
    """Where the figures come from, in words."""

    @property
    def highest(self) -> int:
        return max((step.figure for step in self.steps if step.figure is not None), default=0)

    def runs(self) -> Iterator[tuple[int, int, bool]]:
        """Stretches of figures to be joined by a line: (first, last, whether seen live), `last` included.

        A filled stretch begins at the step before it where that is known, so that the line is whole.
        """
        start: int | None = None
        for number, step in enumerate((*self.steps, Step(None, None))):
            before = self.steps[number - 1] if number else None
            if start is not None and before is not None and (step.figure is None or _apart(step) != _apart(before)):
                yield start, number - 1, not _apart(before)
                start = None
            if start is None and step.figure is not None:
                start = number

    def points(self) -> list[Point]:
        """The same for a single line of glyphs."""
        return [_point(step) for step in self.steps]


_OWED = (Provenance.MISSING, Provenance.HELD)


def _apart(step: Step) -> bool:
    return step.state is not Provenance.LIVE


def _point(step: Step) -> Point:
    if step.state in _OWED:
        return NoFigure.MISSING
    if step.state is Provenance.LOST:
        return NoFigure.LOST
    if step.state in (Provenance.BACKFILLED, Provenance.PARTIAL):
        return NoFigure.BACKFILLED
    return NoFigure.NOT_SEEN if step.figure is None else step.figure


def from_history(history: History, from_ms: int, to_ms: int) -> Chart:
    """The chart of what the service keeps. Steps that it says nothing of stay empty."""
    step_ms = max(1, history.step_ms)
    steps = [Step(None, None)] * max(1, (to_ms - from_ms) // step_ms)
    for point in history.points:
        number = (point.at - from_ms) // step_ms
        if 0 <= number < len(steps):
            known = point.state not in (*_OWED, Provenance.LOST)
            steps[number] = Step(point.active if known else None, point.state)
    return Chart(from_ms, to_ms, tuple(steps), f"every {step_ms // 60_000} min, all servers")


def from_polls(history: PollHistory, key: SessionKey, steps: int) -> Chart | None:
    """The chart of what this console saw by itself; `None` where it saw nothing yet."""
    times = history.times(key)
    if not times:
        return None
    polls = max(1, -(-(history.polls - history.first_poll(key)) // steps))
    points = history.points(key, steps, polls)
    drawn = [Step(point, Provenance.LIVE) if isinstance(point, int) else Step(None, _STATES[point]) for point in points]
    while drawn and drawn[0] == Step(None, None):
        del drawn[0]
    return Chart(times[0][0], times[-1][0], tuple(drawn), "seen by this console since it was opened")


_STATES: dict[NoFigure, Provenance | None] = {
    NoFigure.BACKFILLED: Provenance.BACKFILLED,
    NoFigure.MISSING: Provenance.MISSING,
    NoFigure.LOST: Provenance.LOST,
    NoFigure.NOT_SEEN: None,
}
