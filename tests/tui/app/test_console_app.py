"""The console over time: fewer polls without focus, a summary on return, `:arm` and `:jump`."""

import asyncio
import re
import time
from itertools import pairwise
from pathlib import Path

from textual import events
from textual.pilot import Pilot
from textual.widgets import Button

from streamusage.client.usage_client import UsageClient
from tests.support.canned_answers import ReceivedRequest
from tests.support.console.clocks import MovableClock
from tests.support.console.pilot import console, screen_lines, wait_for, wait_for_figures
from tests.support.console.records import recent, record, service_with, session
from tests.support.plain_manager import ManagerOfBothLists, PlainManager, wire
from tui.app.console_app import ConsoleApp
from tui.app.messages import SessionsPolled
from tui.config.settings import ConnectionSettings
from tui.screens.confirm_delete import ConfirmDelete

START = recent(200)


async def run_palette_command(pilot: Pilot[int], command: str) -> None:
    """Run a command of the palette by its name."""
    await pilot.press("colon", *("space" if key == " " else key for key in command), "enter")
    await pilot.pause()


def console_with_clock(
    client: UsageClient, directory: Path, clock: MovableClock, *, read_only: bool = False, poll_seconds: float = 0.2
) -> ConsoleApp:
    return ConsoleApp(
        client,
        ConnectionSettings(profile="prod", poll_interval_s=poll_seconds, read_only=read_only),
        clock=clock,
        journal_path=directory / "deleted.ndjson",
    )


class TimedManager(PlainManager):
    """A Stream Manager that records the times of the requests for usage records."""

    def __init__(self, *records: dict[str, object]) -> None:
        super().__init__(*records)
        self.requested_at_s: list[float] = []

    def _respond(self, request: ReceivedRequest) -> bytes:
        if request.path.endswith("/usage"):
            self.requested_at_s.append(time.monotonic())
        return super()._respond(request)

    def pauses_s(self, since: int) -> list[float]:
        """Return the pauses between polls from that poll on."""
        return [after - before for before, after in pairwise(self.requested_at_s[since:])]


async def test_terminal_without_focus_polls_less_often(tmp_path: Path) -> None:
    async with (
        TimedManager(wire("cam")) as manager,
        UsageClient(manager.url, manager.token) as client,
        console(client, tmp_path).run_test(size=(80, 24)) as pilot,
    ):
        app = await wait_for_figures(pilot)
        await wait_for(pilot, lambda: any(pause_s < 0.9 for pause_s in manager.pauses_s(0)), "a poll every 0.2 s")
        app.post_message(events.AppBlur())
        await wait_for(pilot, lambda: app.poller.times_slower == 5, "the blur")
        polled = len(manager.requested_at_s) + 1  # the next poll was scheduled before the blur
        await wait_for(pilot, lambda: len(manager.pauses_s(polled)) >= 2, "two polls after the blur")
        assert min(manager.pauses_s(polled)) >= 0.999, "every second instead of every 0.2 s"
        app.poller.interval_seconds = 3600
        app.poller.refresh()
        polled = len(manager.requested_at_s)
        await wait_for(
            pilot, lambda: len(manager.requested_at_s) > polled and app.poller.is_idle, "the last poll for an hour"
        )
        app.poller.interval_seconds = 0.2
        polled = len(manager.requested_at_s)
        app.post_message(events.AppFocus())
        await wait_for(pilot, lambda: len(manager.requested_at_s) > polled, "a poll at once")
        await wait_for(
            pilot, lambda: any(pause_s < 0.9 for pause_s in manager.pauses_s(polled)), "a poll every 0.2 s again"
        )


async def test_slow_service_is_polled_less_often(tmp_path: Path) -> None:
    """After a slow response the console waits four times its duration before the next poll."""
    response_s = 0.3

    async def respond_late(request: ReceivedRequest) -> bytes:
        response = manager._respond(request)
        if request.path.endswith("/usage"):
            await asyncio.sleep(response_s)
        return response

    async with TimedManager(wire("cam")) as manager, UsageClient(manager.url, manager.token) as client:
        manager.respond = respond_late
        async with console(client, tmp_path).run_test(size=(80, 24)) as pilot:
            await wait_for(pilot, lambda: len(manager.pauses_s(0)) >= 2, "three polls")
            assert min(manager.pauses_s(0)) >= 5 * response_s - 0.01, "instead of every 0.2 s"


async def test_focus_shows_a_summary_of_the_time_away(tmp_path: Path) -> None:
    clock = MovableClock()
    records = [record("old", START), record("stays", START + 1)]
    async with (
        service_with(tmp_path, records) as client,
        console_with_clock(client, tmp_path, clock).run_test(size=(120, 24)) as pilot,
    ):
        app = await wait_for_figures(pilot)
        app.post_message(events.AppBlur())
        await pilot.pause()
        await client.delete_session(records[0].key)
        await client.import_records([record("new-1", START + 2), record("new-2", START + 3)])
        await wait_for(pilot, lambda: len(app.state.store) == 3, "the changes")
        clock.ahead_ms += 5 * 60_000
        app.post_message(events.AppFocus())
        summary = "you looked away for 5m: 2 ended, 1 deleted"
        await wait_for(pilot, lambda: any(summary in line for line in screen_lines(app)), summary)
        app.post_message(events.AppBlur())
        await pilot.pause()
        app.post_message(events.AppFocus())
        await pilot.pause(0.3)
        assert any(summary in line for line in screen_lines(app)), "a short absence shows no new summary"


