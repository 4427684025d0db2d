"""The dialogs of silences count down while they are open."""

from datetime import UTC
from pathlib import Path

from streamusage.api.alerts import Silence
from tests.support.agent.manual_clock import HandClock
from tests.support.console.pilot import open_console, screen_text, wait_for
from tui.app.actions import Context
from tui.app.state import ConsoleState
from tui.config.settings import ConnectionSettings
from tui.screens.alerts.silence_dialogs import ConfirmEnd
from tui.silencing.plan import EndPlan

MINUTE_MS = 60_000
NOW_MS = 1_795_262_400_000


async def test_dialog_that_ends_a_silence_counts_down(store_of_an_hour: Path, tmp_path: Path) -> None:
    clock = HandClock(NOW_MS)
    state = ConsoleState(clock=clock, host="sm", settings=ConnectionSettings())
    silence = Silence(
        id="5f0c", matchers={"rule": "x"}, created_at=0, ends_at=NOW_MS + 30 * MINUTE_MS, by="boss", reason="later"
    )
    async with open_console(store_of_an_hour, tmp_path, Context.SESSIONS) as (pilot, app):
        app.push_screen(ConfirmEnd(EndPlan("sm", silence, []), state, UTC))
        await wait_for(pilot, lambda: "in 30m." in screen_text(app), "the time left")
        clock.now += 5 * MINUTE_MS
        await wait_for(pilot, lambda: "in 25m." in screen_text(app), "the time left by then")
