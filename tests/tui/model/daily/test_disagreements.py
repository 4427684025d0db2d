"""Figures that differ, in words, and their marks in the days view."""

from datetime import UTC

from streamusage.api.disagreements import Disagreement
from tests.support.console.daily_statistics import a_day
from tui.model.daily.disagreements import describe_disagreements, format_compared
from tui.model.daily.months import of_server
from tui.widgets.day_lines import day_lines
from tui.widgets.day_table import columns_within

NOON = 12 * 3_600_000
RELAY = Disagreement(
    hour=NOON, kind="origin-edges", server="origin-1", figure="bytes", first=720_000_000, second=612_000_000,
    found_at=1, scope="live", name="key\x1bnote", edges=("edge-1", "edge-3"),
)  # fmt: skip
LOG = Disagreement(hour=NOON, kind="counters-log", server="edge-1", figure="viewers", first=1_200, second=3, found_at=1)


def test_newest_is_described_with_both_figures() -> None:
    assert describe_disagreements([LOG], UTC) == (
        "differ: 12:00 edge-1: viewers who left by counters 1,200, by the log 3"
    )
    assert describe_disagreements([LOG, RELAY], UTC) == (
        "2 differ, newest: 12:00 origin-1 live/key note: the origin sent 720 MB, edges received 612 MB"
    )


def test_view_time_is_a_duration() -> None:
    view_time = Disagreement(
        hour=NOON, kind="sessions-slots", server="edge-1", figure="view_time_ms", first=1, second=2, found_at=1
    )
    assert format_compared(view_time, 7_200_000) == "2h00"


def test_day_with_disagreements_is_marked_and_described() -> None:
    plain, marked = of_server(a_day()), of_server(a_day(disagreements=[LOG, RELAY]))
    assert "DIFFER" not in [column.title for column in columns_within(80, [plain])]
    (column,) = [column for column in columns_within(80, [plain, marked]) if column.title == "DIFFER"]
    assert (column.text(marked), column.text(plain)) == ("2", "")

    def described(figures: object) -> str:
        lines = day_lines(figures, None, "", (), NOON, UTC, 80)  # type: ignore[arg-type]
        return "\n".join("".join(text for text, _ in line) for line in lines)

    assert "720 MB" in described(marked)
    assert "differ" not in described(plain)
