"""The audience of several services: sums of the minutes that all of them know, marked where one of them does not."""

from streamusage.api.extension import Audience
from streamusage.core.coverage import Provenance
from tui.model.audience import STEP_MS, AudienceBook
from tui.model.services.audience import AudienceOfServices, sum_points
from tui.model.sessions.sparkline import Mark, MarkedFigure, NoFigure

NOON = 1_795_003_200_000
LIVE, BACKFILLED, MISSING = Provenance.LIVE, Provenance.BACKFILLED, Provenance.MISSING


def serve(book: AudienceBook, active: list[int | None], states: list[Provenance | None], ahead_ms: int = 0) -> None:
    from_ms = NOON - len(active) * STEP_MS
    book.apply(Audience(active=active, state=states), from_ms + ahead_ms, NOON + ahead_ms)


def test_minutes_of_all_services_are_added() -> None:
    eu, us = AudienceBook(), AudienceBook()
    both = AudienceOfServices({"eu": eu, "us": us}, lambda service: 3 * STEP_MS if service == "us" else 0)
    serve(eu, [5, 7, 9], [LIVE, LIVE, BACKFILLED])
    both.add_poll(NOON, 21, leaves_out_server=False)
    assert both.points(NOON)[-4:] == [*[NoFigure.NOT_SEEN] * 3, 21], "us has returned nothing yet"
    assert both.is_polled
    serve(us, [100, 200, 300], [LIVE, MISSING, LIVE], ahead_ms=3 * STEP_MS)
    lower, backfilled = MarkedFigure(207, Mark.LOWER_BOUND), MarkedFigure(309, Mark.BACKFILLED)
    assert both.points(NOON)[-4:] == [105, lower, backfilled, 21]
    assert not both.is_polled
    peak = both.peak(NOON)
    assert peak is not None
    assert (peak.figure, peak.is_lower_bound) == (309, True)


def test_service_that_lacks_a_figure_makes_a_lower_bound() -> None:
    assert sum_points([4, NoFigure.MISSING]) == MarkedFigure(4, Mark.LOWER_BOUND)
    assert sum_points([NoFigure.NOT_SEEN, NoFigure.LOST]) is NoFigure.LOST
    assert sum_points([NoFigure.NOT_SEEN, NoFigure.NOT_SEEN]) is NoFigure.NOT_SEEN
    assert sum_points([0, 0]) == 0
