"""Audience of the whole estate over the last hour, a point for each minute. Pure.

The minutes are the service's, which knows every server and fills them after an outage. The running minute, and all of
them where a service has none, are the console's own polls.
"""

from typing import NamedTuple

from streamusage.api.extension import Audience
from tui.model.sessions.sparkline import Mark, MarkedFigure, NoFigure, Point, Scale, figure_of, lower_bound, scale_of
from tui.model.sessions.trends import point_of

STEP_MS = 60_000
MINUTES = 60
"""How many minutes are shown, the running one included."""
_KEPT_MINUTES = 3 * MINUTES
"""Older minutes are shown while the table is stepped back in time."""

_ROUND_STEPS = (4, 5, 6, 8, 10, 12, 15, 20, 25, 30, 40, 50, 60, 80, 100)


class AudiencePeak(NamedTuple):
    """The highest figure of some minutes, and the first minute that has it."""

    figure: int
    at_ms: int
    is_lower_bound: bool
    """Whether a server is left out in any of the minutes."""


class AudienceBook:
    """The minutes that are known."""

    def __init__(self) -> None:
        self._served: dict[int, Point] = {}
        self._polled: dict[int, Point] = {}

    @property
    def is_polled(self) -> bool:
        """Whether all figures are from own polls."""
        return not self._served

    def apply(self, audience: Audience, from_ms: int, now_ms: int) -> None:
        """Apply the service's minutes. The running one is left out: the service may not know all of it yet."""
        first = from_ms // STEP_MS
        points = map(point_of, audience.active, audience.state)
        over = {minute: point for minute, point in enumerate(points, first) if minute < now_ms // STEP_MS}
        self._served = _up_to(now_ms, self._served | over)

    def add_poll(self, at_ms: int, watching: int | None, *, leaves_out_server: bool) -> None:
        """Record how many watched at a poll; `None` where nobody knows."""
        if watching is None:
            point: Point = NoFigure.NOT_SEEN
        else:
            point = lower_bound(watching, NoFigure.MISSING) if leaves_out_server else watching
        self._polled = _up_to(at_ms, self._polled | {at_ms // STEP_MS: point})

    def points(self, now_ms: int) -> list[Point]:
        """Return the points of the last hour, oldest first; the last one is the running minute's."""
        last = now_ms // STEP_MS
        return [self._at(minute) for minute in range(last - MINUTES + 1, last + 1)]

    def served(self, minute: int) -> Point | None:
        """Return the service's point of a minute since 1970; `None` for a minute that it did not return."""
        return self._served.get(minute)

    def _at(self, minute: int) -> Point:
        return self._served.get(minute, self._polled.get(minute, NoFigure.NOT_SEEN))

    def newest_poll(self, now_ms: int) -> tuple[int, Point] | None:
        """Return the start of the minute of the newest poll up to now, and its point."""
        minute = max((minute for minute in self._polled if minute <= now_ms // STEP_MS), default=None)
        return None if minute is None else (minute * STEP_MS, self._polled[minute])

    def peak(self, now_ms: int) -> AudiencePeak | None:
        """Return the peak of the last hour; `None` where nobody watched."""
        points = self.points(now_ms)
        figures = [figure_of(point) or 0 for point in points]
        highest = max(figures)
        if not highest:
            return None
        first = now_ms // STEP_MS - MINUTES + 1
        return AudiencePeak(highest, (first + figures.index(highest)) * STEP_MS, any(map(_is_incomplete, points)))


def steady_scale(points: list[Point]) -> Scale:
    """Return the scale of the minutes that are over: the running one changes with every poll, and the scale may not."""
    return scale_of(points[:-1] if any(figure_of(point) for point in points[:-1]) else points)


def round_up(figure: int) -> int:
    """Return the round number at or above a figure, at least 4, as the end of a scale that seldom changes."""
    magnitude = 1
    while magnitude * 100 < figure:
        magnitude *= 10
    return next(step * magnitude for step in _ROUND_STEPS if step * magnitude >= figure)


def _up_to(now_ms: int, minutes: dict[int, Point]) -> dict[int, Point]:
    """Return the minutes that are kept. Later ones are of a clock that was ahead, and has been set back since."""
    last = now_ms // STEP_MS
    return {minute: point for minute, point in minutes.items() if last - _KEPT_MINUTES < minute <= last}


def _is_incomplete(point: Point) -> bool:
    if isinstance(point, MarkedFigure):
        return point.mark is Mark.LOWER_BOUND
    return point in (NoFigure.MISSING, NoFigure.LOST)
