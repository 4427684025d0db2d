"""The gap view over a scripted service with known figures, during and after an outage."""

from collections.abc import AsyncIterator
from datetime import UTC, date, datetime
from itertools import takewhile
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from textual.pilot import Pilot

from streamusage.api.report import OutageRow, PhaseChange
from streamusage.core.coverage import WORST_FIRST, Provenance, slot_of
from streamusage.core.days import day_interval
from tests.support.console.pilot import wait_for
from tests.support.console.scripted_service import MINUTE, ScriptedService, scripted_service, slot_figures
from tui.app.console_app import ConsoleApp
from tui.model.daily.months import month_of, of_server
from tui.model.gaps.grid import CELL_LENGTHS_MS
from tui.screens.days import DaysScreen
from tui.screens.gap import GapScreen
from tui.screens.gaps import GapsScreen
from tui.widgets.lines import Line
from tui.widgets.page import PageView

START = int(datetime(2026, 11, 20, 22, 40, tzinfo=UTC).timestamp()) * 1000
OUTAGE_START = START + 20 * MINUTE
LOST_END = OUTAGE_START + 10 * MINUTE
OUTAGE_END = OUTAGE_START + 90 * MINUTE
SERVERS = ("held-1", "live-1", "lost-1", "owes-1", "part-1", "back-1")

ZONES = ("UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Pacific/Auckland")
BACK_OUTAGE = OutageRow(
    began_at=OUTAGE_START + 10_000,
    revision=0,
    phases=(
        PhaseChange("retrying", OUTAGE_START + 10_000),
        PhaseChange("accumulating", OUTAGE_START + 50_000),
        PhaseChange("recovering", OUTAGE_END),
    ),
    failed_attempts=23,
    error="cannot be reached (ConnectError)",
)

ExpectedSpan = tuple[int, int, Provenance]


async def run_outage(service: ScriptedService, minutes: int) -> None:
    """Advance the clock while only `live-1` reports."""
    await service.report_for(minutes, "live-1")


async def end_outage(service: ScriptedService) -> None:
    """At `OUTAGE_END`: one server backfills everything, one lost a span, one has a partial span, one is refused."""
    slots = [slot_figures(slot) for slot in range(OUTAGE_START, OUTAGE_END, MINUTE)]
    await service.agent("back-1").sync_up(*slots, BACK_OUTAGE)
    await service.agent("lost-1").sync_up(upto_ms=LOST_END, state="lost", reason="journal destroyed")
    await service.agent("lost-1").sync_up(*slots[10:])
    await service.agent("part-1").sync_up(*slots[:10], upto_ms=LOST_END, state="partial", reason="server restarted")
    await service.agent("part-1").sync_up(*slots[10:])
    shrunk = slot_figures(OUTAGE_START - MINUTE, 1)
    await service.agent("held-1").sync_up(shrunk, expect=422)


def expected_spans(server: str, now_ms: int) -> list[ExpectedSpan]:
    """Return the spans of a server by the script."""
    live: ExpectedSpan = (START, OUTAGE_START, Provenance.LIVE)
    if server == "live-1":
        return [(START, now_ms, Provenance.LIVE)]
    if now_ms < OUTAGE_END or server == "owes-1":
        return [live, (OUTAGE_START, now_ms, Provenance.MISSING)]
    rest: ExpectedSpan = (LOST_END, OUTAGE_END, Provenance.BACKFILLED)
    match server:
        case "back-1":
            return [live, (OUTAGE_START, OUTAGE_END, Provenance.BACKFILLED)]
        case "lost-1":
            return [live, (OUTAGE_START, LOST_END, Provenance.LOST), rest]
        case "part-1":
            return [live, (OUTAGE_START, LOST_END, Provenance.PARTIAL), rest]
        case _:
            return [live, (OUTAGE_START, OUTAGE_END, Provenance.HELD)]


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


