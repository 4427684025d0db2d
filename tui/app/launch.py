"""Starts the console from the command line, switches profiles, and plays recordings."""

import asyncio
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import tzinfo
from pathlib import Path

from streamusage.client.usage_client import ApiVersion, UsageClient
from streamusage.core.clock import Clock, SystemClock
from streamusage.core.exit_codes import ExitCode
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
    """Return why the console cannot be drawn here; empty where it can."""
    # Textual reads keys from standard input and draws on standard error.
    for stream, what in ((sys.__stdin__, "standard input"), (sys.__stderr__, "standard error")):
        if stream is None or not stream.isatty():
            return f"the console needs a terminal, and {what} is not one; use streamtop ls to print the sessions"
    if os.environ.get("TERM", "") in ("", "dumb", "unknown"):
        return "this terminal cannot move its cursor (TERM=dumb); use streamtop ls to print the sessions"
    return ""


@dataclass(kw_only=True)
class Setup:
    """The settings of one console."""

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
    """The other services: address by profile."""
    remembers: bool = True
    """Whether the arrangement of the table is restored and saved."""
    shows_skew: bool = True
    """Whether the header shows that the service's clock differs; the demo's is fast on purpose."""
    journal_path: Path = field(default_factory=default_journal_path)
    """The journal of deleted records: the user's own, but for a demo."""


def run_console(
    setup: Setup,
    *,
    switch: Callable[[str], Setup] | None = None,
    record: Path | None = None,
    clock: Clock | None = None,
) -> int:
    """Run the console until it is quit; return the exit code.

    Raises `InvalidAddressError` and `RecordingError` before it draws. `switch` returns the setup of the profile with
    which the console continues. `clock` measures the age of what is shown; the time shown is the service's own.
    """
    gc_tuning.collect_less_often()
    clock = clock or SystemClock()
    recording = Recording(record, clock) if record is not None else None
    while True:
        code, next_profile = asyncio.run(_run_until_quit(setup, clock, recording))
        if not next_profile or switch is None:
            return code
        setup = switch(next_profile)
        recording = None  # a recording is of one service


async def _run_until_quit(setup: Setup, clock: Clock, recording: Recording | None) -> tuple[int, str]:
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
            recording=recording,
            alerts=setup.alerts,
        )
        app.state.shows_skew = setup.shows_skew
        code = await app.run_async()
        remember(path, app.state.view_memory(app.sessions_screen.filters))
    return (ExitCode.FAILURE if code is None else code), app.next_profile


def run_plain(setup: Setup, filter_text: Filter, write: Callable[[str], None], record: Path | None = None) -> None:
    """Write what changes as lines, until interrupted. Raises `InvalidAddressError` and `RecordingError`."""
    clock = SystemClock()
    recording = Recording(record, clock) if record is not None else None

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
            mode = LineMode(state, write, recording)
            await Poller(client, mode.receive, interval_seconds=setup.poll_interval, clock=clock).run()

    asyncio.run(poll())


def run_replay(polls: list[RecordedPoll], from_ms: int, *, name: str, tz: tzinfo | None, theme: str = DARK.name) -> int:
    """Play a recording until it is quit; return the exit code. There is no service: no request is sent."""
    clock = SystemClock()

    async def play() -> int | None:
        app = ConsoleApp(
            None,
            host=name,
            profile_name=name,
            clock=clock,
            poll_interval_seconds=POLL_INTERVAL_SECONDS,
            journal_path=default_journal_path(),
            read_only=True,
            tz=tz,
            theme=theme,
            make_source=lambda post: Player(polls, post, from_ms, clock),
        )
        app.state.shows_skew = False  # the recording is of another time than now
        return await app.run_async()

    code = asyncio.run(play())
    return ExitCode.FAILURE if code is None else code
