"""The client over a real port: replies that a correct service never sends, and the requests on the wire."""

import asyncio
import gc
import json
import time
from typing import Any

import pytest

from streamusage.client.errors import InvalidAnswerError, NotFoundError, UnreachableError
from streamusage.client.usage_client import UsageClient
from streamusage.core.reasons import FORMER
from streamusage.core.usage import EmptyNameError, SessionKey, StreamId
from tests.support.canned_answers import CannedServer, reply
from tests.support.client_failures import TOKEN, USAGE, always, documented_error, failure_of
from tests.support.console.clocks import MovableClock


def wire(name: str = "mystream", scope: str = "live", start: int = 1525079735738, **more: Any) -> dict[str, Any]:
    return {
        "name": name,
        "scope": scope,
        "startTime": start,
        "endTime": start + 8820,
        "duration": 8820,
        "aciveSubscribers": 2,
        "maxSubscribers": 0,
        "lostSubscribers": 2,
        "totalSubscribers": 4,
        "updated": start + 8821,
        **more,
    }


def without(record: dict[str, Any], *fields: str) -> dict[str, Any]:
    return {name: value for name, value in record.items() if name not in fields}


class TestRecords:
    async def test_usage_returns_a_documented_record_whose_figures_disagree(self) -> None:
        async with always(reply(200, json.dumps([wire()]))) as server, UsageClient(server.url, TOKEN) as client:
            (record,) = await client.usage()
        assert (record.active_subscribers, record.max_subscribers, record.total_subscribers) == (2, 0, 4)
        assert record.key == SessionKey("live", "mystream", 1525079735738)
        assert server.requests[0].target == f"{USAGE}?accessToken=s3cret%2Ftok%2Ben"

    async def test_usage_accepts_both_spellings_unknown_fields_and_a_leading_slash(self) -> None:
        right = without(wire(scope="/live"), "aciveSubscribers") | {"activeSubscribers": 7, "region": {"a": [{}, {}]}}
        async with always(reply(200, json.dumps([wire(), right]))) as server, UsageClient(server.url, TOKEN) as client:
            records = await client.usage()
        assert [(record.scope, record.active_subscribers) for record in records] == [("live", 2), ("live", 7)]

    @pytest.mark.parametrize("answer", [reply(200, "[]"), reply(404, documented_error("No usage statistics"))])
    async def test_usage_is_empty_for_an_empty_list_and_for_a_documented_not_found(self, answer: bytes) -> None:
        async with always(answer) as server, UsageClient(server.url, TOKEN) as client:
            assert await client.usage() == []
            assert await client.usage_of(StreamId("live", "gone")) == []

    async def test_event_loop_runs_while_thirty_megabytes_are_decoded(self) -> None:
        body = "[" + ",".join(json.dumps(wire(f"stream-{n}", start=n + 1)) for n in range(150_000)) + "]"
        assert len(body) > 30_000_000
        longest = 0.0

        async def tick() -> None:
            nonlocal longest
            while True:  # thread time leaves out what other processes use
                before = time.thread_time()
                await asyncio.sleep(0)
                longest = max(longest, time.thread_time() - before)

        gc.freeze()  # a collection of what earlier tests of the process left behind is no time of the client
        async with always(reply(200, body)) as server, UsageClient(server.url, TOKEN) as client:
            ticking = asyncio.create_task(tick())
            records = await client.usage()
            ticking.cancel()
        gc.unfreeze()
        assert len(records) == 150_000
        assert longest < 0.5

    async def test_service_time_comes_from_the_date_header(self) -> None:
        answer = reply(200, "[]", Date="Sat, 21 Nov 2026 10:00:00 GMT")
        async with always(answer) as server, UsageClient(server.url, TOKEN) as client:
            await client.usage()
            assert client.service_time is not None
            assert client.service_time.now_ms == 1795255200000

    async def test_service_time_continues_in_replies_without_a_date(self) -> None:
        clock = MovableClock()
        clock.freeze()
        busy = reply(429, "", Date="Sat, 21 Nov 2026 10:00:00 GMT")
        async with always(busy) as server, UsageClient(server.url, TOKEN, clock=clock) as client:
            with pytest.raises(UnreachableError):
                await client.usage()
            server.respond = lambda _: reply(200, "[]")
            clock.ahead_ms += 90_000
            await client.usage()
            assert client.service_time == (1795255290000, clock.elapsed_ms())


