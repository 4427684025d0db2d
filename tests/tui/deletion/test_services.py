"""Deletes in a console of several services: each is verified by polls of its own service."""

import asyncio
from pathlib import Path
from random import Random

from streamusage.client.usage_client import UsageClient
from tests.support.canned_answers import ReceivedRequest
from tests.support.console.faulty_service import FaultyService
from tests.support.console.pilot import screen_text, wait_for
from tests.support.console.records import recent, record
from tests.support.console.several_services import console_of, service_named
from tui.screens.confirm_delete import ConfirmDelete


class SlowToList(FaultyService):
    """A service that answers no poll from a delete on until `release` is set."""

    def __init__(self, upstream: str) -> None:
        super().__init__(upstream, Random(1))
        self.release = asyncio.Event()

    async def _respond(self, request: ReceivedRequest) -> bytes:
        if request.method == "GET" and self.deletes:
            await self.release.wait()
        return await super()._respond(request)


async def test_delete_is_verified_by_polls_of_its_own_service(tmp_path: Path) -> None:
    async with (
        service_named("eu", tmp_path, [record("keynote", recent(200))]) as (_, eu),
        service_named("us", tmp_path, [record("camera", recent(200))]) as (_, direct),
        SlowToList(direct.base_url) as slow,
        UsageClient(slow.url, "us-token") as us,
        console_of({"eu": eu, "us": us}, tmp_path).run_test(size=(100, 24)) as pilot,
    ):
        app = pilot.app
        await wait_for(pilot, lambda: len(app.state.store) == 2, "the rows of both services")
        await pilot.press("home")
        if app.sessions_screen.service_under_cursor != "us":
            await pilot.press("down")
        await pilot.press("d")
        await wait_for(pilot, lambda: isinstance(app.screen, ConfirmDelete), "the dialog")
        await pilot.press("right", "enter")
        await wait_for(pilot, lambda: slow.deletes, "the delete")
        await wait_for(pilot, lambda: "1 deleted; verifying" in screen_text(app), "its answer")
        polls = []
        app.feeds.state.subscribe(lambda change: polls.append(change) if change.polled else None)
        await wait_for(pilot, lambda: len(polls) > 3, "polls of the other service")
        assert "still lists" not in screen_text(app)
        slow.release.set()
        await wait_for(pilot, lambda: "camera: 1 deleted; verified" in screen_text(app), "the verification")
