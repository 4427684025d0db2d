"""The comparison by stream or customer, over rows of the service that are of any group."""

from datetime import date
from fractions import Fraction

from streamusage.api.daily import CoveredTime
from streamusage.core.windows import Days
from tests.support.outside_accounts import DAY_MS, FIRST_MS, HOUR_MS, UTC_ZONE
from tui.reconcile.account import OutsideAccount
from tui.reconcile.causes import CauseSettings
from tui.reconcile.comparison import ComparisonSettings, compare
from tui.reconcile.entries import Entry, Grouping, Measure
from tui.reconcile.service_figures import ServiceFigures, ServiceSide

DAY = date(2026, 11, 16)
SETTINGS = ComparisonSettings(Days(DAY, DAY), UTC_ZONE, Fraction(1, 100))


def figures(group: str, bytes_out: int) -> ServiceFigures:
    return ServiceFigures(DAY, group, {"bytes_out": bytes_out}, {}, CoveredTime(live_ms=DAY_MS))


def service(*rows: ServiceFigures) -> ServiceSide:
    return ServiceSide({(row.day, row.group): row for row in rows})


def account(*entries: Entry, by: Grouping) -> OutsideAccount:
    added = OutsideAccount(Measure.BYTES_OUT, by, UTC_ZONE)
    for number, entry in enumerate(entries):
        added.add(entry, number)
    return added


def test_each_stream_is_compared_with_its_own_figures() -> None:
    log = account(
        *(Entry(FIRST_MS + HOUR_MS, "request", stream="live/a", bytes_out=100) for _ in range(3)),
        Entry(FIRST_MS + HOUR_MS, "request", stream="live/b", bytes_out=70),
        Entry(FIRST_MS + HOUR_MS, "error", stream="", bytes_out=5),
        by=Grouping.STREAM,
    )
    rows = compare(log, service(figures("live/a", 300), figures("live/b", 90), figures("live/c", 0)), SETTINGS)
    assert [(row.group, row.account, row.service, row.is_within) for row in rows] == [
        ("live/a", 300, 300, True),
        ("live/b", 70, 90, False),
        ("live/c", None, 0, True),
        ("not by stream", 5, None, True),
    ]
    cause = rows[1].causes[-1]
    assert (cause.cause, cause.amount, rows[1].unexplained) == ("not by stream", -5, -15), rows[1].causes


def test_customers_of_an_invoice_are_compared_by_name() -> None:
    invoice = account(
        Entry(0, "total", customer="tv", bytes_out=1_000, day=DAY),
        Entry(0, "total", customer="tv", bytes_out=10, day=DAY),
        Entry(0, "total", customer="radio", bytes_out=50, day=DAY),
        by=Grouping.CUSTOMER,
    )
    rows = compare(invoice, service(figures("tv", 1_000), figures("radio", 40)), SETTINGS)
    assert [(row.group, row.difference, row.is_within) for row in rows] == [("radio", 10, False), ("tv", 10, True)]


def test_sample_is_scaled_with_its_causes() -> None:
    log = account(
        Entry(FIRST_MS, "request", bytes_out=100), Entry(FIRST_MS + 1, "HEAD", bytes_out=7), by=Grouping.TOTAL
    )
    (row,) = compare(log, service(figures("", 10_000)), SETTINGS._replace(causes=CauseSettings(sampled=100)))
    heads = next(cause for cause in row.causes if cause.cause == "HEAD requests")
    assert (row.account, row.difference, heads.amount, heads.high, row.is_within) == (10_700, 700, 700, 700, True)


def test_days_outside_of_the_period_are_left_out() -> None:
    log = account(
        Entry(FIRST_MS - 1, "request", bytes_out=5), Entry(FIRST_MS + DAY_MS, "request", bytes_out=5), by=Grouping.TOTAL
    )
    assert compare(log, service(), SETTINGS) == []
