"""The declarations of columns: a column that a test adds is picked up by table, menus, filter, exports and docs."""

import csv
import io
from datetime import UTC
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from textual.widgets import Input

from streamusage.core.coverage import Provenance
from tests.support.console.pilot import open_console, screen_lines, wait_for
from tests.support.console.records import session
from tests.support.program import REPOSITORY
from tui.app.actions import Context
from tui.model.sessions.columns import (
    COLUMNS,
    LEAST_STREAM,
    ROOMY_STREAM,
    Column,
    Density,
    ExportField,
    FilterField,
    FilterType,
    fitting,
    text,
    widen_trend,
)
from tui.model.sessions.filter import FilterError, parse
from tui.model.sessions.store import Session, SessionStore
from tui.model.sessions.view import SessionView
from tui.model.text import width
from tui.output.exports import table_csv, usage_record_fields
from tui.screens.columns import ColumnsScreen
from tui.screens.picker import Picker
from tui.widgets.lines import Line

NOW = 1_795_262_400_000
NAMES = [*COLUMNS]


@given(st.permutations(NAMES), st.integers(0, len(NAMES)), st.integers(31, 300), st.sampled_from(list(Density)))
def test_fitting_columns_leave_room_for_the_stream(names: list[str], count: int, cells: int, density: Density) -> None:
    names = names[:count]
    chosen = fitting(names, cells, density)
    assert [column.name for column, _ in chosen] == [name for name in names if COLUMNS[name] in dict(chosen)]
    used = sum(column_cells + 1 for _, column_cells in chosen)
    assert cells - 3 - used >= LEAST_STREAM or len(chosen) <= 1
    assert all(column_cells in (column.dense, column.roomy) for column, column_cells in chosen)
    left_out = [COLUMNS[name].importance for name in names if COLUMNS[name] not in dict(chosen)]
    assert not chosen or not left_out or max(left_out) < min(column.importance for column, _ in chosen)


def test_density_selects_the_widths() -> None:
    roomy = sum(COLUMNS[name].roomy + 1 for name in NAMES) + 3 + ROOMY_STREAM
    assert fitting(NAMES, roomy) == [(COLUMNS[name], COLUMNS[name].roomy) for name in NAMES]
    assert fitting(NAMES, roomy, Density.DENSE) == [(COLUMNS[name], COLUMNS[name].dense) for name in NAMES]
    fewer = fitting(NAMES, 120, Density.ROOMY)
    assert len(fewer) < len(fitting(NAMES, 120, Density.DENSE))
    assert all(cells == column.roomy for column, cells in fewer)


@pytest.mark.parametrize("cells", [60, 80, 100, 120, 160, 200, 300])
@pytest.mark.parametrize("names", [NAMES, [name for name in NAMES if name != "trend"]])
def test_spare_cells_go_to_the_trend_once_names_have_40(names: list[str], cells: int) -> None:
    fitted = fitting(names, cells)
    widened = widen_trend(fitted, cells)
    assert [column for column, _ in widened] == [column for column, _ in fitted]
    before, after = ({column.name: size for column, size in columns} for columns in (fitted, widened))
    stream = cells - 3 - sum(size + 1 for size in after.values())
    assert before | {"trend": 0} == after | {"trend": 0}
    if "trend" in after:
        assert before["trend"] <= after["trend"] <= 60
        assert stream <= 40 or after["trend"] == 60
        assert after == before or stream >= 40, "names of 40 cells are not cut for a trend"


@pytest.mark.parametrize("days_ago", [0, 3, 30, 400, 4_000])
def test_dates_fit_their_column(days_ago: int) -> None:
    started = COLUMNS["started"]
    for cells in (started.dense, started.roomy):
        assert "…" not in text(started, session(start=NOW - days_ago * 86_400_000), cells, NOW, UTC)


@pytest.mark.parametrize("figure", [9_999, 17_700, 99_999, 123_456, 1_234_567, 987_654_321])
def test_figures_fit_their_columns(figure: int) -> None:
    crowd = session(active=figure, peak=figure, lost=figure, total=figure, provenance=Provenance.MISSING)
    for name in ("active", "peak", "lost", "total"):
        for cells in (COLUMNS[name].dense, COLUMNS[name].roomy):
            assert "…" not in text(COLUMNS[name], crowd, cells, NOW, UTC), name


def test_unknown_names_are_ignored_and_a_narrow_table_has_no_column() -> None:
    assert [column.name for column, _ in fitting(["none", "active"], 80)] == ["active"]
    assert fitting(NAMES, 30) == []


