"""The page of a stream, a scope or a customer."""

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

from streamusage.api.daily import BackfilledPart, CoveredTime, VoidClosings
from tests.support.console.daily_statistics import DAY, NOW, a_sum
from tui.model.daily.group_page import group_page
from tui.model.daily.groups import GroupRequest, rows_of_groups
from tui.model.text import width

THE_21ST = GroupRequest.of_day("stream", date(2026, 11, 21))
UTC_ZONE = ZoneInfo("UTC")
PEAK_AT = int(datetime(2026, 11, 21, 20, 10, tzinfo=UTC).timestamp()) * 1000


def page_of(group: str = "live/cam", cells: int = 90, **more: object) -> list[str]:
    values: dict[str, object] = {"traffic": "apportioned", "connections_by_protocol": {}, "servers": 3}
    row = a_sum("2026-11-21", 20_000_000, group, **(values | more))
    return group_page(rows_of_groups(THE_21ST, [row], [])[0], THE_21ST, cells, NOW + DAY, UTC_ZONE)


def fact(lines: list[str], label: str) -> str:
    """Return the text of a fact, which may have several lines."""
    at = next(number for number, line in enumerate(lines) if line.startswith(f"{label} "))
    rest = []
    for line in lines[at + 1 :]:
        if not line.startswith(" "):
            break
        rest.append(line.strip())
    return " ".join([lines[at].removeprefix(label).strip(), *rest])


def test_page_has_figures_exactly_and_what_they_rest_on() -> None:
    lines = page_of(peak_out_bps=12_300_000, peak_out_at=PEAK_AT, backfilled=BackfilledPart(bytes_out=5_000_000))
    assert lines[0] == "live/cam, Saturday 21 November 2026, UTC"
    assert fact(lines, "state") == "final"
    assert fact(lines, "complete") == "100 %, live 1d00h"
    assert fact(lines, "servers").startswith("3, those that carried it")
    assert fact(lines, "traffic") == "apportioned: dealt by view time and time on air"
    assert fact(lines, "out") == "20.0 MB, 20,000,000 bytes"
    assert fact(lines, "connections") == "4"
    assert "20:10" in fact(lines, "peak out")
    assert fact(lines, "view time") == "<1s, average <1s"
    assert fact(lines, "backfilled") == "5.00 MB out"
    assert fact(lines, "adjustment") == "none"
    assert fact(lines, "by day") == "streamtop daily --from 2026-11-21 --to 2026-11-21 --tz UTC --by day --group stream"
    assert not [line for line in lines if line.startswith("void")]


def test_incomplete_row_has_lower_bounds_and_what_is_missing() -> None:
    covered = CoveredTime(live_ms=DAY // 2, missing_ms=DAY // 2)
    lines = page_of(coverage=covered, state="provisional", waiting_for=["edge-1", "edge-2"])
    assert fact(lines, "complete") == "50.0 %, live 12h00, missing 12h00"
    assert fact(lines, "waits for") == "edge-1, edge-2"
    assert fact(lines, "out") == "≥ 20.0 MB, 20,000,000 bytes"


def test_row_without_any_report_has_no_figure() -> None:
    lines = page_of(coverage=CoveredTime(missing_ms=DAY), state="provisional")
    assert fact(lines, "figures") == "not known yet"
    assert not [line for line in lines if line.startswith("connections")]


def test_adjustment_and_void_closing_are_described() -> None:
    void = VoidClosings(closings=1, server="edge-1", day="2026-11-21", revision=4, at=NOW, by="boss", reason="clock")
    lines = page_of(state="adjusted", adjustment=BackfilledPart(connections=2, bytes_out=1_200_000), voids=void)
    assert fact(lines, "adjustment").startswith("+2 connections, +0 B in, +1.20 MB out")
    assert fact(lines, "void").startswith("void: closing 4 of edge-1")


def test_lines_fit_and_names_cannot_draw() -> None:
    lines = page_of("live/\x1b[2J" + "long-name-" * 20, cells=72, waiting_for=[f"edge-{n}" for n in range(40)])
    assert all(width(line) <= 72 for line in lines)
    assert not any("\x1b" in line for line in lines)
