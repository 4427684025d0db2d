"""The page of a day's kept comparisons: every figure, cause and file, wrapped and safe to draw."""

from datetime import date
from zoneinfo import ZoneInfo

from tests.support.commands.kept_results import HEADS, SHA256, kept_comparison, kept_row
from tests.support.console.daily_statistics import a_day
from tui.model.daily.months import of_server
from tui.model.daily.reconciled import SUM, KeptResults, ReconciledBook
from tui.model.daily.reconciled_page import reconciled_page
from tui.reconcile.entries import Measure
from tui.reconcile.kept import KeptComparison, KeptFile

FRIDAY = date(2026, 11, 20)
UTC = ZoneInfo("UTC")
ROW = kept_row("2026-11-20", 1_410_000_000, 2_000_000_000, "unexplained", causes=[HEADS], is_final=False)


def page(*comparisons: KeptComparison, bytes_out: int = 2_000_000_000, cells: int = 72) -> list[str]:
    results = ReconciledBook(KeptResults({"": comparisons}), "UTC").results(FRIDAY)
    return reconciled_page("Day", results, SUM, of_server(a_day(bytes_out=bytes_out)), cells, UTC)


def test_page_has_all_that_was_compared() -> None:
    assert page(kept_comparison(ROW, suspected=["shifted clock: confirm with --log-shift -1h"], more_files=3)) == [
        "Day",
        "",
        "traffic out of all servers: unexplained -29.5 %",
        "  account           1.41 GB  1,410,000,000 bytes",
        "  service           2.00 GB  2,000,000,000 bytes, provisional",
        "  difference        -590 MB  -590,000,000 bytes",
        "  explained           +50 B  50 bytes",
        "                      +50 B  HEAD requests, of 0 B to +60 B: 49 lines",
        "  unexplained       -590 MB  -590,000,050 bytes, tolerance 1 % of the",
        "                larger figure",
        "  suspected     shifted clock: confirm with --log-shift -1h",
        "  compared      2026-11-22 00:00:00 UTC, streamtop 0.1.0",
        "  files         /var/log/access.log",
        "                combined, 300 lines, SHA-256",
        f"        {SHA256}",
        "                and 3 more files",
    ]


def test_outdated_result_has_the_figure_of_now() -> None:
    lines = page(kept_comparison(ROW), bytes_out=3_000_000_000)
    assert "traffic out of all servers: unexplained -29.5 % when compared, outdated" in lines
    assert any(line.startswith("  service now       3.00 GB  3,000,000,000 bytes") for line in lines)


def test_result_of_a_part_has_no_figure_of_now() -> None:
    lines = page(kept_comparison(ROW, servers=["edge-1"]), bytes_out=3_000_000_000)
    assert "traffic out of edge-1: unexplained -29.5 %" in lines
    assert "service now" not in "\n".join(lines)


def test_unknown_figures_and_other_units_are_shown_as_such() -> None:
    lines = page(kept_comparison(kept_row("2026-11-20", None, 7, "unexplained"), figure=Measure.CONNECTIONS))
    text = "\n".join(lines)
    assert "connections of all servers: unexplained no account" in text
    assert "  account                 –" in text
    assert "  service                 7" in text
    view_time = page(kept_comparison(kept_row("2026-11-20", 400, 400, "agrees"), figure=Measure.VIEW_TIME))
    assert "view time of all servers: agrees" in view_time
    assert "  account               <1s  400 ms" in view_time


def test_text_from_outside_is_sanitized_and_wrapped() -> None:
    cause = HEADS.__class__(cause="x\x1b[2J", amount=1, low=1, high=1, note="note\n[bold]" + " word" * 40)
    file = KeptFile(name="/logs/\x1b]0;x\x07\u202eevil" + "/long" * 40, form="combi\nned", lines=0, sha256="\x1b[31m")
    row = kept_row("2026-11-20", 2, 1, "unexplained", causes=[cause])
    lines = page(kept_comparison(row, files=[file], suspected=["s\x9b1m"], program="0\r9", servers=["a\x1bb"]))
    assert all(line.isprintable() or line == "" for line in lines), [line for line in lines if not line.isprintable()]
    assert max(map(len, lines)) <= 72
    assert "[bold]" in "\n".join(lines)


def test_instant_outside_the_calendar_is_unknown() -> None:
    assert any("compared      ?, streamtop" in line for line in page(kept_comparison(ROW, compared_at=2**62)))
