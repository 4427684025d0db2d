"""The days view by stream, scope and customer, over a real service with known figures of each stream."""

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from datetime import UTC, date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import msgspec
import pytest
from syrupy.assertion import SnapshotAssertion
from textual.pilot import Pilot

from streamusage.api.daily import DailySums
from streamusage.client.usage_client import UsageClient
from streamusage.service.rules.customers import CustomerRules, DatedRule
from tests.support.canned_answers import CannedServer, ReceivedRequest, reply
from tests.support.client_failures import TOKEN, documented_error
from tests.support.console.cells import CellSnapshotExtension, drawn_segments, format_screen
from tests.support.console.daily_statistics import a_sum
from tests.support.console.pilot import console, screen_text, wait_for, wait_for_figures
from tests.support.console.scripted_service import MINUTE, ScriptedService, scripted_service, slot_with_streams
from tui.app.console_app import ConsoleApp
from tui.config.settings import ConnectionSettings
from tui.screens.days import DaysScreen
from tui.screens.page import PageScreen

START = int(datetime(2026, 11, 20, 23, 50, tzinfo=UTC).timestamp()) * 1000
SERVERS = ("edge-1", "edge-2")
RULES = CustomerRules([DatedRule(name="Acme", streams=("live/a*",)), DatedRule(name="Beta", streams=("live/b",))])
SIZES = pytest.mark.parametrize("size", [(80, 24), (200, 50)], ids=["80x24", "200x50"])


async def report_minutes(service: ScriptedService, minutes: int) -> None:
    """Report minutes of both servers, each with 100 kB of `a-1`, 20 of `a-2`, 40 of `b`, 3 of `c`, and 1 of none."""
    for _ in range(minutes):
        slot = service.clock.at_ms
        service.clock.at_ms += MINUTE
        streams = {"a-1": 100_000, "a-2": 20_000, "b": 40_000, "c": 3_000}
        for server in SERVERS:
            await service.agent(server).sync_up(*slot_with_streams(slot, 1_000, **streams))


def console_of(service: ScriptedService, client: UsageClient, directory: Path) -> ConsoleApp:
    return ConsoleApp(
        client,
        ConnectionSettings(profile="test", poll_interval_s=0.1, tz=ZoneInfo("UTC")),
        clock=service.clock,
        journal_path=directory / "deleted.ndjson",
        reconciled_folder=directory / "reconciled",
    )


@pytest.fixture
async def streams(tmp_path: Path) -> AsyncIterator[tuple[ScriptedService, ConsoleApp]]:
    """Two servers, ten minutes before and twenty after midnight of the 21st, and a console."""
    async with scripted_service(tmp_path, START, *SERVERS, customers=RULES) as (service, client):
        await report_minutes(service, 30)
        yield service, console_of(service, client, tmp_path)


async def open_days(pilot: Pilot[int], rows: int = 3) -> DaysScreen:
    await wait_for_figures(pilot)
    await pilot.press("y")
    screen = pilot.app.screen
    assert isinstance(screen, DaysScreen)
    await wait_for(pilot, lambda: screen.table.row_count == rows, "the month")
    return screen


def table_rows(screen: DaysScreen) -> dict[str, list[str]]:
    """Return the words of each row that is visible, by the name of the row."""
    table = screen.table
    lines = ("".join(part.text for part in table.render_line(y)) for y in range(1, table.size.height))
    cells = [[cell.strip(" ▸") for cell in re.split(r" {2,}", line) if cell.strip()] for line in lines if line.strip()]
    return {name: texts for name, *texts in cells}


async def press_until(pilot: Pilot[int], key: str, text: str) -> None:
    await pilot.press(key)
    assert isinstance(pilot.app, ConsoleApp)
    app = pilot.app
    await wait_for(pilot, lambda: text in screen_text(app), text)


async def settled_cells(pilot: Pilot[int], app: ConsoleApp) -> str:
    """Return the screen as text cells when it no longer changes."""
    before, cells = "", format_screen(drawn_segments(app))
    while cells != before:
        await pilot.pause(0.3)
        before, cells = cells, format_screen(drawn_segments(app))
    return cells


