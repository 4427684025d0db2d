"""The month's chart and table: incomplete days, adjustments, and the descriptions of a day."""

from datetime import UTC, date

from streamusage.api.daily import (
    Adjustment,
    BackfilledPart,
    Closed,
    CoveredTime,
    DailyFigures,
    DailyStatistics,
    DailySums,
    Percentile,
    SummedStatistics,
)
from tui.model.daily.descriptions import describe_late_changes, describe_percentile, describe_state
from tui.model.daily.months import DailyTotals, last_of, month_of, months_away, of_server, rows_of, summed
from tui.widgets.day_table import columns_within, row_parts, titles
from tui.widgets.month_chart import month_chart

DAY = 86_400_000
NOVEMBER = date(2026, 11, 1)
NOW = 1_795_305_600_000
"""2026-11-22T00:00Z."""


def a_sum(period: str, bytes_out: int, group: str = "all", **more: object) -> SummedStatistics:
    values: dict[str, object] = {
        "group": group, "period": period, "first_day": period, "last_day": period, "tz": "UTC", "state": "final",
        "days": 1, "servers": 2, "connections": 4, "connections_by_protocol": {"rtmp": 3, "hls": 1}, "bytes_in": 1,
        "bytes_out": bytes_out, "peak_in_bps": None, "peak_in_at": None, "peak_out_bps": 9, "peak_out_at": None,
        "view_time_ms": 400, "average_view_time_ms": 100, "coverage": CoveredTime(live_ms=DAY),
        "backfilled": BackfilledPart(bytes_out=bytes_out // 4),
        "percentile_95": Percentile(in_bps=1, out_bps=2, samples=288, expected_samples=288),
    }  # fmt: skip
    return SummedStatistics(**values | more)  # type: ignore[arg-type]


HALF = CoveredTime(live_ms=DAY // 2, missing_ms=DAY // 2)
BY_DAY = [
    a_sum("2026-11-05", 0),
    a_sum("2026-11-01", 600_000),
    a_sum("2026-11-02", 1_000_000),
    a_sum("2026-11-03", 1_000_000, coverage=HALF, state="provisional", waiting_for=["a"]),
    a_sum("2026-11-04", 300_000, coverage=CoveredTime(live_ms=DAY // 2, lost_ms=DAY // 2)),
]
MONTH = month_of(
    NOVEMBER,
    DailySums(now=NOW, account_zones=["UTC"], sums=BY_DAY),
    DailySums(now=NOW, sums=[a_sum("2026-11", 2_900_000, state="provisional")]),
)


def drawn() -> list[str]:
    return ["".join(text for text, _ in line) for line in month_chart(NOVEMBER, MONTH.days, 80, 6)]


def test_chart_draws_incomplete_days_by_state_and_zero_days_as_complete() -> None:
    bars = [line[9:] for line in drawn()]
    column = {number: "".join(line[(number - 1) * 2] for line in bars[:6]) for number in range(1, 31)}
    assert column[2] == "██████"
    assert set(column[1]) == {" ", "█"}
    assert set(column[3]) == {"·"}
    assert set(column[4]) == {" ", "×"}
    assert column[5].strip() == ""
    covered = bars[6]
    assert [covered[(number - 1) * 2] for number in range(1, 7)] == ["▔", "▔", "·", "×", "▔", " "]
    assert drawn()[0].split()[0] == "1.00"


def a_day(**more: object) -> DailyStatistics:
    values: dict[str, object] = {
        "server": "edge-1", "day": "2026-11-20", "tz": "UTC", "state": "final", "connections": 4,
        "connections_by_protocol": {"rtmp": 3, "hls": 1}, "bytes_in": 1, "bytes_out": 20_000_000, "peak_in_bps": 1,
        "peak_in_at": 2, "peak_out_bps": 3, "peak_out_at": 4, "view_time_ms": 400, "average_view_time_ms": 100,
        "coverage": CoveredTime(live_ms=DAY), "backfilled": BackfilledPart(),
        "percentile_95": Percentile(in_bps=1_000, out_bps=12_300_000, samples=287, expected_samples=288),
        "closed": Closed(at=NOW - DAY + 130_000, rule="watermark", revision=7, watermark=6),
    }  # fmt: skip
    return DailyStatistics(**values | more)  # type: ignore[arg-type]


def adjusted() -> DailyTotals:
    figures = {name: getattr(a_day(), name) for name in DailyFigures.__struct_fields__}
    later = Adjustment(
        connections=12, bytes_in=-3, bytes_out=1_200_000, view_time_ms=60_000, entries=2, at=NOW - 60_000,
        figures=DailyFigures(**figures),
    )  # fmt: skip
    return of_server(a_day(state="adjusted", adjustment=later))


def test_month_lists_its_days_in_order_and_its_sum() -> None:
    assert [day.day for day, _ in MONTH.days] == [1, 2, 3, 4, 5]
    both = MONTH.days[2][1]
    assert (both.connections, both.bytes_out, both.state) == (4, 1_000_000, "provisional")
    assert (both.complete(), both.recovered(), both.average_view_time_ms()) == ("50.0 %", "25.0 %", 100)
    assert MONTH.total is not None
    assert (MONTH.total.name, MONTH.total.bytes_out) == ("month", 2_900_000)


def test_day_rows_have_roles_if_several_and_every_server() -> None:
    roles = [a_sum("2026-11-20", 1, "edge"), a_sum("2026-11-20", 2, "origin")]
    servers = [a_day(), a_day(server="origin-1")]
    names = [row.name for row in rows_of(date(2026, 11, 20), roles, servers).rows]
    assert names == ["all edge", "all origin", "edge-1", "origin-1"]
    assert [row.name for row in rows_of(date(2026, 11, 20), roles[:1], servers).rows] == ["edge-1", "origin-1"]


def test_descriptions_name_coverage_percentile_and_later_adjustments() -> None:
    one = adjusted()
    assert describe_percentile(one) == "95th percentile 12.3 Mbit/s out, 1.00 kbit/s in, of 287 of 288 samples"
    assert describe_percentile(of_server(a_day(percentile_95=Percentile(expected_samples=9)))) == (
        "95th percentile not known, of 0 of 9 samples"
    )
    assert one.came_later is not None
    assert describe_late_changes(one.came_later, NOW, UTC) == (
        "+12 connections, -3 B in, +1.20 MB out, +1m viewed after closing (2 entries, newest Sat 23:59), "
        "not in the figures"
    )

    def stated(figures: DailyTotals, *, is_over: bool = True) -> str:
        return describe_state(figures, is_over=is_over, now_ms=NOW, tz=UTC)

    assert stated(one) == "adjusted, closed Sat 00:02 by every watermark"
    by_hand = Closed(at=NOW, by="boss", rule="operator", revision=8)
    assert stated(of_server(a_day(closed=by_hand))) == "final, closed 00:00 by boss"
    waits = summed("Fri 20", a_sum("2026-11-20", 1, state="provisional", waiting_for=["a", "b"]))
    assert stated(waits) == "provisional, waits for a and b"
    assert stated(waits, is_over=False) == "provisional, the day is not over"


def test_adjustment_column_is_shown_only_if_a_day_was_adjusted() -> None:
    plain = of_server(a_day())
    assert "ADJUSTED OUT" not in [column.title for column in columns_within(400, [plain])]
    columns = columns_within(400, [plain, adjusted()])
    title, line = (
        "".join(text for text, _ in parts)
        for parts in (titles("SERVER", 16, columns), row_parts(adjusted(), 16, columns, 400, cursor=True))
    )
    shown = {
        column.title: line[
            (at := title.index(column.title)) + len(column.title) - column.cells : at + len(column.title)
        ].strip()
        for column in columns
    }
    assert (shown["ADJUSTED OUT"], shown["95TH OUT"], shown["SAMPLES"]) == ("+1.20 MB", "12.3 Mbit/s", "287/288")
    assert shown["OUT"] == "20.0 MB", "the closed figure stays"


def test_day_without_any_report_shows_unknown_not_zero() -> None:
    nothing = of_server(a_day(bytes_out=0, coverage=CoveredTime(missing_ms=DAY), closed=None, state="provisional"))
    quiet = of_server(a_day(bytes_out=0, connections=0, connections_by_protocol={}))
    columns = columns_within(400, [nothing])

    def out(figures: DailyTotals) -> str:
        title = "".join(text for text, _ in titles("SERVER", 16, columns))
        line = "".join(text for text, _ in row_parts(figures, 16, columns, 400, cursor=False))
        end = title.index(" OUT") + 4
        return line[end - 8 : end].strip()

    assert (out(nothing), out(quiet)) == ("–", "0 B")


def test_months_away_crosses_years() -> None:
    assert last_of(date(2028, 2, 3)) == date(2028, 2, 29)
    assert months_away(NOVEMBER, -11) == date(2025, 12, 1)
    assert months_away(NOVEMBER, 2) == date(2027, 1, 1)
