"""Coverage of several services together."""

from collections.abc import Mapping

from streamusage.api.extension import Coverage, CoverageSpan, Placement, ServerCoverage
from streamusage.core.coverage import Provenance
from tests.support.console.gap_grids import MINUTE, NOON
from tui.model.services.coverage import NO_ANSWER, CoverageOfServices

LIVE, MISSING = Provenance.LIVE, Provenance.MISSING


def response(upto_ms: int, servers: Mapping[str, int], from_ms: int = NOON) -> Coverage:
    """Return a response in which each server was live up to an instant."""
    rows = [
        ServerCoverage(server=name, spans=[CoverageSpan(from_ms=from_ms, to_ms=end_ms, state=LIVE)])
        for name, end_ms in servers.items()
    ]
    return Coverage(now=upto_ms, from_ms=from_ms, to_ms=upto_ms, servers=rows)


def spans_of(book: CoverageOfServices, server: str) -> list[tuple[int, int, Provenance]]:
    """Return start and end in minutes after noon, and state."""
    spans = book.servers[server].spans
    return [((span.from_ms - NOON) // MINUTE, (span.to_ms - NOON) // MINUTE, span.state) for span in spans]


def test_servers_of_equal_names_have_rows_of_their_own() -> None:
    book = CoverageOfServices(("eu", "us"), list)
    assert book.without == ["eu", "us"]
    assert book.apply(response(NOON + 9 * MINUTE, {"edge-1": NOON + 9 * MINUTE}), "eu")
    assert (book.without, book.from_ms, book.now_ms) == (["us"], NOON, NOON + 9 * MINUTE)
    later = NOON + 2 * MINUTE
    assert book.apply(response(NOON + 8 * MINUTE, {"edge-1": NOON + 8 * MINUTE}, later), "us")
    assert (book.without, book.from_ms, book.now_ms) == ([], later, NOON + 9 * MINUTE), "known of both"
    assert spans_of(book, "eu:edge-1") == [(0, 9, LIVE)]
    assert spans_of(book, "us:edge-1") == [(2, 8, LIVE)]
    assert book.service_of("us:edge-1") == "us"
    book.apply_placements([Placement(scope="live", name="a", server="edge-1", from_ms=later)], "us")
    assert list(book.streams) == ["us:live/a"]


def test_what_can_change_at_any_service_is_fetched_again() -> None:
    book = CoverageOfServices(("eu", "us"), list)
    book.apply(response(NOON + 9 * MINUTE, {"a": NOON + 9 * MINUTE}), "eu")
    alone = book.changes_from()
    book.apply(response(NOON + 90 * MINUTE, {"a": NOON + 90 * MINUTE}), "us")
    assert book.changes_from() == alone


def test_all_that_is_shown_is_fetched_from_a_service_that_has_not_answered() -> None:
    book, shown = CoverageOfServices(("eu", "us"), list), NOON + 5 * MINUTE
    assert book.changes_from_of(shown, NOON) == {"eu": NOON, "us": NOON}
    book.apply(response(NOON + 90 * MINUTE, {"a": NOON + 90 * MINUTE}), "us")
    assert book.changes_from_of(shown, NOON) == {"eu": NOON, "us": NOON + 90 * MINUTE}
    assert book.changes_from_of(NOON - MINUTE, 0) == {"eu": 0, "us": 0}, "earlier time is shown"


def test_time_after_the_last_answer_of_a_silent_service_is_missing_and_says_why() -> None:
    silent: list[str] = []
    book = CoverageOfServices(("eu", "us"), lambda: silent)
    ends = {"edge-1": NOON + 5 * MINUTE, "removed": NOON + MINUTE}
    book.apply(response(NOON + 5 * MINUTE, ends), "eu")
    silent.append("eu")
    book.apply(response(NOON + 8 * MINUTE, {"edge-1": NOON + 8 * MINUTE}), "us")
    assert spans_of(book, "eu:edge-1") == [(0, 5, LIVE), (5, 8, MISSING)]
    assert book.servers["eu:edge-1"].spans[-1].reason == NO_ANSWER
    assert spans_of(book, "eu:removed") == [(0, 1, LIVE)], "it was removed while the service answered"
    assert spans_of(book, "us:edge-1") == [(0, 8, LIVE)]
    assert book.newest_missing() == ("eu:edge-1", book.servers["eu:edge-1"].spans[-1])

    silent.clear()
    book.apply(response(NOON + 9 * MINUTE, {"edge-1": NOON + 9 * MINUTE}), "eu")
    assert spans_of(book, "eu:edge-1") == [(0, 9, LIVE)], "it answered"


def test_name_of_a_service_that_begins_that_of_another_is_not_taken_for_it() -> None:
    book = CoverageOfServices(("eu", "eu:west"), list)
    assert book.service_of("eu:west:edge-1") == "eu:west"
    assert book.service_of("eu:edge-1") == "eu"
