"""Every screen as a picture, compared with the one that is kept. The estate and its clock stand still."""

import re
from collections.abc import Awaitable, Callable
from datetime import UTC
from difflib import unified_diff
from pathlib import Path

import pytest
from syrupy.assertion import SnapshotAssertion
from textual.pilot import Pilot

from streamusage.client.schema_drift import Drift
from streamusage.core.usage import SessionKey
from tests.support.console.estate import HOST, StandingClock, standing_still
from tests.support.console.pilot import has_history, until, with_figures
from tui.app.console_app import ConsoleApp
from tui.app.messages import PollFailed, SessionsPolled
from tui.app.poller import NO_EXTENSION
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
pytestmark = pytest.mark.usefixtures("quick_keys")

WEB_FONT = re.compile(r"@font-face \{.*?\}\s*", re.DOTALL)
"""A picture is the same wherever it is looked at: it fetches nothing."""
NUMBERED = re.compile(r"terminal-\d+")

Steps = Callable[[Pilot[int], ConsoleApp], Awaitable[None]]


async def sessions(pilot: Pilot[int], app: ConsoleApp) -> None:
    await pilot.press("j")


async def detail(pilot: Pilot[int], app: ConsoleApp) -> None:
    await pilot.press("j", "j", "enter")
    await until(pilot, lambda: has_history(app), "the history")


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


async def sort(pilot: Pilot[int], app: ConsoleApp) -> None:
    await pilot.press("S", "down", "down")


async def raw_record(pilot: Pilot[int], app: ConsoleApp) -> None:
    await pilot.press("J")


async def command(pilot: Pilot[int], app: ConsoleApp) -> None:
    app.client.base_url = f"https://{HOST}"
    await pilot.press("c")


async def latency(pilot: Pilot[int], app: ConsoleApp) -> None:
    app.state.latency.splits.clear()
    for poll in range(3):
        app.state.latency.heard(Split(None if poll else 31.2, 12.5 + poll, 3.0, 0.4, 0.2, 5.1, 1_204 + poll))
    app.state.drift = Drift(("region",), (("updated", 12),))
    await pilot.press("L")


async def gap(pilot: Pilot[int], app: ConsoleApp) -> None:
    await gaps(pilot, app)
    await pilot.press("enter")
    await until(pilot, lambda: isinstance(app.screen, GapScreen) and app.screen._figures, "what the gap brought")


async def days(pilot: Pilot[int], app: ConsoleApp) -> None:
    await pilot.press("y")
    await until(pilot, lambda: isinstance(app.screen, DaysScreen) and app.screen._rows(), "the month")


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
    app.state.read_only = True
    app.arm("5m")
    await pilot.press("p")


async def nothing_found(pilot: Pilot[int], app: ConsoleApp) -> None:
    await pilot.press("p", "slash", *["backspace"] * 20, *"no-such-thing", "enter")


async def offline(pilot: Pilot[int], app: ConsoleApp) -> None:
    await pilot.press("slash", *["backspace"] * 20, "enter")
    assert isinstance(app.state.clock, StandingClock)
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
    found = await different(picture, store_of_an_hour, tmp_path, SIZES[size], theme, tuple(SCREENS), colours=colours)
    assert not found, told(found)


@pytest.mark.parametrize("theme", OTHER_THEMES)
async def test_the_main_screens_look_as_they_did_in_every_theme(
    picture: SnapshotAssertion, store_of_an_hour: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, theme: str
) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    found = await different(picture, store_of_an_hour, tmp_path, SIZES["120x36"], theme, MAIN)
    assert not found, told(found)


async def different(
    picture: SnapshotAssertion,
    store: Path,
    directory: Path,
    size: tuple[int, int],
    theme: str,
    screens: tuple[str, ...],
    *,
    colours: bool = True,
) -> dict[str, str]:
    """Those of the screens that do not look as they did, with what differs."""
    found: dict[str, str] = {}
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
        async with app.run_test(size=size) as pilot:
            await with_figures(pilot)
            await until(pilot, lambda: app.state.trends, "the trends")
            for name in screens:
                while len(app.screen_stack) > 2:
                    app.pop_screen()
                app.sessions_screen.remove_class("detail-open")
                app.sessions_screen.table.move_to(0)
                await pilot.pause()
                await SCREENS[name](pilot, app)
                await pilot.pause(0.1)
                drawn = WEB_FONT.sub("", app.export_screenshot(title="streamtop", simplify=True))
                if drawn != picture(name=name):
                    kept = next(reversed(picture.executions.values())).recalled_data or b""
                    found[name] = _difference(kept.decode() if isinstance(kept, bytes) else kept, drawn)
    return found


def told(found: dict[str, str]) -> str:
    return "\n\n".join(f"{name}:\n{difference}" for name, difference in found.items())


def _difference(kept: str, drawn: str) -> str:
    """The lines of two pictures that differ. What is numbered by the picture's own hash is not told."""
    pictures = (NUMBERED.sub("terminal", picture).splitlines() for picture in (kept, drawn))
    return "\n".join(line[:2000] for line in unified_diff(*pictures, "kept", "drawn", n=0, lineterm=""))
