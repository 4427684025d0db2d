"""The client over a real port: replies that a correct service never sends, and the requests on the wire."""

import asyncio
import gzip
import json
import logging
import time
import traceback
from typing import Any

import pytest

from streamusage.client.errors import (
    ExtensionMissingError,
    InvalidAddressError,
    InvalidAnswerError,
    NotFoundError,
    RefusedError,
    UnreachableError,
    UsageApiError,
)
from streamusage.client.usage_client import UsageClient
from streamusage.core.reasons import FORMER
from streamusage.core.usage import EmptyNameError, SessionKey, StreamId
from tests.support.canned_answers import CannedServer, ReceivedRequest, reply

TOKEN = "s3cret/tok+en"
USAGE = "/streammanager/api/4.0/admin/event/usage"


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


def documented_error(text: str) -> str:
    return json.dumps({"errorMessage": text, "timestamp": 1525079744558})


def always(answer: bytes) -> CannedServer:
    return CannedServer(lambda request: answer)


async def failure_of(answer: bytes, **options: Any) -> UsageApiError:
    async with always(answer) as server, UsageClient(server.url, TOKEN, **options) as client:
        with pytest.raises(UsageApiError) as caught:
            await client.usage()
        assert f"127.0.0.1:{server.port}" in str(caught.value)
        assert "read the usage records" in str(caught.value)
        assert_no_token(caught.value)
        return caught.value


def assert_no_token(error: BaseException) -> None:
    text = "".join(traceback.format_exception(error)) + repr(error)
    assert "s3cret" not in text
    assert error.__context__ is None or "s3cret" not in repr(vars(error.__context__))


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

    async def test_live_list_request_does_not_carry_the_token(self) -> None:
        rows = [{"name": "a", "scope": "live", "serverAddress": "10.0.0.1", "currentSubscribers": 3, "startTime": 5}]
        async with always(reply(200, json.dumps(rows))) as server, UsageClient(server.url, TOKEN) as client:
            (row,) = await client.live_list()
        assert (row.stream, row.current_subscribers) == (StreamId("live", "a"), 3)
        assert "s3cret" not in server.requests[0].target
        assert "authorization" not in server.requests[0].headers

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

        async with always(reply(200, body)) as server, UsageClient(server.url, TOKEN) as client:
            ticking = asyncio.create_task(tick())
            records = await client.usage()
            ticking.cancel()
        assert len(records) == 150_000
        assert longest < 0.5

    async def test_service_time_comes_from_the_date_header(self) -> None:
        answer = reply(200, "[]", Date="Sat, 21 Nov 2026 10:00:00 GMT")
        async with always(answer) as server, UsageClient(server.url, TOKEN) as client:
            await client.usage()
            assert client.service_time is not None
            assert client.service_time.now_ms == 1795255200000


