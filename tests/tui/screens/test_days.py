"""The daily view over a scripted service with known figures."""

from datetime import date
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import Connection, select
from syrupy.assertion import SnapshotAssertion
from textual.pilot import Pilot

from streamusage.core.days import day_interval
from streamusage.service.accounting.ledger import void_closings
from streamusage.service.store.schema import closed_days
from tests.support.console.cells import CellSnapshotExtension, drawn_segments, format_screen
from tests.support.console.pilot import wait_for, wait_for_figures
from tests.support.console.scripted_outage import OUTAGE_START, SERVERS, run_outage
from tests.support.console.scripted_service import MINUTE, ScriptedService, slot_figures
from tui.app.console_app import ConsoleApp
from tui.screens.days import DaysScreen
from tui.widgets.lines import Line


def days_description(screen: DaysScreen) -> str:
    lines = [screen.query_one(f"#description-{number}", Line) for number in range(5)]
    return " ".join("".join(segment.text for segment in line.render_line(0)).strip() for line in lines)


async def settled_screen(pilot: Pilot[int], app: ConsoleApp) -> str:
    """Return the screen as text cells when it no longer changes, without the line of keys, which has notices, too."""
    before, cells = "", format_screen(drawn_segments(app)[:-1])
    while cells != before:
        await pilot.pause(0.1)
        before, cells = cells, format_screen(drawn_segments(app)[:-1])
    return cells


def table_rows(screen: DaysScreen) -> list[str]:
    """Return the rows of the table that are not empty."""
    drawn = (
        "".join(segment.text for segment in screen.table.render_line(y)) for y in range(1, screen.table.size.height)
    )
    return [line.strip() for line in drawn if line.strip()]


async def test_reports_after_a_close_are_shown_as_adjustment_beside_the_figures(
    outage: tuple[ScriptedService, ConsoleApp],
) -> None:
    """The 20th is closed by an operator while figures are missing; then they are reported."""
    service, app = outage
    midnight = day_interval(date(2026, 11, 20), ZoneInfo("UTC")).to_ms
    await run_outage(service, 50)
    await app.client.close_day(date(2026, 11, 20), "UTC")
    await service.agent("back-1").sync_up(
        *[slot_figures(slot) for slot in range(OUTAGE_START, service.clock.at_ms, MINUTE)]
    )
    late = (midnight - OUTAGE_START) // MINUTE
    async with app.run_test(size=(160, 50)) as pilot:
        await pilot.press("y")
        screen = app.screen
        assert isinstance(screen, DaysScreen)
        await wait_for(pilot, lambda: len(table_rows(screen)) == 3, "the month")
        await pilot.press("k")
        friday, saturday, month = table_rows(screen)
        closed_out = 60_000 * (5 * 20 + 80)
        assert friday.split()[:3] == ["▸Fri", "20", "adjusted"]
        assert saturday.split()[:3] == ["Sat", "21", "provisional"]
        assert f"{closed_out / 1e6:.1f} MB" in friday
        assert f"+{60_000 * late / 1e6:.2f} MB" in friday, "the adjustment is beside the figures"
        assert f"+{60_000 * late / 1e6:.2f} MB" in month
        description = days_description(screen)
        assert f"+{4 * late} connections" in description
        assert "not in the figures" in description
        assert "samples" in description
        await pilot.press("enter")
        await wait_for(pilot, lambda: len(table_rows(screen)) == len(SERVERS), "the servers of the day")
        assert table_rows(screen)[0].split()[:2] == ["▸back-1", "adjusted"]
        assert "closed 01:05 by boss" in days_description(screen)
        assert "(1 entry, newest 01:05)" in days_description(screen)
        await pilot.press("j")
        assert "held-1 · final, closed 01:05 by boss" in days_description(screen)
        assert "not complete: every figure is a lower bound" in days_description(screen)
        await pilot.press("escape", "j")
        assert "waits for" not in days_description(screen)
        assert "the day is not over" in days_description(screen)


VOID_REASON = "the clock was wrong: the day was closed before its end"


async def void_day(service: ScriptedService, day: str) -> None:
    """Declare the closings of a day void, as a repair does."""

    def declare(connection: Connection) -> None:
        closings = connection.execute(select(closed_days).where(closed_days.c.day == day)).all()
        void_closings(connection, closings, VOID_REASON, "boss", service.clock.at_ms)

    await service.running.service.write(declare)


@pytest.fixture
async def voided(outage: tuple[ScriptedService, ConsoleApp]) -> tuple[ScriptedService, ConsoleApp]:
    """The 20th was closed, the closings are void, and it was closed anew."""
    service, app = outage
    await run_outage(service, 50)
    friday = date(2026, 11, 20)
    await app.client.close_day(friday, "UTC")
    await void_day(service, friday.isoformat())
    await app.client.close_day(friday, "UTC")
    return service, app


@pytest.mark.parametrize("size", [(80, 24), (200, 50)], ids=["80x24", "200x50"])
async def test_void_closing_is_marked_on_its_day_and_described(
    voided: tuple[ScriptedService, ConsoleApp], size: tuple[int, int], snapshot: SnapshotAssertion
) -> None:
    _, app = voided
    cells = snapshot.use_extension(CellSnapshotExtension)
    async with app.run_test(size=size) as pilot:
        await wait_for_figures(pilot)
        await pilot.press("y")
        screen = app.screen
        assert isinstance(screen, DaysScreen)
        await wait_for(pilot, lambda: len(table_rows(screen)) == 3, "the month")
        assert "void" not in days_description(screen), "of the day under the cursor, which is not closed yet"
        await pilot.press("k")
        friday, saturday, _ = table_rows(screen)
        number = str(len(SERVERS))
        assert friday.split()[:4] == ["▸Fri", "20", "final", number]
        assert "%" in saturday.split()[3] or saturday.split()[4] == "%", "no number of void closings"
        assert f"{number} void, newest: closing" in days_description(screen)
        assert "the clock was wrong" in days_description(screen)
        assert "not complete: every figure is a lower bound; accounted since Fri 22:40" in days_description(screen)
        assert await settled_screen(pilot, app) == cells(name="month")
        await pilot.press("enter")
        visible = min(len(SERVERS), screen.table.size.height - 1)
        await wait_for(pilot, lambda: len(table_rows(screen)) == visible, "the servers of the day")
        assert "void: closing 1 of back-1, since" in days_description(screen)
        assert await settled_screen(pilot, app) == cells(name="servers")


async def test_days_without_a_void_closing_have_no_column_and_no_line_for_one(
    outage: tuple[ScriptedService, ConsoleApp],
) -> None:
    _, app = outage
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("y")
        screen = app.screen
        assert isinstance(screen, DaysScreen)
        await wait_for(pilot, lambda: len(table_rows(screen)) == 3, "the month")
        assert "VOID" not in await settled_screen(pilot, app)
        assert not screen.query_one("#description-4", Line).display
