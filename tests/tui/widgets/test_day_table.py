"""The columns and rows of the daily statistics."""

from streamusage.api.daily import CoveredTime
from tests.support.console.daily_statistics import DAY, a_day, adjusted
from tui.model.daily.months import DailyTotals, of_server
from tui.widgets.day_table import columns_within, row_parts, titles


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
