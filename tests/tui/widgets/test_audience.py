"""The audience strip on a real console against a real service, through an outage of one of two servers."""

import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC
from pathlib import Path

import pytest
from textual.pilot import Pilot

from streamusage.api.report import SampleRow
from streamusage.client.usage_client import UsageClient
from tests.support.canned_answers import ReceivedRequest, reply
from tests.support.console.pilot import console, screen_text, wait_for
from tests.support.console.records import recent
from tests.support.console.scripted_service import MINUTE, ScriptedService, scripted_service, slot_figures
from tests.support.plain_manager import PlainManager
from tests.support.service.parties.reporting import a_session
from tui.app.console_app import ConsoleApp
from tui.config.settings import ConnectionSettings
from tui.display.ascii import to_ascii
from tui.widgets.audience import AudienceStrip

BEGINS = 1_795_214_400_000
"""2026-11-20 22:40 UTC."""
ORIGIN, EDGE = "origin-1", "edge-3"


async def sync_up(service: ScriptedService, server: str, figures: dict[int, int]) -> None:
    """Report a server's figures by minute since the beginning."""
    now_ms, newest = service.clock.at_ms, figures[max(figures)]
    rows = []
    for minute, active in figures.items():
        slot = BEGINS + minute * MINUTE
        rows.append(slot_figures(slot, min(MINUTE, now_ms - slot)))
        rows.append(SampleRow(slot=slot, scope="live", name="stage", revision=0, active=active, highest=active))
    session = a_session(
        server, name="stage", start_time=BEGINS, end_time=now_ms, active=newest, highest=newest, total=newest
    )
    await service.agent(server, "origin" if server == ORIGIN else "edge").sync_up(*rows, session)


