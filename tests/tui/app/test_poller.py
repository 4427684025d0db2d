"""A service that accepts and then says nothing, or stops in the middle of an answer: the console stays alive."""

import asyncio
import re
from datetime import UTC
from pathlib import Path

import msgspec
import pytest
from textual.pilot import Pilot

from streamusage.client.usage_client import UsageClient
from tests.support.canned_answers import CannedServer, reply
from tests.support.console.clocks import MovableClock
from tests.support.console.pilot import shown, until, with_figures
from tests.support.console.records import recent, record
from tests.support.waiting import LONGEST_WAIT_S
from tui.app.console_app import ConsoleApp
from tui.widgets.session_table import SessionTable


class StallingServer(CannedServer):
    """A plain Stream Manager. While it `stalls` it sends only so many bytes of its records, and then nothing more."""

    def __init__(self) -> None:
        records = msgspec.json.encode([record(f"cam-{number}", recent(90 + number)) for number in range(40)])
        self._records = reply(200, records)
        self.stalls: int | None = None
        self.hanging = 0
        """Answers that stopped and for which the console waits still."""
        self._stalled: list[asyncio.StreamWriter] = []
        super().__init__(lambda asked: self._records)

    def hang_up(self) -> None:
        """Close the connections of the answers that stopped."""
        for writer in self._stalled:
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            line = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            if self.stalls is not None:
                writer.write(self._records[: self.stalls])
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
    return shown(app)[0]


async def pressed(pilot: Pilot[int], key: str) -> None:
    """A key does at once what it does."""
    table = pilot.app.screen.query_one(SessionTable)
    row = table.cursor_row
    await pilot.press(key)
    assert table.cursor_row != row


@pytest.mark.parametrize("sent", [0, 2000], ids=["silent", "in the body"])
async def test_staleness_rises_while_an_answer_hangs_and_keys_still_work(tmp_path: Path, sent: int) -> None:
    clock = MovableClock()
    async with (
        StallingServer() as server,
        UsageClient(server.url, "t", clock=clock, silence_seconds=LONGEST_WAIT_S) as client,
    ):
        app = ConsoleApp(
            client, profile_name="", clock=clock, poll_interval_seconds=0.2, journal_path=tmp_path / "j", tz=UTC
        )
        async with app.run_test(size=(120, 24)) as pilot:
            await with_figures(pilot)
            server.stalls = sent
            await until(pilot, lambda: server.hanging, "an answer that hangs")
            clock.freeze()
            clock.ahead_ms += 700
            await until(pilot, lambda: "● live" not in header(app), "the first step up")
            assert "▲ late" in header(app)
            for number in range(10):
                await pressed(pilot, "j" if number < 5 else "k")
            clock.ahead_ms += 20_000
            await until(pilot, lambda: "STALE 2" in header(app), "the next")
            assert app.state.failures == 0, "no poll has failed yet"
            assert server.hanging, "and all the keys were pressed while the answer hung"
            await pilot.press("d")
            assert app.screen is app.sessions_screen
            assert any("deletes are off" in line for line in shown(app))
            server.hang_up()
            await until(pilot, lambda: app.state.failures, "the failed poll")
            assert len(app.state.store) == 40
            assert any("live/cam-0" in line for line in shown(app))
            server.stalls = None
            await pilot.press("r")
            await until(pilot, lambda: "● live" in header(app), "live again")


async def test_retry_countdown_runs_down_and_then_polls(tmp_path: Path) -> None:
    clock = MovableClock()
    async with StallingServer() as server, UsageClient(server.url, "t", clock=clock, silence_seconds=0.3) as client:
        app = ConsoleApp(
            client, profile_name="", clock=clock, poll_interval_seconds=60, journal_path=tmp_path / "j", tz=UTC
        )
        async with app.run_test(size=(120, 24)) as pilot:
            await with_figures(pilot)
            clock.freeze()
            server.stalls = 0
            await pilot.press("r")
            await until(pilot, lambda: "next try in" in header(app), "the countdown")
            found = re.search(r"next try in (\d+)s", header(app))
            assert found
            for seconds in (1, 2):
                clock.ahead_ms += 1_000
                left = f"next try in {int(found[1]) - seconds}s"
                await until(pilot, lambda left=left: left in header(app), left)
            clock.ahead_ms += 600_000
            await until(pilot, lambda: "STALE 10m" in header(app), "the age by the minute")
            app.poller.interval_seconds = 0.2
            await pilot.press("r")
            await until(pilot, lambda: app.state.failures == 2, "the second try")
            await until(pilot, lambda: app.state.failures >= 3, "the third try, without a key")
            await until(pilot, lambda: "offline 10m" in header(app), "the last step, after three failures")
            assert any("the service stopped responding" in line for line in shown(app))
            await pressed(pilot, "j")
