"""HTTP transport of the client over a real port: limits, timeouts, addresses, and that no text contains the token."""

import asyncio
import gzip
import json
import logging

import pytest

from streamusage.client.errors import InvalidAddressError, InvalidAnswerError, UnreachableError
from streamusage.client.http_options import HttpOptions
from streamusage.client.usage_client import UsageClient
from streamusage.core.usage import SessionKey, StreamId
from tests.support.canned_answers import CannedServer, ReceivedRequest, reply
from tests.support.client_failures import TOKEN, USAGE, always, assert_no_token, failure_of
from tests.support.plain_manager import wire


async def test_live_list_request_does_not_carry_the_token() -> None:
    rows = [{"name": "a", "scope": "live", "serverAddress": "10.0.0.1", "currentSubscribers": 3, "startTime": 5}]
    async with always(reply(200, json.dumps(rows))) as server, UsageClient(server.url, TOKEN) as client:
        (row,) = await client.live_list()
    assert (row.stream, row.current_subscribers) == (StreamId("live", "a"), 3)
    assert "s3cret" not in server.requests[0].target
    assert "authorization" not in server.requests[0].headers


async def test_reply_above_the_size_limit_is_not_read_to_its_end() -> None:
    bomb = gzip.compress(b"[" + b" " * 50_000_000 + b"]")
    error = await failure_of(
        reply(200, bomb, Content_Encoding="gzip"), options=HttpOptions(largest_answer_bytes=5_000_000)
    )
    assert isinstance(error, InvalidAnswerError)
    assert "larger than" in str(error)


async def test_list_above_the_size_limit_is_read_part_by_part() -> None:
    records = [wire(f"cam-{number}") for number in range(2_000)]
    options = HttpOptions(largest_answer_bytes=100_000)
    async with (
        always(reply(200, json.dumps(records))) as server,
        UsageClient(server.url, TOKEN, options=options) as client,
    ):
        assert len(await client.usage()) == len(records)
    error = await failure_of(reply(200, json.dumps([*records, wire("x" * 1_000_000)])), options=options)
    assert isinstance(error, InvalidAnswerError)
    assert "larger than" in str(error)


async def test_truncated_reply_or_other_protocol_is_unreachable() -> None:
    for answer in (b"", b"SSH-2.0-OpenSSH_9.6\r\n", reply(200, "[" + " " * 500)[:-90]):
        assert isinstance(await failure_of(answer), UnreachableError)


async def test_silent_service_times_out() -> None:
    async def never(request: ReceivedRequest) -> bytes:
        await asyncio.sleep(30)
        return b""

    async with (
        CannedServer(never) as server,
        UsageClient(server.url, TOKEN, options=HttpOptions(silence_seconds=0.2)) as client,
    ):
        with pytest.raises(UnreachableError, match="stopped responding"):
            await client.usage()
        with pytest.raises(UnreachableError, match="may have been carried out"):
            await client.delete_stream(StreamId("live", "a"))
    async with (
        CannedServer(never) as server,
        UsageClient(server.url, TOKEN, options=HttpOptions(answer_seconds=0.2)) as client,
    ):
        with pytest.raises(UnreachableError, match=r"within 0\.2 s"):
            await client.usage()


async def test_refused_connection_is_unreachable_and_the_request_was_not_carried_out() -> None:
    async with UsageClient("http://127.0.0.1:1", TOKEN) as client:
        with pytest.raises(UnreachableError, match="nothing answers there") as caught:
            await client.delete_all()
    assert "may have been carried out" not in str(caught.value)
    assert_no_token(caught.value)


async def test_log_and_repr_do_not_contain_the_token(caplog: pytest.LogCaptureFixture) -> None:
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
def test_unusable_address_is_refused(address: str) -> None:
    with pytest.raises(InvalidAddressError):
        UsageClient(address, TOKEN)


def test_token_with_a_line_break_is_refused_without_quoting_it() -> None:
    with pytest.raises(InvalidAddressError) as caught:
        UsageClient("http://a", "s3cret\nmore")
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize("proxy", ["socks5://me:pr0xy-pw@127.0.0.1:1080", "http://me:pr0xy-pw@a:b"])
def test_unusable_proxy_error_does_not_contain_its_login(monkeypatch: pytest.MonkeyPatch, proxy: str) -> None:
    monkeypatch.setenv("ALL_PROXY", proxy)
    with pytest.raises(InvalidAddressError, match="ALL_PROXY") as caught:
        UsageClient("http://a", TOKEN)
    assert "pr0xy-pw" not in str(caught.value)
    assert caught.value.__context__ is None or caught.value.__suppress_context__


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
async def test_names_are_percent_encoded_in_the_path(stream: StreamId, path: str) -> None:
    record = json.dumps(wire(stream.name, stream.scope, 5))
    async with always(reply(200, record)) as server, UsageClient(server.url + "/behind/proxy/", TOKEN) as client:
        deleted = await client.delete_session(SessionKey(stream.scope, stream.name, 5))
    (request,) = server.requests
    assert deleted.key == (stream.scope, stream.name, 5)
    assert request.method == "DELETE"
    assert request.path == f"/behind/proxy{USAGE}/{path}"
    assert request.query == "accessToken=s3cret%2Ftok%2Ben&startTime=5"
