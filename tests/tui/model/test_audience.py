"""Minutes of the audience: which of them are the service's, which are polled, and what is a lower bound."""

from streamusage.api.extension import Audience
from streamusage.core.coverage import Provenance
from tui.model.audience import MINUTES, STEP_MS, AudienceBook, AudiencePeak, round_up, steady_scale
from tui.model.sessions.sparkline import Mark, MarkedFigure, NoFigure, Point, Scale

NOW = 1_795_000_020_000 + 30_000
FIRST = NOW // STEP_MS * STEP_MS - (MINUTES - 1) * STEP_MS
BLANK = NoFigure.NOT_SEEN
LIVE, BACKFILLED, MISSING, LOST = Provenance.LIVE, Provenance.BACKFILLED, Provenance.MISSING, Provenance.LOST


def served(active: list[int | None], state: list[Provenance | None], now_ms: int = NOW) -> AudienceBook:
    """Return a book of which the last minute of the service is the running one."""
    book = AudienceBook()
    book.apply(Audience(active=active, state=state), NOW // STEP_MS * STEP_MS - (len(active) - 1) * STEP_MS, now_ms)
    return book


def last(book: AudienceBook, count: int, now_ms: int = NOW) -> list[Point]:
    return book.points(now_ms)[-count:]


def test_minutes_have_the_provenance_of_the_service() -> None:
    book = served([9, 5, 4, None, None, 3], [BACKFILLED, LIVE, MISSING, MISSING, LOST, LIVE])
    book.add_poll(NOW, 7, leaves_out_server=False)
    low = MarkedFigure(4, Mark.LOWER_BOUND)
    refilled = MarkedFigure(9, Mark.BACKFILLED)
    assert last(book, 7) == [BLANK, refilled, 5, low, NoFigure.MISSING, NoFigure.LOST, 7]
    assert not book.is_polled


def test_running_minute_is_the_newest_poll_until_the_service_has_it() -> None:
    book = served([5, 1], [LIVE, Provenance.PARTIAL])
    book.add_poll(NOW, 6, leaves_out_server=False)
    assert last(book, 2) == [5, 6], "the service began the minute without one of its servers"
    later = NOW + STEP_MS
    assert last(book, 3, later) == [5, 6, BLANK]
    book.apply(Audience(active=[8], state=[LIVE]), NOW // STEP_MS * STEP_MS, later)
    assert last(book, 3, later) == [5, 8, BLANK]


def test_polls_alone_show_what_was_polled() -> None:
    book = AudienceBook()
    assert book.points(NOW) == [BLANK] * MINUTES
    assert book.newest_poll(NOW) is None
    book.add_poll(NOW - 3 * STEP_MS, 4, leaves_out_server=False)
    book.add_poll(NOW - 2 * STEP_MS, 3, leaves_out_server=True)
    book.add_poll(NOW - STEP_MS, 0, leaves_out_server=True)
    book.add_poll(NOW, None, leaves_out_server=False)
    assert last(book, 5) == [BLANK, 4, MarkedFigure(3, Mark.LOWER_BOUND), NoFigure.MISSING, BLANK]
    assert book.is_polled
    assert book.newest_poll(NOW) == (NOW // STEP_MS * STEP_MS, BLANK)


def test_newest_poll_is_not_after_the_time_of_the_table() -> None:
    book = AudienceBook()
    book.add_poll(NOW - 5 * STEP_MS, 4, leaves_out_server=False)
    book.add_poll(NOW, 9, leaves_out_server=False)
    assert book.newest_poll(NOW - 2 * STEP_MS) == ((NOW // STEP_MS - 5) * STEP_MS, 4)


def test_peak_is_the_first_highest_minute() -> None:
    book = served([3, 9, 2, 9, None], [LIVE, BACKFILLED, LIVE, LIVE, None])
    assert book.peak(NOW) == AudiencePeak(9, (NOW // STEP_MS - 3) * STEP_MS, is_lower_bound=False)
    book.add_poll(NOW, 12, leaves_out_server=False)
    assert book.peak(NOW) == AudiencePeak(12, NOW // STEP_MS * STEP_MS, is_lower_bound=False)
    assert served([0, 0], [LIVE, LIVE]).peak(NOW) is None


def test_peak_of_an_hour_with_an_unseen_server_is_a_lower_bound() -> None:
    for figure, state in ((4, MISSING), (None, MISSING), (None, LOST), (4, Provenance.PARTIAL)):
        peak = served([9, figure, None], [LIVE, state, None]).peak(NOW)
        assert peak is not None
        assert (peak.figure, peak.is_lower_bound) == (9, True), state


def test_old_minutes_are_forgotten() -> None:
    book = AudienceBook()
    for minute in range(1_000):
        book.add_poll(NOW + minute * STEP_MS, minute + 1, leaves_out_server=False)
        book.apply(Audience(active=[minute], state=[LIVE]), NOW + minute * STEP_MS, NOW + (minute + 1) * STEP_MS)
    assert all(point is BLANK for point in book.points(NOW + 500 * STEP_MS))
    assert BLANK not in book.points(NOW + 930 * STEP_MS)


def test_minutes_of_a_clock_that_was_ahead_are_forgotten() -> None:
    book, year = AudienceBook(), 365 * 24 * 60 * STEP_MS
    book.add_poll(NOW + year, 70, leaves_out_server=False)
    book.apply(Audience(active=[60, 60], state=[LIVE, LIVE]), NOW + year - 2 * STEP_MS, NOW + year)
    book.add_poll(NOW, 5, leaves_out_server=False)
    book.apply(Audience(active=[4], state=[LIVE]), NOW - STEP_MS, NOW)
    assert book.points(NOW)[-2:] == [4, 5]
    assert set(book.points(NOW + year)) == {BLANK}


def test_running_minute_does_not_change_the_scale() -> None:
    assert steady_scale([BLANK, 10, 20, 99]) == steady_scale([BLANK, 10, 20, 25]) == Scale(0, 20)
    assert steady_scale([BLANK, BLANK, 99]) == Scale(0, 99)


def test_scale_ends_at_a_round_number() -> None:
    assert list(map(round_up, (0, 5, 99, 100, 101, 1_211, 9_000))) == [4, 5, 100, 100, 120, 1_500, 10_000]
