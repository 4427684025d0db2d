"""Sums of daily statistics over a real port: how long they may take, and that many rows do not stop the event loop."""

import asyncio
import gc
import time
from datetime import date

import msgspec
import pytest

from streamusage.api.daily import DailySums
from streamusage.client.errors import InvalidAnswerError, UnreachableError
from streamusage.client.http_options import HttpOptions
from streamusage.client.usage_client import UsageClient
from tests.support.canned_answers import CannedServer, ReceivedRequest, reply
from tests.support.client_failures import TOKEN, always
from tests.support.console.daily_statistics import a_sum

FIRST, LAST = date(2026, 11, 1), date(2026, 11, 30)
IMPATIENT = HttpOptions(silence_seconds=0.2, answer_seconds=0.2, computing_seconds=20)


def sums_of(streams: int) -> bytes:
    rows = [a_sum("2026-11", number, f"live/cam-{number}", traffic="measured") for number in range(streams)]
    return msgspec.json.encode(DailySums(now=7, account_zones=["UTC"], sums=rows))


async def test_sums_of_streams_may_take_longer_than_other_replies() -> None:
    async def respond_late(request: ReceivedRequest) -> bytes:
        await asyncio.sleep(0.6)
        return reply(200, sums_of(1))

    async with CannedServer(respond_late) as server, UsageClient(server.url, TOKEN, options=IMPATIENT) as client:
        found = await client.daily_sums(FIRST, LAST, "UTC", by="month", group="stream")
        assert [row.group for row in found.sums] == ["live/cam-0"]
        with pytest.raises(UnreachableError):
            await client.daily_sums(FIRST, LAST, "UTC", by="month", group="all")


async def test_sums_of_streams_are_not_awaited_for_ever() -> None:
    async def never(request: ReceivedRequest) -> bytes:
        await asyncio.sleep(30)
        return b""

    options = HttpOptions(computing_seconds=0.2)
    async with CannedServer(never) as server, UsageClient(server.url, TOKEN, options=options) as client:
        with pytest.raises(UnreachableError, match=r"stopped responding|within 0\.2 s"):
            await client.daily_sums(FIRST, LAST, "UTC", group="customer")


async def test_event_loop_runs_while_sums_of_many_streams_are_decoded() -> None:
    body, longest = sums_of(20_000), 0.0

    async def tick() -> None:
        nonlocal longest
        while True:  # thread time leaves out what other processes use
            before = time.thread_time()
            await asyncio.sleep(0)
            longest = max(longest, time.thread_time() - before)

    gc.freeze()  # a collection of what earlier tests of the process left behind is no time of the client
    async with always(reply(200, body)) as server, UsageClient(server.url, TOKEN) as client:
        ticking = asyncio.create_task(tick())
        client.has_extension = True  # as after the first poll of a console
        started_at = time.thread_time()
        found = await client.daily_sums(FIRST, LAST, "UTC", by="month", group="stream")
        took = time.thread_time() - started_at
        ticking.cancel()
    gc.unfreeze()
    assert found == msgspec.json.decode(body, type=DailySums)
    assert longest < took / 2


@pytest.mark.parametrize("row", ["3", '{"group": "live/a"}', '{"group": "\xff"}'])
async def test_row_that_is_no_sum_is_an_invalid_answer(row: str) -> None:
    body = f'{{"now": 1, "sums": [{row}]}}'.encode("latin-1")
    async with always(reply(200, body)) as server, UsageClient(server.url, TOKEN) as client:
        with pytest.raises(InvalidAnswerError, match="could not read the daily sums"):
            await client.daily_sums(FIRST, LAST, "UTC", group="stream")
