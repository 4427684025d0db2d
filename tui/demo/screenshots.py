"""Pictures of every main view, from the seeded demo: `python -m tui.demo.screenshots`.

The service, the agents and their HTTP are the demo's, on a clock that only this script moves; the same commit makes the
same SVGs, byte for byte. The PNGs are drawn from them with the fonts of the machine.
"""

import asyncio
import contextlib
import logging
import sys
import tempfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import click
from textual.pilot import Pilot

from streamusage.client.usage_client import UsageClient
from tui.app.console_app import ConsoleApp
from tui.app.poller import Poller
from tui.config.settings import ConnectionSettings
from tui.demo.clock import SteppedClock
from tui.demo.estate import CUT_OFF, HISTORY_MS, Estate, running_estate
from tui.demo.picture import picture
from tui.screens.gaps import GapsScreen
from tui.styles.themes import DARK, Abilities

FOLDER = Path(__file__).parents[2] / "screenshots"
SEED = 1
NOW_MS = int(datetime(2026, 11, 21, 20, 15, tzinfo=UTC).timestamp()) * 1000
STEP_MS = 10_000
AGE_MS = 800
"""Age of the figures in a picture."""
HOST = "usage.example.net"

_SECONDS_TO_WAIT = 180.0
_SECONDS_TO_LAY_OUT = 0.1


async def draw_all(directory: Path) -> dict[str, str]:
    """Return the SVG of every view by its name. Files of the estate are made in `directory`."""
    clock = SteppedClock(NOW_MS - HISTORY_MS)
    async with running_estate(directory, SEED, 0, clock) as estate:
        await estate.make_history(lambda _: None)
        token = estate.token_file.read_text("utf-8").strip()
        async with UsageClient(estate.url, token, clock=clock) as client:
            app = ConsoleApp(
                client,
                ConnectionSettings(profile="demo", poll_interval_s=STEP_MS / 1000),
                clock=clock,
                journal_path=directory / "deleted.ndjson",
                able=Abilities(True, True, True),
            )
            app.state.host = HOST  # the service's port differs from run to run
            app.poller.interval_seconds = 86_400  # polls come from here, at instants of the standing clock
            async with app.run_test(size=(116, 28)) as pilot:
                return await _Photographer(app, pilot, clock, estate).tour()


