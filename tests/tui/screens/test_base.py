"""Properties of all views: notices, subscriptions, pages, and keys that open and close them."""

import asyncio
import re
from datetime import date
from pathlib import Path

import pytest
from textual import events

from streamusage.client.usage_client import UsageClient
from streamusage.core.usage import PartialUsageRecord
from tests.support.canned_answers import CannedServer, ReceivedRequest, reply
from tests.support.console.frozen_service import frozen_service
from tests.support.console.pilot import (
    console,
    is_gap_grid_drawn,
    open_console,
    screen_text,
    wait_for,
    wait_for_figures,
)
from tui.app.actions import Context
from tui.config.view_memory import ViewMemory, recall, remember
from tui.deletion.plan import DeletePlan
from tui.demo.tour import TourApp
from tui.screens.confirm_delete import ConfirmDelete
from tui.screens.gaps import GapsScreen
from tui.screens.page import PageScreen
from tui.screens.picker import Picker
from tui.screens.servers import ServersScreen


@pytest.mark.parametrize(
    "keys", [["g"], ["g", "N", "N", "enter"], ["s"], ["y"]], ids=["gaps", "gap", "servers", "days"]
)
async def test_notice_of_a_bundle_is_shown_on_the_view_that_requested_it(
    store_of_an_hour: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, keys: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    async with open_console(store_of_an_hour, tmp_path, Context.SESSIONS) as (pilot, app):
        for key in keys:
            await pilot.press(key)
            await wait_for(pilot, lambda: app.screen is not app.sessions_screen, "the view")
            await wait_for(
                pilot, lambda: not isinstance(app.screen, GapsScreen) or is_gap_grid_drawn(app), "its coverage"
            )
        await pilot.press("B")
        await wait_for(pilot, lambda: "wrote an incident bundle" in screen_text(app), "the path of the bundle")
        app.state.clock.now += 9_000
        await wait_for(pilot, lambda: "? help" in screen_text(app), "the keys of the view")
        assert "wrote" not in screen_text(app)


async def test_gap_view_subscribes_again_after_another_gap_view_over_it_closed(
    store_of_an_hour: Path, tmp_path: Path
) -> None:
    async with open_console(store_of_an_hour, tmp_path, Context.SESSIONS) as (pilot, app):
        await pilot.press("g")
        await wait_for(pilot, lambda: is_gap_grid_drawn(app), "the coverage")
        below = app.screen
        assert isinstance(below, GapsScreen)
        await pilot.press("s")
        await wait_for(pilot, lambda: isinstance(app.screen, ServersScreen), "the servers")
        await pilot.press("enter")
        await wait_for(pilot, lambda: app.screen is not below and is_gap_grid_drawn(app), "the coverage")
        await pilot.press("escape", "escape")
        await wait_for(pilot, lambda: app.screen is below, "the first gap view")
        before = below.book.now_ms
        app.state.clock.now += 60_000
        app.poller.refresh()
        await wait_for(pilot, lambda: below.book.now_ms > before, "a newer poll")


async def test_backlog_of_a_server_counts_reports_of_its_own_sync_interval(
    store_of_an_hour: Path, tmp_path: Path
) -> None:
    async with open_console(store_of_an_hour, tmp_path, Context.SESSIONS) as (pilot, app):
        await pilot.resize_terminal(200, 24)
        await pilot.press("s")
        await wait_for(pilot, lambda: isinstance(app.screen, ServersScreen), "the servers")
        assert re.findall(r"(\S+) +(\d+) reports?\b", screen_text(app)) == [("6m", "6")], (
            "one report a minute; the other servers owe none"
        )


async def test_month_is_not_fetched_again_while_its_answer_is_outstanding(tmp_path: Path) -> None:
    requested: list[str] = []
    answers = asyncio.Event()

    async def respond(request: ReceivedRequest) -> bytes:
        requested.append(request.path)
        if request.path.endswith("/changes"):
            return reply(200, '{"now": 1, "cursor": "1", "records": [], "deleted": [], "reset": true}')
        if request.path.endswith("/servers"):
            return reply(200, '{"now": 1, "servers": []}')
        if "/daily" in request.path:
            await answers.wait()
        return reply(500, '{"errorMessage": "busy", "timestamp": 1}')

    def months() -> int:
        return sum("/daily" in path for path in requested)

    async with CannedServer(respond) as server, UsageClient(server.url, "t") as client:
        app = console(client, tmp_path)
        async with app.run_test(size=(80, 24)) as pilot:
            await wait_for_figures(pilot)
            for _ in range(5):
                app.fetcher.fetch_month(date(2026, 11, 1))
                await pilot.pause()
            app.fetcher.fetch_month(date(2026, 10, 1))
            await wait_for(pilot, lambda: months() == 2, "one request per month")
            answers.set()
            await wait_for(pilot, lambda: not app.fetcher.is_waiting, "the answers")
            app.fetcher.fetch_month(date(2026, 11, 1))
            await wait_for(pilot, lambda: months() == 3, "a new request after the answer")


async def test_tour_runs_one_poller_and_one_sessions_screen(store_of_an_hour: Path, tmp_path: Path) -> None:
    async with frozen_service(store_of_an_hour, tmp_path) as (client, _):
        app = TourApp(client, lambda line: None, tmp_path / "deleted.ndjson")
        async with app.run_test(size=(80, 24)) as pilot:
            await wait_for_figures(pilot)
            assert [worker.group for worker in app.workers].count("poll") == 1
            assert app.screen_stack.count(app.sessions_screen) == 1


async def test_copy_of_an_unknown_kind_opens_the_picker(store_of_an_hour: Path, tmp_path: Path) -> None:
    async with open_console(store_of_an_hour, tmp_path, Context.SESSIONS) as (pilot, app):
        sent: list[str] = []
        app.exporter._write_escape = sent.append
        await pilot.press("colon", *"copy", "space", *"nonsense", "enter")
        await wait_for(pilot, lambda: isinstance(app.screen, Picker), "the texts to copy")
        assert sent == []
        await pilot.press("enter")
        await wait_for(pilot, lambda: sent, "the first text")


@pytest.mark.parametrize("size", [(20, 5), (40, 8)], ids=str)
async def test_delete_dialog_keeps_the_focused_button_visible_and_scrolls(
    store_of_an_hour: Path, tmp_path: Path, size: tuple[int, int]
) -> None:
    async with open_console(store_of_an_hour, tmp_path, Context.SESSIONS) as (pilot, app):
        await pilot.press("D")
        assert "Cancel" in screen_text(app)
        await pilot.resize_terminal(*size)
        await wait_for(
            pilot,
            lambda: "Cancel" in screen_text(app) and "Delete all" not in screen_text(app),
            "the focused button, not the top",
        )
        await pilot.press(*["up"] * 60)
        await wait_for(
            pilot,
            lambda: "Delete" in screen_text(app) and "Cancel" not in screen_text(app),
            "the top",
        )
        await pilot.press("tab")
        await wait_for(pilot, lambda: app.focused is not None and app.focused.id == "name", "the input")
        await pilot.press("shift+tab")
        await wait_for(pilot, lambda: "Cancel" in screen_text(app), "the button again")


async def test_pause_notice_disappears_on_resume(store_of_an_hour: Path, tmp_path: Path) -> None:
    async with open_console(store_of_an_hour, tmp_path, Context.SESSIONS) as (pilot, app):
        await pilot.press("p", "d")
        assert "deletes are off: the table is paused" in screen_text(app)
        await pilot.press("p")
        assert "deletes are off" not in screen_text(app)
        await pilot.press("comma", "d")
        assert "deletes are off" in screen_text(app)
        await pilot.press("0")
        assert "deletes are off" not in screen_text(app)


def test_failed_save_of_the_view_memory_leaves_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "prod.json"
    remember(path, ViewMemory(filter="cam"))

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    remember(path, ViewMemory(filter="other"))
    assert recall(path).filter == "cam"
    assert [path.name for path in tmp_path.iterdir()] == ["prod.json"]


@pytest.mark.parametrize("key", ["question_mark", "f1", "L", "J", "c"])
async def test_key_that_opens_a_page_closes_it(store_of_an_hour: Path, tmp_path: Path, key: str) -> None:
    async with open_console(store_of_an_hour, tmp_path, Context.SESSIONS) as (pilot, app):
        for close in (key, "escape", "q", "enter"):
            await pilot.press(key)
            assert isinstance(app.screen, PageScreen)
            await pilot.press(close)
            await wait_for(pilot, lambda: app.screen is app.sessions_screen, f"{close} closes the page of {key}")


async def test_delete_dialog_cancelled_during_its_recheck_deletes_nothing(
    store_of_an_hour: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The answer can arrive at the moment of the cancel, before the dialog's worker has ended."""
    async with open_console(store_of_an_hour, tmp_path, Context.SESSIONS) as (pilot, app):
        await pilot.press("end", "d")
        dialog = app.screen
        assert isinstance(dialog, ConfirmDelete)
        read_records = dialog._read_records

        async def cancel_after_reading(plan: DeletePlan) -> list[PartialUsageRecord]:
            records = await read_records(plan)
            dialog.action_cancel()
            return records

        monkeypatch.setattr(dialog, "_read_records", cancel_after_reading)
        before = len(await app.client.usage())
        await pilot.press("right", "enter")
        await wait_for(pilot, lambda: app.screen is not dialog, "the dialog closed")
        await pilot.pause(0.3)
        assert app.screen is app.sessions_screen
        assert len(await app.client.usage()) == before


@pytest.mark.parametrize(
    ("opens", "closes"),
    [
        *((opens, "escape") for opens in ("L", "question_mark", "colon", "S", "C", "d", "D", "g", "s", "y")),
        ("L", "L"),
        ("J", "J"),
        ("S", "enter"),
        ("C", "enter"),
        ("D", "enter"),
    ],
)
async def test_repeated_key_closes_only_one_screen(
    store_of_an_hour: Path, tmp_path: Path, opens: str, closes: str
) -> None:
    """Keys can arrive faster than screens close."""
    async with open_console(store_of_an_hour, tmp_path, Context.SESSIONS) as (pilot, app):
        await pilot.press("end", opens)
        assert app.screen is not app.sessions_screen
        for _ in range(6):
            app.post_message(events.Key(closes, closes if len(closes) == 1 else None))
        await pilot.pause(0.3)
        assert app.sessions_screen in app.screen_stack
        await pilot.press("escape")
        await wait_for(pilot, lambda: app.screen is app.sessions_screen, "the sessions")
