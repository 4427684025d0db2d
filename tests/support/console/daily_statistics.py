"""Daily statistics of one server, sums over servers, and a month of them."""

from datetime import date

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
from tui.model.daily.months import DailyTotals, month_of, of_server

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
