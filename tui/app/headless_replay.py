"""Plays a recording in a console without a terminal, as fast as the machine can, and shows its screens to a callback.

The console is the one that `streamtop replay` runs. Its clock stands still until the next poll, or the next second in
which an age on the screen may change, and every screen is complete before the clock moves on.
"""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple
from zoneinfo import ZoneInfo

from textual.pilot import Pilot

from tui.app.console_app import ConsoleApp
from tui.app.replay import create_replay
from tui.config.settings import ConnectionSettings
from tui.config.theme_names import ThemeName
from tui.display.capture import Captured
from tui.display.cells import Line
from tui.recording.recording import RecordedPoll
from tui.styles.themes import Abilities

SECOND_MS = 1000
SLOWER_AFTER_MS = 120_000
SLOWER_MS = 10_000
"""Ages are shown in minutes from a minute on: two minutes after a poll, the screen is looked at less often."""
_QUIET_ROUNDS = 2
_MOST_ROUNDS = 1000
_ALL_ABILITIES = Abilities(colours=True, many_colours=True, braille=True)


class KeysEndConsoleError(Exception):
    """The keys that open a view have ended the console."""


ShowScreen = Callable[[int, Sequence[Line]], object]
"""Receives an instant and the lines of the screen; they change after the call."""


class ScreenSettings(NamedTuple):
    """How the console is drawn."""

    columns: int
    lines: int
    theme: ThemeName
    tz: ZoneInfo
    name: str
    """What the header shows in place of a profile."""


class _StandingClock:
    """A clock that moves by assignment only."""

    def __init__(self, at_ms: int) -> None:
        self.at_ms = at_ms

    def now_ms(self) -> int:
        return self.at_ms

    def elapsed_ms(self) -> int:
        return self.at_ms

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class Step(NamedTuple):
    """An instant at which the screen is looked at, and the polls that are played before."""

    at_ms: int
    polls: Sequence[RecordedPoll]
    is_shown: bool
    """Whether it is inside the time that is to be shown."""


def plan_steps(polls: Sequence[RecordedPoll], from_ms: int, to_ms: int) -> list[Step]:
    """Return the steps of a replay up to an instant. Time never goes back. Pure."""
    played: list[tuple[int, list[RecordedPoll]]] = []
    at_ms = polls[0].at
    for poll in polls:
        if poll.at > to_ms:
            break
        at_ms = max(at_ms, poll.at)
        if played and (played[-1][0] == at_ms):
            played[-1][1].append(poll)
        else:
            played.append((at_ms, [poll]))
    steps = [Step(at_ms, polls, at_ms >= from_ms) for at_ms, polls in played]
    first = next((step.at_ms for step in steps if step.is_shown), to_ms)
    begin = [] if first == from_ms else [Step(from_ms, (), True)]
    between = [
        Step(at_ms, (), True)
        for before, after in pairwise([*(step.at_ms for step in steps), to_ms])
        for at_ms in _seconds(before, after)
        if at_ms > from_ms
    ]
    return sorted([*steps, *begin, *between], key=lambda step: step.at_ms)


def _seconds(from_ms: int, to_ms: int) -> Iterator[int]:
    """Yield the instants between two polls at which an age on the screen may change."""
    at_ms = from_ms + SECOND_MS
    while at_ms < to_ms:
        yield at_ms
        at_ms += SECOND_MS if at_ms - from_ms < SLOWER_AFTER_MS else SLOWER_MS


async def show_screens(
    polls: Sequence[RecordedPoll],
    steps: Sequence[Step],
    keys: Sequence[str],
    settings: ScreenSettings,
    show: ShowScreen,
) -> None:
    """Play the steps, press keys on the first screen that is shown, and show each screen, whether it changed or not.

    No service is contacted, and no file of the user is read or written. The keys are those of the default key map.
    Raises `KeysEndConsoleError`.
    """
    clock = _StandingClock(steps[0].at_ms)
    console = ConnectionSettings(profile=settings.name, read_only=True, tz=settings.tz, theme=settings.theme)
    app, player = create_replay(polls, console, clock=clock, speed=0, able=_ALL_ABILITIES)
    screen = Captured(settings.columns, settings.lines)
    screen.attach(app)
    async with app.run_test(headless=False, size=(settings.columns, settings.lines)) as pilot:
        await _settle(app, pilot, screen)
        is_opened = False
        for step in steps:
            clock.at_ms = step.at_ms
            for poll in step.polls:
                player.play(poll)
            app.publish_state(polled=False)
            await _settle(app, pilot, screen)
            if step.is_shown:
                if not is_opened:
                    is_opened = True
                    await pilot.press(*keys)
                    await _settle(app, pilot, screen)
                    if not app.is_running:
                        raise KeysEndConsoleError(" ".join(keys))
                show(step.at_ms, screen.stage.lines)


async def _settle(app: ConsoleApp, pilot: Pilot[int], screen: Captured) -> None:
    """Wait until everything that was posted is handled and drawn."""
    quiet = 0
    for _ in range(_MOST_ROUNDS):
        writes = screen.writes
        await pilot.pause(0)
        works = any(worker.group != "poll" and not worker.is_finished for worker in app.workers)
        quiet = 0 if works or screen.writes != writes or not app.held_keys.is_idle else quiet + 1
        if quiet == _QUIET_ROUNDS:
            return
        if works:
            await asyncio.sleep(0.001)  # a worker may wait for a thread
