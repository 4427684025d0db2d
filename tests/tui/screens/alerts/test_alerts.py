"""The alerts view and the mark in the header, of a service whose alerts fire."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from textual.pilot import Pilot

from streamusage.client.usage_client import UsageClient
from tests.streamusage.service.conftest import Estate, an_estate
from tests.support.console.pilot import console, screen_text, wait_for, wait_for_figures
from tests.support.service.alerts.receiver import Answer, alert_receiver
from tests.support.service.alerts.settings import a_receiver, a_rule, alert_settings
from tests.support.waiting import wait_until
from tui.app.console_app import ConsoleApp
from tui.screens.alerts.alerts import AlertsScreen
from tui.widgets.page import PageView

pytestmark = pytest.mark.usefixtures("fast_keys")

STREAMS = tuple(f"live/cam-{number}" for number in range(12))


@asynccontextmanager
async def firing(directory: Path) -> AsyncIterator[Estate]:
    """A service with twelve critical alerts, one of them silenced, a pending one, and a receiver that refuses."""
    with alert_receiver() as receiver:
        receiver.answer = lambda: Answer(503, body="in maintenance\x1b[2J")
        settings = alert_settings(
            receiver.url(),
            a_rule("no-publisher", name="off air", streams=STREAMS, for_ms=0, severity="critical"),
            a_rule("no-publisher", name="rehearsal", streams=("live/later",), for_ms=10**9, receivers=()),
            a_rule("store"),
        )
        settings.receivers = (*settings.receivers, a_receiver(receiver.url(), "chat", format="slack"))
        async with an_estate(directory, alerts=settings) as estate:
            body = {"matchers": {"stream": "live/cam-11"}, "for_ms": 3_600_000, "reason": "later"}
            await estate.request("POST", "/api/v1/alerts/silences", json=body)
            await wait_until(lambda: receiver.posted, "the first attempt")

            async def is_failing() -> bool:
                listed = (await estate.request("GET", "/api/v1/alerts")).json()
                silenced = [alert for alert in listed["alerts"] if alert.get("silenced_by")]
                return bool(silenced and listed["receivers"] and "error" in listed["receivers"][0])

            await wait_until(is_failing, "the failure is stored")
            yield estate


@asynccontextmanager
async def opened(
    estate: Estate, directory: Path, size: tuple[int, int]
) -> AsyncIterator[tuple[Pilot[int], ConsoleApp]]:
    async with (
        UsageClient(estate.running.url, "viewer-token") as client,
        console(client, directory).run_test(size=size) as pilot,
    ):
        app = await wait_for_figures(pilot)
        await pilot.press("a")
        await wait_for(pilot, lambda: isinstance(app.screen, AlertsScreen) and "FIRING" in screen_text(app), "alerts")
        yield pilot, app


async def test_alerts_receivers_and_the_headers_mark_are_shown(tmp_path: Path) -> None:
    async with firing(tmp_path) as estate, opened(estate, tmp_path, (110, 80)) as (pilot, app):
        text = screen_text(app)
        assert "! 11 alerts" in text.splitlines()[0]
        assert re.search(r"11 firing, 1 silenced, 1 pending +3 rules, evaluated by \S+:\d+", text)
        sections = re.findall(r"^ ([A-Z][A-Z ]+[A-Z]) *$", text, re.MULTILINE)
        assert sections == ["NOT DELIVERED", "FIRING", "SILENCED", "PENDING", "SILENCES", "RECEIVERS"]
        assert "HTTP 503: in maintenance" in text
        assert "\x1b" not in text
        assert re.search(r"critical nobody publishes live/cam-0 *\n.*off air", text)
        assert "chat  slack, http://127.0.0.1:" in text
        await pilot.press("escape")
        await wait_for(pilot, lambda: app.screen is app.sessions_screen, "back at the sessions")
        assert "! 11 alerts" in screen_text(app).splitlines()[0]


async def test_cursor_moves_by_alerts_and_the_page_follows_in_80_columns(tmp_path: Path) -> None:
    async with firing(tmp_path) as estate, opened(estate, tmp_path, (80, 24)) as (pilot, app):
        page = app.screen.query_one(PageView)

        def at_cursor() -> str:
            (line,) = [line for line in screen_text(app).splitlines() if line.startswith("▸")]
            return line.split(maxsplit=2)[2].rstrip()

        async def after(key: str, seen: str) -> None:
            await pilot.press(key)
            await wait_for(pilot, lambda: at_cursor() == seen, f"{key}: {seen}")
            assert app.cursor_position.y == page.region.y + page.selected_line - page.scroll_offset.y

        await wait_for(pilot, lambda: page.max_scroll_y > 20, "a page that is longer than the screen")
        subjects = sorted(f"nobody publishes {stream}" for stream in STREAMS if stream != "live/cam-11")
        first = at_cursor()
        assert first in subjects
        await pilot.press("j")
        await wait_for(pilot, lambda: at_cursor() != first, "the next alert")
        await after("k", first)
        seen = {first}
        for _ in subjects[1:]:
            await pilot.press("down")
            seen.add(at_cursor())
        assert seen == set(subjects)
        assert page.scroll_offset.y > 0
        await after("end", "stream=live/cam-11")
        assert page.scroll_offset.y == page.max_scroll_y
        await after("home", first)
        assert page.scroll_offset.y == 0
        await pilot.press("pagedown")
        assert page.scroll_offset.y == page.size.height - 1
        assert at_cursor() != first
        await after("pageup", first)
        await pilot.press("k")
        assert page.scroll_offset.y == 0
        assert all(len(line.rstrip()) <= 80 for line in screen_text(app).splitlines())


@pytest.mark.parametrize("moves", [0, 2], ids=["untouched", "moved"])
async def test_cursor_is_at_the_first_alert_until_moved_and_then_stays_at_its_alert(tmp_path: Path, moves: int) -> None:
    async with firing(tmp_path) as estate, opened(estate, tmp_path, (110, 80)) as (pilot, app):
        await pilot.press(*["j"] * moves)

        def at_cursor() -> str:
            (line,) = [line for line in screen_text(app).splitlines() if line.startswith("▸")]
            return line.split()[-1]

        stream = at_cursor()
        body = {"matchers": {"stream": stream}, "for_ms": 3_600_000, "reason": "later"}
        await estate.request("POST", "/api/v1/alerts/silences", json=body)
        await wait_for(pilot, lambda: "10 firing, 2 silenced" in screen_text(app), "the silence of another console")
        first = screen_text(app).partition("FIRING")[2].splitlines()[1]
        assert first.startswith("▸") is not bool(moves)
        assert (at_cursor() == stream) is bool(moves)


async def test_page_of_a_service_without_rules_states_how_to_begin(tmp_path: Path) -> None:
    async with (
        an_estate(tmp_path) as estate,
        UsageClient(estate.running.url, "viewer-token") as client,
        console(client, tmp_path).run_test(size=(80, 24)) as pilot,
    ):
        app = await wait_for_figures(pilot)
        assert "alert" not in screen_text(app).splitlines()[0]
        await pilot.press("a")

        def text() -> str:
            return " ".join(screen_text(app).split())

        await wait_for(pilot, lambda: "serve --alerts FILE" in text(), "how to begin")
        assert "publishes a stream that matters." in text(), "no line is cut"


@pytest.mark.parametrize("size", [(80, 24), (60, 20)])
async def test_palette_opens_the_view(tmp_path: Path, size: tuple[int, int]) -> None:
    async with (
        an_estate(tmp_path) as estate,
        UsageClient(estate.running.url, "viewer-token") as client,
        console(client, tmp_path).run_test(size=size) as pilot,
    ):
        app = await wait_for_figures(pilot)
        await pilot.press(":", *"alerts", "enter")
        await wait_for(pilot, lambda: isinstance(app.screen, AlertsScreen), "the alerts")