@pytest.fixture
async def outage(tmp_path: Path) -> AsyncIterator[tuple[ScriptedService, ConsoleApp]]:
    """A service 75 minutes into the outage, past midnight, and a console that is not running yet."""
    async with scripted_service(tmp_path, START, *SERVERS) as (service, client):
        await service.report_for(20, *SERVERS)
        await run_outage(service, 75)
        app = ConsoleApp(
            client,
            profile_name="test",
            clock=service.clock,
            poll_interval_seconds=0.1,
            journal_path=tmp_path / "deleted.ndjson",
            tz=ZoneInfo("UTC"),
        )
        yield service, app


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


def days_description(screen: DaysScreen) -> str:
    lines = [screen.query_one(f"#description-{number}", Line) for number in range(4)]
    return " ".join("".join(segment.text for segment in line.render_line(0)).strip() for line in lines)


def table_rows(screen: DaysScreen) -> list[str]:
    """Return the rows of the table that are not empty."""
    widget = screen.query_one("#page", PageView)
    drawn = ("".join(segment.text for segment in widget.render_line(y)) for y in range(widget.size.height))
    return [line.strip() for line in drawn if line.strip()]


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
        assert app.state.server_owing_most() is not None

        await run_outage(service, 15)
        await end_outage(service)
        await wait_for_poll(pilot, app)
        assert "recovered just now: " in cell_text(screen)
        screen._backfilled_at_ms -= 16_000  # the recovery is no longer recent
        screen.state_changed(polled=False)
        assert "4h20 of 5h50 backfilled, 74.3 %" in cell_text(screen), "owes-1 is still missing"
        for _ in CELL_LENGTHS_MS:
            assert_cells_match_script(screen, OUTAGE_END)
            for name in ZONES:
                app.state.tz = ZoneInfo(name)
                screen._window_changed()
                assert_cells_match_script(screen, OUTAGE_END)
            await pilot.press("minus")


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


@pytest.mark.parametrize("name", ZONES)
async def test_days_sum_up_to_the_month_in_five_zones(tmp_path: Path, name: str) -> None:
    tz = ZoneInfo(name)
    async with scripted_service(tmp_path, START, *SERVERS) as (service, client):
        await service.report_for(20, *SERVERS)
        await run_outage(service, 90)
        await end_outage(service)
        first, last = date(2026, 11, 1), date(2026, 11, 30)
        by_day = await client.daily_sums(first, last, name, by="day", group="all")
        month = month_of(first, by_day, await client.daily_sums(first, last, name, by="month", group="all"))
        days = (await client.daily(first, last, name)).days
        seen = 0
        for day, figures in month.days:
            interval = day_interval(day, tz)
            inside = [slot for slot in range(START, OUTAGE_END, MINUTE) if interval.from_ms <= slot < interval.to_ms]
            late = [slot for slot in inside if slot >= OUTAGE_START]
            servers = [of_server(statistics) for statistics in days if statistics.day == day.isoformat()]
            assert figures.bytes_out == sum(server.bytes_out for server in servers)
            for server in servers:
                slots, filled = {
                    "live-1": (inside, []),
                    "back-1": (inside, late),
                    "part-1": (inside, late),
                    "lost-1": (
                        [slot for slot in inside if not OUTAGE_START <= slot < LOST_END],
                        late,
                    ),
                    "owes-1": ([slot for slot in inside if slot < OUTAGE_START], []),
                    "held-1": ([slot for slot in inside if slot < OUTAGE_START], []),
                }[server.name]
                if server.name == "lost-1":
                    filled = [slot for slot in late if slot >= LOST_END]
                assert server.bytes_out == 60_000 * len(slots)
                assert server.connections_by_protocol == ({"rtmp": 3 * len(slots), "hls": len(slots)} if slots else {})
                assert server.view_time_ms == 60_000 * len(slots)
                assert server.backfilled.bytes_out == 60_000 * len(filled)
                states: dict[Provenance, int] = {}
                for from_ms, to_ms, state in expected_spans(server.name, OUTAGE_END):
                    length = min(to_ms, interval.to_ms) - max(from_ms, interval.from_ms)
                    states[state] = states.get(state, 0) + max(0, length)
                assert {state: getattr(server.coverage, f"{state.value}_ms") for state in Provenance} == {
                    state: states.get(state, 0) for state in Provenance
                }
            seen += figures.bytes_out
        assert month.total is not None
        assert month.total.bytes_out == seen


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