class TestInvalidAnswers:
    async def test_broken_json_error_gives_the_position(self) -> None:
        broken = json.dumps([wire()]).replace('"lostSubscribers": 2,', '"lostSubscribers": 2')
        error = await failure_of(reply(200, broken))
        assert isinstance(error, InvalidAnswerError)
        where = broken.index('"totalSubscribers"')
        assert f"broken JSON: expected ',' or '}}' (byte {where})" in str(error)

    async def test_web_page_error_names_a_web_page(self) -> None:
        for status in (200, 404):
            error = await failure_of(reply(status, "<!DOCTYPE html><h1>nginx</h1>", "text/html"))
            assert isinstance(error, InvalidAnswerError)
        assert "web page" in str(await failure_of(reply(200, "<html>")))

    @pytest.mark.parametrize("body", ["", "null", "3", '{"a": 1}', "[1]", '[{"name": "a"}]', "[{}", '["\xff'])
    async def test_body_that_is_not_a_list_of_records_is_an_invalid_answer(self, body: str) -> None:
        assert isinstance(await failure_of(reply(200, body.encode("latin-1"))), InvalidAnswerError)

    async def test_invalid_record_error_gives_its_index_in_the_whole_list(self) -> None:
        body = json.dumps([*(wire(start=n + 1) for n in range(3000)), wire(endTime="late")])
        assert "$[3000].endTime" in str(await failure_of(reply(200, body)))

    async def test_reply_above_the_size_limit_is_not_read_to_its_end(self) -> None:
        bomb = gzip.compress(b"[" + b" " * 50_000_000 + b"]")
        error = await failure_of(reply(200, bomb, Content_Encoding="gzip"), largest_answer_bytes=5_000_000)
        assert isinstance(error, InvalidAnswerError)
        assert "larger than" in str(error)

    async def test_redirect_is_not_followed(self) -> None:
        error = await failure_of(reply(302, "", Location="http://127.0.0.1:1/?accessToken=s3cret/tok+en"))
        assert isinstance(error, InvalidAnswerError)
        assert "redirects" in str(error)

    async def test_truncated_reply_or_other_protocol_is_unreachable(self) -> None:
        for answer in (b"", b"SSH-2.0-OpenSSH_9.6\r\n", reply(200, "[" + " " * 500)[:-90]):
            assert isinstance(await failure_of(answer), UnreachableError)

    async def test_silent_service_times_out(self) -> None:
        async def never(request: ReceivedRequest) -> bytes:
            await asyncio.sleep(30)
            return b""

        async with CannedServer(never) as server, UsageClient(server.url, TOKEN, silence_seconds=0.2) as client:
            with pytest.raises(UnreachableError, match="stopped responding"):
                await client.usage()
            with pytest.raises(UnreachableError, match="may have been carried out"):
                await client.delete_stream(StreamId("live", "a"))
        async with CannedServer(never) as server, UsageClient(server.url, TOKEN, answer_seconds=0.2) as client:
            with pytest.raises(UnreachableError, match=r"within 0\.2 s"):
                await client.usage()

    async def test_refused_connection_is_unreachable_and_the_request_was_not_carried_out(self) -> None:
        async with UsageClient("http://127.0.0.1:1", TOKEN) as client:
            with pytest.raises(UnreachableError, match="nothing answers there") as caught:
                await client.delete_all()
        assert "may have been carried out" not in str(caught.value)
        assert_no_token(caught.value)


