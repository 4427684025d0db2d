"""Starts the console from the command line, switches profiles, and plays recordings."""

import asyncio
import os
import sys
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from streamusage.core.clock import Clock, SystemClock
from tui import gc_tuning
from tui.app.console_app import ConsoleApp
from tui.app.endings import Endings
from tui.config.paths import journal_path as default_journal_path
from tui.config.paths import reconciled_folder
from tui.config.service_client import open_client
from tui.config.settings import Appearance, ConnectionSettings
from tui.config.view_memory import memory_path, recall, remember

if TYPE_CHECKING:
    from tui.model.sessions.filter import Filter
    from tui.recording.recording import RecordedPoll, Recording


def why_no_console() -> str:
    """Return why the console cannot be drawn here; empty where it can."""
    # Textual reads keys from standard input and draws on standard error.
    for stream, what in ((sys.__stdin__, "standard input"), (sys.__stderr__, "standard error")):
        if stream is None or not stream.isatty():
            return f"the console needs a terminal, and {what} is not one; use streamtop ls to print the sessions"
    if os.environ.get("TERM", "") in ("", "dumb", "unknown"):
        return "this terminal cannot move its cursor (TERM=dumb); use streamtop ls to print the sessions"
    return ""


def run_console(
    settings: ConnectionSettings,
    *,
    switch: Callable[[str], ConnectionSettings] | None = None,
    check: Callable[[str], str] = lambda profile: "",
    record: Path | None = None,
    clock: Clock | None = None,
) -> int:
    """Run the console until it is quit; return the exit code.

    Raises `InvalidAddressError` and `RecordingError` before it draws. `switch` returns the settings of the profile with
    which the console continues, and `check` why it cannot; empty where it can. `clock` measures the age of what is
    shown; the time shown is the service's own.
    """
    gc_tuning.collect_less_often()
    gc_tuning.freeze_modules()
    gc_tuning.pause_collections()  # for the first second of the app
    clock = clock or SystemClock()
    recording = None
    if (opened := _open_recording(record, clock)) is not None:
        from tui.recording.paused import SwitchedRecording

        recording = SwitchedRecording(opened, settings)
    first_lines: list[str] = []
    with Endings() as endings:
        while True:
            recorded = None if recording is None else recording.of(settings)
            code, next_profile = asyncio.run(_run_until_quit(settings, clock, recorded, endings, check, first_lines))
            if not next_profile or switch is None:
                return code
            settings = switch(next_profile)
            first_lines = [] if recording is None else recording.switch(settings)


def _open_recording(path: Path | None, clock: Clock) -> "Recording | None":
    """Return the recording that `--record` names. Raises `RecordingError`."""
    if path is None:
        return None
    from tui.recording.recording import Recording

    return Recording(path, clock)


async def _run_until_quit(
    settings: ConnectionSettings,
    clock: Clock,
    recording: "Recording | None",
    endings: Endings,
    check: Callable[[str], str],
    first_lines: list[str],
) -> tuple[int, str]:
    if settings.services:
        return await _run_services(settings, clock, recording, endings, check, first_lines)
    async with open_client(settings, clock) as client:
        path = memory_path(settings.profile or "", client.host)
        app = ConsoleApp(
            client,
            settings,
            clock=clock,
            journal_path=default_journal_path(),
            reconciled_folder=reconciled_folder(),
            memory=recall(path),
            recording=recording,
        )
        app.check_profile, app.first_lines = check, first_lines
        code = await endings.run(app)
        remember(path, app.state.view_memory(app.sessions_screen.filters))
    return code, app.next_profile


async def _run_services(
    settings: ConnectionSettings,
    clock: Clock,
    recording: "Recording | None",
    endings: Endings,
    check: Callable[[str], str],
    first_lines: list[str],
) -> tuple[int, str]:
    """Run a console of several services, each with its own client."""
    from tui.app.services.app import ServicesApp

    async with AsyncExitStack() as stack:
        clients = {
            one.profile or "": await stack.enter_async_context(open_client(one, clock)) for one in settings.services
        }
        path = memory_path(settings.profile or "", "")
        app = ServicesApp(
            clients,
            settings,
            clock=clock,
            journal_path=default_journal_path(),
            reconciled_folder=reconciled_folder(),
            memory=recall(path),
            recording=recording,
        )
        app.check_profile, app.first_lines = check, first_lines
        code = await endings.run(app)
        remember(path, app.state.view_memory(app.sessions_screen.filters))
    return code, app.next_profile


def run_plain(
    settings: ConnectionSettings,
    filter_text: "Filter",
    write: Callable[[str], None],
    record: Path | None = None,
    *,
    summary_ms: int,
) -> None:
    """Write what changes as lines, until interrupted, and a summary of each service after `summary_ms` without one.

    Raises `InvalidAddressError` and `RecordingError`.
    """
    clock = SystemClock()
    recording = _open_recording(record, clock)
    if settings.services:
        from tui.app.services.lines import ServicesLines

        lines = ServicesLines(settings, filter_text, write, recording, clock=clock, summary_ms=summary_ms)
        asyncio.run(lines.run())
        return
    from tui.app.line_mode import LineMode
    from tui.app.poller import Poller
    from tui.app.state import ConsoleState
    from tui.recording.keeper import record_knowledge

    async def poll() -> None:
        async with open_client(settings, clock) as client:
            state = ConsoleState(clock=clock, host=client.host, settings=settings)
            state.view.show(filter_text)
            mode = LineMode(state, write, recording, summary_ms=summary_ms)
            poller = Poller(client, mode.receive, interval_seconds=settings.poll_interval_s, clock=clock)
            if recording is None:
                await poller.run()
                return
            keeping = asyncio.create_task(record_knowledge(client, recording, settings.tz))
            try:
                await poller.run()
            finally:
                keeping.cancel()

    asyncio.run(poll())


def run_replay(
    polls: "list[RecordedPoll]", from_ms: int, *, name: str, tz: ZoneInfo, appearance: Appearance, speed: float = 1.0
) -> int:
    """Play a recording until it is quit; return the exit code. There is no service: no request is sent."""
    from tui.app.replay import create_replay

    settings = ConnectionSettings(profile=name, read_only=True, tz=tz, **appearance._asdict())

    async def play(endings: Endings) -> int:
        replay = create_replay(polls, settings, clock=SystemClock(), from_ms=from_ms, speed=speed)
        return await endings.run(replay.app)

    with Endings() as endings:
        return asyncio.run(play(endings))