async def test_tab_cycles_through_the_groups_of_a_month_and_each_sums_to_the_month(
    streams: tuple[ScriptedService, ConsoleApp],
) -> None:
    _, app = streams
    async with app.run_test(size=(120, 30)) as pilot:
        screen = await open_days(pilot)
        assert "tab group" in screen_text(app)
        await press_until(pilot, "tab", "by stream, days of UTC")
        rows = table_rows(screen)
        assert list(rows) == ["live/a-1", "live/a-2", "live/b", "live/c", "not by stream", "month"]
        assert rows["live/a-1"][:5] == ["provisional", "100 %", "measured", "60", "6.00 MB"]
        assert rows["not by stream"][:5] == ["provisional", "100 %", "–", "0", "60.0 kB"]
        assert rows["month"][4] == "9.84 MB"
        await press_until(pilot, "tab", "by scope, days of UTC")
        assert list(table_rows(screen)) == ["live", "not by stream", "month"]
        await press_until(pilot, "tab", "by customer, days of UTC")
        rows = table_rows(screen)
        assert list(rows) == ["Acme", "Beta", "no customer", "not by stream", "month"]
        assert [row[4] for row in rows.values()] == ["7.20 MB", "2.40 MB", "180 kB", "60.0 kB", "9.84 MB"]
        assert "2 customers" in screen_text(app)
        await pilot.press("tab")
        assert list(table_rows(screen)) == ["Fri 20", "Sat 21", "month"]
        await press_until(pilot, "shift+tab", "by customer, days of UTC")


async def test_groups_of_an_opened_day_are_those_of_the_day_and_esc_returns_to_the_days(
    streams: tuple[ScriptedService, ConsoleApp],
) -> None:
    _, app = streams
    async with app.run_test(size=(120, 30)) as pilot:
        screen = await open_days(pilot)
        await pilot.press("k", "enter")
        await wait_for(pilot, lambda: screen.table.row_count == 2, "the servers")
        await press_until(pilot, "tab", "Friday 20 November 2026  by stream, a day of UTC")
        assert table_rows(screen)["live/b"][4] == "800 kB"
        assert table_rows(screen)["day"][4] == "3.28 MB"
        await press_until(pilot, "tab", "by scope, a day of UTC")
        await press_until(pilot, "tab", "by customer, a day of UTC")
        await pilot.press("tab")
        await wait_for(pilot, lambda: list(table_rows(screen)) == ["edge-1", "edge-2"], "the servers")
        await press_until(pilot, "shift+tab", "by customer, a day of UTC")
        await pilot.press("escape")
        await wait_for(pilot, lambda: list(table_rows(screen)) == ["Fri 20", "Sat 21", "month"], "the days")
        assert screen.opened is None
        assert screen._cursor() == 0, "the day that was open"
        await pilot.press("escape")
        assert app.screen is not screen


async def test_page_of_a_group_has_its_figures_of_the_day(streams: tuple[ScriptedService, ConsoleApp]) -> None:
    _, app = streams
    async with app.run_test(size=(120, 40)) as pilot:
        screen = await open_days(pilot)
        await pilot.press("enter")
        await wait_for(pilot, lambda: screen.table.row_count == 2, "the servers")
        await press_until(pilot, "shift+tab", "by customer, a day of UTC")
        await pilot.press("enter")
        assert isinstance(app.screen, PageScreen)
        text = screen_text(app)
        assert "Acme, Saturday 21 November 2026, UTC" in text
        assert "4.80 MB, 4,800,000 bytes" in text
        assert "measured: dealt by the counters of the streams" in text
        assert re.search(r"servers +2, those that carried it in the day", text)
        assert "the day is not over" in text
        await pilot.press("enter")
        assert app.screen is screen, "the key that opens the page closes it"


async def test_cursor_describes_its_row_and_stays_at_it_in_another_order(
    streams: tuple[ScriptedService, ConsoleApp],
) -> None:
    _, app = streams
    async with app.run_test(size=(120, 30)) as pilot:
        screen = await open_days(pilot)
        await press_until(pilot, "tab", "by stream, days of UTC")
        await pilot.press("j", "j")
        assert "live/b · provisional, the month is not over · backfilled 1h00" in screen_text(app)
        assert "of 2 servers · traffic measured" in screen_text(app)
        await pilot.press("o")
        assert list(table_rows(screen)) == ["live/a-1", "live/b", "live/a-2", "live/c", "not by stream", "month"]
        assert screen._cursor() == 1
        assert "live/b · provisional" in screen_text(app)


