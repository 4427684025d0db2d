"""Closed days and statements of them."""

from datetime import date
from zoneinfo import ZoneInfo

from streamusage.api.daily import BackfilledPart, Closed, CoveredTime, DailyStatistics, Percentile
from tui.model.daily.unsigned_statement import statement

UTC = ZoneInfo("UTC")
NOW = 1_795_305_600_000
"""2026-11-22T00:00Z."""


def a_day(server: str = "edge-1", rule: str = "watermark", **more: object) -> DailyStatistics:
    values: dict[str, object] = {
        "server": server, "day": "2026-11-20", "tz": "UTC", "state": "final", "connections": 3,
        "connections_by_protocol": {"hls": 1, "rtmp": 2}, "bytes_in": 10, "bytes_out": 20, "peak_in_bps": 1,
        "peak_in_at": 2, "peak_out_bps": 3, "peak_out_at": 4, "view_time_ms": 9, "average_view_time_ms": 3,
        "coverage": CoveredTime(live_ms=86_400_000), "backfilled": BackfilledPart(),
        "percentile_95": Percentile(in_bps=1, out_bps=2, samples=288, expected_samples=288),
        "closed": Closed(at=5, rule=rule, revision=7, watermark=6),  # type: ignore[arg-type]
    }  # fmt: skip
    return DailyStatistics(**values | more)  # type: ignore[arg-type]


def signed_statement(*days: DailyStatistics) -> bytes:
    return statement(days, date(2026, 11, 20), date(2026, 11, 20), UTC, None)
