"""The Node-Media-Server source without callbacks: counters, audiences, login."""

import re
from datetime import datetime

import pytest

from streamusage.agent.metering import meter
from streamusage.agent.reading import SourceError
from streamusage.core.reasons import COUNTER_INVALID
from tests.support.agent.http_answers import answer
from tests.support.agent.media_servers import NMS, SECRET, open_source


async def test_reading_without_callbacks_has_numbers_of_subscribers() -> None:
    async with open_source("node-media-server") as (source, answers):
        reading = await source.read(None)
        again = await source.read(reading.cursor)
        assert sum(request.startswith(b"POST /api/v1/login") for request in answers.requests) == 1
    assert (reading.bytes_in, reading.bytes_out) == (146450, 267894)
    assert {audience.name: audience.viewers for audience in reading.audiences} == {"s1": 3, "s2": 1}
    assert [publish.name for publish in reading.publishes] == ["s1", "s2"]
    assert reading.boot == again.boot
    assert "no callbacks" in reading.misses


async def test_refused_login_is_not_retried_at_once() -> None:
    async with open_source("node-media-server", {}) as (source, answers):
        answers.next = [answer(b"{}", "401 Unauthorized")]
        for _ in range(3):
            with pytest.raises(SourceError, match=r"HTTP 401|refused the login") as refused:
                await source.read(None)
            assert SECRET not in str(refused.value)
        assert len(answers.requests) == 1


async def test_uptime_and_start_are_those_of_the_process() -> None:
    async with open_source("node-media-server") as (source, _):
        reading = await source.read(None)
    assert reading.uptime_ms is not None
    assert 0 <= reading.uptime_ms - 19_514 < 10_000, "its own count, and the time since the reply"
    timestamp_ms = int(datetime.fromisoformat("2026-11-21T19:35:50.134Z").timestamp() * 1000)
    assert reading.started_at == timestamp_ms - 19_514


@pytest.mark.parametrize("invalid", [-1, 2**63, 2**64 - 1])
@pytest.mark.parametrize("field", ["inBytes", "outBytes", "subscribers"])
async def test_figure_that_is_no_count_is_left_out_and_continues(field: str, invalid: int) -> None:
    routes = dict(NMS)
    path = "/api/v1/streams" if field == "subscribers" else "/api/v1/stats"
    name = re.search(rf'"{field}":\s*\d+'.encode(), NMS[path])
    assert name is not None
    async with open_source("node-media-server", routes) as (source, _):
        first = await source.read(None)
        routes[path] = NMS[path].replace(name[0], f'"{field}":{invalid}'.encode(), 1)
        second = await source.read(first.cursor)
        routes[path] = NMS[path]
        third = await source.read(second.cursor)
    assert [reading.misses == COUNTER_INVALID for reading in (first, second, third)] == [False, True, False]
    state, _ = meter.start(first)
    for reading in (second, third):
        state, additions = meter.step(state, reading)
        assert not any(slot.bytes_in or slot.bytes_out or slot.connections for slot in additions.slots.values()), (
            "nothing was sent and nobody joined meanwhile"
        )


async def test_counting_does_not_begin_without_valid_counters() -> None:
    body = re.sub(rb'"inBytes":\s*\d+', b'"inBytes":-1', NMS["/api/v1/stats"])
    async with open_source("node-media-server", NMS | {"/api/v1/stats": body}) as (source, _):
        with pytest.raises(SourceError, match="no counts"):
            await source.read(None)