class TestRefusals:
    @pytest.mark.parametrize(
        ("status", "kind"), [(400, RefusedError), (401, RefusedError), (403, RefusedError), (500, UnreachableError)]
    )
    async def test_refusal_quotes_the_message_of_the_service_without_the_token(
        self, status: int, kind: type[UsageApiError]
    ) -> None:
        error = await failure_of(reply(status, documented_error(f"Bad token {TOKEN} \x1b[2J")))
        assert type(error) is kind
        assert "Bad token" in str(error)
        assert "\x1b" not in str(error)

    async def test_deleting_a_missing_stream_raises_not_found(self) -> None:
        answer = reply(404, documented_error("no such stream"))
        async with always(answer) as server, UsageClient(server.url, TOKEN) as client:
            with pytest.raises(NotFoundError, match="no such stream"):
                await client.delete_stream(StreamId("live", "gone"))

    async def test_log_and_repr_do_not_contain_the_token(self, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.DEBUG)
        async with always(reply(200, "[]")) as server, UsageClient(server.url, TOKEN) as client:
            await client.usage()
            assert "s3cret" not in repr(client)
        assert "HTTP Request: GET" in caplog.text
        assert "s3cret" not in caplog.text

    @pytest.mark.parametrize(
        "address",
        ["", "sm.example.net", "ftp://a", "http://", "http://a/?accessToken=x", "http://me:x@a", "http://a:b"],
    )
    def test_unusable_address_is_refused(self, address: str) -> None:
        with pytest.raises(InvalidAddressError):
            UsageClient(address, TOKEN)

    def test_token_with_a_line_break_is_refused_without_quoting_it(self) -> None:
        with pytest.raises(InvalidAddressError) as caught:
            UsageClient("http://a", "s3cret\nmore")
        assert "s3cret" not in str(caught.value)

    @pytest.mark.parametrize("proxy", ["socks5://me:pr0xy-pw@127.0.0.1:1080", "http://me:pr0xy-pw@a:b"])
    def test_unusable_proxy_error_does_not_contain_its_login(self, monkeypatch: pytest.MonkeyPatch, proxy: str) -> None:
        monkeypatch.setenv("ALL_PROXY", proxy)
        with pytest.raises(InvalidAddressError, match="ALL_PROXY") as caught:
            UsageClient("http://a", TOKEN)
        assert "pr0xy-pw" not in str(caught.value)
        assert caught.value.__context__ is None or caught.value.__suppress_context__


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

    @pytest.mark.parametrize(
        ("stream", "path"),
        [
            (StreamId("live/room1", "a"), "live/room1/a"),
            (StreamId("live", "a/b"), "live/a%2Fb"),
            (StreamId("..", "."), "%2E%2E/%2E"),
            (StreamId("live", "../.."), "live/..%2F.."),
            (StreamId("live", "[red]x?y#z&w=1"), "live/%5Bred%5Dx%3Fy%23z%26w%3D1"),
            (StreamId("live", "\x1b[2J\r\n"), "live/%1B%5B2J%0D%0A"),
            (StreamId("live", "%2e%2e%2f"), "live/%252e%252e%252f"),
            (StreamId("live", "日本 "), "live/%E6%97%A5%E6%9C%AC%20"),
        ],
    )
    async def test_names_are_percent_encoded_in_the_path(self, stream: StreamId, path: str) -> None:
        record = json.dumps(wire(stream.name, stream.scope, 5))
        async with always(reply(200, record)) as server, UsageClient(server.url + "/behind/proxy/", TOKEN) as client:
            deleted = await client.delete_session(SessionKey(stream.scope, stream.name, 5))
        (request,) = server.requests
        assert deleted.key == (stream.scope, stream.name, 5)
        assert request.method == "DELETE"
        assert request.path == f"/behind/proxy{USAGE}/{path}"
        assert request.query == "accessToken=s3cret%2Ftok%2Ben&startTime=5"

    async def test_delete_with_an_unreadable_reply_advises_to_check(self) -> None:
        async with always(reply(200, "")) as server, UsageClient(server.url, TOKEN) as client:
            with pytest.raises(InvalidAnswerError, match="check whether the session still exists"):
                await client.delete_session(SessionKey("live", "a", 5))


class TestExtension:
    @pytest.mark.parametrize(
        "answer",
        [
            reply(404, "<html>", "text/html"),
            reply(404, documented_error("not found")),
            reply(400, documented_error("bad request")),
            reply(200, "<html>", "text/html"),
            reply(302, "", Location="/login"),
            reply(403, "<html>", "text/html"),
        ],
    )
    async def test_plain_stream_manager_is_detected_once(self, answer: bytes) -> None:
        async with always(answer) as server, UsageClient(server.url, TOKEN) as client:
            for _ in range(2):
                with pytest.raises(ExtensionMissingError):
                    await client.changes(None)
            assert client.has_extension is False
        assert len(server.requests) == 1
        assert server.requests[0].headers["authorization"] == f"Bearer {TOKEN}"
        assert "s3cret" not in server.requests[0].target

    @pytest.mark.parametrize(
        ("answer", "kind"),
        [(reply(500, "oops"), UnreachableError), (reply(401, documented_error("who are you")), RefusedError)],
    )
    async def test_failing_service_is_not_taken_for_a_plain_stream_manager(self, answer: bytes, kind: type) -> None:
        async with always(answer) as server, UsageClient(server.url, TOKEN) as client:
            with pytest.raises(kind):
                await client.changes(None)
            assert client.has_extension is None

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
