"""Polls of a service that accepts and sends nothing, or stops within an answer: the console stays responsive."""

import asyncio
import re
from pathlib import Path

import msgspec
import pytest
from msgspec.structs import replace
from textual.pilot import Pilot

from streamusage.api.extension import Changes
from streamusage.client.usage_client import UsageClient
from tests.support.canned_answers import CannedServer, ReceivedRequest, reply
from tests.support.console.clocks import MovableClock
from tests.support.console.pilot import screen_lines, wait_for, wait_for_figures
from tests.support.console.records import recent, record
from tests.support.waiting import PATIENT
from tui.app.console_app import ConsoleApp
from tui.config.settings import ConnectionSettings
from tui.widgets.session_table import SessionTable


class StallingServer(CannedServer):
    """A plain Stream Manager that can stop an answer after `stall_after_bytes` and leave the connection open."""

    def __init__(self) -> None:
        records = msgspec.json.encode([record(f"cam-{number}", recent(90 + number)) for number in range(40)])
        self._records = reply(200, records)
        self.stall_after_bytes: int | None = None
        self.hanging = 0
        """Number of stopped answers that the console still waits for."""
        self._stalled: list[asyncio.StreamWriter] = []
        super().__init__(lambda request: self._records)

    def hang_up(self) -> None:
        """Close the connections of the answers that stopped."""
        for writer in self._stalled:
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            line = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            if self.stall_after_bytes is not None:
                writer.write(self._records[: self.stall_after_bytes])
                await writer.drain()
                self.hanging += 1
                self._stalled.append(writer)
                await reader.read()  # until the console or the test hangs up
                self.hanging -= 1
            elif "/api/v1/" in line:
                writer.write(reply(404, "<html>", "text/html"))
            else:
                writer.write(reply(200, "[]") if "/list/stats" in line else self._records)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()


def header(app: ConsoleApp) -> str:
    return screen_lines(app)[0]


async def assert_key_works(pilot: Pilot[int], key: str) -> None:
    """Press a key and assert that it moves the cursor at once."""
    table = pilot.app.screen.query_one(SessionTable)
    row = table.cursor_row
    await pilot.press(key)
    assert table.cursor_row != row


@pytest.mark.parametrize("sent", [0, 2000], ids=["silent", "in the body"])
async def test_staleness_rises_while_an_answer_hangs_and_keys_still_work(tmp_path: Path, sent: int) -> None:
    clock = MovableClock()
    async with (
        StallingServer() as server,
        UsageClient(server.url, "t", clock=clock, options=PATIENT) as client,
    ):
        app = ConsoleApp(client, ConnectionSettings(poll_interval_s=0.2), clock=clock, journal_path=tmp_path / "j")
        async with app.run_test(size=(120, 24)) as pilot:
            await wait_for_figures(pilot)
            server.stall_after_bytes = sent
            await wait_for(pilot, lambda: server.hanging, "an answer that hangs")
            clock.freeze()
            clock.ahead_ms += 700
            await wait_for(pilot, lambda: "▲" in header(app), "the level late")
            assert "▲ late" in header(app)
            for number in range(10):
                await assert_key_works(pilot, "j" if number < 5 else "k")
            clock.ahead_ms += 20_000
            await wait_for(pilot, lambda: "STALE 2" in header(app), "the level stale")
            assert app.state.failures == 0, "no poll has failed yet"
            assert server.hanging, "all keys were pressed while the answer hung"
            await pilot.press("d")
            assert app.screen is app.sessions_screen
            assert any("deletes are off" in line for line in screen_lines(app))
            server.hang_up()
            await wait_for(pilot, lambda: app.state.failures, "the failed poll")
            assert len(app.state.store) == 40
            assert any("live/cam-0" in line for line in screen_lines(app))
            server.stall_after_bytes = None
            await pilot.press("r")
            await wait_for(pilot, lambda: "●" in header(app), "live again")


async def test_retry_countdown_runs_down_and_then_polls(tmp_path: Path) -> None:
    clock = MovableClock()
    async with (
        StallingServer() as server,
        UsageClient(server.url, "t", clock=clock, options=replace(PATIENT, silence_seconds=0.3)) as client,
    ):
        app = ConsoleApp(client, ConnectionSettings(poll_interval_s=60), clock=clock, journal_path=tmp_path / "j")
        async with app.run_test(size=(120, 24)) as pilot:
            await wait_for_figures(pilot)
            clock.freeze()
            server.stall_after_bytes = 0
            await pilot.press("r")
            await wait_for(pilot, lambda: "next try in" in header(app), "the countdown")
            found = re.search(r"next try in (\d+)s", header(app))
            assert found
            for seconds in (1, 2):
                clock.ahead_ms += 1_000
                left = f"next try in {int(found[1]) - seconds}s"
                await wait_for(pilot, lambda left=left: left in header(app), left)
            clock.ahead_ms += 600_000
            await wait_for(pilot, lambda: "STALE 10m" in header(app), "the age by the minute")
            app.poller.interval_seconds = 0.2
            await pilot.press("r")
            await wait_for(pilot, lambda: app.state.failures == 2, "the second try")
            await wait_for(pilot, lambda: app.state.failures >= 3, "the third try, without a key")
            await wait_for(pilot, lambda: "offline 10m" in header(app), "the level offline, after three failures")
            assert any("the service stopped responding" in line for line in screen_lines(app))
            await assert_key_works(pilot, "j")


async def test_service_that_is_not_reached_at_first_is_never_taken_for_a_plain_one(tmp_path: Path) -> None:
    def respond(request: ReceivedRequest) -> bytes:
        if not gateway_is_ready:
            return reply(404, "<html>no such host", "text/html")
        if request.path == "/api/v1/changes":
            return reply(200, msgspec.json.encode(Changes(now=1795255200000, cursor="1")))
        if request.path == "/api/v1/servers":
            return reply(200, '{"servers": [], "now": 1795255200000}')
        return reply(404, '{"errorMessage": "not found", "timestamp": 1}')

    gateway_is_ready = False
    async with CannedServer(respond) as server, UsageClient(server.url, "t") as client:
        app = ConsoleApp(
            client, ConnectionSettings(poll_interval_s=0.2), clock=MovableClock(), journal_path=tmp_path / "j"
        )
        async with app.run_test(size=(120, 24)) as pilot:
            await wait_for(pilot, lambda: app.state.failures, "the answers of the gateway")
            gateway_is_ready = True
            await wait_for(pilot, lambda: app.state.has_figures, "figures")
            assert app.state.servers == []
            assert client.has_extension
