"""The declarations of columns: a column that a test adds is picked up by table, menus, filter, exports and docs."""

import csv
import io
from pathlib import Path

import pytest
from textual.widgets import Input

from tests.support.console.pilot import opened, shown, until
from tests.support.console.records import session
from tests.support.program import REPOSITORY
from tui.app.actions import Context
from tui.model.sessions.columns import COLUMNS, Column, ExportField, FilterField, FilterType
from tui.model.sessions.filter import FilterError, parse
from tui.model.sessions.store import Session, SessionStore
from tui.model.sessions.view import SessionView
from tui.output.exports import table_csv, usage_record_fields
from tui.screens.columns import ColumnsScreen
from tui.screens.picker import Picker
from tui.widgets.lines import Line


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
    rows = list(csv.DictReader(io.StringIO(table_csv(sessions))))
    assert [row["churnPercent"] for row in rows] == ["10", "90", ""]
    assert "churnPercent" not in usage_record_fields(sessions[0]), "a usage record has the documented fields only"


@pytest.mark.usefixtures("added")
async def test_added_column_is_in_table_menus_and_dialog(store_of_an_hour: Path, tmp_path: Path) -> None:
    async with opened(store_of_an_hour, tmp_path, Context.SESSIONS) as (pilot, app):
        assert any("CHURN" in line for line in shown(app))
        await pilot.press("C")
        await until(pilot, lambda: isinstance(app.screen, ColumnsScreen), "the dialog of columns")
        choices = [line.render_line(0).text for line in app.screen.query(Line)]
        assert any("CHURN" in text and ADDED.help in text for text in choices)
        await pilot.press("escape", "S")
        await until(pilot, lambda: isinstance(app.screen, Picker), "the sort menu")
        app.screen.query_one(Input).value = "churn"
        await pilot.press("enter")
        await until(pilot, lambda: app.state.view.column == "churn", "the order")
        assert any("sorted by churn, most churn first" in line for line in shown(app))
        assert any("CHURN▾" in line for line in shown(app))


def name(declared: FilterField | ExportField | None) -> str:
    return "–" if declared is None else f"`{declared.name}`"


def test_docs_describe_every_column() -> None:
    page = (REPOSITORY / "docs" / "console.md").read_text()
    documented = [line for line in page.splitlines() if line.startswith("| `") and line.count("|") == 6]
    assert documented == [
        f"| `{column.title}` | {column.help} | `{column.name}` | {name(column.filter)} | {name(column.export)} |"
        for column in COLUMNS.values()
    ]
