"""How the command line starts the console, goes from one profile to another, and plays a recording."""

import asyncio
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import tzinfo
from pathlib import Path

from streamusage.client.usage_client import ApiVersion, UsageClient
from streamusage.core.clock import Clock, SystemClock
from tui.app import gc_tuning
from tui.app.console_app import ConsoleApp
from tui.app.line_mode import LineMode
from tui.app.poller import Poller
from tui.app.state import ConsoleState
from tui.config.settings import Alerts
from tui.config.view_memory import memory_path, recall, remember
from tui.deletion.journal import journal_path as default_journal_path
from tui.model.sessions.filter import Filter
from tui.recording.recording import Player, RecordedPoll, Recording
from tui.styles.themes import DARK

POLL_INTERVAL_SECONDS = 2.0


def why_no_console() -> str:
    """Why the console cannot be drawn here; empty where it can."""
    # Textual reads keys from standard input and draws on standard error.
    for stream, what in ((sys.__stdin__, "standard input"), (sys.__stderr__, "standard error")):
        if stream is None or not stream.isatty():
            return f"the console needs a terminal, and {what} is none; streamtop ls prints the sessions"
    if os.environ.get("TERM", "") in ("", "dumb", "unknown"):
        return "this terminal cannot move its cursor (TERM=dumb); streamtop ls prints the sessions"
    return ""


@dataclass(kw_only=True)
class Setup:
    """What one console is started with."""

    url: str
    token: str | None = None
    profile_name: str = ""
    api_version: ApiVersion = "4.0"
    read_only: bool = False
    poll_interval: float = POLL_INTERVAL_SECONDS
    tz: tzinfo | None = None
    alerts: Alerts = field(default_factory=Alerts)
    theme: str = DARK.name
    keymap: Mapping[str, str] = field(default_factory=dict)
    profiles: Mapping[str, str] = field(default_factory=dict)
    """The other services that can be gone to, and where each is."""
    remembers: bool = True
    """Whether the table is found as it was left."""
    tells_skew: bool = True
    """Whether the header tells that the service's clock is not this machine's; the demo's is fast on purpose."""
    journal_path: Path = field(default_factory=default_journal_path)
    """Where records go before they are deleted: the user's own journal, unless they are a demo's."""


def run_console(
    setup: Setup,
    *,
    switch: Callable[[str], Setup] | None = None,
    record: Path | None = None,
    clock: Clock | None = None,
) -> int:
    """Runs the console until it is left; gives the exit code. Raises `BadAddress` and `TapeError` before it draws.

    `switch` makes the setup of another profile, which is then gone on with. `clock` counts the age of what is shown;
    the time itself is the service's own.
    """
    gc_tuning.calm()
    clock = clock or SystemClock()
    tape = Recording(record, clock) if record is not None else None
    while True:
        code, switch_to = asyncio.run(_one_console(setup, clock, tape))
        if not switch_to or switch is None:
            return code
        setup = switch(switch_to)
        tape = None  # a recording is of one service


async def _one_console(setup: Setup, clock: Clock, tape: Recording | None) -> tuple[int, str]:
    async with UsageClient(setup.url, setup.token, api_version=setup.api_version, clock=clock) as client:
        path = memory_path(setup.profile_name, client.host) if setup.remembers else None
        app = ConsoleApp(
            client,
            profile_name=setup.profile_name,
            clock=clock,
            poll_interval_seconds=setup.poll_interval,
            journal_path=setup.journal_path,
            read_only=setup.read_only,
            tz=setup.tz,
            theme=setup.theme,
            keymap=setup.keymap,
            profiles=setup.profiles,
            memory=recall(path),
            tape=tape,
            alerts=setup.alerts,
        )
        app.state.tells_skew = setup.tells_skew
        code = await app.run_async()
        remember(path, app.state.to_remember(app.sessions_screen.filters))
    return (1 if code is None else code), app.switch_to


def run_plain(setup: Setup, filter_text: Filter, write: Callable[[str], None], record: Path | None = None) -> None:
    """Writes what changes as lines, until it is interrupted. Raises `BadAddress` and `TapeError`."""
    clock = SystemClock()
    tape = Recording(record, clock) if record is not None else None

    async def poll() -> None:
        async with UsageClient(setup.url, setup.token, api_version=setup.api_version, clock=clock) as client:
            interval_ms = round(setup.poll_interval * 1000)
            state = ConsoleState(
                clock=clock,
                host=client.host,
                profile_name=setup.profile_name,
                poll_interval_ms=interval_ms,
                tz=setup.tz,
            )
            state.view.show(filter_text)
            mode = LineMode(state, write, tape)
            await Poller(client, mode.hear, interval_seconds=setup.poll_interval, clock=clock).run()

    asyncio.run(poll())


def run_replay(polls: list[RecordedPoll], from_ms: int, *, name: str, tz: tzinfo | None, theme: str = DARK.name) -> int:
    """Plays a recording until it is left. Nothing is asked of anybody, and nothing can be deleted."""
    clock = SystemClock()

    async def play() -> int | None:
        # The address is nobody's, and no request is ever made to it.
        async with UsageClient("http://recording.invalid", None, clock=clock) as client:
            client.host = name
            app = ConsoleApp(
                client,
                profile_name=name,
                clock=clock,
                poll_interval_seconds=POLL_INTERVAL_SECONDS,
                journal_path=default_journal_path(),
                read_only=True,
                tz=tz,
                theme=theme,
                make_poller=lambda post: Player(polls, post, from_ms, clock),
            )
            app.state.tells_skew = False  # the recording is of another time than now
            return await app.run_async()

    code = asyncio.run(play())
    return 1 if code is None else code
