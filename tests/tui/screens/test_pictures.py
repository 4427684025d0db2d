"""Every screen in every size and look, as text cells and as pictures, over the frozen service.

`pytest --snapshot-update` stores the current screens.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest
from msgspec.structs import replace
from syrupy.assertion import SnapshotAssertion
from textual.pilot import Pilot

from streamusage.client.schema_drift import SchemaDrift
from streamusage.core.usage import SessionKey
from tests.support.console.cells import CellSnapshotExtension, drawn_segments, format_screen
from tests.support.console.clocks import speed_up_keys
from tests.support.console.frozen_service import HOST, FrozenClock, frozen_service
from tests.support.console.pilot import has_history, wait_for, wait_for_figures
from tui.app.console_app import ConsoleApp
from tui.app.messages import PollFailed, SessionsPolled
from tui.app.poller import NO_EXTENSION
from tui.config.settings import ConnectionSettings
from tui.deletion.execute import Outcome
from tui.model.latency import Split
from tui.screens.days import DaysScreen
from tui.screens.delete_progress import DeleteProgress, DeleteResult
from tui.screens.gap import GapScreen
from tui.screens.gaps import GapsScreen
from tui.styles.themes import Abilities

SIZES = {"80x24": (80, 24), "120x36": (120, 36), "200x50": (200, 50)}
LOOKS = {"dark": ("dark", True), "light": ("light", True), "no-colour": ("dark", False)}
OTHER_THEMES = ("high-contrast", "deuteranopia-safe", "ansi-16")
WEB_FONT = re.compile(r"@font-face \{.*?\}\s*", re.DOTALL)
"""Removed, so that a picture fetches nothing and looks the same everywhere."""

Steps = Callable[[Pilot[int], ConsoleApp], Awaitable[None]]


async def sessions(pilot: Pilot[int], app: ConsoleApp) -> None:
    await pilot.press("j")


async def detail(pilot: Pilot[int], app: ConsoleApp) -> None:
    await pilot.press("j", "j", *([] if app.sessions_screen.detail_is_open else ["enter"]))
    await wait_for(pilot, lambda: has_history(app), "the history")


async def gaps(pilot: Pilot[int], app: ConsoleApp) -> None:
    await pilot.press("g")
    screen = app.screen
    assert isinstance(screen, GapsScreen)
    await wait_for(pilot, lambda: screen.grid_view.grid, "the coverage")
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


async def sort(pilot: Pilot[int], app: ConsoleApp) -> None:
    await pilot.press("S", "down", "down")


async def raw_record(pilot: Pilot[int], app: ConsoleApp) -> None:
    await pilot.press("down", "J")  # from the heading to a session


async def command(pilot: Pilot[int], app: ConsoleApp) -> None:
    app.client.base_url = f"https://{HOST}"
    await pilot.press("down", "c")


async def latency(pilot: Pilot[int], app: ConsoleApp) -> None:
    app.state.latency.splits.clear()
    for poll in range(3):
        app.state.latency.add(Split(None if poll else 31.2, 12.5 + poll, 3.0, 0.4, 0.2, 5.1, 1_204 + poll))
    app.state.drift = SchemaDrift(("region",), (("updated", 12),))
    app.publish_state(polled=False)
    await pilot.press("L")


async def gap(pilot: Pilot[int], app: ConsoleApp) -> None:
    await gaps(pilot, app)
    await pilot.press("enter")
    await wait_for(pilot, lambda: isinstance(app.screen, GapScreen) and app.screen._figures, "the recovered figures")


async def days(pilot: Pilot[int], app: ConsoleApp) -> None:
    await pilot.press("y")
    await wait_for(pilot, lambda: isinstance(app.screen, DaysScreen) and app.screen._rows(), "the month")


async def progress(pilot: Pilot[int], app: ConsoleApp) -> None:
    screen = DeleteProgress("1,204 sessions of 97 streams", 1_204, lambda: None)
    await app.push_screen(screen)
    screen.show_progress(517)


async def result(pilot: Pilot[int], app: ConsoleApp) -> None:
    keys = [SessionKey("live", f"cam-{number}", 1) for number in range(9)]
    why = f"{HOST}: could not delete: it answered 403, “not yours”; check the token"
    outcome = Outcome("9 sessions of 9 streams", keys[:4], [], [(keys[4], why)], keys[5:], why)
    await app.push_screen(DeleteResult(outcome))


async def armed(pilot: Pilot[int], app: ConsoleApp) -> None:
    app.state.settings = replace(app.state.settings, read_only=True)
    app.arm("5m")
    await pilot.press("p")


async def nothing_found(pilot: Pilot[int], app: ConsoleApp) -> None:
    await pilot.press("p", "slash", *["backspace"] * 20, *"no-such-thing", "enter")


async def offline(pilot: Pilot[int], app: ConsoleApp) -> None:
    await pilot.press("slash", *["backspace"] * 20, "enter")
    assert isinstance(app.state.clock, FrozenClock)
    app.state.clock.now += 5 * 60_000
    for _ in range(3):
        app.post_message(PollFailed(f"{HOST}: could not read what changed: nothing answers there", False, 8_000))


async def plain(pilot: Pilot[int], app: ConsoleApp) -> None:
    app.post_message(SessionsPolled([], [], False, app.state.clock.now_ms(), None, NO_EXTENSION))


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
    "sort": sort,
    "raw-record": raw_record,
    "command": command,
    "gap": gap,
    "days": days,
    "progress": progress,
    "result": result,
    "latency": latency,
    "armed": armed,
    "nothing-found": nothing_found,
    "offline": offline,
    "plain": plain,
}
MAIN = ("sessions", "detail", "gaps", "servers", "dialog", "days", "offline")
"""In drawing order: each starts with the table as the previous screen left it."""
PICTURES = ("80x24", "dark")
"""The size and look that is also stored as pictures."""

VARIANTS = [
    *((size, look, screen) for size in SIZES for look in LOOKS for screen in SCREENS),
    *(("120x36", theme, screen) for theme in OTHER_THEMES for screen in MAIN),
]


class Drawing(NamedTuple):
    """A screen that was drawn."""

    cells: str
    svg: str


@pytest.fixture
def cells(snapshot: SnapshotAssertion) -> SnapshotAssertion:
    return snapshot.use_extension(CellSnapshotExtension)


@pytest.fixture(scope="module")
def drawings(
    store_of_an_hour: Path, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str, str], dict[str, Drawing | Exception]]:
    """Return a function that draws all screens of a size and look, once, in one console."""

    @cache
    def draw(size: str, look: str) -> dict[str, Drawing | Exception]:
        theme, colours = LOOKS.get(look, (look, True))
        screens = tuple(SCREENS) if look in LOOKS else MAIN
        with pytest.MonkeyPatch.context() as patch:
            patch.delenv("NO_COLOR", raising=False)
            if not colours:
                patch.setenv("NO_COLOR", "1")
            speed_up_keys(patch)
            directory = tmp_path_factory.mktemp("pictures")
            return asyncio.run(draw_screens(store_of_an_hour, directory, SIZES[size], theme, screens, colours=colours))

    return draw


@pytest.mark.parametrize(("size", "look", "screen"), VARIANTS)
def test_screen_is_drawn_as_before(
    cells: SnapshotAssertion,
    drawings: Callable[[str, str], dict[str, Drawing | Exception]],
    size: str,
    look: str,
    screen: str,
) -> None:
    drawing = drawings(size, look)[screen]
    if isinstance(drawing, Exception):
        raise drawing
    assert drawing.cells == cells


@pytest.mark.parametrize("screen", SCREENS)
def test_picture_of_the_screen_is_drawn_as_before(
    picture: SnapshotAssertion, drawings: Callable[[str, str], dict[str, Drawing | Exception]], screen: str
) -> None:
    drawing = drawings(*PICTURES)[screen]
    if isinstance(drawing, Exception):
        raise drawing
    assert drawing.svg == picture


async def draw_screens(
    store: Path, directory: Path, size: tuple[int, int], theme: str, screens: tuple[str, ...], *, colours: bool
) -> dict[str, Drawing | Exception]:
    """Draw the screens one after the other. A screen that could not be reached holds its exception."""
    found: dict[str, Drawing | Exception] = {}
    async with frozen_service(store, directory) as (client, clock):
        app = ConsoleApp(
            client,
            ConnectionSettings(profile="prod-eu", poll_interval_s=3600, theme=theme),
            clock=clock,
            journal_path=directory / "deleted.ndjson",
            able=Abilities(colours, True, True),
        )
        async with app.run_test(size=size) as pilot:
            await wait_for_figures(pilot)
            await wait_for(pilot, lambda: app.state.trends, "the trends")
            for name in screens:
                while len(app.screen_stack) > 1:
                    app.pop_screen()
                app.sessions_screen.remove_class("detail-open")
                app.sessions_screen.table.move_to(0)
                await pilot.pause()
                try:
                    await SCREENS[name](pilot, app)
                    cells = await settled_cells(pilot, app)
                except (AssertionError, LookupError) as error:
                    found[name] = error
                    continue
                svg = WEB_FONT.sub("", app.export_screenshot(title="streamtop", simplify=True))
                found[name] = Drawing(cells, svg)
    return found


async def settled_cells(pilot: Pilot[int], app: ConsoleApp) -> str:
    """Return the screen when it no longer changes: a layout takes several turns of the loop."""
    before, cells = "", format_screen(drawn_segments(app))
    while cells != before:
        await pilot.pause(0.1)
        await pilot.pause()
        before, cells = cells, format_screen(drawn_segments(app))
    return cells
