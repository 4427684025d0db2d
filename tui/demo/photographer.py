"""The console on the seeded demo, on a clock that only a script moves: the same commit draws the same screens."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from rich.segment import Segment
from textual.pilot import Pilot

from streamusage.client.usage_client import UsageClient
from tui.app.console_app import ConsoleApp
from tui.app.poller import Poller
from tui.config.settings import ConnectionSettings
from tui.demo.clock import SteppedClock
from tui.demo.estate import Estate
from tui.demo.headless import prepared_estates
from tui.demo.regions import BEGINS_MS, EU, MONTH_FROM_MS
from tui.screens.gaps import GapsScreen
from tui.styles.themes import DARK, Abilities

SEED = 1
STEP_MS = 10_000
AGE_MS = 800
"""Age of the figures in a picture."""
HOST = "usage.example.net"
INK, GROUND = DARK.foreground or "", DARK.background or ""

_SECONDS_TO_WAIT = 180.0
_SECONDS_TO_LAY_OUT = 0.1

Lines = list[list[Segment]]


class Photographer:
    """Moves time forward, presses keys and returns what the screen shows."""

    def __init__(self, app: ConsoleApp, pilot: Pilot[int], clock: SteppedClock, estate: Estate) -> None:
        assert isinstance(app.poller, Poller)
        self.app = app
        self.pilot = pilot
        self.estate = estate
        self._poller = app.poller
        self._clock = clock

    @property
    def now_ms(self) -> int:
        """The demo's time."""
        return self._clock.now_ms()

    async def first_poll(self) -> None:
        """Wait for the first figures."""
        await self.until(lambda: self._poller.polls > 0)

    async def pass_time(self, *, steps: int) -> None:
        """Let the estate live, and poll after each step of `STEP_MS`."""
        for _ in range(steps):
            await self._clock.pass_time(STEP_MS)
            await self.estate.read_and_sync_up()
            polls = self._poller.polls
            self.app.poller.refresh()
            await self.until(lambda polls=polls: self._poller.polls > polls)  # type: ignore[misc]

    async def open_gaps(self) -> None:
        """Open the gap view and wait for its grid."""
        await self.pilot.press("g")
        await self.pilot.pause()
        screen = self.app.screen
        assert isinstance(screen, GapsScreen)
        await self.until(lambda: screen.grid_view.grid is not None)

    async def take(self, *keys: str) -> Lines:
        """Press keys, and return the screen when it shows all that they requested."""
        await self.rest()
        await self.pilot.press(*keys)
        await self.rest()
        self._clock.step(AGE_MS)
        for screen in self.app.screen_stack:
            if hasattr(screen, "state_changed"):
                screen.state_changed(polled=False)
        lines = await self._settled()
        self._clock.step(-AGE_MS)
        return lines

    async def _settled(self) -> Lines:
        """Return the screen once it stays the same: a busy machine may be late with a layout."""
        before: Lines = []
        shown: Lines = []
        while not shown or before != shown or not self.app.held_keys.is_idle:
            await self.rest()
            before, shown = shown, drawn_lines(self.app)
        return shown

    async def rest(self) -> None:
        """Wait until everything requested has arrived and is drawn. Drawing may request more."""
        await self.pilot.pause(_SECONDS_TO_LAY_OUT)
        while self.app.fetcher.is_waiting or not self._poller.is_idle:
            await self.until(lambda: not self.app.fetcher.is_waiting and self._poller.is_idle)
            await self.pilot.pause(_SECONDS_TO_LAY_OUT)

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait for a condition of the console."""
        async with asyncio.timeout(_SECONDS_TO_WAIT):
            while not condition():  # noqa: ASYNC110 - what is waited for is the console's own state
                await asyncio.sleep(0.005)
        await self.pilot.pause()


@asynccontextmanager
async def photographer(directory: Path, size: tuple[int, int]) -> AsyncIterator[Photographer]:
    """The console of a size on the running estate, whose files are made in `directory`."""
    clock = SteppedClock(BEGINS_MS, MONTH_FROM_MS)
    async with prepared_estates(directory, clock, seed=SEED, regions=(EU,)) as (estate,):
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
            async with app.run_test(size=size) as pilot:
                yield Photographer(app, pilot, clock, estate)


def drawn_lines(app: ConsoleApp) -> Lines:
    """Return the segments of each line of the present screen."""
    compositor = app.screen._compositor
    update = compositor.render_update(full=True, screen_stack=app._background_screens)
    return [[segment for strip in line for segment in strip] for line in update.strips]  # type: ignore[union-attr]
