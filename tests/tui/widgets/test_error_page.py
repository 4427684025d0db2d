"""The page of a console that never had figures: what happened, what is kept, what to do, at any width."""

import re
from pathlib import Path

import pytest

from streamusage.client.http_options import HttpOptions
from streamusage.client.usage_client import UsageClient
from streamusage.core.clock import SystemClock
from tests.support.canned_answers import CannedServer, reply
from tests.support.console.pilot import screen_text, wait_for, wait_for_figures
from tests.support.console.records import recent
from tests.support.plain_manager import PlainManager, wire
from tui.app.console_app import ConsoleApp
from tui.config.hidden_token import HiddenToken
from tui.config.settings import ConnectionSettings
from tui.model.failure_page import FailedRequest, FailureKind, Surroundings, failure_page
from tui.model.text import width
from tui.screens.page import AgingPage

AROUND = Surroundings("https://sm.example.net", "--url", True, "--token-file", 8_000, False)


def shown(text: str) -> str:
    """Return a screen as one line with single spaces, so that wrapped sentences can be found."""
    return " ".join(text.split())


async def page_of(answer: bytes, directory: Path, **settings: object) -> str:
    async with CannedServer(lambda _: answer) as server, UsageClient(server.url, "wr0ng-s3cret") as client:
        given = ConnectionSettings(url=server.url, token=HiddenToken("wr0ng-s3cret"), **settings)  # type: ignore[arg-type]
        app = ConsoleApp(client, given, clock=SystemClock(), journal_path=directory / "j")
        async with app.run_test(size=(80, 24)) as pilot:
            await wait_for_figures(pilot)
            await wait_for(pilot, lambda: "What to do" in screen_text(app), "the page")
            return shown(screen_text(app))


async def test_refused_token(tmp_path: Path) -> None:
    answer = reply(401, '{"errorMessage": "unknown token wr0ng-s3cret", "timestamp": 1}')
    page = await page_of(answer, tmp_path, url_from="--url", token_from="STREAMTOP_TOKEN")
    assert "▲ The service refused the token (401)" in page
    assert "What happened Could not read the changes: HTTP 401, “unknown token •••”" in page
    assert "What is kept Nothing was changed. No retry until you press r." in page
    assert "What to do The token comes from STREAMTOP_TOKEN." in page
    assert "The token of your own `streamtop serve` is found by itself" in page
    assert "s3cret" not in page


async def test_busy_service(tmp_path: Path) -> None:
    page = await page_of(reply(503, '{"errorMessage": "warming up", "timestamp": 1}', Retry_After="3000"), tmp_path)
    assert "▲ The service is busy (503)" in page
    assert "What is kept Nothing was changed. Next try in" in page


async def test_page_over_a_view_counts_down_to_the_next_try(tmp_path: Path) -> None:
    answer = reply(503, '{"errorMessage": "warming up", "timestamp": 1}', Retry_After="3000")
    async with CannedServer(lambda _: answer) as server, UsageClient(server.url, None) as client:
        app = ConsoleApp(client, ConnectionSettings(url=server.url), clock=SystemClock(), journal_path=tmp_path / "j")
        async with app.run_test(size=(80, 24)) as pilot:
            await wait_for_figures(pilot)
            await wait_for(pilot, lambda: "What to do" in screen_text(app), "the page of the table")
            await pilot.press("colon", *"error", "enter")
            await wait_for(pilot, lambda: isinstance(app.screen, AgingPage), "the page over it")

            def next_try() -> list[str]:
                return re.findall(r"Next try in (\d+) s", screen_text(app))

            before = next_try()
            assert before
            await wait_for(pilot, lambda: int(next_try()[0]) < int(before[0]), "a later second")


async def test_redirect(tmp_path: Path) -> None:
    page = await page_of(reply(302, "", Location="https://sm.example.net/login"), tmp_path, url_from="profile prod")
    assert "▲ Another service answers at this address (302)" in page
    assert "the service redirects to https://sm.example.net/login." in page
    assert "The address comes from profile prod: http://127.0.0.1:" in page


