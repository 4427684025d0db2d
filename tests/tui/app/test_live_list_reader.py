"""The live list of a plain Stream Manager that cannot be read: records are shown, and the reason is named."""

import asyncio
import re
from pathlib import Path

import msgspec
import pytest

from streamusage.client.usage_client import UsageClient
from tests.support.canned_answers import ReceivedRequest, reply
from tests.support.console.pilot import console, screen_lines, wait_for, wait_for_figures
from tests.support.console.records import recent
from tests.support.plain_manager import PlainManager, wire
from tests.support.waiting import PATIENT
from tui.app.live_list_reader import FAILURES_BRIDGED, LiveListReader

ON_AIR = [{"name": "stage", "scope": "live", "currentSubscribers": 7, "startTime": recent(30)}]
RESET = b""
"""The connection is closed without an answer."""


class ManagerWithLiveList(PlainManager):
    """A plain Stream Manager with one record and a live list; `answer` is that of the live list, `None` for silence."""

    def __init__(self, answer: bytes | None) -> None:
        super().__init__(wire("ended", start=recent(90)))
        self.answer = answer
        self.asked = 0
        self.respond = self._respond_to_all

    async def _respond_to_all(self, request: ReceivedRequest) -> bytes:
        if not request.path.endswith("/list/stats"):
            return self._respond(request)
        self.asked += 1
        if self.answer is None:
            await asyncio.Event().wait()
        return self.answer or b""


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (reply(503, '{"errorMessage": "warming up", "timestamp": 1}'), "HTTP 503, “warming up”"),
        (reply(503), "HTTP 503"),
        (reply(503, '{"errorMessage": "\\u001b[2J", "timestamp": 1}'), "HTTP 503, “\\x1b[2J”"),
        (reply(500, "<html>", "text/html"), "HTTP 500"),
        (RESET, "closed"),
        (None, "no answer yet"),
        (reply(404, "<html>", "text/html"), "HTTP 404"),
        (reply(200, '[{"name": "a"'), "broken JSON"),
    ],
    ids=["503 with reason", "503", "503 with control characters", "500", "reset", "silence", "404", "truncated"],
)
async def test_records_are_shown_when_live_list_is_unreadable(
    answer: bytes | None, reason: str, tmp_path: Path
) -> None:
    async with (
        ManagerWithLiveList(answer) as manager,
        UsageClient(manager.url, manager.token) as client,
        console(client, tmp_path).run_test(size=(120, 24)) as pilot,
    ):
        app = await wait_for_figures(pilot)
        await wait_for(pilot, lambda: any("live/ended" in line for line in screen_lines(app)), "the record")
        # A busy machine shows first that no answer has come yet.
        why = f"live list unreadable.*{re.escape(reason)}"
        await wait_for(pilot, lambda: any(re.search(why, line) for line in screen_lines(app)), why)
        assert app.state.failures == 0


async def test_unreadable_live_list_is_named_before_the_drift_of_records(tmp_path: Path) -> None:
    async with ManagerWithLiveList(reply(503)) as manager, UsageClient(manager.url, manager.token) as client:
        del manager.records[0]["lostSubscribers"]
        async with console(client, tmp_path).run_test(size=(120, 24)) as pilot:
            app = await wait_for_figures(pilot)
            await wait_for(pilot, lambda: app.state.drift, "the drift")
            assert any("live list unreadable" in line for line in screen_lines(app))


async def test_streams_on_air_survive_two_failed_readings_and_not_a_third() -> None:
    answer = reply(200, msgspec.json.encode(ON_AIR))
    async with ManagerWithLiveList(answer) as manager, UsageClient(manager.url, manager.token) as client:
        reader = LiveListReader(client)
        rows = await reader.read()
        assert rows
        assert not reader.problem
        manager.answer = reply(503)
        for _ in range(FAILURES_BRIDGED):
            assert await reader.read() == rows
            assert reader.problem == "HTTP 503"
        assert await reader.read() is None
        manager.answer = answer
        assert await reader.read() == rows
        assert not reader.problem


async def test_refused_live_list_is_unknown_at_once() -> None:
    async with ManagerWithLiveList(reply(200, b"[]")) as manager, UsageClient(manager.url, manager.token) as client:
        reader = LiveListReader(client)
        assert await reader.read() == []
        manager.answer = reply(403, '{"errorMessage": "no", "timestamp": 1}')
        assert await reader.read() is None


async def test_slow_live_list_is_requested_once_and_used_when_it_arrives() -> None:
    may_answer = asyncio.Event()

    async with ManagerWithLiveList(None) as manager, UsageClient(manager.url, "t", options=PATIENT) as client:

        async def respond(request: ReceivedRequest) -> bytes:
            manager.asked += 1
            await may_answer.wait()
            return reply(200, msgspec.json.encode(ON_AIR))

        manager.respond = respond
        reader = LiveListReader(client, longest_wait_seconds=0.01)
        while not manager.asked:
            assert await reader.read() is None
            await asyncio.sleep(0)
        assert await reader.read() is None
        may_answer.set()
        for _ in range(500):
            if (rows := await reader.read()) is not None:
                break
            await asyncio.sleep(0.01)
        assert rows is not None
        assert [row.stream.name for row in rows] == ["stage"]
        assert manager.asked == 1
