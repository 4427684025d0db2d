"""When the detail of a stream is open: from 160 columns by itself, beside the table, and what closes it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from textual.pilot import Pilot

from tests.support.console.frozen_service import frozen_service
from tests.support.console.pilot import console, detail_lines, has_history, wait_for, wait_for_figures
from tests.support.console.records import recent, record, service_with
from tui.app.console_app import ConsoleApp
from tui.config.settings import ConnectionSettings


@asynccontextmanager
async def console_of(
    store: Path, directory: Path, columns: int, rows: int
) -> AsyncIterator[tuple[Pilot[int], ConsoleApp]]:
    async with frozen_service(store, directory) as (client, clock):
        app = ConsoleApp(client, ConnectionSettings(poll_interval_s=3600), clock=clock, journal_path=directory / "j")
        async with app.run_test(size=(columns, rows)) as pilot:
            await wait_for_figures(pilot)
            await pilot.pause()
            yield pilot, app


async def resize(pilot: Pilot[int], columns: int, rows: int) -> None:
    await pilot.resize_terminal(columns, rows)
    await pilot.pause()


def table_titles(app: ConsoleApp) -> list[str]:
    line = "".join(part.text for part in app.sessions_screen.table.render_line(0))
    return line.replace("▾", "").split()


@pytest.mark.parametrize(("columns", "is_open"), [(80, False), (110, False), (159, False), (160, True), (200, True)])
async def test_detail_is_open_beside_the_table_from_160_columns(
    store_of_an_hour: Path, tmp_path: Path, columns: int, is_open: bool
) -> None:
    async with console_of(store_of_an_hour, tmp_path, columns, 40) as (pilot, app):
        assert app.sessions_screen.detail_is_open is is_open
        if is_open:
            await wait_for(pilot, lambda: has_history(app), "the history, without a key")
            assert "edge-1" in "\n".join(detail_lines(app))
            titles = table_titles(app)
            shown_in_80_columns = ["STREAM", "STARTED", "DUR", "ACTIVE", "PEAK", "LOST", "TOTAL", "TREND"]
            assert [title for title in titles if title in shown_in_80_columns] == shown_in_80_columns


@pytest.mark.parametrize("columns", [160, 200])
async def test_names_take_what_they_need_beside_the_detail(columns: int, tmp_path: Path) -> None:
    name = "日本語の長い名前" * 2  # 32 cells
    async with service_with(tmp_path, [record(name, recent(60), scope="x")]) as client:
        app = console(client, tmp_path)
        async with app.run_test(size=(columns, 40)) as pilot:
            await wait_for(pilot, lambda: app.sessions_screen.detail_is_open, "the detail")
            await pilot.pause()
            row = "".join(part.text for part in app.sessions_screen.table.render_line(1))
            assert f" x/{name} " in row


async def test_detail_beside_the_table_follows_the_cursor(store_of_an_hour: Path, tmp_path: Path) -> None:
    async with console_of(store_of_an_hour, tmp_path, 160, 40) as (pilot, app):
        for key in ("j", "j", "G"):
            await pilot.press(key)
            session = app.sessions_screen.table.cursor_session
            assert session is not None
            await wait_for(pilot, lambda: has_history(app), "the history of the session under the cursor")
            assert detail_lines(app)[0].split()[0].startswith(f"{session.scope}/")
            assert "▸" in "\n".join(detail_lines(app))
        await pilot.press("slash", *"stage-2", "enter")
        await wait_for(pilot, lambda: "live/stage-2" in detail_lines(app)[0], "the only stream of the filter")
        await pilot.press("slash", *"no such")
        await wait_for(pilot, lambda: "no session under the cursor" in detail_lines(app)[0], "no stream")


async def test_escape_removes_marks_and_filter_before_it_closes_the_detail(
    store_of_an_hour: Path, tmp_path: Path
) -> None:
    async with console_of(store_of_an_hour, tmp_path, 160, 40) as (pilot, app):
        screen = app.sessions_screen
        await pilot.press("slash", *"live", "enter", "space", "escape")
        assert screen.detail_is_open
        assert (len(app.state.marks), app.state.view.filter.text) == (0, "live")
        await pilot.press("escape")
        assert screen.detail_is_open
        assert not app.state.view.filter
        await pilot.press("escape")
        assert not screen.detail_is_open


@pytest.mark.parametrize("key", ["enter", "escape"])
async def test_detail_closed_by_a_key_stays_closed(store_of_an_hour: Path, tmp_path: Path, key: str) -> None:
    async with console_of(store_of_an_hour, tmp_path, 160, 40) as (pilot, app):
        screen = app.sessions_screen
        await pilot.press(key, "j")
        await resize(pilot, 80, 24)
        await resize(pilot, 200, 50)
        await pilot.press("j")
        assert not screen.detail_is_open
        await pilot.press("enter")
        assert screen.detail_is_open
        await resize(pilot, 159, 40)
        assert not screen.detail_is_open
        await resize(pilot, 160, 40)
        assert screen.detail_is_open


async def test_detail_closes_where_it_would_cover_the_table(store_of_an_hour: Path, tmp_path: Path) -> None:
    async with console_of(store_of_an_hour, tmp_path, 200, 50) as (pilot, app):
        screen = app.sessions_screen
        for columns in (80, 159, 110):
            await resize(pilot, columns, 24)
            assert not screen.detail_is_open, columns
            assert screen.table.size.width == columns
            await resize(pilot, 160, 24)
            assert screen.detail_is_open, columns
        await pilot.press("g")
        await resize(pilot, 80, 24)
        await pilot.press("escape")
        await pilot.pause()
        assert app.screen is screen
        assert not screen.detail_is_open, "resized under another view"
        assert screen.table.size.width == 80


async def test_detail_opened_on_a_smaller_terminal_stays_open(store_of_an_hour: Path, tmp_path: Path) -> None:
    async with console_of(store_of_an_hour, tmp_path, 120, 40) as (pilot, app):
        screen = app.sessions_screen
        await pilot.press("enter")
        await resize(pilot, 160, 40)
        assert screen.detail_is_open
        await resize(pilot, 120, 40)
        assert screen.detail_is_open
        await pilot.press("space", "escape")
        assert not screen.detail_is_open
        assert app.state.marks, "the detail is the innermost thing there"


async def test_heading_under_the_cursor_has_no_detail(store_of_an_hour: Path, tmp_path: Path) -> None:
    async with console_of(store_of_an_hour, tmp_path, 160, 40) as (pilot, app):
        await pilot.press("t", "home")
        assert app.sessions_screen.table.cursor_session is None
        await wait_for(pilot, lambda: "no session under the cursor" in detail_lines(app)[0], "no stream")
        await pilot.press("enter")
        assert not app.sessions_screen.detail_is_open