async def test_filter_selects_groups_by_name_until_esc(streams: tuple[ScriptedService, ConsoleApp]) -> None:
    _, app = streams
    async with app.run_test(size=(120, 30)) as pilot:
        screen = await open_days(pilot)
        await press_until(pilot, "tab", "by stream, days of UTC")
        await pilot.press("slash", *"a-", "enter")
        assert list(table_rows(screen)) == ["live/a-1", "live/a-2", "month"]
        await pilot.press("slash", *"zzz", "enter")
        assert "no name contains the text of the filter" in screen_text(app)
        await pilot.press("enter", "j", "G")
        await pilot.press("escape")
        assert len(table_rows(screen)) == 6
        assert app.screen is screen


async def test_other_month_is_shown_by_the_same_group(streams: tuple[ScriptedService, ConsoleApp]) -> None:
    _, app = streams
    async with app.run_test(size=(120, 30)) as pilot:
        screen = await open_days(pilot)
        await press_until(pilot, "tab", "November 2026  by stream, days of UTC")
        await press_until(pilot, "h", "October 2026  by stream, days of UTC")
        assert table_rows(screen) == {}
        assert "no figures by stream in these days: agents of this version report them" in screen_text(app)
        assert screen.first == date(2026, 10, 1)
        await press_until(pilot, "l", "November 2026  by stream, days of UTC")
        assert len(table_rows(screen)) == 6


async def test_late_figures_of_a_closed_day_are_adjustments_of_their_streams(
    streams: tuple[ScriptedService, ConsoleApp],
) -> None:
    service, app = streams
    service.clock.at_ms += 3 * 60 * MINUTE
    await service.agent("edge-1").sync_up()
    assert app.client is not None
    await app.client.close_day(date(2026, 11, 20), "UTC")
    slot = START - 5 * MINUTE
    agent = service.agent("edge-1")
    await agent.sync_up(*slot_with_streams(START, 1_000, **{"a-1": 150_000, "a-2": 20_000, "b": 40_000, "c": 3_000}))
    async with app.run_test(size=(160, 30)) as pilot:
        screen = await open_days(pilot)
        await pilot.press("k", "enter")
        await press_until(pilot, "tab", "by stream, a day of UTC")
        row = table_rows(screen)["live/a-1"]
        assert row[0] == "adjusted"
        assert "+50.0 kB" in row
        assert "2.00 MB" in row, "the closed figure stays"
        assert "not in the figures" in screen_text(app)
    assert slot < START


@SIZES
async def test_customers_are_drawn_as_before(
    streams: tuple[ScriptedService, ConsoleApp], size: tuple[int, int], snapshot: SnapshotAssertion
) -> None:
    _, app = streams
    cells = snapshot.use_extension(CellSnapshotExtension)
    async with app.run_test(size=size) as pilot:
        await open_days(pilot)
        await press_until(pilot, "shift+tab", "by customer, days of UTC")
        assert await settled_cells(pilot, app) == cells(name="customers")
        await press_until(pilot, "shift+tab", "by scope, days of UTC")
        await press_until(pilot, "shift+tab", "by stream, days of UTC")
        assert await settled_cells(pilot, app) == cells(name="streams")
        await pilot.press("enter")
        assert await settled_cells(pilot, app) == cells(name="page")


async def test_service_without_rules_says_how_to_give_it_customers(tmp_path: Path) -> None:
    async with scripted_service(tmp_path, START, *SERVERS) as (service, client):
        await report_minutes(service, 2)
        app = console_of(service, client, tmp_path)
        async with app.run_test(size=(120, 30)) as pilot:
            screen = await open_days(pilot, 2)
            await press_until(pilot, "shift+tab", "by customer, days of UTC")
            assert list(table_rows(screen)) == ["no customer", "not by stream", "month"]
            assert "no customers in these days: start the service with --customers FILE" in screen_text(app)


# Slow, old and failing services


