"""The dialog that confirms a delete."""

from pathlib import Path

import pytest

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
