"""What is not by stream, or of no customer, explains differences of its day: each unit once, and never silently."""

from collections.abc import Mapping
from datetime import date
from fractions import Fraction

from streamusage.api.daily import CoveredTime
from streamusage.core.windows import Days
from tests.support.outside_accounts import DAY_MS, UTC_ZONE
from tui.reconcile.account import OutsideAccount
from tui.reconcile.comparison import ComparedRow, ComparisonSettings, compare
from tui.reconcile.entries import Entry, Grouping, Measure
from tui.reconcile.kept import judge_row
from tui.reconcile.service_figures import ServiceFigures, ServiceSide

DAY, NEXT_DAY = date(2026, 11, 16), date(2026, 11, 17)
SETTINGS = ComparisonSettings(Days(DAY, NEXT_DAY), UTC_ZONE, Fraction(1, 100))
REST, NOBODY = "not by stream", "no customer"


def compared(
    of_account: Mapping[str, int],
    of_service: Mapping[str, int],
    by: Grouping = Grouping.STREAM,
    day: date = DAY,
    measure: Measure = Measure.BYTES_OUT,
) -> dict[str, ComparedRow]:
    account = OutsideAccount(measure, by, UTC_ZONE)
    for number, (group, value) in enumerate(of_account.items()):
        name = "" if group in (REST, NOBODY) else group
        entry = Entry(0, "total", day=day, rounded_to=0, **{by.value: name, measure.value: value})  # type: ignore[arg-type]
        account.add(entry, number)
    rows = [
        ServiceFigures(day, group, {measure.value: value}, {}, CoveredTime(live_ms=DAY_MS))
        for group, value in of_service.items()
    ]
    side = ServiceSide({(row.day, row.group): row for row in rows}, is_of_streams=by.is_of_streams)
    return {row.group: row for row in compare(account, side, SETTINGS)}


def causes(row: ComparedRow) -> list[tuple[str, int, int, int, str]]:
    return [tuple(found) for found in row.causes]  # type: ignore[misc]


def test_bytes_that_are_not_by_stream_explain_streams_with_more_in_the_account() -> None:
    rows = compared({"live/a": 1100, "live/b": 1000}, {"live/a": 1000, "live/b": 1000, REST: 100})
    assert list(rows) == ["live/a", "live/b", REST]
    assert causes(rows["live/a"]) == [(REST, 100, 0, 100, "100 bytes are not by stream")]
    assert (rows["live/a"].unexplained, rows["live/a"].is_within, rows["live/a"].bounds) == (0, True, (0, 100))
    assert (rows["live/b"].causes, rows["live/b"].is_within) == ((), True)
    rest = rows[REST]
    assert (rest.account, rest.service, rest.is_within) == (None, 100, True)
    assert causes(rest) == [("rows of the day", -100, -100, 0, "may be theirs")]
    assert (judge_row(rest, SETTINGS.tolerance), judge_row(rows["live/b"], SETTINGS.tolerance)) == (
        "explained",
        "agrees",
    )


def test_each_unit_explains_once_and_in_proportion() -> None:
    rows = compared({"live/a": 1300, "live/b": 1100}, {"live/a": 1000, "live/b": 1000, REST: 201})
    amounts = [causes(rows[name])[0][1] for name in ("live/a", "live/b")]
    assert amounts == [150, 51]
    assert [rows[name].unexplained for name in ("live/a", "live/b")] == [150, 49]
    assert not rows["live/a"].is_within
    assert rows[REST].is_within


def test_what_no_row_needs_is_unexplained_beyond_the_tolerance_of_the_day() -> None:
    for size, is_within in ((20, True), (21, False)):
        rows = compared({"live/a": 1980}, {"live/a": 1980, REST: size})
        assert rows[REST].is_within is is_within
        assert (rows[REST].account, rows[REST].service, rows[REST].causes) == (None, size, ())
        assert judge_row(rows[REST], SETTINGS.tolerance) == ("agrees" if is_within else "unexplained")


def test_streams_that_one_side_has_alone_are_explained_by_nothing() -> None:
    rows = compared({"live/a": 500}, {"live/b": 400, REST: 500})
    assert [(row.account, row.service, row.causes, row.is_within) for row in rows.values()] == [
        (500, None, (), False),
        (None, 400, (), False),
        (None, 500, (), False),
    ]


def test_lines_without_a_stream_are_compared_with_what_is_not_by_stream() -> None:
    rows = compared({"live/a": 900, REST: 150}, {"live/a": 1000, REST: 50})
    assert (rows[REST].account, rows[REST].service, rows[REST].difference) == (150, 50, 100)
    assert causes(rows["live/a"]) == [(REST, -100, -100, 0, "100 bytes of the account are not by stream")]
    assert causes(rows[REST]) == [("rows of the day", 100, 0, 100, "may be theirs")]
    assert [row.unexplained for row in rows.values()] == [0, 0]
    assert all(row.is_within for row in rows.values())


def test_streams_of_no_customer_and_what_is_not_by_stream_explain_customers() -> None:
    rows = compared({"Acme": 1000, "Beta": 700}, {"Acme": 800, "Beta": 700, NOBODY: 150, REST: 50}, Grouping.CUSTOMER)
    assert [(cause, amount) for cause, amount, *_ in causes(rows["Acme"])] == [(NOBODY, 150), (REST, 50)]
    assert causes(rows["Acme"])[0][-1] == "150 bytes are of no customer"
    assert list(rows) == ["Acme", "Beta", NOBODY, REST]
    assert all(row.is_within for row in rows.values())


def test_units_are_those_of_the_figure_and_days_do_not_mix() -> None:
    one = compared({"live/a": 9}, {"live/a": 4, REST: 5}, measure=Measure.CONNECTIONS)
    assert causes(one["live/a"])[0][-1] == "5 connections are not by stream"
    other = compared({"live/a": 9}, {"live/a": 4}, day=NEXT_DAY)
    assert (other["live/a"].causes, other["live/a"].is_within) == ((), False)


def test_total_and_servers_have_no_such_rows() -> None:
    rows = compared({REST: 4}, {REST: 5}, Grouping.SERVER)
    assert list(rows) == ["", REST]
    assert not any(row.causes for row in rows.values())
