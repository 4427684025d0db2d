"""The real console on a model of a terminal: with the stage it looks as without it, and at rest it sends nothing."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from textual import events
from textual.geometry import Size
from textual.pilot import Pilot

from streamusage.client.usage_client import UsageClient
from tests.support.console.pilot import console, wait_for
from tests.support.console.records import recent
from tests.support.console.terminals.staged_app import assert_same_screens, tapped
from tests.support.console.terminals.terminal_model import TerminalModel, as_textual
from tests.support.plain_manager import PlainManager, wire
from tui.app.console_app import ConsoleApp

VIEWS = {
    "cursor": ["j", "j", "down"],
    "page": ["pagedown", "end", "home"],
    "help": ["question_mark"],
    "detail": ["enter"],
    "other detail": ["j"],
    "filter": ["slash", *"cam-1"],
    "wrong filter": ["slash", *" activ>3"],
    "groups": ["t"],
    "columns": ["C"],
    "palette": ["colon", *"theme"],
    "gaps": ["g"],
    "servers": ["s"],
    "days": ["y"],
    "delete": ["d"],
    "order": ["o", "O"],
    "marks": ["space", "space"],
}


class OnTerminals(ConsoleApp):
    """The console on two terminals, of which one has no stage."""

    start_size: Size
    terminal: TerminalModel
    plain: TerminalModel


@asynccontextmanager
async def on_terminals(manager: PlainManager, directory: Path, width: int, height: int) -> AsyncIterator[OnTerminals]:
    async with UsageClient(manager.url, manager.token) as client:
        app = console(client, directory)
        app.__class__ = OnTerminals
        assert isinstance(app, OnTerminals)
        app.start_size = Size(width, height)
        app.terminal, app.plain = (TerminalModel(width, height, as_textual) for _ in range(2))
        app.driver_class = tapped(erases_in_colour=True)
        running = asyncio.create_task(app.run_async())
        try:
            with app._context():
                shows_table = lambda: any("cam-" in line for line in app.terminal.lines)  # noqa: E731
                await wait_for(Pilot(app), shows_table, "the table")
                yield app
        finally:
            app.exit()
            await asyncio.wait_for(running, 30)


def records() -> list[dict[str, object]]:
    start = recent(300)
    names = ["日本語", "한국어 채널", "👍 thumbs", "e\u0301te\u0301", *(f"cam-{number:02}" for number in range(60))]
    return [wire(name, start=start + number) for number, name in enumerate(names)]


@pytest.mark.parametrize(("width", "height"), [(80, 24), (200, 50)])
async def test_console_looks_as_without_the_stage(tmp_path: Path, width: int, height: int) -> None:
    async with PlainManager(*records()) as manager, on_terminals(manager, tmp_path, width, height) as app:
        pilot: Pilot[int] = Pilot(app)
        for view, keys in VIEWS.items():
            await pilot.press(*keys)
            await pilot.pause(0.1)
            assert_same_screens(app.terminal, app.plain, view)
            await pilot.press("escape", "escape")
            await pilot.pause(0.1)
            assert_same_screens(app.terminal, app.plain, f"back from {view}")
        app.theme = "light"
        await pilot.pause(0.1)
        assert_same_screens(app.terminal, app.plain, "another theme")
        assert app.terminal.received < app.plain.received / 3


async def test_console_at_rest_sends_nothing(tmp_path: Path) -> None:
    async with PlainManager(*records()) as manager, on_terminals(manager, tmp_path, 80, 24) as app:
        pilot: Pilot[int] = Pilot(app)
        app.state.poll_interval_ms = 60_000  # on a busy machine a poll may take three intervals
        await pilot.pause(1)
        while True:
            minute, received, polls = app.state.now_ms() // 60_000, app.terminal.received, app.poller.polls
            await wait_for(pilot, lambda polls=polls: app.poller.polls >= polls + 8, "eight polls")
            if app.state.now_ms() // 60_000 == minute:
                break  # else the audience moved on by a minute meanwhile
        assert app.terminal.received == received


@pytest.mark.parametrize(
    "event",
    [
        [events.AppBlur(), events.AppFocus()],
        [events.Key("ctrl+l", None)],
        [events.Resize(Size(80, 24), Size(80, 24))] * 3,
    ],
    ids=["focus", "ctrl+l", "resize"],
)
async def test_lost_screen_is_drawn_again(tmp_path: Path, event: list[events.Event]) -> None:
    async with PlainManager(*records()) as manager, on_terminals(manager, tmp_path, 80, 24) as app:
        pilot: Pilot[int] = Pilot(app)
        await pilot.pause(0.5)
        app.terminal.write("\x1b[5;1H\x1b[7mwritten by another program\x1b[2J\x1b[m")
        for sent in event:
            app.post_message(sent)
            await pilot.pause(0.2)
        await wait_for(pilot, lambda: app.terminal.lines == app.plain.lines, "the whole screen")
        assert_same_screens(app.terminal, app.plain, "drawn again")
