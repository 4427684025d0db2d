"""Copies and exports."""

from pathlib import Path

from tests.support.console.pilot import open_console, wait_for
from tui.app.actions import Context
from tui.screens.picker import Picker


async def test_copy_of_an_unknown_kind_opens_the_picker(store_of_an_hour: Path, tmp_path: Path) -> None:
    async with open_console(store_of_an_hour, tmp_path, Context.SESSIONS) as (pilot, app):
        sent: list[str] = []
        app.exporter._write_escape = sent.append
        await pilot.press("colon", *"copy", "space", *"nonsense", "enter")
        await wait_for(pilot, lambda: isinstance(app.screen, Picker), "the texts to copy")
        assert sent == []
        await pilot.press("enter")
        await wait_for(pilot, lambda: sent, "the first text")