class _Photographer:
    """Moves time forward, presses keys and takes pictures."""

    def __init__(self, app: ConsoleApp, pilot: Pilot[int], clock: SteppedClock, estate: Estate) -> None:
        assert isinstance(app.poller, Poller)
        self._app = app
        self._poller = app.poller
        self._pilot = pilot
        self._clock = clock
        self._estate = estate
        self._taken: dict[str, str] = {}

    async def tour(self) -> dict[str, str]:
        await self._until(lambda: self._poller.polls > 0)
        await self._live(minutes=2)
        await self._estate.cut(CUT_OFF)
        await self._live(minutes=3)
        await self._open_gaps()
        await self._pilot.press("N")
        await self._take("gap-open", 100, 24)
        await self._pilot.press("escape")
        await self._estate.heal(CUT_OFF)
        while self._app.state.unseen.owing_most:
            await self._live(minutes=1)
        await self._live(minutes=1)
        await self._take("sessions", 116, 26)
        await self._live(minutes=2)
        await self._open_gaps()
        await self._pilot.press("N")
        await self._take("gap-filled", 100, 24)
        await self._take("gap-streams", 100, 24, "tab")
        await self._pilot.press("tab", "enter")
        await self._take("gap", 100, 40)
        await self._pilot.press("escape", "escape")
        await self._take("sessions-80x24", 80, 24)
        await self._pilot.press("y")
        await self._take("days", 110, 30)
        await self._take("days-customers", 110, 24, "shift+tab")
        await self._pilot.press("tab")
        await self._pilot.press("escape")
        await self._pilot.resize_terminal(140, 34)
        await self._pilot.press("enter")
        await self._until(self._has_history)
        await self._take("detail", 140, 34)
        await self._pilot.press("escape")
        await self._take("help", 90, 44, "question_mark")
        await self._pilot.press("escape")
        await self._take("delete", 100, 24, "j", "D")
        await self._pilot.press("escape")
        return self._taken

    async def _live(self, *, minutes: int) -> None:
        for _ in range(minutes * 60_000 // STEP_MS):
            await self._clock.pass_time(STEP_MS)
            await self._estate.read_and_sync_up()
            await self._poll()

    async def _poll(self) -> None:
        polls = self._poller.polls
        self._app.poller.refresh()
        await self._until(lambda: self._poller.polls > polls)

    async def _open_gaps(self) -> None:
        await self._pilot.press("g")
        await self._pilot.pause()
        screen = self._app.screen
        assert isinstance(screen, GapsScreen)
        await self._until(lambda: screen.grid_view.grid is not None)

    def _has_history(self) -> bool:
        session = self._app.sessions_screen.table.cursor_session
        return session is not None and session.key in self._app.state.stream_history

    async def _take(self, name: str, columns: int, lines: int, *keys: str) -> None:
        await self._pilot.resize_terminal(columns, lines)
        await self._rest()
        await self._pilot.press(*keys)
        await self._rest()
        self._clock.step(AGE_MS)
        for screen in self._app.screen_stack:
            if hasattr(screen, "state_changed"):
                screen.state_changed(polled=False)
        self._taken[name] = await self._settled()
        self._clock.step(-AGE_MS)

    async def _settled(self) -> str:
        """Return the picture of the screen once it stays the same: a busy machine may be late with a layout."""
        before, shown = "", ""
        while not shown or before != shown or not self._app.held_keys.is_idle:
            await self._rest()
            before, shown = shown, drawn(self._app)
        return shown

    async def _rest(self) -> None:
        """Wait until everything requested has arrived and is drawn. Drawing may request more."""
        await self._pilot.pause(_SECONDS_TO_LAY_OUT)
        while self._app.fetcher.is_waiting or not self._poller.is_idle:
            await self._until(lambda: not self._app.fetcher.is_waiting and self._poller.is_idle)
            await self._pilot.pause(_SECONDS_TO_LAY_OUT)

    async def _until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(_SECONDS_TO_WAIT):
            while not condition():  # noqa: ASYNC110 - what is waited for is the console's own state
                await asyncio.sleep(0.005)
        await self._pilot.pause()


def drawn(app: ConsoleApp) -> str:
    """Return the present screen as an SVG."""
    compositor = app.screen._compositor
    update = compositor.render_update(full=True, screen_stack=app._background_screens)
    lines = [[segment for strip in line for segment in strip] for line in update.strips]  # type: ignore[union-attr]
    assert DARK.foreground
    assert DARK.background
    return picture(lines, app.size.width, ink=DARK.foreground, ground=DARK.background)


@contextlib.contextmanager
def scratch() -> Iterator[Path]:
    """A temporary folder for the estate's files."""
    with tempfile.TemporaryDirectory(prefix="streamtop-screenshots-") as directory:
        yield Path(directory)


@click.command()
def main() -> None:
    """Redraw every view into screenshots/."""
    logging.basicConfig(level=logging.CRITICAL)
    with scratch() as directory:
        drawings = asyncio.run(draw_all(directory))
    FOLDER.mkdir(exist_ok=True)
    for name, svg in drawings.items():
        (FOLDER / f"{name}.svg").write_text(svg, "utf-8")
    try:
        import resvg_py
    except ModuleNotFoundError:
        click.echo("the PNGs are unchanged: pip install 'streamtop[pictures]' to draw them", err=True)
        sys.exit(1)
    for name, svg in drawings.items():
        png = resvg_py.svg_to_bytes(svg_string=svg, zoom=2, font_family="DejaVu Sans Mono")
        (FOLDER / f"{name}.png").write_bytes(bytes(png))
    click.echo(f"{len(drawings)} views in {FOLDER}")


if __name__ == "__main__":
    main()
