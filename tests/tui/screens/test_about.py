"""The about view."""

from pathlib import Path

from tests.support.console.pilot import open_console, screen_text, wait_for
from tui.app.actions import Context
from tui.screens.about import AboutScreen


async def test_about_view_names_the_service(store_of_an_hour: Path, tmp_path: Path) -> None:
    async with open_console(store_of_an_hour, tmp_path, Context.SESSIONS) as (pilot, app):
        await pilot.press("a")
        await wait_for(pilot, lambda: isinstance(app.screen, AboutScreen), "the view")
        assert "service sm.exa" in screen_text(app)
