"""The gap view over a scripted service with known figures, during and after an outage."""

import re
from datetime import UTC, datetime
from itertools import takewhile
from zoneinfo import ZoneInfo

from textual.pilot import Pilot

from streamusage.core.coverage import WORST_FIRST, Provenance, slot_of
from tests.support.console.pilot import screen_text, wait_for, wait_for_figures
from tests.support.console.scripted_outage import (
    LOST_END,
    OUTAGE_END,
    OUTAGE_START,
    SERVERS,
    ZONES,
    end_outage,
    expected_spans,
    run_outage,
)
from tests.support.console.scripted_service import MINUTE, ScriptedService
from tui.app.console_app import ConsoleApp
from tui.model.gaps.grid import CELL_LENGTHS_MS
from tui.screens.gap import GapScreen
from tui.screens.gaps import GapsScreen
from tui.widgets.page import PageView


def assert_cells_match_script(screen: GapsScreen, now_ms: int) -> None:
    grid = screen.grid_view.grid
    assert grid is not None
    assert [row.name for row in grid.rows] == sorted(SERVERS)
    for number, row in enumerate(grid.rows):
        for cell, shown in enumerate(grid.cells_of(number)):
            begins, ends = grid.edges[cell], grid.edges[cell + 1]
            lengths: dict[Provenance, int] = {}
            for from_ms, to_ms, state in expected_spans(row.name, now_ms):
                inside = min(to_ms, ends) - max(from_ms, begins)
                if inside > 0:
                    lengths[state] = lengths.get(state, 0) + inside
            drawn = None if shown is None else (shown.state, shown.in_state_ms, shown.due_ms)
            worst = next((state for state in WORST_FIRST if state in lengths), None)
            expected = None if worst is None else (worst, lengths[worst], sum(lengths.values()))
            assert drawn == expected, (row.name, grid.cell_ms, datetime.fromtimestamp(begins / 1000, UTC))


async def open_gap_view(pilot: Pilot[int]) -> GapsScreen:
    await pilot.press("g")
    await pilot.pause()
    screen = pilot.app.screen
    assert isinstance(screen, GapsScreen)
    await wait_for(pilot, lambda: screen.grid_view.grid is not None, "a window")
    return screen


async def wait_for_poll(pilot: Pilot[int], app: ConsoleApp) -> None:
    """Wait for a poll that begins after this call."""
    for _ in range(2):
        polls = app.poller.polls
        app.poller.refresh()
        await wait_for(pilot, lambda polls=polls: app.poller.polls > polls, "a poll")
    await pilot.pause()


def cell_text(screen: GapsScreen) -> str:
    """Return the description of the cell under the cursor, without the timeline and the legend below."""
    widget = screen.query_one("#description", PageView)
    lines = ("".join(segment.text for segment in widget.render_line(y)).strip() for y in range(widget.size.height))
    return " ".join(takewhile(bool, lines))


def page_lines(screen: GapScreen) -> list[str]:
    widget = screen.query_one(PageView)
    return ["".join(segment.text for segment in widget.render_line(y)).rstrip() for y in range(widget.size.height)]


async def test_every_cell_matches_the_script_during_and_after_the_outage(
    outage: tuple[ScriptedService, ConsoleApp],
) -> None:
    service, app = outage
    async with app.run_test(size=(120, 50)) as pilot:
        screen = await open_gap_view(pilot)
        for _ in CELL_LENGTHS_MS:
            assert_cells_match_script(screen, service.clock.at_ms)
            await pilot.press("minus")
            await wait_for_poll(pilot, app)
        assert screen.grid_view.grid is not None
        assert screen.grid_view.grid.cell_ms == CELL_LENGTHS_MS[-1]
        await pilot.press(*["plus"] * len(CELL_LENGTHS_MS))
        assert app.state.unseen.owing_most is not None

        await run_outage(service, 15)
        await end_outage(service)
        await wait_for_poll(pilot, app)
        assert "recovered just now: " in cell_text(screen)
        screen._backfills._found_at_ms -= 16_000  # the recovery is no longer recent
        screen.state_changed(polled=False)
        assert "4h20 of 5h50 backfilled, 74.3 %" in cell_text(screen), "owes-1 is still missing"
        for _ in CELL_LENGTHS_MS:
            assert_cells_match_script(screen, OUTAGE_END)
            for name in ZONES:
                app.state.tz = ZoneInfo(name)
                screen._window_changed()
                assert_cells_match_script(screen, OUTAGE_END)
            await pilot.press("minus")


async def test_who_owes_is_named_whole_in_80_columns(outage: tuple[ScriptedService, ConsoleApp]) -> None:
    _, app = outage
    async with app.run_test(size=(80, 24)) as pilot:
        await open_gap_view(pilot)
        for _ in CELL_LENGTHS_MS:
            await pilot.pause()
            assert re.search(r" owed \S+ by \S+ and 4 more ", screen_text(app)), screen_text(app)
            await pilot.press("minus")


