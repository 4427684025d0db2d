"""Marks of kept comparisons in the daily view, and their page."""

from datetime import date
from pathlib import Path

import msgspec
import pytest
from syrupy.assertion import SnapshotAssertion
from textual.pilot import Pilot

from streamusage.api.report import SlotRow
from tests.streamusage.service.conftest import NOW, OwnedClock, an_estate
from tests.support.commands.kept_results import HEADS, kept_comparison, kept_row
from tests.support.console.cells import CellSnapshotExtension, drawn_segments, format_screen
from tests.support.console.pilot import screen_text, wait_for, wait_for_figures
from tests.support.console.scripted_service import MINUTE, ScriptedService
from tests.support.console.terminals.terminal import contains, terminal
from tests.support.outside_accounts import Hit, combined_line, write_lines
from tests.support.program import Program
from tests.support.service.parties.reporting import ReportingAgent, a_session
from tui.app.console_app import ConsoleApp
from tui.config.reconciled_files import keep_comparison
from tui.reconcile.kept import KeptComparison, KeptFile
from tui.screens.days import DaysScreen
from tui.screens.page import PageScreen

SIZES = pytest.mark.parametrize("size", [(80, 24), (200, 50)], ids=["80x24", "200x50"])
HOSTILE = KeptFile(name="/logs/\x1b[2Jcdn.log", form="combined", lines=300, sha256="0123456789abcdef" * 4)


def keep(app: ConsoleApp, folder: Path, *comparisons: KeptComparison) -> None:
    for comparison in comparisons:
        keep_comparison(folder / "reconciled", "ab12", app.state.settings.url, comparison)


async def open_days(pilot: Pilot[int], rows: int = 3) -> DaysScreen:
    await wait_for_figures(pilot)
    await pilot.press("y")
    screen = pilot.app.screen
    assert isinstance(screen, DaysScreen)
    await wait_for(pilot, lambda: screen.table.row_count == rows, "the month")
    return screen


async def settled_cells(pilot: Pilot[int], app: ConsoleApp) -> str:
    """Return the whole screen as text cells when it no longer changes."""
    before, cells = "", format_screen(drawn_segments(app))
    while cells != before:
        await pilot.pause(0.3)
        before, cells = cells, format_screen(drawn_segments(app))
    return cells


async def figures_of(app: ConsoleApp) -> tuple[int, int]:
    """Return the bytes of the 20th, and those of the server back-1 on it."""
    assert app.client is not None
    daily = await app.client.daily(date(2026, 11, 20), date(2026, 11, 20), "UTC")
    sizes = {day.server: day.bytes_out for day in daily.days}
    return sum(sizes.values()), sizes["back-1"]


