"""Copies and exports."""

from pathlib import Path

from tests.support.console.pilot import open_console, screen_text, wait_for
from tui.app.actions import Context
from tui.screens.picker import Picker


async def test_raw_record_marks_the_misspelling_of_the_api(store_of_an_hour: Path, tmp_path: Path) -> None:
    async with open_console(store_of_an_hour, tmp_path, Context.SESSIONS) as (pilot, app):
        await pilot.press("J")
        marked = [line for line in screen_text(app).split("\n") if "spelled so by the API: activeSubscribers" in line]
        assert len(marked) == 1
        assert '"aciveSubscribers": ' in marked[0]


async def test_copy_of_an_unknown_kind_opens_the_picker(store_of_an_hour: Path, tmp_path: Path) -> None:
    async with open_console(store_of_an_hour, tmp_path, Context.SESSIONS) as (pilot, app):
        sent: list[str] = []
        app.exporter._write_escape = sent.append
        await pilot.press("colon", *"copy", "space", *"nonsense", "enter")
        await wait_for(pilot, lambda: isinstance(app.screen, Picker), "the texts to copy")
        assert sent == []
        await pilot.press("enter")
        await wait_for(pilot, lambda: sent, "the first text")