@pytest.mark.parametrize(
    ("name", "live", "figures", "cell"),
    [
        ("state", True, {}, "live"),
        ("state", False, {}, "ended"),
        ("active", True, {"active": 0}, "0"),
        ("active", False, {"active": 0}, "–"),
        ("active", False, {"active": 3}, "3"),
        ("peak", True, {"peak": None}, "–"),
        ("total", True, {"total": 1_204}, "1,204"),
        ("age", True, {"updated": None}, "–"),
        ("age", True, {"updated": NOW - 59_000}, "<1m"),
        ("age", False, {"updated": NOW - 59_000}, "–"),
        ("duration", True, {}, "1m"),
        ("data", True, {"provenance": Provenance.BACKFILLED}, "▒ backfilled"),
        ("data", True, {"provenance": None}, "–"),
        ("data", True, {"provenance": None, "imported": True}, "» imported"),
    ],
)
def test_cell_shows_the_figure_or_unknown(name: str, live: bool, figures: dict[str, object], cell: str) -> None:
    column = COLUMNS[name]
    shown = text(column, session("a", NOW - 60_000, live=live, **figures), column.roomy, NOW, UTC)
    assert shown.strip() == cell
    assert shown.endswith(cell) if column.at_right else shown.startswith(cell)


@given(st.sampled_from([name for name in NAMES if name != "trend"]), st.integers(0, 10**9), st.booleans())
def test_cell_fills_its_column(name: str, number: int, live: bool) -> None:
    column = COLUMNS[name]
    row = session("a", NOW - number, live=live, active=number, peak=number, lost=number, total=number, updated=NOW)
    for cells in (column.dense, column.roomy):
        assert width(text(column, row, cells, NOW, UTC)) == cells


def test_only_subscriber_columns_have_a_figure() -> None:
    row = session("a", active=1, peak=2, lost=3, total=4)
    figures = {name: column.figure(row) for name, column in COLUMNS.items() if column.figure is not None}
    assert {name: found for name, found in figures.items() if found is not None} == {
        "active": 1, "peak": 2, "lost": 3, "total": 4,
    }  # fmt: skip


def lost_percent(session: Session) -> int | None:
    return None if session.lost is None or not session.total else 100 * session.lost // session.total


ADDED = Column(
    "churn",
    "CHURN",
    "share of subscribers that left",
    *(6, 7),
    importance=99,
    text=lambda session, at: f"{lost_percent(session)} %",
    sort=lost_percent,
    orders=("most churn first", "least churn first"),
    filter=FilterField("churn", FilterType.NUMBER, lambda session, now_ms: lost_percent(session), "a number"),
    export=ExportField("churnPercent", lost_percent),
)


@pytest.fixture
def added(monkeypatch: pytest.MonkeyPatch) -> None:
    """Add the column's one entry."""
    monkeypatch.setitem(COLUMNS, ADDED.name, ADDED)


@pytest.mark.usefixtures("added")
def test_added_column_sorts_filters_and_is_exported() -> None:
    sessions = [session("a", lost=1, total=10), session("b", lost=9, total=10), session("c", lost=None)]
    store = SessionStore()
    view = SessionView(store)
    view.update(store.apply(sessions))
    view.sort("churn", descending=True)
    assert [row.name for row in view.all_sessions()] == ["b", "a", "c"]
    assert [row.name for row in sessions if parse("churn>=50").matches(row)] == ["b"]
    with pytest.raises(FilterError, match="total, churn, age"):
        parse("chrun>1")
    rows = list(csv.DictReader(io.StringIO("".join(table_csv(sessions)))))
    assert [row["churnPercent"] for row in rows] == ["10", "90", ""]
    assert "churnPercent" not in usage_record_fields(sessions[0]), "a usage record has the documented fields only"


@pytest.mark.usefixtures("added")
async def test_added_column_is_in_table_menus_and_dialog(store_of_an_hour: Path, tmp_path: Path) -> None:
    async with open_console(store_of_an_hour, tmp_path, Context.SESSIONS) as (pilot, app):
        assert any("CHURN" in line for line in screen_lines(app))
        await pilot.press("C")
        await wait_for(pilot, lambda: isinstance(app.screen, ColumnsScreen), "the dialog of columns")
        choices = [line.render_line(0).text for line in app.screen.query(Line)]
        assert any("CHURN" in text and ADDED.help in text for text in choices)
        await pilot.press("escape", "S")
        await wait_for(pilot, lambda: isinstance(app.screen, Picker), "the sort menu")
        app.screen.query_one(Input).value = "churn"
        await pilot.press("enter")
        await wait_for(pilot, lambda: app.state.view.column == "churn", "the order")
        assert any("sorted by churn, most churn first" in line for line in screen_lines(app))
        assert any("CHURN▾" in line for line in screen_lines(app))


def name(declared: FilterField | ExportField | None) -> str:
    return "–" if declared is None else f"`{declared.name}`"


def test_docs_describe_every_column() -> None:
    page = (REPOSITORY / "docs" / "console.md").read_text()
    documented = [line for line in page.splitlines() if line.startswith("| `") and line.count("|") == 6]
    assert documented == [
        f"| `{column.title}` | {column.help} | `{column.name}` | {name(column.filter)} | {name(column.export)} |"
        for column in COLUMNS.values()
    ]


def test_sort_field_is_what_the_column_sorts_by() -> None:
    figures = {"active": 3, "peak": 5, "lost": 7, "total": 11}
    fields = {name: column.sort_field for name, column in COLUMNS.items() if column.sort_field}
    assert fields == {name: name for name in figures}
    for name, field in fields.items():
        sort = COLUMNS[name].sort
        assert sort is not None
        assert sort(session(**figures)) == figures[field]
