"""Audience of several services together: the sum of their minutes. Pure."""

from collections.abc import Callable, Mapping, Sequence

from tui.model.audience import STEP_MS, AudienceBook
from tui.model.sessions.sparkline import Mark, MarkedFigure, NoFigure, Point, exact_figures, known_figures, lower_bound


class AudienceOfServices(AudienceBook):
    """The minutes that all services return. Other minutes are the console's own polls.

    `ahead_ms` returns how far a service's clock is ahead of the console's time.
    """

    def __init__(self, books: Mapping[str, AudienceBook], ahead_ms: Callable[[str], int]) -> None:
        super().__init__()
        self._books = books
        self._ahead_ms = ahead_ms

    @property
    def is_polled(self) -> bool:
        """Whether a service returns no minutes, so that figures are from own polls."""
        return any(book.is_polled for book in self._books.values())

    def _at(self, minute: int) -> Point:
        served = [
            book.served(minute + round(self._ahead_ms(service) / STEP_MS)) for service, book in self._books.items()
        ]
        known = [point for point in served if point is not None]
        return sum_points(known) if len(known) == len(served) else super()._at(minute)


def sum_points(points: Sequence[Point]) -> Point:
    """Return the sum of some points: a lower bound if one of them has no figure or leaves a server out."""
    figures = known_figures(points)
    if not figures:
        return next((point for point in points if point is not NoFigure.NOT_SEEN), NoFigure.NOT_SEEN)
    if len(list(exact_figures(points))) < len(points):
        return lower_bound(sum(figures), NoFigure.MISSING)
    return (
        sum(figures) if all(isinstance(point, int) for point in points) else MarkedFigure(sum(figures), Mark.BACKFILLED)
    )
