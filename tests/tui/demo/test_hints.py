"""The hints of the demo: one at a time, on one line of 80 columns, each until what it names was seen."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest
from textual.pilot import Pilot

from streamusage.client.usage_client import UsageClient
from streamusage.core.clock import SystemClock
from tests.support.console.pilot import screen_text, wait_for
from tests.support.waiting import PATIENT
from tui.demo import hints
from tui.demo.estate import Estate
from tui.demo.headless import demo_clock, prepared_estates
from tui.demo.hints import HINTS, DemoApp, Hint, HintLine, demo_settings, hint_parts
from tui.demo.regions import CUT_OFF
from tui.model.text import width
from tui.screens.alerts.alerts import AlertsScreen
from tui.screens.days import DaysScreen
from tui.screens.gap import GapScreen
from tui.screens.gaps import GapsScreen


class _View:
    """An app as far as hints read it."""

    def __init__(
        self, screen: object, owed: bool, filled: bool, had_outage: bool, fires: bool = False, had_alert: bool = False
    ) -> None:
        self.screen, self._owed, self._filled, self.had_outage = screen, owed, filled, had_outage
        self._fires, self.had_alert = fires, had_alert

    def alert_fires(self) -> bool:
        return self._fires

    def is_owed(self) -> bool:
        return self._owed

    def is_filled(self) -> bool:
        return self._filled


class _Customers(DaysScreen):
    shows_groups = True  # type: ignore[assignment]


def all_hints() -> list[tuple[Hint, int]]:
    screens = [None, AlertsScreen(), GapsScreen(), GapScreen.__new__(GapScreen), DaysScreen(), _Customers()]
    return [
        (make(_View(screen, owed, filled, had_outage, fires, had_alert)), number)  # type: ignore[arg-type]
        for number, make in enumerate(HINTS)
        for screen in screens
        for owed in (False, True)
        for filled in (False, True)
        for had_outage in (False, True)
        for fires, had_alert in ((False, False), (True, True), (False, True))
    ]


def test_every_hint_fits_80_columns_and_most_are_different() -> None:
    shown = all_hints()
    lines = [[*left, *right] for left, right in (hint_parts(*hint) for hint in shown)]
    assert [parts for parts in lines if sum(width(text) for text, _ in parts) > 80] == []
    assert len({hint.text for hint, _ in shown}) >= 9
    assert {hint.key for hint, _ in shown} == {"", "a", "g", "esc", "y", "esc y", "shift+tab"}


@pytest.mark.parametrize("screen", [None, GapsScreen()])
def test_no_hint_announces_an_outage_that_is_over(screen: object) -> None:
    texts = [make(_View(screen, False, False, True)).text for make in HINTS]  # type: ignore[arg-type]
    assert [text for text in texts if "Soon" in text] == []
    assert any("Soon" in make(_View(screen, False, False, False)).text for make in HINTS)  # type: ignore[arg-type]


@asynccontextmanager
async def demo_console(tmp_path: Path, size: tuple[int, int]) -> AsyncIterator[tuple[DemoApp, Pilot[int], Estate]]:
    async with prepared_estates(tmp_path, demo_clock(), seed=1) as estates:
        living = [asyncio.create_task(estate.live(6, outage=False)) for estate in estates]
        services = {estate.region.name: {"url": estate.url, "token_file": str(estate.token_file)} for estate in estates}
        settings = demo_settings({"services": services})
        async with AsyncExitStack() as stack:
            clients = {
                estate.region.name: await stack.enter_async_context(
                    UsageClient(estate.url, estate.token_file.read_text("utf-8").strip(), options=PATIENT)
                )
                for estate in estates
            }
            app = DemoApp(clients, settings, clock=SystemClock(), journal_path=tmp_path / "deleted.ndjson")
            async with app.run_test(size=size) as pilot:
                yield app, pilot, estates[0]
        for task in living:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task


def shows(app: DemoApp, text: str) -> Callable[[], bool]:
    return lambda: text in screen_text(app)


async def test_hints_lead_through_outage_healing_and_days(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hints, "READING_MS", 300)
    async with demo_console(tmp_path, (80, 24)) as (app, pilot, estate):
        await wait_for(pilot, shows(app, "1/3 Soon edge-2"), "the first hint")
        await wait_for(pilot, shows(app, "13 on air"), "figures of both services")
        await estate.cut(CUT_OFF)
        await wait_for(pilot, shows(app, "≥ marks lower bounds. Its alert: a"), "what the outage changes")
        assert "watching ≥" in screen_text(app)
        await pilot.press("a")
        await wait_for(pilot, shows(app, "critical edge-2 is missing since"), "the alert")
        await pilot.press("escape")
        await wait_for(pilot, shows(app, "2/3 Who reported what"), "the next hint, by itself")
        await pilot.press("g")
        await wait_for(pilot, shows(app, "· is not reported yet"), "what the gap is")
        await estate.heal(CUT_OFF)
        await wait_for(pilot, shows(app, "▒ is backfilled"), "what the healing is")
        await pilot.press("escape", "a")
        await wait_for(pilot, shows(app, "ENDED WITHIN A DAY"), "the end of the alert")
        await pilot.press("escape")
        await wait_for(pilot, shows(app, "3/3 A month of days"), "the last hint")
        await pilot.press("y")
        await wait_for(pilot, shows(app, "See the customers"), "the days")
        await wait_for(pilot, shows(app, "adjusted"), "adjusted days")
        await pilot.press("shift+tab")
        await wait_for(pilot, lambda: not app.unseen and not app.screen.query(HintLine), "no hint after the last one")


async def test_ctrl_t_hides_hints_and_a_low_terminal_shows_none(tmp_path: Path) -> None:
    async with demo_console(tmp_path, (80, 24)) as (app, pilot, _):
        await wait_for(pilot, lambda: app.screen.query(HintLine), "a hint")
        await pilot.resize_terminal(80, 18)
        await wait_for(pilot, lambda: not app.screen.query(HintLine), "no hint in 18 rows")
        await pilot.resize_terminal(80, 24)
        await wait_for(pilot, lambda: app.screen.query(HintLine), "the hint again")
        await pilot.press("y")
        await wait_for(pilot, shows(app, "3/3"), "the hint of the view that is open")
        await pilot.press("ctrl+t")
        await wait_for(pilot, lambda: not app.unseen, "the key handled")
        assert not any(screen.query(HintLine) for screen in app.screen_stack)