async def test_first_run_without_a_service_explains_itself(tmp_path: Path) -> None:
    async with UsageClient("http://127.0.0.1:1", None) as client:
        given = ConnectionSettings(url="http://127.0.0.1:1")
        app = ConsoleApp(client, given, clock=SystemClock(), journal_path=tmp_path / "j")
        async with app.run_test(size=(80, 24)) as pilot:
            await wait_for_figures(pilot)
            await wait_for(pilot, lambda: "What to do" in screen_text(app), "the page")
            page = shown(screen_text(app))
    assert "▲ The service cannot be reached" in page
    assert "No service was chosen, so this is the default one" in page
    for command in ("streamtop demo", "streamtop serve", "streamtop --url URL"):
        assert command in page


async def test_page_gives_way_to_figures_and_does_not_come_back(tmp_path: Path) -> None:
    manager = PlainManager(wire("keynote", start=recent(5)), token="t")
    answers, manager.respond = manager.respond, lambda _: reply(500)
    async with manager, UsageClient(manager.url, "t") as client:
        given = ConnectionSettings(url=manager.url, poll_interval_s=0.2)
        app = ConsoleApp(client, given, clock=SystemClock(), journal_path=tmp_path / "j")
        async with app.run_test(size=(80, 24)) as pilot:
            await wait_for(pilot, lambda: "What to do" in screen_text(app), "the page")
            manager.respond = answers
            await pilot.press("r")
            await wait_for(pilot, lambda: "live/keynote" in screen_text(app), "the table")
            manager.respond = lambda _: reply(500)
            await wait_for(pilot, lambda: app.state.failures, "a failure")
            await pilot.pause()
            assert "live/keynote" in screen_text(app)
            assert "What to do" not in screen_text(app)
            assert " HTTP 500 (could not read" in screen_text(app), "the cause comes first"
            await pilot.press("colon", *"error", "enter")
            await wait_for(pilot, lambda: "What to do" in screen_text(app), "the page of the command")
            page = shown(screen_text(app).replace("│", " "))
            assert "The service reports a fault of its own (500)" in page
            assert "What is kept The figures of the last successful poll, with their age." in page
            await pilot.press("escape")
            manager.respond = answers
            await wait_for(pilot, lambda: not app.state.failures, "figures again")
            await pilot.press("colon", *"error", "enter")
            await wait_for(pilot, lambda: "the last poll succeeded" in screen_text(app), "that nothing failed")


@pytest.mark.parametrize("cells", [20, 40, 80, 200])
@pytest.mark.parametrize("kind", FailureKind)
def test_page_fits_its_width_and_is_safe_for_a_terminal(kind: FailureKind, cells: int) -> None:
    failed = FailedRequest(kind, 500, "read the changes", "\x1b[2J日本語; " + "check the address; " * 9)
    lines = failure_page(failed, AROUND).lines(cells)
    assert all(text.isprintable() for _, text in lines)
    assert cells < 80 or all(width(text) <= cells - 19 for _, text in lines)


async def test_page_of_a_dead_proxy_names_it(tmp_path: Path) -> None:
    options = HttpOptions(proxy="http://127.0.0.1:1")
    async with UsageClient("http://sm.example.net", None, options=options) as client:
        app = ConsoleApp(
            client, ConnectionSettings(url="http://sm.example.net"), clock=SystemClock(), journal_path=tmp_path / "j"
        )
        async with app.run_test(size=(80, 24)) as pilot:
            await wait_for_figures(pilot)
            await wait_for(pilot, lambda: "What to do" in screen_text(app), "the page")
            page = shown(screen_text(app))
    assert "▲ The proxy is in the way" in page
    assert "the proxy http://127.0.0.1:1 does not answer." in page
    assert "NO_PROXY excepts this host" in page


def test_page_of_a_chosen_proxy_names_its_source() -> None:
    failed = FailedRequest(FailureKind.PROXY, None, "read the changes", "the proxy does not answer")
    to_do = " ".join(failure_page(failed, AROUND._replace(proxy_from="--proxy")).to_do)
    assert "The proxy comes from --proxy" in to_do
    assert "NO_PROXY" not in to_do, "a proxy that was chosen has no exceptions"
