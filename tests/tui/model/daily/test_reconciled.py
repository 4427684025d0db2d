"""Which kept comparison marks which row of the daily statistics, and how it is described."""

from datetime import date
from zoneinfo import ZoneInfo

import msgspec
import pytest

from tests.support.commands.kept_results import COMPARED_AT, HEADS, kept_comparison, kept_row
from tests.support.console.daily_statistics import a_day
from tui.model.daily.months import DailyTotals, of_server
from tui.model.daily.reconciled import SUM, KeptResults, ReconciledBook
from tui.reconcile.entries import Grouping, Measure
from tui.reconcile.kept import KeptComparison, KeptRow

FRIDAY = date(2026, 11, 20)
DAY = FRIDAY.isoformat()
UTC = ZoneInfo("UTC")
AGREES = kept_row(DAY, 1000, 1000, "agrees")
EXPLAINED = kept_row(DAY, 1050, 1000, "explained", causes=[HEADS])
UNEXPLAINED = kept_row(DAY, 700, 1000, "unexplained")


def totals(bytes_out: int = 1000, **more: object) -> DailyTotals:
    return of_server(a_day(bytes_out=bytes_out, **more))


def book(*comparisons: KeptComparison, service: str = "", tz: str = "UTC") -> ReconciledBook:
    return ReconciledBook(KeptResults({service: comparisons}), tz)


def mark(known: ReconciledBook, name: str = SUM, row: DailyTotals | None = None) -> tuple[str, str] | None:
    return known.mark(FRIDAY, name, row or totals())


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        (AGREES, ("agrees", "")),
        (EXPLAINED, ("explained", "")),
        (UNEXPLAINED, ("unexplained", "-30.0 %")),
        (kept_row(DAY, 1300, 1000, "unexplained"), ("unexplained", "+30.0 %")),
        (kept_row(DAY, 10**9, 1000, "unexplained"), ("unexplained", ">+999 %")),
        (kept_row(DAY, None, 1000, "unexplained"), ("unexplained", "")),
    ],
)
def test_result_of_all_servers_marks_the_sum(row: KeptRow, expected: tuple[str, str]) -> None:
    known = book(kept_comparison(row))
    assert mark(known) == expected
    assert mark(known, "edge-1") is None
    assert known.mark(date(2026, 11, 21), SUM, totals()) is None


def test_result_of_another_time_zone_marks_nothing() -> None:
    assert not book(kept_comparison(AGREES, tz="Europe/Berlin"))
    assert mark(book(kept_comparison(AGREES, tz="Europe/Berlin"), tz="Europe/Berlin")) == ("agrees", "")


def test_worst_result_of_a_row_is_shown() -> None:
    view_time = kept_comparison(kept_row(DAY, 5, 400, "explained"), figure=Measure.VIEW_TIME)
    connections = kept_comparison(kept_row(DAY, 1, 4, "unexplained"), figure=Measure.CONNECTIONS)
    assert mark(book(kept_comparison(AGREES), view_time)) == ("explained", "")
    assert mark(book(connections, kept_comparison(AGREES), view_time)) == ("unexplained", "-75.0 %")


def test_result_of_a_server_marks_its_row_and_an_unexplained_one_the_sum() -> None:
    for form in ({"servers": ["edge-1"]}, {"by": Grouping.SERVER}):
        group = "edge-1" if "by" in form else ""
        agreeing = book(kept_comparison(msgspec.structs.replace(AGREES, group=group), **form))
        assert (mark(agreeing, "edge-1"), mark(agreeing, "edge-2"), mark(agreeing)) == (("agrees", ""), None, None)
        differing = book(kept_comparison(msgspec.structs.replace(UNEXPLAINED, group=group), **form))
        assert mark(differing, "edge-1") == mark(differing) == ("unexplained", "-30.0 %")
        assert mark(differing, "edge-2") is None


def test_result_of_some_servers_or_a_stream_marks_the_sum_only_if_unexplained() -> None:
    for form in ({"servers": ["edge-1", "edge-2"]}, {"by": Grouping.STREAM}):
        assert mark(book(kept_comparison(EXPLAINED, **form))) is None
        assert mark(book(kept_comparison(UNEXPLAINED, **form))) == ("unexplained", "-30.0 %")
        assert mark(book(kept_comparison(UNEXPLAINED, **form)), "edge-1") is None


def test_result_is_outdated_once_the_figure_is_another_one() -> None:
    for row in (AGREES, UNEXPLAINED):
        assert mark(book(kept_comparison(row)), row=totals(1001)) == ("outdated", "")
    of_edge = book(kept_comparison(UNEXPLAINED, servers=["edge-1"]))
    assert mark(of_edge, row=totals(5000)) == ("unexplained", "-30.0 %"), "the row is not of that server"
    assert mark(of_edge, "edge-1", totals(5000)) == ("outdated", "")


def test_results_of_several_services_mark_their_own_rows() -> None:
    known = ReconciledBook(
        KeptResults({"eu": [kept_comparison(AGREES), kept_comparison(EXPLAINED, servers=["edge-1"])], "us": []}), "UTC"
    )
    assert mark(known, "all eu") == ("agrees", "")
    assert mark(known, "eu:edge-1") == ("explained", "")
    assert (mark(known), mark(known, "edge-1"), mark(known, "us:edge-1")) == (None, None, None)
    assert [result.subject for result in known.results(FRIDAY)] == ["all servers of eu", "edge-1 of eu"]


def test_description_has_time_result_figures_and_causes() -> None:
    known = book(kept_comparison(msgspec.structs.replace(UNEXPLAINED, causes=[HEADS])))
    described = known.describe(FRIDAY, SUM, totals(), COMPARED_AT + 60_000, UTC)
    assert described == [
        "compared 00:00, unexplained -35.0 %: account 700 B, -300 B",
        "explained +50 B HEAD requests",
    ]
    assert known.describe(FRIDAY, "edge-1", totals(), COMPARED_AT, UTC) == ()


def test_description_names_the_servers_of_a_part_and_the_figure_of_now() -> None:
    part = book(kept_comparison(UNEXPLAINED, servers=["edge-1"]))
    assert "compared 00:00 (edge-1), unexplained" in part.describe(FRIDAY, SUM, totals(), COMPARED_AT, UTC)[0]
    described = book(kept_comparison(AGREES)).describe(FRIDAY, SUM, totals(2000), COMPARED_AT, UTC)
    assert described == ["compared 00:00, outdated: account 1.00 kB, service 1.00 kB then and 2.00 kB now"]


def test_subject_of_undivided_figures_is_no_stream() -> None:
    for group, subject in (
        ("live/a", "stream live/a of all servers"),
        ("not by stream", "not by stream of all servers"),
    ):
        row = msgspec.structs.replace(AGREES, group=group)
        (result,) = book(kept_comparison(row, by=Grouping.STREAM)).results(FRIDAY)
        assert result.subject == subject
