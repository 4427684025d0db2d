"""The daily view over a scripted service with known figures."""

from datetime import date
from zoneinfo import ZoneInfo

from streamusage.core.days import day_interval
from tests.support.console.pilot import wait_for
from tests.support.console.scripted_outage import OUTAGE_START, SERVERS, run_outage
from tests.support.console.scripted_service import MINUTE, ScriptedService, slot_figures
from tui.app.console_app import ConsoleApp
from tui.screens.days import DaysScreen
from tui.widgets.lines import Line


def days_description(screen: DaysScreen) -> str:
    lines = [screen.query_one(f"#description-{number}", Line) for number in range(4)]
    return " ".join("".join(segment.text for segment in line.render_line(0)).strip() for line in lines)


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
