"""A service that refuses the token is not asked again without a key, and `Retry-After` is obeyed."""

from pathlib import Path

import pytest

from streamusage.client.usage_client import UsageClient
from tests.support.canned_answers import CannedServer, reply
from tests.support.console.clocks import MovableClock
from tests.support.console.pilot import console, screen_lines, wait_for
from tests.support.console.records import recent
from tests.support.plain_manager import PlainManager, wire
from tui.app.console_app import ConsoleApp
from tui.config.hidden_token import HiddenToken
from tui.config.service_client import open_client
from tui.config.settings import ConnectionSettings


def header(app: ConsoleApp) -> str:
    return screen_lines(app)[0]


@pytest.mark.parametrize(
    "refusal",
    [
        reply(401, '{"errorMessage": "unknown token", "timestamp": 1}'),
        reply(403, '{"errorMessage": "this token may not read", "timestamp": 1}'),
        reply(400, '{"errorMessage": "invalid access token", "timestamp": 1}'),
    ],
    ids=["401", "403", "400 that names the token"],
)
async def test_refused_token_is_not_tried_again_before_r(refusal: bytes, tmp_path: Path) -> None:
    async with CannedServer(lambda _: refusal) as server, UsageClient(server.url, "wrong") as client:
        app = console(client, tmp_path)
        async with app.run_test(size=(120, 24)) as pilot:
            await wait_for(pilot, lambda: app.state.failures, "the refusal")
            assert "r: try again" in header(app)
            asked = len(server.requests)
            app.poller.refresh()  # as a key, a view or the focus of the terminal does
            for _ in range(10):
                await pilot.pause(0.1)  # five times as long as the interval of this console
            assert len(server.requests) == asked
            assert app.state.failures == 1
            manager = PlainManager(wire("keynote", start=recent(9)), token="wrong")
            server.respond = manager.respond
            await pilot.press("r")
            await wait_for(pilot, lambda: "●" in header(app), "figures after r")
            assert len(app.state.store) == 1


async def test_corrected_token_file_is_used_after_r(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("first")
    async with PlainManager(wire("keynote", start=recent(9)), token="first") as server:
        settings = ConnectionSettings(url=server.url, token=HiddenToken("first"), token_file=file)
        async with open_client(settings) as client:
            app = console(client, tmp_path)
            async with app.run_test(size=(120, 24)) as pilot:
                await wait_for(pilot, lambda: len(app.state.store) == 1, "figures")
                server.token = "second"
                await wait_for(pilot, lambda: "r: try again" in header(app), "the refusal in the middle of a run")
                file.write_text("second")
                await pilot.press("r")
                await wait_for(pilot, lambda: "●" in header(app), "figures after r")


@pytest.mark.parametrize("status", [429, 503])
async def test_retry_after_is_obeyed_and_r_overrides_it(status: int, tmp_path: Path) -> None:
    busy = reply(status, '{"errorMessage": "too busy", "timestamp": 1}', Retry_After="120")
    clock = MovableClock()
    async with CannedServer(lambda _: busy) as server, UsageClient(server.url, "t", clock=clock) as client:
        app = console(client, tmp_path)
        app.state.clock = clock
        async with app.run_test(size=(120, 24)) as pilot:
            await wait_for(pilot, lambda: app.state.failures, "the first answer")
            clock.freeze()
            await wait_for(pilot, lambda: "next try in 1" in header(app), "the countdown")
            assert "next try in 120s" in header(app) or "next try in 119s" in header(app)
            asked = len(server.requests)
            app.poller.refresh()
            for _ in range(10):
                await pilot.pause(0.1)
            assert len(server.requests) == asked
            await pilot.press("r")
            await wait_for(pilot, lambda: app.state.failures == 2, "the second try")
