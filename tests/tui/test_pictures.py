"""Every screen as a picture, compared with the one that is kept. The estate and its clock stand still."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
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


SCREENS: dict[str, Steps] = {
    "sessions": sessions,
    "detail": detail,
    "gaps": gaps,
    "dialog": dialog,
    "help": help_page,
}


@asynccontextmanager
async def at(screen: Steps, store: Path, directory: Path, size: str, look: str) -> AsyncIterator[ConsoleApp]:
    theme, colours = LOOKS[look]
    async with standing_still(store, directory) as (client, clock):
        app = ConsoleApp(
            client,
            profile_name="prod-eu",
            clock=clock,
            poll_interval_seconds=3600,
            journal_path=directory / "deleted.ndjson",
            tz=UTC,
            theme=theme,
            able=Abilities(colours, True, True),
        )
        async with app.run_test(size=SIZES[size]) as pilot:
            await with_figures(pilot)
            await until(pilot, lambda: app.state.trends, "the trends")
            await screen(pilot, app)
            await pilot.pause(0.1)
            yield app


@pytest.mark.parametrize("look", LOOKS)
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("screen", SCREENS)
async def test_a_screen_looks_as_it_did(
    picture: SnapshotAssertion,
    store_of_an_hour: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    screen: str,
    size: str,
    look: str,
) -> None:
    if look == "no-colour":
        monkeypatch.setenv("NO_COLOR", "1")
    else:
        monkeypatch.delenv("NO_COLOR", raising=False)
    async with at(SCREENS[screen], store_of_an_hour, tmp_path, size, look) as app:
        drawn = app.export_screenshot(title="streamtop", simplify=True)
    assert picture == drawn