async def report(service: ScriptedService, minutes: int, figures: dict[str, int]) -> None:
    """Let these servers report twice a minute, each its figure."""
    for _ in range(2 * minutes):
        service.clock.at_ms += MINUTE // 2
        for server, active in figures.items():
            await sync_up(service, server, {(service.clock.at_ms - 1 - BEGINS) // MINUTE: active})


@asynccontextmanager
async def run_console(
    service: ScriptedService, client: UsageClient, directory: Path, size: tuple[int, int] = (80, 24)
) -> AsyncIterator[tuple[ConsoleApp, Pilot[int]]]:
    app = ConsoleApp(
        client,
        ConnectionSettings(profile="test", poll_interval_s=60, tz=UTC),
        clock=service.clock,
        journal_path=directory / "deleted.ndjson",
    )
    async with app.run_test(size=size) as pilot:
        yield app, pilot


def strip_lines(app: ConsoleApp) -> list[str]:
    strip = app.screen.query_one(AudienceStrip)
    if not strip.display:
        return []
    return ["".join(part.text for part in strip.render_line(y)) for y in range(strip.size.height)]


def without_gap(line: str) -> str:
    """Return a line with two blanks between its text and the first minute."""
    return re.sub(" {2,}", "  ", line.strip())


async def shows(app: ConsoleApp, pilot: Pilot[int], *lines: str) -> None:
    def are_shown() -> bool:
        app.poller.refresh()
        return [without_gap(line) for line in strip_lines(app)] == list(lines)

    await wait_for(pilot, are_shown, f"{lines}, not {strip_lines(app)}")


async def test_outage_cuts_a_hole_that_is_filled_again(tmp_path: Path) -> None:
    async with scripted_service(tmp_path, BEGINS, ORIGIN, EDGE) as (service, client):
        await report(service, 4, {ORIGIN: 251, EDGE: 437})
        async with run_console(service, client, tmp_path) as (app, pilot):
            await shows(app, pilot, "watching 688 now · 688 peak 22:40  █████")
            await report(service, 3, {ORIGIN: 251})
            await shows(app, pilot, "watching ≥ 251 now · ≥ 688 peak 22:40  ████▄▄▄▄")
            inks = {part.text.strip(): part.style for part in app.screen.query_one(AudienceStrip).render_line(0)}
            assert inks["████"] != inks["▄▄▄▄"], "a lower bound is dim"
            await sync_up(service, EDGE, dict.fromkeys(range(4, 7), 437))
            await sync_up(service, ORIGIN, {6: 251})
            await shows(app, pilot, "watching 688 now · 688 peak 22:40  ████████")
            marked = [part.text for part in app.screen.query_one(AudienceStrip).render_line(0) if part.style.underline]
            assert marked == ["███"], "the minutes that were backfilled"


async def test_strip_is_in_every_view_and_counts_all_sessions(tmp_path: Path) -> None:
    async with scripted_service(tmp_path, BEGINS, ORIGIN) as (service, client):
        await report(service, 2, {ORIGIN: 251})
        async with run_console(service, client, tmp_path) as (app, pilot):
            await shows(app, pilot, "watching 251 now · 251 peak 22:40  ███")
            before = strip_lines(app)
            await pilot.press("slash", *"nothing", "enter")
            await pilot.pause()
            assert "0 on air of 0 sessions" in screen_text(app)
            assert strip_lines(app) == before
            for key in "gsy":
                await pilot.press(key)
                await wait_for(pilot, lambda: strip_lines(app) == before, "the strip of the view")
                assert screen_text(app).split("\n")[1] == before[0]


async def test_key_hides_and_shows_the_strip_in_every_view(tmp_path: Path) -> None:
    async with scripted_service(tmp_path, BEGINS, ORIGIN) as (service, client):
        await report(service, 2, {ORIGIN: 251})
        async with run_console(service, client, tmp_path) as (app, pilot):
            await wait_for(pilot, lambda: strip_lines(app) != [""], "the strip")
            await pilot.press("s", "A")
            await wait_for(pilot, lambda: strip_lines(app) == [], "a hidden strip")
            assert not app.state.view_memory([]).audience
            assert "watching 251" not in screen_text(app)
            await pilot.press("escape")
            await wait_for(pilot, lambda: strip_lines(app) == [], "the strip hidden in the other view")
            await pilot.press("A")
            await wait_for(pilot, lambda: bool(strip_lines(app)), "the strip")
            await wait_for(pilot, lambda: "watching 251 now" in strip_lines(app)[0], "its text")
            assert app.state.view_memory([]).audience


async def test_estate_without_sessions_has_zeros(tmp_path: Path) -> None:
    async with scripted_service(tmp_path, BEGINS, ORIGIN) as (service, client):
        await service.report_for(3, ORIGIN)
        async with run_console(service, client, tmp_path) as (app, pilot):
            await wait_for(pilot, lambda: "▁▁▁" in strip_lines(app)[0], "zeros")
            await shows(app, pilot, "watching 0 now  ▁▁▁▁")


async def test_high_screen_has_a_filled_area_of_four_lines(tmp_path: Path) -> None:
    async with scripted_service(tmp_path, BEGINS, ORIGIN, EDGE) as (service, client):
        await report(service, 3, {ORIGIN: 300, EDGE: 500})
        await report(service, 2, {ORIGIN: 300})
        async with run_console(service, client, tmp_path, (80, 36)) as (app, pilot):
            await shows(
                app,
                pilot,
                "watching ≥ 300 now  800 ┤  ⣿⣿⣿",
                "≥ 800 peak 22:40  ┤  ⣿⣿⣿",
                "┤  ⣿⣿⣿⣤⣤⣤",
                "0 ┤  ⣿⣿⣿⣿⣿⣿",
            )
            await pilot.resize_terminal(80, 35)
            await wait_for(pilot, lambda: len(strip_lines(app)) == 1 and "▄" in strip_lines(app)[0], "one line")


async def test_low_screen_has_no_strip(tmp_path: Path) -> None:
    async with scripted_service(tmp_path, BEGINS, ORIGIN) as (service, client):
        await report(service, 1, {ORIGIN: 251})
        async with run_console(service, client, tmp_path, (80, 19)) as (app, pilot):
            await wait_for(pilot, lambda: app.state.has_figures, "a poll")
            assert strip_lines(app) == []
            await pilot.resize_terminal(80, 24)
            await wait_for(pilot, lambda: "watching 251 now" in "".join(strip_lines(app)), "the strip")


@pytest.mark.parametrize(
    ("width", "text", "minutes_end"),
    [
        (20, "watching 1,184,000", 20),
        (30, "watching 1,184,000 now", 30),
        (44, "watching 1,184,000 now", 44),
        (60, "watching 1,184,000 now  ███", 59),
        (80, "watching 1,184,000 now · 1,184,000 peak 22:40  ███", 79),
        (200, "watching 1,184,000 now · 1,184,000 peak 22:40  ███", 47 + 60),
    ],
)
async def test_text_and_minutes_fit_into_any_width(tmp_path: Path, width: int, text: str, minutes_end: int) -> None:
    async with scripted_service(tmp_path, BEGINS, ORIGIN) as (service, client):
        await report(service, 2, {ORIGIN: 1_184_000})
        async with run_console(service, client, tmp_path, (width, 24)) as (app, pilot):
            await shows(app, pilot, text)
            assert not strip_lines(app)[0][minutes_end:].strip()
            assert "█" not in text or strip_lines(app)[0][minutes_end - 1] == "█"


class ManagerWithLiveList(PlainManager):
    """A plain Stream Manager with a live list of one stream."""

    def _respond(self, request: ReceivedRequest) -> bytes:
        on_air = [{"name": "cam", "scope": "live", "currentSubscribers": 17, "startTime": recent(30)}]
        return reply(200, json.dumps(on_air)) if request.path.endswith("/list/stats") else super()._respond(request)


async def test_plain_stream_manager_shows_its_polls_as_such(tmp_path: Path) -> None:
    async with ManagerWithLiveList() as manager, UsageClient(manager.url, manager.token) as client:
        app = console(client, tmp_path)
        async with app.run_test(size=(80, 24)) as pilot:
            await wait_for(pilot, lambda: "peak polled" in "".join(strip_lines(app)), "the strip")
            text, cells = strip_lines(app)[0].split("polled")
            assert text == " watching 17 now · 17 peak "
            assert cells.strip() in ("█", "██")
            assert to_ascii(strip_lines(app)[0]).rstrip().endswith("#")


async def test_unknown_audience_of_a_plain_stream_manager_is_not_zero(tmp_path: Path) -> None:
    async with PlainManager() as manager, UsageClient(manager.url, manager.token) as client:
        app = console(client, tmp_path)
        async with app.run_test(size=(80, 24)) as pilot:
            await wait_for(pilot, lambda: "watching" in "".join(strip_lines(app)), "the strip")
            assert strip_lines(app)[0].strip() == "watching – now"