async def test_view_opens_at_the_newest_open_gap(outage: tuple[ScriptedService, ConsoleApp]) -> None:
    service, app = outage
    await run_outage(service, 15)
    await end_outage(service)
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await open_gap_view(pilot)
        assert screen.grid_view.gap_row is not None
        assert screen.grid_view.gap_row.name == "owes-1"
        assert [gap.state for gap in screen.grid_view.gaps_here()] == [Provenance.MISSING]
        assert "still owed" in cell_text(screen)


async def test_cell_under_the_cursor_and_its_gap_are_described(
    outage: tuple[ScriptedService, ConsoleApp],
) -> None:
    service, app = outage
    await run_outage(service, 15)
    await end_outage(service)
    service.clock.at_ms += 1_000
    app.state.tz = ZoneInfo("America/New_York")
    async with app.run_test(size=(180, 60)) as pilot:
        screen = await open_gap_view(pilot)
        await pilot.press("home")
        back = next(number for number, row in enumerate(screen.grid_view.grid.rows) if row.name == "back-1")  # type: ignore[union-attr]
        screen.grid_view.put(back, OUTAGE_START)
        await wait_for(pilot, lambda: "of the day" in cell_text(screen), "the share of the day")
        # One report backfilled the whole outage: 90 slots of 4 connections and 60,000 bytes each.
        busiest = max(range(OUTAGE_START, OUTAGE_END, MINUTE), key=lambda slot: (slot // MINUTE % 60, -slot))
        at = datetime.fromtimestamp((busiest + MINUTE // 2) / 1000, app.state.tz)
        assert cell_text(screen).replace(" · ", " ") == (
            "back-1 18:00–19:30 backfilled, 1h30, filled 19:30 (at once) "
            "+360 connections (RTMP 270, HLS 90) 54.0 kB in 5.40 MB out "
            f"peak 8.06 kbit/s at {at:%H:%M} 81.8 % of the day"
        )
        for name, description in (
            ("live-1", "live-1 · 17:40–19:30 · live, 1h50"),
            ("lost-1", "lost-1 · 18:00–18:10 · lost, 10m"),
            ("owes-1", "owes-1 · 18:00–now · missing, 1h30, detected 18:00:30, still owed"),
            ("held-1", "held, 1h30"),
        ):
            row = next(number for number, entry in enumerate(screen.grid_view.grid.rows) if entry.name == name)  # type: ignore[union-attr]
            screen.grid_view.put(row, OUTAGE_START)
            screen._draw_lines()
            assert description in cell_text(screen)
        screen.grid_view.put(back, OUTAGE_START)
        await pilot.press("enter")
        await pilot.pause()
        gap = app.screen
        assert isinstance(gap, GapScreen)
        await wait_for(pilot, lambda: any("SLOT" in line for line in page_lines(gap)), "the slots")
        text = "\n".join(page_lines(gap))
        phases = [line.split()[:3] for line in page_lines(gap) if line.strip()[:2] in {"18", "19"}]
        assert ["18:00:10", "·", "retrying:"] in phases
        assert ["18:00:50", "·", "accumulating:"] in phases
        assert ["19:30:00", "▒", "recovering:"] in phases
        assert "attempt 24 delivered the delta" in text
        assert "23 attempts failed: cannot be reached (ConnectError)" in text
        assert any(line.split() == ["connections", "+360"] for line in page_lines(gap))
        assert "view time" in text
        assert text.count("+4 ") == 30, "30 minutes, one line each"


async def test_next_gap_crosses_windows_and_rows_can_be_filtered_and_ordered(
    outage: tuple[ScriptedService, ConsoleApp],
) -> None:
    service, app = outage
    await run_outage(service, 15)
    await end_outage(service)
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await open_gap_view(pilot)
        view = screen.grid_view
        assert view.grid is not None
        assert view.grid.cells == 60, "an hour of minutes fits 80 columns"
        await pilot.press("N")
        assert view.gap_row is not None
        visited = set()
        for _ in range(8):
            assert view.gap_row is not None
            visited.add((view.gap_row.name, view.at_ms))
            await pilot.press("n")
            await pilot.pause()
        assert {name for name, _ in visited} == set(SERVERS) - {"live-1"}
        assert {slot_of(at_ms or 0) for _, at_ms in visited} == {OUTAGE_START, LOST_END}
        await pilot.press("o")
        names = [row.name for row in view.grid.rows]
        assert names[:2] == ["held-1", "owes-1"]
        assert names[-2:] == ["back-1", "live-1"]
        await pilot.press("slash", *"LOST", "enter")
        assert view.grid is not None
        assert [row.name for row in view.grid.rows] == ["lost-1"]


async def test_refresh_is_accepted_before_the_view_is_drawn(outage: tuple[ScriptedService, ConsoleApp]) -> None:
    """`gr` in one write: the view has fetched nothing yet."""
    _, app = outage
    async with app.run_test(size=(100, 24)) as pilot:
        await wait_for_figures(pilot)
        view = GapsScreen()
        app.push_screen(view)
        view.action_refresh()
        await wait_for(pilot, lambda: view.is_drawn and view.book.servers, "the coverage")
