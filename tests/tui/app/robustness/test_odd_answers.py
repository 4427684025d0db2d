"""A corpus of answers of a Stream Manager, with the expected screen of each."""

import re
from pathlib import Path

import pytest

from streamusage.client.usage_client import UsageClient
from streamusage.core.clock import SystemClock
from tests.support.canned_answers import CannedServer, ReceivedRequest, reply
from tests.support.console.odd_answers import ODD_ANSWERS
from tests.support.console.pilot import screen_text, wait_for
from tui.app.console_app import ConsoleApp
from tui.app.poller import NO_EXTENSION
from tui.config.settings import ConnectionSettings

SCREENS = Path(__file__).with_name("odd_answers.txt")
"""The screens, each below the name of its answer: the second line, the table or the page, and the last line."""


def expected_screens() -> dict[str, str]:
    parts = re.split(r"^== (.*)\n", SCREENS.read_text(), flags=re.MULTILINE)
    return {name: screen.strip("\n") for name, screen in zip(parts[1::2], parts[2::2], strict=True)}


async def screen_of(name: str, directory: Path) -> str:
    """Return the lines of a console whose service gives this answer, without header and keys and with single spaces."""
    answer, shows_start = ODD_ANSWERS[name], "time" in name or "year" in name

    def respond(request: ReceivedRequest) -> bytes:
        if request.path.startswith("/api/"):
            return reply(404, "<html>", kind="text/html")
        return reply(200, "[]") if request.path.endswith("/list/stats") else answer

    async with CannedServer(respond) as server, UsageClient(server.url, "t0ken") as client:
        settings = ConnectionSettings(url=server.url, url_from="--url", poll_interval_s=60)
        app = ConsoleApp(client, settings, clock=SystemClock(), journal_path=directory / "j")
        app.state.columns = [*(["started"] if shows_start else []), "duration", "active", "peak", "lost", "total"]
        async with app.run_test(size=(100, 18)) as pilot:
            await wait_for(pilot, lambda: app.state.has_figures or app.state.failures, "a poll")
            await wait_for(pilot, lambda: "polling" not in screen_text(app), "its result")
            lines = screen_text(app).replace(server.url, "URL").replace(NO_EXTENSION, "NO_EXTENSION").split("\n")[1:-1]
    shown = [" ".join(line.split()) for line in lines if line.strip() and "STREAM  " not in line]
    return re.sub(r"Next try in \d+ s", "Next try in N s", "\n".join(shown))


@pytest.mark.parametrize("name", ODD_ANSWERS)
async def test_screen_of_an_odd_answer(name: str, tmp_path: Path) -> None:
    assert await screen_of(name, tmp_path) == expected_screens()[name]


def test_corpus_has_a_screen_for_every_answer() -> None:
    assert list(expected_screens()) == list(ODD_ANSWERS)
    assert len(ODD_ANSWERS) >= 60
