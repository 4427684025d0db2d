"""Chart of a stream's subscribers over time: equal steps, each with a figure or none, and its provenance.

Backfilled figures are drawn apart, and unknown time is left blank: no line crosses a gap.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import Enum
from itertools import groupby
from typing import NamedTuple

from streamusage.api.extension import History
from streamusage.core.coverage import Provenance
from streamusage.core.usage import SessionKey
from tui.model import formats
from tui.model.sessions.history import PollHistory
from tui.model.sessions.sparkline import Mark, MarkedFigure, NoFigure, Point
from tui.model.sessions.store import Session
from tui.model.sessions.trends import point_of

LEAST_MS = 60 * 60_000
"""A shorter session is shown with the time before it."""
MOST_STEPS = 120
STEP_MS = 60_000


class ChartRequest(NamedTuple):
    """The interval that a session's chart shows. `to_ms` of `None` is now."""

    key: SessionKey
    from_ms: int
    to_ms: int | None
    step_ms: int


def look_at(session: Session, now_ms: int) -> ChartRequest:
    """Return a request for the whole session, at least an hour, in steps of whole minutes."""
    ended_ms = None if session.live else session.end_time
    to_ms = now_ms if ended_ms is None else ended_ms
    from_ms = min(session.start_time or to_ms, to_ms - LEAST_MS)
    step_ms = STEP_MS * max(1, -(-(to_ms - from_ms) // (MOST_STEPS * STEP_MS)))
    until_ms = None if ended_ms is None else -(-to_ms // step_ms) * step_ms
    return ChartRequest(session.key, from_ms - from_ms % step_ms, until_ms, step_ms)


class ChartStep(NamedTuple):
    """One step of a chart."""

    figure: int | None
    state: Provenance | None
    """`None` where the figure is unknown or the stream was not on air."""
    highest: int | None = None
    """The upper bound of simultaneous subscribers, where it is known beside the figure."""


@dataclass(frozen=True)
class Chart:
    """The steps of a chart, oldest first."""

    from_ms: int
    to_ms: int
    steps: tuple[ChartStep, ...]
    source: str
    """Description of the figures' origin."""

    @property
    def highest(self) -> int:
        """The highest figure; 0 without any."""
        return max((step.figure for step in self.steps if step.figure is not None), default=0)

    def runs(self) -> Iterator[tuple[int, int, bool]]:
        """Return the runs of steps that a line joins: (first, last, whether live), `last` included.

        Steps whose figure leaves a server out are in `seen_runs`.
        """
        for first, last, kind in self._runs():
            if kind is not _RunKind.LOWER_BOUND:
                yield first, last, kind is _RunKind.LIVE

    def seen_runs(self) -> Iterator[tuple[int, int]]:
        """Return the runs of steps whose figure leaves a server out: (first, last), `last` included."""
        return ((first, last) for first, last, kind in self._runs() if kind is _RunKind.LOWER_BOUND)

    def _runs(self) -> Iterator[tuple[int, int, "_RunKind"]]:
        start = 0
        for kind, steps in groupby(self.steps, _run_kind):
            end = start + sum(1 for _ in steps)
            if kind is not None:
                yield start, end - 1, kind
            start = end

    def reached(self, figure: int, from_ms: int, to_ms: int) -> int | None:
        """Return the start of the first step within the interval that reaches the figure, or `None`."""
        step_ms = (self.to_ms - self.from_ms) / max(1, len(self.steps))
        for number, step in enumerate(self.steps):
            at_ms = round(self.from_ms + number * step_ms)
            highest = step.figure if step.highest is None else step.highest
            if from_ms < at_ms + step_ms and at_ms < to_ms and highest is not None and highest >= figure:
                return max(at_ms, from_ms)
        return None

    def points(self) -> list[Point]:
        """Return the points of the chart for a sparkline."""
        return [point_of(step.figure, step.state) for step in self.steps]


_UNSEEN = (Provenance.MISSING, Provenance.HELD, Provenance.LOST)
"""In these states a figure leaves a server out."""


class _RunKind(Enum):
    LIVE = "live"
    BACKFILLED = "backfilled"
    LOWER_BOUND = "lower bound"


def _run_kind(step: ChartStep) -> _RunKind | None:
    if step.figure is None:
        return None
    if step.state in _UNSEEN:
        return _RunKind.LOWER_BOUND
    return _RunKind.LIVE if step.state is Provenance.LIVE else _RunKind.BACKFILLED


def from_history(history: History, from_ms: int, to_ms: int, on_air: Iterable[tuple[int, int]] | None = None) -> Chart:
    """Return the chart of the service's history. Steps without a figure stay empty.

    `on_air` are the half-open intervals in which the stream was published. A zero outside of them is not a figure: the
    chart is blank between two sessions.
    """
    step_ms = max(1, history.step_ms)
    steps = [ChartStep(None, None)] * max(1, -(-(to_ms - from_ms) // step_ms))
    to_ms = from_ms + len(steps) * step_ms
    published = None if on_air is None else list(on_air)
    for point in history.points:
        number = (point.at - from_ms) // step_ms
        if not 0 <= number < len(steps):
            continue
        known = point.state not in _UNSEEN
        is_off = published is not None and not any(
            begun < point.at + step_ms and point.at < ended for begun, ended in published
        )
        if known and is_off and not point.active and not point.highest:
            continue
        # Of time in which nothing was seen, a lower bound of zero is no figure.
        figure = point.active if known else point.active or None
        steps[number] = ChartStep(figure, point.state, point.highest if known else None)
    return Chart(from_ms, to_ms, tuple(steps), f"every {formats.duration(step_ms)}, all servers")


def from_polls(history: PollHistory, key: SessionKey, steps: int) -> Chart | None:
    """Return the chart of this console's own polls, or `None` before the first."""
    times = history.times(key)
    if not times:
        return None
    polls = max(1, -(-(history.polls - history.first_poll(key)) // steps))
    points = history.points(key, steps, polls)
    drawn = [_polled_step(point) for point in points]
    while drawn and drawn[0] == ChartStep(None, None):
        del drawn[0]
    return Chart(times[0][0], times[-1][0], tuple(drawn), "polled by this console since its start")


def _polled_step(point: Point) -> ChartStep:
    if isinstance(point, NoFigure):
        return ChartStep(None, _STATES[point])
    if isinstance(point, MarkedFigure):
        is_lower_bound = point.mark is Mark.LOWER_BOUND
        return ChartStep(point.figure, Provenance.MISSING if is_lower_bound else Provenance.BACKFILLED)
    return ChartStep(point, Provenance.LIVE)


_STATES: dict[NoFigure, Provenance | None] = {
    NoFigure.BACKFILLED: Provenance.BACKFILLED,
    NoFigure.MISSING: Provenance.MISSING,
    NoFigure.LOST: Provenance.LOST,
    NoFigure.NOT_SEEN: None,
}
