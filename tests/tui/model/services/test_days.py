"""Daily statistics of several services together."""

from datetime import date

import msgspec
import pytest

from streamusage.api.daily import BackfilledPart, CoveredTime, DailySums, VoidClosings
from streamusage.api.extension import ServerStatus
from streamusage.core.coverage import Provenance
from tests.support.console.daily_statistics import DAY, HALF, NOVEMBER, NOW, a_day, a_sum
from tui.model.daily.months import DailyTotals, DayRows, Month, month_of, of_server, rows_of, summed
from tui.model.services.days import DaysOfServices, names_of_rows, sum_of_services
from tui.model.services.servers import qualified

FIRST, SECOND = date(2026, 11, 1), date(2026, 11, 2)


def a_month(*sums: object, zones: tuple[str, ...] = ("UTC",)) -> Month:
    """Return a month of days, whose sum is that of `a_sum`."""
    by_day = DailySums(now=NOW, account_zones=list(zones), sums=list(sums))  # type: ignore[arg-type]
    return month_of(NOVEMBER, by_day, DailySums(now=NOW, sums=[a_sum("2026-11", 500)]))


def test_days_are_summed_over_services() -> None:
    days = DaysOfServices(("eu", "us"))
    days.add_month("eu", NOVEMBER, a_month(a_sum("2026-11-01", 100), a_sum("2026-11-02", 30)))
    month = days.add_month("us", NOVEMBER, a_month(a_sum("2026-11-01", 250, peak_out_bps=70, coverage=HALF)))
    assert isinstance(month, Month)
    (first, second) = month.days
    assert (first[0], first[1].name, first[1].bytes_out, first[1].connections) == (FIRST, "Sun  1", 350, 8)
    assert first[1].connections_by_protocol == {"rtmp": 6, "hls": 2}
    assert (first[1].view_time_ms, first[1].average_view_time_ms, first[1].servers) == (800, 100, 4)
    assert first[1].coverage == CoveredTime(live_ms=DAY + DAY // 2, missing_ms=DAY // 2)
    assert first[1].backfilled == BackfilledPart(bytes_out=25 + 62)
    assert (first[1].peak_out_bps, first[1].peak_in_bps, first[1].services) == (70, None, 2)
    assert not first[1].knows_percentile
    assert first[1].percentile.out_bps is None
    assert (second[0], second[1].bytes_out, second[1].services) == (SECOND, 30, 1)
    assert second[1].percentile.out_bps == 2, "a day of one service alone is as that one has it"
    assert month.total is not None
    assert (month.total.bytes_out, month.without, month.failures) == (1_000, (), {})


def test_every_sum_is_a_lower_bound_while_a_service_has_no_figures() -> None:
    days = DaysOfServices(("eu", "us"))
    month = days.add_month("eu", NOVEMBER, a_month(a_sum("2026-11-01", 100)))
    assert isinstance(month, Month)
    ((_, row),) = month.days
    assert (month.without, row.without, row.is_complete, row.complete()) == (("us",), ("us",), False, "–")
    assert row.worst is Provenance.MISSING
    assert (row.recovered(), row.knows_percentile) == ("–", False)
    assert month.total is not None
    assert month.total.without == ("us",)
    failed = days.add_month("us", NOVEMBER, "could not connect")
    assert isinstance(failed, Month)
    assert (failed.failures, failed.without) == ({"us": "could not connect"}, ("us",))


def test_figures_of_an_earlier_answer_remain_where_a_request_fails() -> None:
    days = DaysOfServices(("eu", "us"))
    days.add_month("eu", NOVEMBER, a_month(a_sum("2026-11-01", 100)))
    days.add_month("us", NOVEMBER, a_month(a_sum("2026-11-01", 10)))
    month = days.add_month("us", NOVEMBER, "could not connect")
    assert isinstance(month, Month)
    assert (month.days[0][1].bytes_out, month.without) == (110, ())
    assert month.failures == {"us": "could not connect"}
    answered = days.add_month("us", NOVEMBER, a_month(a_sum("2026-11-01", 20)))
    assert isinstance(answered, Month)
    assert (answered.days[0][1].bytes_out, answered.failures) == (120, {})


def test_nothing_is_shown_before_a_service_has_answered_and_the_reasons_where_all_fail() -> None:
    days = DaysOfServices(("eu", "us"))
    assert days.add_month("us", NOVEMBER, "could not connect") is None
    assert days.add_month("eu", NOVEMBER, "HTTP 503") == "eu: HTTP 503; us: could not connect"


def test_month_of_another_page_is_not_added() -> None:
    days = DaysOfServices(("eu", "us"))
    days.add_month("us", NOVEMBER, a_month(a_sum("2026-11-01", 10)))
    october = Month(date(2026, 10, 1), [], None)
    assert days.add_month("eu", date(2026, 10, 1), october) == Month(date(2026, 10, 1), [], None, [], {}, ("us",))


@pytest.mark.parametrize(
    ("states", "state"),
    [
        (("final", "final"), "final"),
        (("final", "adjusted"), "adjusted"),
        (("adjusted", "provisional"), "provisional"),
    ],
)
def test_state_of_a_sum_is_the_worst(states: tuple[str, str], state: str) -> None:
    rows = dict(zip(("eu", "us"), (summed("d", a_sum("2026-11-01", 1, state=one)) for one in states), strict=True))
    assert sum_of_services(rows).state == state


def test_waiting_voids_and_later_changes_are_of_all_services() -> None:
    void = VoidClosings(closings=2, server="edge-1", day="2026-11-01", revision=7, at=5, by="boss", reason="clock")
    eu = summed("d", a_sum("2026-11-01", 1, waiting_for=["edge-1"], voids=void, adjustment=BackfilledPart(bytes_out=3)))
    us = summed("d", a_sum("2026-11-01", 1, waiting_for=["edge-1"], voids=msgspec.structs.replace(void, at=9)))
    row = sum_of_services({"eu": eu, "us": us})
    assert row.waiting_for == ["eu:edge-1", "us:edge-1"]
    assert row.came_later == BackfilledPart(bytes_out=3)
    assert row.voids is not None
    assert (row.voids.closings, row.voids.server, row.voids.at) == (4, "us:edge-1", 9)


def test_account_zones_are_those_of_every_service() -> None:
    days = DaysOfServices(("eu", "us"))
    days.add_month("eu", NOVEMBER, a_month(zones=("UTC", "Europe/Berlin")))
    month = days.add_month("us", NOVEMBER, a_month(zones=("America/New_York", "UTC")))
    assert isinstance(month, Month)
    assert month.account_zones == ["UTC"]


def test_rows_of_a_day_are_listed_by_service_below_its_sum() -> None:
    days = DaysOfServices(("eu", "us"))
    days.add_month("eu", NOVEMBER, a_month(a_sum("2026-11-01", 100)))
    roles = [a_sum("2026-11-01", 60, "edge"), a_sum("2026-11-01", 40, "origin")]
    eu = rows_of(FIRST, roles, [a_day(server="edge-1"), a_day(server="origin-1")])
    days.add_rows("eu", FIRST, eu)
    rows = days.add_rows("us", FIRST, rows_of(FIRST, [], [a_day(server="edge-1")]))
    assert isinstance(rows, DayRows)
    assert [(row.name, row.service) for row in rows.rows] == [
        ("all eu", "eu"),
        ("eu:all edge", "eu"),
        ("eu:all origin", "eu"),
        ("eu:edge-1", "eu"),
        ("eu:origin-1", "eu"),
        ("us:edge-1", "us"),
    ]
    assert rows.rows[0].bytes_out == 100
    without: list[DailyTotals] = [of_server(a_day(server="edge-1"))]
    alone = DaysOfServices(("eu", "us")).add_rows("us", FIRST, DayRows(FIRST, without))
    assert isinstance(alone, DayRows)
    assert alone.without == ("eu",)


def test_server_is_part_of_the_rows_of_its_role_and_of_its_service() -> None:
    server = ServerStatus(server="edge-1", role="edge", state="live")
    assert names_of_rows(server) == ("edge-1", "all edge")
    assert names_of_rows(*qualified("eu", [server])) == ("eu:edge-1", "eu:all edge", "all eu")