class TestInvalidAnswers:
    async def test_broken_json_error_gives_the_position(self) -> None:
        broken = json.dumps([wire()]).replace('"lostSubscribers": 2,', '"lostSubscribers": 2')
        error = await failure_of(reply(200, broken))
        assert isinstance(error, InvalidAnswerError)
        where = broken.index('"totalSubscribers"')
        assert f"broken JSON: expected ',' or '}}' (byte {where})" in str(error)

    @pytest.mark.parametrize("body", ["", "null", "3", '{"a": 1}', "[1]", '[{"name": "a"}]', "[{}", '["\xff'])
    async def test_body_that_is_not_a_list_of_records_is_an_invalid_answer(self, body: str) -> None:
        assert isinstance(await failure_of(reply(200, body.encode("latin-1"))), InvalidAnswerError)

    async def test_broken_record_error_gives_its_position_in_the_whole_list(self) -> None:
        body = json.dumps([*(wire(start=n + 1) for n in range(3000)), wire(endTime="late")]).replace('"late"', "late")
        assert f"(byte {body.index('late')})" in str(await failure_of(reply(200, body)))


class TestDeletes:
    @pytest.mark.parametrize(
        "stream", [("", "a"), ("live", ""), ("", ""), ("live//x", "a"), ("/", "a"), ("live/", "a")]
    )
    async def test_delete_with_an_empty_name_sends_nothing(self, stream: tuple[str, str]) -> None:
        async with always(reply(200)) as server, UsageClient(server.url, TOKEN) as client:
            with pytest.raises(EmptyNameError):
                await client.delete_stream(StreamId(*stream))
            with pytest.raises(EmptyNameError):
                await client.delete_session(SessionKey(*stream, 5))
        assert server.requests == []

    @pytest.mark.parametrize("start_time", [0, -1, None, True, "5", 5.0])
    async def test_delete_of_a_session_without_start_time_sends_nothing(self, start_time: Any) -> None:
        async with always(reply(200)) as server, UsageClient(server.url, TOKEN) as client:
            with pytest.raises(EmptyNameError):
                await client.delete_session(SessionKey("live", "a", start_time))
        assert server.requests == []

    async def test_delete_with_an_unreadable_reply_advises_to_check(self) -> None:
        async with always(reply(200, "")) as server, UsageClient(server.url, TOKEN) as client:
            with pytest.raises(InvalidAnswerError, match="check whether the session still exists"):
                await client.delete_session(SessionKey("live", "a", 5))


class TestExtension:
    async def test_service_with_the_extension_keeps_it_after_a_not_found(self) -> None:
        answers = [reply(200, '{"now": 5, "servers": []}'), reply(404, documented_error("no such stream"))]
        async with CannedServer(lambda request: answers.pop(0)) as server, UsageClient(server.url, TOKEN) as client:
            assert (await client.servers()).now == 5
            assert client.service_time is not None
            assert client.service_time.now_ms == 5
            with pytest.raises(NotFoundError):
                await client.history(StreamId("live", "a/b"), 0, 60_000, 60_000)
            assert client.has_extension is True
        assert server.requests[1].path == "/api/v1/streams/live/a%2Fb/history"

    async def test_coverage_of_an_older_service_has_the_present_texts_of_reasons(self) -> None:
        former, present = next(iter(FORMER.items()))
        spans = [
            {"from": 0, "to": 5, "state": "partial", "reason": former},
            {"from": 5, "to": 9, "state": "partial", "reason": "journal destroyed"},
            {"from": 9, "to": 10, "state": "live"},
        ]
        body = {"now": 10, "from": 0, "to": 10, "servers": [{"server": "edge-1", "spans": spans}]}
        async with always(reply(200, json.dumps(body))) as server, UsageClient(server.url, TOKEN) as client:
            coverage = await client.coverage(0, 10)
        assert [span.reason for span in coverage.servers[0].spans] == [present, "journal destroyed", None]

    async def test_changes_returns_records_and_deleted_sessions(self) -> None:
        body = {
            "now": 9,
            "cursor": "c2",
            "records": [wire() | {"live": True, "provenance": "backfilled"}],
            "deleted": [{"scope": "live", "name": "b", "startTime": 3}],
        }
        async with always(reply(200, json.dumps(body))) as server, UsageClient(server.url, TOKEN) as client:
            changes = await client.changes("c 1")
        assert changes.records[0].live
        assert changes.deleted == [SessionKey("live", "b", 3)]
        assert server.requests[0].query == "cursor=c+1&limit=10000"
