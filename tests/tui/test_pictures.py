"""Every screen as a picture, compared with the one that is kept. The estate and its clock stand still."""

import re
from collections.abc import Awaitable, Callable
from datetime import UTC
from pathlib import Path

import pytest
from syrupy.assertion import SnapshotAssertion
from textual.pilot import Pilot

from tests.tui.estate import standing_still
from tests.tui.test_console import until, with_figures
from tui.app import ConsoleApp
from tui.screens.gaps import GapsScreen
from tui.themes import Abilities

SIZES = {"80x24": (80, 24), "120x36": (120, 36), "200x50": (200, 50)}
LOOKS = {"dark": ("dark", True), "light": ("light", True), "no-colour": ("dark", False)}

WEB_FONT = re.compile(r"@font-face \{.*?\}\s*", re.DOTALL)
"""A picture is the same wherever it is looked at: it fetches nothing."""

Steps = Callable[[Pilot[int], ConsoleApp], Awaitable[None]]


async def sessions(pilot: Pilot[int], app: ConsoleApp) -> None:
    await pilot.press("j")


async def detail(pilot: Pilot[int], app: ConsoleApp) -> None:
    await pilot.press("j", "j", "enter")
    await until(pilot, lambda: app.state.stream_history, "the history")


async def gaps(pilot: Pilot[int], app: ConsoleApp) -> None:
    await pilot.press("g")
    screen = app.screen
    assert isinstance(screen, GapsScreen)
    await until(pilot, lambda: screen.grid_view.grid, "the coverage")
    await pilot.press("j", "N", "N")


async def dialog(pilot: Pilot[int], app: ConsoleApp) -> None:
    await pilot.press("j", "j", "D")


async def help_page(pilot: Pilot[int], app: ConsoleApp) -> None:
    await pilot.press("question_mark")


async def servers(pilot: Pilot[int], app: ConsoleApp) -> None:
    await pilot.press("s", "j")


async def marks(pilot: Pilot[int], app: ConsoleApp) -> None:
    await pilot.press("slash", *"live not ended", "enter", "home", "space", "shift+down", "shift+down", "t")


async def marked_dialog(pilot: Pilot[int], app: ConsoleApp) -> None:
    await pilot.press("d")


async def wrong_filter(pilot: Pilot[int], app: ConsoleApp) -> None:
    await pilot.press("slash", *" activ>3")


async def palette(pilot: Pilot[int], app: ConsoleApp) -> None:
    await pilot.press("escape", "colon")


async def columns(pilot: Pilot[int], app: ConsoleApp) -> None:
    await pilot.press("C", "j")


SCREENS: dict[str, Steps] = {
    "sessions": sessions,
    "detail": detail,
    "gaps": gaps,
    "servers": servers,
    "dialog": dialog,
    "help": help_page,
    "marks": marks,
    "marked-dialog": marked_dialog,
    "wrong-filter": wrong_filter,
    "palette": palette,
    "columns": columns,
}
"""In the order in which they are drawn, each from the table where the one before left it."""


@pytest.mark.parametrize("look", LOOKS)
@pytest.mark.parametrize("size", SIZES)
async def test_every_screen_looks_as_it_did(
    picture: SnapshotAssertion,
    store_of_an_hour: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    size: str,
    look: str,
) -> None:
    theme, colours = LOOKS[look]
    monkeypatch.delenv("NO_COLOR", raising=False)
    if not colours:
        monkeypatch.setenv("NO_COLOR", "1")
    different = []
    async with standing_still(store_of_an_hour, tmp_path) as (client, clock):
        app = ConsoleApp(
            client,
            profile_name="prod-eu",
            clock=clock,
            poll_interval_seconds=3600,
            journal_path=tmp_path / "deleted.ndjson",
            tz=UTC,
            theme=theme,
            able=Abilities(colours, True, True),
        )
        async with app.run_test(size=SIZES[size]) as pilot:
            await with_figures(pilot)
            await until(pilot, lambda: app.state.trends, "the trends")
            for name, steps in SCREENS.items():
                while len(app.screen_stack) > 2:
                    app.pop_screen()
                app.sessions_screen.remove_class("detail-open")
                app.sessions_screen.table.move_to(0)
                await pilot.pause()
                await steps(pilot, app)
                await pilot.pause(0.1)
                drawn = WEB_FONT.sub("", app.export_screenshot(title="streamtop", simplify=True))
                if drawn != picture(name=name):
                    different.append(name)
    assert not different
