"""Days as tables and CSV."""

import csv
import io

from streamusage.api.daily import BackfilledPart, CoveredTime, DailyStatistics, Percentile
from tui.commands.daily.tables import daily_view
from tui.output.printer import csv_text, table_text


def test_incomplete_day_is_never_rounded_up_to_100_percent() -> None:
    day = DailyStatistics(
        server="edge-1",
        day="2026-11-21",
        tz="UTC",
        state="provisional",
        connections=1,
        connections_by_protocol={"rtmp": 1},
        bytes_in=0,
        bytes_out=0,
        peak_in_bps=0,
        peak_in_at=None,
        peak_out_bps=0,
        peak_out_at=None,
        view_time_ms=0,
        average_view_time_ms=None,
        coverage=CoveredTime(live_ms=86_399_999, missing_ms=1),
        backfilled=BackfilledPart(),
    )
    assert "99.9 %" in "".join(table_text([day], daily_view([day]).table_columns(), cells=400))
    row = next(csv.DictReader(io.StringIO("".join(csv_text([day], daily_view([day]).csv_columns())))))
    assert row["coverage_missing_ms"] == "1"
    assert row["connections_by_protocol_rtmp"] == "1"


def test_day_without_reports_shows_no_zeros_and_its_waiting_servers() -> None:
    day = DailyStatistics(
        server="edge-1", day="2026-11-20", tz="UTC", state="provisional", connections=0, connections_by_protocol={},
        bytes_in=0, bytes_out=0, peak_in_bps=0, peak_in_at=None, peak_out_bps=0, peak_out_at=None, view_time_ms=0,
        average_view_time_ms=None, coverage=CoveredTime(missing_ms=86_400_000), backfilled=BackfilledPart(),
        percentile_95=Percentile(expected_samples=288), waiting_for=["edge-1", "edge-2"],
    )  # fmt: skip
    table = "".join(table_text([day], daily_view([day]).table_columns()))
    assert "0 B" not in table
    assert "0/288" in table
    assert "edge-1 and edge-2" in table.splitlines()[1]
