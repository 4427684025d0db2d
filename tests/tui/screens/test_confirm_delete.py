"""The dialog that confirms a delete."""

from collections.abc import Callable
from pathlib import Path

import pytest
from textual.widgets import Input

from streamusage.core.usage import PartialUsageRecord
from tests.support.console.pilot import open_console, screen_text, wait_for
from tui.app.actions import Context
from tui.deletion.plan import DeletePlan
from tui.screens.confirm_delete import ConfirmDelete


@pytest.mark.parametrize("size", [(20, 5), (40, 8)], ids=str)
async def test_delete_dialog_keeps_the_focused_button_visible_and_scrolls(
    store_of_an_hour: Path, tmp_path: Path, size: tuple[int, int]
) -> None:
    async with open_console(store_of_an_hour, tmp_path, Context.SESSIONS) as (pilot, app):
        await pilot.press("D")
        assert app.focused is not None
        assert app.focused.id == "name"
        await pilot.press("tab")
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
        await pilot.press("shift+tab")
        await wait_for(pilot, lambda: app.focused is not None and app.focused.id == "name", "the input")
        await pilot.press("tab")
        await wait_for(pilot, lambda: "Cancel" in screen_text(app), "the button again")


async def test_typed_confirmation_has_focus_frame_and_cursor(store_of_an_hour: Path, tmp_path: Path) -> None:
    async with open_console(store_of_an_hour, tmp_path, Context.SESSIONS) as (pilot, app):
        await pilot.resize_terminal(100, 30)
        await pilot.press("D")
        await wait_for(pilot, lambda: "tab: buttons   esc: cancel" in screen_text(app), "the hint")
        field = app.screen.query_one("#name", Input)
        assert field.has_focus
        assert field.styles.border.top[0] == "round"
        assert field._cursor_visible
        lines = screen_text(app).splitlines()
        (hint,) = [number for number, line in enumerate(lines) if "tab: buttons" in line]
        assert "╭" in lines[hint - 3]
        assert "╰" in lines[hint - 1]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda name: "", "Nothing is typed"),
        (lambda name: name[:-1], "The end is missing"),
        (lambda name: name.upper(), "Upper and lower case differ"),
        (lambda name: f"{name} ", "There is a blank"),
        (lambda name: "x", "x is not live/"),
    ],
)
async def test_wrong_confirmation_deletes_nothing_and_says_why(
    store_of_an_hour: Path, tmp_path: Path, change: Callable[[str], str], reason: str
) -> None:
    async with open_console(store_of_an_hour, tmp_path, Context.SESSIONS) as (pilot, app):
        await pilot.resize_terminal(100, 30)
        before = len(await app.client.usage())
        await pilot.press("D")
        dialog = app.screen
        assert isinstance(dialog, ConfirmDelete)
        name = dialog._plan.to_type
        dialog.query_one("#name", Input).value = change(name)
        await pilot.press("enter")
        await wait_for(pilot, lambda: reason in screen_text(app), reason)
        assert app.screen is dialog
        assert dialog.query_one("#name").has_focus
        assert len(await app.client.usage()) == before
        dialog.query_one("#name", Input).value = name
        await pilot.press("enter")
        await wait_for(pilot, lambda: app.focused is not None and app.focused.id == "go", "the button that deletes")
        assert reason not in screen_text(app)


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
