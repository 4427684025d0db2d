"""Rows of streams, scopes and customers: their order, marks, filter, and what many of them cost."""

import time
from datetime import date

import pytest

from streamusage.api.daily import Percentile, SummedStatistics, VoidClosings
from streamusage.core.figures import NO_CUSTOMER, NOT_BY_STREAM
from tests.support.console.daily_statistics import NOVEMBER, a_sum
from tui.model.daily.groups import GroupRequest, GroupRows, ServiceSum, rows_of_groups
from tui.widgets.day_table import GROUP_COLUMNS, columns_within, row_parts

STREAMS = GroupRequest.of_month("stream", NOVEMBER)
CUSTOMERS = GroupRequest.of_month("customer", NOVEMBER)


def of_stream(name: str, bytes_out: int = 1, **more: object) -> SummedStatistics:
    return a_sum("2026-11", bytes_out, name, traffic="measured", connections_by_protocol={}, **more)


def rest(bytes_out: int = 1) -> SummedStatistics:
    return a_sum("2026-11", bytes_out, NOT_BY_STREAM, connections_by_protocol={})


def names(rows: GroupRows) -> list[str]:
    return [row.name for row in rows]


def test_request_is_by_day_for_a_day_and_by_month_for_a_month() -> None:
    assert (STREAMS.first, STREAMS.last, STREAMS.by) == (NOVEMBER, date(2026, 11, 30), "month")
    day = GroupRequest.of_day("scope", date(2026, 11, 21))
    assert (day.last, day.by, day.period) == (day.first, "day", "Saturday 21 November 2026")


def test_rows_of_no_customer_and_not_by_stream_are_last_and_marked() -> None:
    rows = rows_of_groups(CUSTOMERS, [rest(), of_stream(NO_CUSTOMER), of_stream("Acme"), of_stream("Zeta")], [])
    assert names(rows) == ["Acme", "Zeta", NO_CUSTOMER, NOT_BY_STREAM]
    assert [row.is_remainder for row in rows] == [False, False, True, True]
    assert [row.traffic for row in rows] == ["measured"] * 3 + [None]
    assert rows.group_count == 2


def test_scope_with_a_reserved_name_is_a_scope() -> None:
    request = GroupRequest.of_month("scope", NOVEMBER)
    rows = rows_of_groups(request, [rest(), of_stream(NOT_BY_STREAM), of_stream(NO_CUSTOMER)], [])
    assert [row.is_remainder for row in rows] == [False, False, True]


@pytest.mark.parametrize(
    ("request_", "sums", "why"),
    [
        (STREAMS, [of_stream("live/a"), rest()], ""),
        (STREAMS, [rest()], "no figures by stream in these days: agents of this version report them"),
        (STREAMS, [], "no figures by stream in these days: agents of this version report them"),
        (CUSTOMERS, [of_stream(NO_CUSTOMER), rest()], "no customers in these days: start the service with --customers"),
        (CUSTOMERS, [rest()], "no figures by stream in these days"),
    ],
)
def test_list_without_groups_says_why(request_: GroupRequest, sums: list[SummedStatistics], why: str) -> None:
    found = rows_of_groups(request_, sums, []).why_no_groups
    assert found.startswith(why)
    assert bool(found) is bool(why)


def test_total_is_the_sum_over_all_servers() -> None:
    rows = rows_of_groups(STREAMS, [of_stream("live/a", 7), rest(3)], [a_sum("2026-11", 10)])
    assert rows.total is not None
    assert (rows.total.name, rows.total.bytes_out) == ("month", 10)


def test_rows_are_selected_by_name_and_ordered_by_traffic() -> None:
    sums = [of_stream("live/cam-1", 5), of_stream("live/Cam-2", 9), of_stream("radio/x", 7), rest(100)]
    rows = rows_of_groups(STREAMS, sums, [])
    assert names(rows.arranged(" cAM")) == ["live/cam-1", "live/Cam-2"]
    assert names(rows.arranged(most_traffic_first=True)) == ["live/Cam-2", "radio/x", "live/cam-1", NOT_BY_STREAM]
    assert names(rows) == ["live/cam-1", "live/Cam-2", "radio/x", NOT_BY_STREAM], "the rows themselves are as before"
    assert rows.arranged("radio").place_of("radio/x") == 0
    assert rows.arranged("radio").place_of("live/cam-1") is None


def test_columns_apply_if_one_of_many_rows_needs_them() -> None:
    void = VoidClosings(closings=1, server="a", day="2026-11-03", revision=4, at=5, by="boss", reason="clock")
    sums = [of_stream(f"live/{number:02}") for number in range(20)]
    assert "VOID" not in [column.title for column in columns_within(400, rows_of_groups(STREAMS, sums, []).examples)]
    sums[17] = of_stream("live/17", voids=void)
    rows = rows_of_groups(STREAMS, sums, [])
    assert "VOID" in [column.title for column in columns_within(400, rows.examples, GROUP_COLUMNS)]


def test_eighty_columns_have_state_share_word_connections_and_traffic() -> None:
    rows = rows_of_groups(STREAMS, [of_stream("live/a", 1_000_000), rest()], [])
    columns = columns_within(80 - 28 - 2, rows.examples, GROUP_COLUMNS)
    assert [column.title for column in columns] == ["STATE", "COMPLETE", "TRAFFIC", "CONN", "OUT"]
    line = "".join(text for text, _ in row_parts(rows[0], 28, columns, 80, cursor=False))
    assert line.split() == ["live/a", "final", "100", "%", "measured", "4", "1.00", "MB"]
    dimmed = row_parts(rows[1], 28, columns, 80, cursor=True, dimmed=True)
    assert {ink for _, ink in dimmed[:-1]} == {"quiet cursor"}


def test_rows_of_several_services_have_qualified_names_and_remainders_last() -> None:
    sums = [
        ServiceSum(service, row)
        for service in ("eu", "us")
        for row in (of_stream("Acme", waiting_for=["edge-1"]), of_stream(NO_CUSTOMER), rest())
    ]
    rows = GroupRows(CUSTOMERS, sums, None)
    assert names(rows) == [
        "eu:Acme", "us:Acme", f"eu:{NO_CUSTOMER}", f"us:{NO_CUSTOMER}", f"eu:{NOT_BY_STREAM}", f"us:{NOT_BY_STREAM}",
    ]  # fmt: skip
    assert [row.service for row in rows] == ["eu", "us"] * 3
    assert rows[1].waiting_for == ["us:edge-1"]


def test_key_over_sixty_thousand_rows_takes_less_than_a_frame() -> None:
    """2,000 streams of 30 days: what a key computes is drawing a page, a letter of the filter, another order."""
    percentile = Percentile(samples=288, expected_samples=288)
    sums = [of_stream(f"live/stream-{number % 2_000:04}", number, percentile_95=percentile) for number in range(60_000)]
    rows = rows_of_groups(STREAMS, [*sums, rest()], [])

    def draw_page() -> None:
        columns = columns_within(200 - 40 - 2, rows.examples, GROUP_COLUMNS)
        for number in range(40_000, 40_050):
            row_parts(rows[number], 40, columns, 200, cursor=number == 40_010)

    def took_ms(work: object) -> float:
        durations = []
        for _ in range(5):
            started_at = time.thread_time()
            work()  # type: ignore[operator]
            durations.append(1000 * (time.thread_time() - started_at))
        return min(durations)

    assert len(rows) == 60_001
    assert took_ms(draw_page) < 16
    assert took_ms(lambda: rows.arranged("stream-19")) < 16