@pytest.fixture
async def reconciled(outage: tuple[ScriptedService, ConsoleApp], tmp_path: Path) -> ConsoleApp:
    """A console for whose service a day is explained, and two of its servers are not."""
    _, app = outage
    whole, of_back = await figures_of(app)
    heads = msgspec.structs.replace(HEADS, amount=whole // 20, low=0, high=whole // 10)
    explained = kept_row("2026-11-20", whole + whole // 20, whole, "explained", causes=[heads])
    unexplained = kept_row("2026-11-20", of_back * 7 // 10, of_back, "unexplained", is_final=False)
    keep(
        app,
        tmp_path,
        kept_comparison(explained, kept_row("2026-11-21", 5, 4, "unexplained")),
        kept_comparison(unexplained, servers=["back-1"], files=[HOSTILE], suspected=["constant ratio: --sampling"]),
    )
    return app


@SIZES
async def test_days_are_marked_and_described(
    reconciled: ConsoleApp, size: tuple[int, int], snapshot: SnapshotAssertion
) -> None:
    app = reconciled
    cells = snapshot.use_extension(CellSnapshotExtension)
    async with app.run_test(size=size) as pilot:
        screen = await open_days(pilot)
        await wait_for(pilot, lambda: "RECONCILED" in screen_text(app), "the marks")
        assert "outdated" in screen_text(app), "the figure of the 21st is another one by now"
        await pilot.press("k")
        await wait_for(pilot, lambda: "compared" in screen_text(app), "the description")
        assert "unexplained -30.0 %" in screen_text(app), "an unexplained server marks the day"
        assert await settled_cells(pilot, app) == cells(name="month")
        await pilot.press("enter")
        await wait_for(pilot, lambda: screen.table.row_count > 3, "the servers")
        assert await settled_cells(pilot, app) == cells(name="servers")


@SIZES
async def test_page_has_the_comparisons_of_the_row(
    reconciled: ConsoleApp, size: tuple[int, int], snapshot: SnapshotAssertion
) -> None:
    app = reconciled
    cells = snapshot.use_extension(CellSnapshotExtension)
    async with app.run_test(size=size) as pilot:
        screen = await open_days(pilot)
        await wait_for(pilot, lambda: "RECONCILED" in screen_text(app), "the marks")
        await pilot.press("k", "R")
        await wait_for(pilot, lambda: isinstance(app.screen, PageScreen), "the page")
        assert await settled_cells(pilot, app) == cells(name="page")
        if size[1] == 24:
            await pilot.press(*["j"] * 40)
            assert await settled_cells(pilot, app) == cells(name="end of the page")
        await pilot.press("escape")
        await wait_for(pilot, lambda: app.screen is screen, "the month")
        await pilot.press("R")
        await wait_for(pilot, lambda: isinstance(app.screen, PageScreen), "the page again")
        await pilot.press("R")
        await wait_for(pilot, lambda: app.screen is screen, "closed by its own key")


async def test_page_of_a_server_has_its_comparisons_only(reconciled: ConsoleApp) -> None:
    async with reconciled.run_test(size=(80, 50)) as pilot:
        screen = await open_days(pilot)
        await wait_for(pilot, lambda: "RECONCILED" in screen_text(reconciled), "the marks")
        await pilot.press("k", "enter")
        await wait_for(pilot, lambda: screen.table.row_count > 3, "the servers")
        await pilot.press("R")
        of_back = "traffic out of back-1: unexplained -30.0 %"
        await wait_for(pilot, lambda: of_back in screen_text(reconciled), "the page")
        assert "all servers" not in screen_text(reconciled)


async def test_without_a_comparison_there_is_no_column_and_the_key_says_so(
    outage: tuple[ScriptedService, ConsoleApp], tmp_path: Path
) -> None:
    _, app = outage
    keep_comparison(
        tmp_path / "reconciled",
        "cd34",
        "http://another.example",
        kept_comparison(kept_row("2026-11-20", 1, 1, "agrees")),
    )
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await open_days(pilot)
        await pilot.press("R")
        await wait_for(pilot, lambda: "no comparison of this row" in screen_text(app), "the notice")
        assert app.screen is screen
        assert "RECONCILED" not in screen_text(app)


async def test_result_that_is_kept_meanwhile_appears(
    outage: tuple[ScriptedService, ConsoleApp], tmp_path: Path
) -> None:
    _, app = outage
    whole, _ = await figures_of(app)
    async with app.run_test(size=(80, 24)) as pilot:
        await open_days(pilot)
        assert "RECONCILED" not in screen_text(app)
        keep(app, tmp_path, kept_comparison(kept_row("2026-11-20", whole, whole, "agrees")))
        await pilot.press("r")
        await wait_for(pilot, lambda: "agrees" in screen_text(app), "the mark")


async def test_damaged_file_is_named_and_marks_nothing(
    outage: tuple[ScriptedService, ConsoleApp], tmp_path: Path
) -> None:
    _, app = outage
    keep(app, tmp_path, kept_comparison(kept_row("2026-11-20", 1, 1, "agrees")))
    (path,) = (tmp_path / "reconciled").iterdir()
    path.write_text('{"kind": "streamtop-reconciled", "ver')
    async with app.run_test(size=(80, 24)) as pilot:
        await open_days(pilot)
        await wait_for(pilot, lambda: "a file of kept comparisons cannot be used" in screen_text(app), "the notice")
        await pilot.press("R")
        await wait_for(pilot, lambda: "damaged" in screen_text(app), "the page")
        assert "ab12.json" in screen_text(app)
    assert path.read_text() == '{"kind": "streamtop-reconciled", "ver'


@pytest.mark.terminal
async def test_command_and_console_in_a_real_terminal(streamtop: Program, tmp_path: Path) -> None:
    """A log is compared with a running service by the command; the console of the same user shows the result."""
    slot = NOW // MINUTE * MINUTE + MINUTE
    log = streamtop.home / "access.log"
    hits = [Hit(slot + second * 1000, "news", second, 30_000) for second in range(20)]
    log.write_bytes(write_lines(hits, combined_line))
    async with an_estate(tmp_path, OwnedClock()) as estate:
        estate.clock.now = slot + 2 * MINUTE
        counted = SlotRow(slot=slot, revision=0, connections={}, bytes_in=0, bytes_out=900_000, view_time_ms=0)
        await ReportingAgent(estate).sync_up(counted, a_session())
        token = streamtop.secret("viewer-token")
        streamtop.configure(f'[profiles.one]\nurl = "{estate.running.url}"\ntoken_file = "{token}"\n')
        compared = await streamtop("reconcile", "access.log", "--profile", "one")
        assert compared.code == 1
        assert "1 row kept for the console in" in compared.err
        for columns, rows in ((80, 24), (200, 50)):
            async with terminal(tmp_path, columns, rows, "--profile", "one") as console:
                await console.wait_for_screen("the sessions", contains("STREAM"))
                await console.keys("y")
                lines = await console.wait_for_screen("the mark", contains("unexplained -32.0 %"))
                assert any("RECONCILED" in line for line in lines)
                assert any("R compared" in line for line in lines)
                await console.wait_for_screen("the causes, uncut", contains("explained -12.0 kB overhead"))
                await console.keys("?")
                await console.wait_for_screen("the help", contains("comparisons of this row"))
                await console.keys("Escape", ":", *"reconciled", "Enter")
                await console.wait_for_screen("the page", contains("traffic out of all servers: unexplained -32.0 %"))
                lines = await console.wait_for_screen("the file", contains("access.log"))
                assert any("600,000 bytes" in line for line in lines)
                await console.keys("Escape")
                await console.wait_for_screen("the month", contains("RECONCILED"))
                await console.keys("q")
                await console.wait_for_screen("the end", contains("left with 0"))