async def test_undocumented_fields_are_reported_with_their_count(tmp_path: Path) -> None:
    async with (
        ManagerOfBothLists(wire("cam") | {"region": "eu", "codec": "h264"}) as manager,
        UsageClient(manager.url, manager.token) as client,
        console(client, tmp_path).run_test(size=(100, 24)) as pilot,
    ):
        app = await wait_for_figures(pilot)
        assert any("unknown fields codec, region" in line for line in screen_lines(app))
        await pilot.press("L")
        page = "\n".join(str(widget.render()) for widget in app.screen.query("Static"))
        assert "unknown fields codec, region" in page


async def test_arming_lifts_read_only_until_its_countdown_ends(tmp_path: Path) -> None:
    clock = MovableClock()
    async with (
        service_with(tmp_path, [record("cam", START), record("cam-2", START)]) as client,
        console_with_clock(client, tmp_path, clock, read_only=True).run_test(size=(120, 24)) as pilot,
    ):
        app = await wait_for_figures(pilot)
        await pilot.press("d")
        assert app.screen is app.sessions_screen
        await run_palette_command(pilot, "arm 5m")
        assert re.search(r"ARMED [54]m", screen_lines(app)[0])
        clock.freeze()
        clock.ahead_ms += 4 * 60_000
        await wait_for(pilot, lambda: re.search(r"ARMED (\d+|<1)s", screen_lines(app)[0]), "the countdown")
        await wait_for(pilot, lambda: app.state.freshness().allows_deletes, "a poll")
        await pilot.press("d", "right", "enter")
        await wait_for(pilot, lambda: len(app.state.store) == 1, "one deleted while armed")
        await wait_for(pilot, lambda: app.state.freshness().allows_deletes, "a poll")
        await pilot.press("d")
        dialog = app.screen
        assert isinstance(dialog, ConfirmDelete)
        clock.ahead_ms += 60_000
        dialog.query_one("#go", Button).press()
        await wait_for(pilot, lambda: dialog.query_one("#since").display, "the refusal")
        assert "read-only again" in str(dialog.query_one("#since").render())  # type: ignore[no-untyped-call]
        await pilot.press("escape")
        await wait_for(pilot, lambda: screen_lines(app)[0].rstrip().endswith("RO"), "read-only again")
        await wait_for(pilot, lambda: app.state.freshness().allows_deletes, "a poll")
        await pilot.press("d")
        assert app.screen is app.sessions_screen
        assert not any("delete" in line for line in screen_lines(app)[-1:])
        assert len(await client.usage()) == 1


async def test_arming_needs_a_length_and_is_capped_at_an_hour(tmp_path: Path) -> None:
    clock = MovableClock()
    async with (
        service_with(tmp_path, []) as client,
        console_with_clock(client, tmp_path, clock, read_only=True).run_test(size=(120, 24)) as pilot,
    ):
        app = await wait_for_figures(pilot)
        await run_palette_command(pilot, "arm soon")
        assert app.state.is_read_only()
        assert any("arm for how long? such as 5m" in line for line in screen_lines(app))
        await run_palette_command(pilot, "arm 7d")
        assert 59 * 60_000 < app.state.armed_for_ms() <= 60 * 60_000


async def test_jump_shows_the_table_of_that_time_and_live_returns(tmp_path: Path) -> None:
    clock = MovableClock()
    async with (
        PlainManager() as manager,
        UsageClient(manager.url, manager.token) as client,
        console_with_clock(client, tmp_path, clock, poll_seconds=3600).run_test(size=(120, 24)) as pilot,
    ):
        app = await wait_for_figures(pilot)
        for minute in range(6):
            clock.ahead_ms += 60_000
            changed = [session(f"s{minute}", START + minute, active=minute)]
            app.post_message(SessionsPolled(changed, [], False, clock.now_ms(), None, ""))
            await pilot.pause()
        assert len(app.state.store) == 6
        await run_palette_command(pilot, "jump 3m")
        assert app.state.timeline.back
        assert len(app.state.store) == 3
        assert "stepped back to" in screen_lines(app)[0]
        await pilot.press("d")
        assert any("the table shows the past" in line for line in screen_lines(app))
        await pilot.press("full_stop")
        assert len(app.state.store) == 4
        await pilot.press("comma", "comma")
        assert len(app.state.store) == 2
        await run_palette_command(pilot, "jump nonsense")
        assert any("jump to which time?" in line for line in screen_lines(app))
        assert len(app.state.store) == 2
        app.post_message(SessionsPolled([session("late", START)], [], False, clock.now_ms(), None, ""))
        await pilot.pause()
        assert len(app.state.store) == 2
        assert "+1 waiting" in screen_lines(app)[0]
        await pilot.press("0")
        assert len(app.state.store) == 7
        assert "stepped back" not in screen_lines(app)[0]
