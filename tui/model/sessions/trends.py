"""Trends of the table: the service's minutes, with the newest one from the last poll. Pure.

A console that has just started has them at once; without the service's trends, its own polls replace them.
"""

from streamusage.api.extension import Trends
from streamusage.core.coverage import OWED, Provenance
from streamusage.core.usage import StreamId
from tui.model.sessions.sparkline import Mark, MarkedFigure, NoFigure, Point, exact_figures, lower_bound
from tui.model.sessions.store import Session

STEP_MS = 60_000
KEPT_STEPS = 60
"""Number of minutes that are fetched."""

_NOT_SEEN = {
    Provenance.MISSING: NoFigure.MISSING,
    Provenance.HELD: NoFigure.MISSING,
    Provenance.LOST: NoFigure.LOST,
}
"""What is shown in these states where no server was seen."""


class TrendBook:
    """The last trends that were fetched."""

    def __init__(self) -> None:
        self._from_ms = 0
        self._points: dict[StreamId, list[Point]] = {}

    def __bool__(self) -> bool:
        return bool(self._points)

    def __contains__(self, stream: object) -> bool:
        return stream in self._points

    def streams(self) -> set[StreamId]:
        """Return the streams on air."""
        return set(self._points)

    def last_figure_ms(self, stream: StreamId) -> int | None:
        """Return the start of the newest minute of a stream with a figure of all its servers."""
        known = self._points.get(stream, ())
        exact = (
            place for place in range(len(known) - 1, -1, -1) if next(exact_figures([known[place]]), None) is not None
        )
        newest = next(exact, None)
        return None if newest is None else self._from_ms + newest * STEP_MS

    def replace(self, trends: Trends) -> None:
        """Replace the trends by newer ones."""
        self._from_ms = trends.from_ms
        self._points = {
            trend.stream: [point_of(active, state) for active, state in zip(trend.active, trend.state, strict=False)]
            for trend in trends.streams
        }

    def oldest(self, session: Session, minutes: int, now_ms: int) -> int | None:
        """Return the oldest known figure of a live session in the last minutes."""
        known = self._points.get(session.stream, ())
        first = max(now_ms // STEP_MS - minutes, session.start_time // STEP_MS) - self._from_ms // STEP_MS
        return next(exact_figures(known[max(0, first) :]), None)

    def points(self, session: Session, cells: int, now_ms: int, *, counts_unseen: bool = False) -> list[Point] | None:
        """Return the newest `cells` minutes of a live session, oldest first; `None` without a trend of it.

        With `counts_unseen` its figure includes subscribers of silent servers, as that of a service of an earlier
        version does until the edge timeout.
        """
        known = self._points.get(session.stream)
        if known is None:
            return None
        last = now_ms // STEP_MS
        points: list[Point] = []
        for minute in range(last - cells + 1, last):
            place = minute - self._from_ms // STEP_MS
            inside = (minute + 1) * STEP_MS > session.start_time and 0 <= place < len(known)
            points.append(known[place] if inside else NoFigure.NOT_SEEN)
        newest = last - self._from_ms // STEP_MS
        is_known = 0 <= newest < len(known) and known[newest] is not NoFigure.NOT_SEEN
        if counts_unseen and session.provenance in OWED and is_known:
            return [*points, known[newest]]  # the service's minute leaves out silent servers
        # Backfilled minutes are in the past: the current figure is an ordinary figure.
        state = None if session.provenance is Provenance.BACKFILLED else session.provenance
        return [*points, point_of(session.active, state)]


def point_of(active: int | None, state: Provenance | None) -> Point:
    """Return the point of a figure with its provenance. A figure that leaves a server out is a lower bound."""
    if state in _NOT_SEEN:
        return lower_bound(active, _NOT_SEEN[state])
    if active is None:
        return NoFigure.NOT_SEEN
    if state is Provenance.BACKFILLED:
        return MarkedFigure(active, Mark.BACKFILLED)
    return MarkedFigure(active, Mark.LOWER_BOUND) if state is Provenance.PARTIAL else active
