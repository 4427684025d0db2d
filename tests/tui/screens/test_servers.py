"""The servers view."""

import re
from pathlib import Path

import msgspec

from streamusage.api.report import ClockQuestion, SourceState
from streamusage.client.usage_client import UsageClient
from streamusage.core.clock import SystemClock
from tests.streamusage.service.conftest import an_estate
from tests.support.console.pilot import console, open_console, screen_text, wait_for, wait_for_figures
from tests.support.service.machine_clocks import ServiceMachine
from tests.support.service.parties.reporting import ReportingAgent, a_session
from tests.support.waiting import wait_until
from tui.app.actions import Context
from tui.screens.servers import ServersScreen


async def test_backlog_of_a_server_counts_reports_of_its_own_sync_interval(
    store_of_an_hour: Path, tmp_path: Path
) -> None:
    async with open_console(store_of_an_hour, tmp_path, Context.SESSIONS) as (pilot, app):
        await pilot.resize_terminal(200, 24)
        await pilot.press("s")
        await wait_for(pilot, lambda: isinstance(app.screen, ServersScreen), "the servers")
        assert re.findall(r"(\S+) +(\d+) reports?\b", screen_text(app)) == [("6m", "6")], (
            "one report a minute; the other servers owe none"
        )
        assert re.findall(r"(\S+) +edge +unreachable +\S+ +(\S+) ", screen_text(app)) == [("edge-2", "–")], (
            "nobody knows who watches there; 0 would be a figure"
        )


async def test_doubtful_clock_and_a_refused_server_are_shown(tmp_path: Path) -> None:
    machine = ServiceMachine(tmp_path)
    async with machine.service() as estate:
        agent = ReportingAgent(estate, "edge-1")
        machine.clock.now += 10_000
        await agent.sync_up(a_session())
        assert (await agent.send(agent.report(upto_ms=machine.clock.now + 10**9))).json()["reason"] == "clock"
        machine.clock.off_ms = 2 * 3_600_000
        await wait_until(lambda: estate.running.service.clock.word == "doubtful", "the doubt began")
        async with (
            UsageClient(estate.running.url, "viewer-token") as client,
            console(client, tmp_path).run_test(size=(110, 24)) as pilot,
        ):
            app = await wait_for_figures(pilot)
            await wait_for(pilot, lambda: "clock doubtful" in screen_text(app), "the header's mark")
            await pilot.press("s")
            await wait_for(pilot, lambda: isinstance(app.screen, ServersScreen), "the servers")
            text = screen_text(app)
            assert "clock refused" in text
            assert "the service's clock is doubtful, 2h00 ahead: nothing is closed" in text


async def test_server_that_never_gave_a_reading_is_shown_with_the_agents_words(tmp_path: Path) -> None:
    error = (
        "http://127.0.0.1:8080/stat refused the connection; start nginx, or set stat_url in the agent's configuration "
        "to the address of its statistics page"
    )
    async with an_estate(tmp_path, SystemClock()) as estate:
        question = ClockQuestion(source=SourceState(error=error, failing_ms=300_000, role="edge"))
        agent = ReportingAgent(estate, "edge-1")
        assert (await agent.request("clock", msgspec.json.encode(question))).status_code == 200
        async with (
            UsageClient(estate.running.url, "viewer-token") as client,
            console(client, tmp_path).run_test(size=(80, 24)) as pilot,
        ):
            app = await wait_for_figures(pilot)
            await wait_for(pilot, lambda: "edge-1 no reading" in screen_text(app), "the header's mark")
            text = screen_text(app)
            assert "no sessions; edge-1 cannot be read by its agent:" in text
            assert all(word in text for word in error.split())
            await pilot.press("s")
            await wait_for(pilot, lambda: isinstance(app.screen, ServersScreen), "the servers")
            text = screen_text(app)
            assert "0 live of 1 servers   owed 5m   1 cannot be read by its agent" in text
            row = next(line for line in text.splitlines() if "▸" in line)
            assert re.search(r"edge-1 +no reading +– +– +– +5m", row), row
            assert all(word in text for word in error.split())