class HeldSums:
    """A service whose sums by group wait until `release` is called."""

    def __init__(self, answer: Callable[[ReceivedRequest], bytes]) -> None:
        self._answer = answer
        self._released = asyncio.Event()
        self.requested: list[str] = []

    def release(self) -> None:
        self._released.set()

    def groups(self) -> list[str]:
        return [query.partition("group=")[2].partition("&")[0] for query in self.requested]

    async def respond(self, request: ReceivedRequest) -> bytes:
        if request.path.endswith("/changes"):
            return reply(200, '{"now": 1795284000000, "cursor": "1", "records": [], "deleted": [], "reset": true}')
        if request.path.endswith("/servers"):
            return reply(200, '{"now": 1795284000000, "servers": []}')
        if "group=all" in request.query or "group=role" in request.query:
            return reply(200, self._sums("all"))
        if request.path.endswith("/daily/sums"):
            self.requested.append(request.query)
            await self._released.wait()
            return self._answer(request)
        return reply(404, documented_error("nothing"))

    @staticmethod
    def _sums(group: str) -> bytes:
        rows = [a_sum("2026-11-20" if group == "all" else "2026-11", 7_000, group)]
        return msgspec.json.encode(DailySums(now=1_795_284_000_000, account_zones=["UTC"], sums=rows))

    @classmethod
    def sums(cls, group: str) -> bytes:
        """Return a reply with one row."""
        return reply(200, cls._sums(group))


def first_row(screen: DaysScreen) -> str:
    return next(iter(table_rows(screen)), "")


async def test_rows_stay_dimmed_while_groups_are_read_and_keys_abandon_them(tmp_path: Path) -> None:
    held = HeldSums(lambda request: HeldSums.sums("live/one"))
    async with CannedServer(held.respond) as server, UsageClient(server.url, TOKEN) as client:
        app = console(client, tmp_path)
        async with app.run_test(size=(120, 30)) as pilot:
            screen = await open_days(pilot, 2)
            await press_until(pilot, "tab", "reading streams … <1s  esc: abandon")
            assert first_row(screen) == "Fri 20", "what was shown before"
            inks = {str(part.style.color) for part in screen.table.render_line(1) if part.style and part.text.strip()}
            assert len(inks) == 1, "it is dimmed"
            await wait_for(pilot, lambda: "reading streams … 1s" in screen_text(app), "the elapsed time")
            await pilot.press("j", "k", "G")
            await press_until(pilot, "tab", "reading scopes … <1s")
            await pilot.press("escape")
            await wait_for(pilot, lambda: "reading" not in screen_text(app), "the end of the request")
            assert app.screen is screen
            assert not app.fetcher.is_waiting
            await press_until(pilot, "tab", "reading streams")
            held.release()
            await wait_for(pilot, lambda: first_row(screen) == "live/one", "the answer")
            assert held.groups() == ["stream", "scope", "stream"]
            assert all("by=month" in query for query in held.requested)


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (
            reply(400, documented_error("group must be one of server, role, all")),
            "has no daily statistics by stream: its version is older",
        ),
        (reply(500, documented_error("the store is damaged")), "the store is damaged"),
        (reply(200, '{"now": 1, "sums": [{}]}'), "a sum that cannot be used"),
    ],
)
async def test_failure_is_explained_and_servers_are_shown_again(tmp_path: Path, answer: bytes, sentence: str) -> None:
    held = HeldSums(lambda request: answer)
    held.release()
    async with CannedServer(held.respond) as server, UsageClient(server.url, TOKEN) as client:
        app = console(client, tmp_path)
        async with app.run_test(size=(120, 30)) as pilot:
            screen = await open_days(pilot, 2)
            await press_until(pilot, "tab", sentence)
            assert first_row(screen) == "Fri 20"
            assert "reading" not in screen_text(app)
            await pilot.press("k", "j")
            assert sentence in screen_text(app), "it stays until the next request"


async def test_groups_that_fail_later_keep_their_rows(tmp_path: Path) -> None:
    answers = [HeldSums.sums("live/one"), reply(500, documented_error("busy"))]
    held = HeldSums(lambda request: answers.pop(0))
    held.release()
    async with CannedServer(held.respond) as server, UsageClient(server.url, TOKEN) as client:
        app = console(client, tmp_path)
        async with app.run_test(size=(120, 30)) as pilot:
            screen = await open_days(pilot, 2)
            await press_until(pilot, "tab", "by stream")
            await wait_for(pilot, lambda: first_row(screen) == "live/one", "the answer")
            await press_until(pilot, "r", "busy")
            assert first_row(screen) == "live/one"
