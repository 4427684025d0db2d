"""Requests for data beside the polls."""

import asyncio
from datetime import date
from pathlib import Path

from streamusage.client.usage_client import UsageClient
from tests.support.canned_answers import CannedServer, ReceivedRequest, reply
from tests.support.console.pilot import console, wait_for, wait_for_figures
from tui.app.messages.views import GroupsPolled
from tui.model.daily.groups import GroupRequest


async def test_month_is_not_fetched_again_while_its_answer_is_outstanding(tmp_path: Path) -> None:
    requested: list[str] = []
    answers = asyncio.Event()

    async def respond(request: ReceivedRequest) -> bytes:
        requested.append(request.path)
        if request.path.endswith("/changes"):
            return reply(200, '{"now": 1, "cursor": "1", "records": [], "deleted": [], "reset": true}')
        if request.path.endswith("/servers"):
            return reply(200, '{"now": 1, "servers": []}')
        if "/daily" in request.path:
            await answers.wait()
        return reply(500, '{"errorMessage": "busy", "timestamp": 1}')

    def months() -> int:
        return sum("/daily" in path for path in requested)

    async with CannedServer(respond) as server, UsageClient(server.url, "t") as client:
        app = console(client, tmp_path)
        async with app.run_test(size=(80, 24)) as pilot:
            await wait_for_figures(pilot)
            for _ in range(5):
                app.fetcher.fetch_month(date(2026, 11, 1))
                await pilot.pause()
            app.fetcher.fetch_month(date(2026, 10, 1))
            await wait_for(pilot, lambda: months() == 2, "one request per month")
            answers.set()
            await wait_for(pilot, lambda: not app.fetcher.is_waiting, "the answers")
            app.fetcher.fetch_month(date(2026, 11, 1))
            await wait_for(pilot, lambda: months() == 3, "a new request after the answer")


async def test_abandoned_sums_are_cancelled_and_can_be_requested_again_at_once(tmp_path: Path) -> None:
    requested: list[str] = []
    answers = asyncio.Event()

    async def respond(request: ReceivedRequest) -> bytes:
        if request.path.endswith("/changes"):
            return reply(200, '{"now": 1, "cursor": "1", "records": [], "deleted": [], "reset": true}')
        if request.path.endswith("/servers"):
            return reply(200, '{"now": 1, "servers": []}')
        if not request.path.endswith("/daily/sums"):
            return reply(500, '{"errorMessage": "busy", "timestamp": 1}')
        if "group=stream" in request.query:
            requested.append(request.query)
            await answers.wait()
        return reply(200, '{"now": 1, "sums": []}')

    received: list[GroupsPolled] = []
    streams = GroupRequest.of_month("stream", date(2026, 11, 1))
    async with CannedServer(respond) as server, UsageClient(server.url, "t") as client:
        app = console(client, tmp_path)
        async with app.run_test(size=(80, 24)) as pilot:
            await wait_for_figures(pilot)
            app.feeds.groups.subscribe(received.append)

            def running() -> int:
                return sum(worker.group == "fetch" and worker.is_running for worker in app.workers)

            app.fetcher.fetch_groups(streams)
            await wait_for(pilot, lambda: len(requested) == 1, "the request")
            app.fetcher.abandon_groups()
            assert not app.fetcher.is_waiting
            await wait_for(pilot, lambda: not running(), "the end of its worker, which closes the connection")
            app.fetcher.fetch_groups(streams)
            app.fetcher.abandon_groups()  # before it has begun
            app.fetcher.fetch_groups(streams)
            await wait_for(pilot, lambda: len(requested) == 2, "the request after it")
            answers.set()
            await wait_for(pilot, lambda: received, "its answer")
            await pilot.pause(0.3)
            assert [(polled.request, isinstance(polled.rows, str)) for polled in received] == [(streams, False)]
            assert len(requested) == 2
