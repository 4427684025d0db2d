"""The HTTP server by itself, over an application of the test: framing, order, failures and stopping."""

import asyncio
import logging
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from starlette.types import ASGIApp, Receive, Scope, Send

from streamusage.core.clock import SystemClock
from streamusage.service.http.server.connection_limits import ConnectionLimits
from streamusage.service.http.server.http_server import HttpServer
from tests.support.waiting import LONGEST_WAIT_S

GET = b"GET /a%20b?c=d HTTP/1.1\r\nHost: a\r\n\r\n"
LAST = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"


@asynccontextmanager
async def serving(app: ASGIApp, path: Path, limits: ConnectionLimits | None = None) -> AsyncIterator[HttpServer]:
    """Serve the application on a Unix socket."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    server = HttpServer(app, SystemClock(), limits)
    await server.start(listener)
    ended = asyncio.create_task(server.serve())
    try:
        yield server
    finally:
        server.request_stop()
        await ended


async def exchanged(path: Path, sent: bytes) -> bytes:
    """Return everything that the server sends until it closes."""
    reader, writer = await asyncio.open_unix_connection(str(path))
    writer.write(sent)
    answer = await asyncio.wait_for(reader.read(), LONGEST_WAIT_S)
    writer.close()
    return answer


def responding(body: bytes, *headers: tuple[bytes, bytes]) -> ASGIApp:
    async def app(_scope: Scope, _receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": list(headers)})
        await send({"type": "http.response.body", "body": body, "more_body": True})
        await send({"type": "http.response.body"})

    return app


async def test_answer_without_a_length_is_chunked(tmp_path: Path) -> None:
    async with serving(responding(b"0123456789"), tmp_path / "s"):
        head, _, body = (await exchanged(tmp_path / "s", LAST)).partition(b"\r\n\r\n")
    assert head.endswith(b"connection: close\r\ntransfer-encoding: chunked")
    assert body == b"a\r\n0123456789\r\n0\r\n\r\n"


async def test_answer_to_head_has_the_length_and_no_body(tmp_path: Path) -> None:
    async with serving(responding(b"0123456789", (b"content-length", b"10")), tmp_path / "s"):
        answer = await exchanged(tmp_path / "s", LAST.replace(b"GET", b"HEAD"))
    assert answer.endswith(b"content-length: 10\r\nconnection: close\r\n\r\n")


@pytest.mark.parametrize("length", [b"9", b"11"])
async def test_answer_of_another_length_than_announced_closes_the_connection(
    tmp_path: Path, length: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    async with serving(responding(b"0123456789", (b"content-length", length)), tmp_path / "s"):
        answer = await exchanged(tmp_path / "s", GET + GET)
    assert (answer.count(b"HTTP/1.1 200"), "failed in the application" in caplog.text) == (1, True)


@pytest.mark.parametrize("value", [b"a\r\nx-injected: b", b"a\nb", b"a\0b"])
async def test_header_that_would_begin_another_line_is_not_sent(tmp_path: Path, value: bytes) -> None:
    async with serving(responding(b"", (b"x-name", value)), tmp_path / "s"):
        answer = await exchanged(tmp_path / "s", GET)
    assert (answer[9:12], b"injected" in answer) == (b"500", False)


async def test_application_that_fails_before_its_answer_is_500_in_the_documented_shape(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def app(_scope: Scope, _receive: Receive, _send: Send) -> None:
        raise ValueError("a cause")

    with caplog.at_level(logging.ERROR):
        async with serving(app, tmp_path / "s"):
            answer = await exchanged(tmp_path / "s", GET)
    assert (answer[9:12], b'{"errorMessage":' in answer, "a cause" in caplog.text) == (b"500", True, True)


async def test_client_that_expects_100_continue_receives_it_once(tmp_path: Path) -> None:
    async def app(_scope: Scope, receive: Receive, send: Send) -> None:
        body, more = b"", True
        while more:
            message = await receive()
            body, more = body + message["body"], message["more_body"]
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"4")]})
        await send({"type": "http.response.body", "body": body})

    head = b"POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n"
    async with serving(app, tmp_path / "s"):
        reader, writer = await asyncio.open_unix_connection(str(tmp_path / "s"))
        writer.write(head)
        line = b"HTTP/1.1 100 Continue\r\n\r\n"
        assert await asyncio.wait_for(reader.readexactly(len(line)), LONGEST_WAIT_S) == line
        writer.write(b"body")
        answer = await asyncio.wait_for(reader.read(), LONGEST_WAIT_S)
        writer.close()
    assert (answer[9:12], answer.endswith(b"\r\n\r\nbody"), b"100" in answer[12:]) == (b"200", True, False)


async def test_application_receives_paths_as_asgi_specifies(tmp_path: Path) -> None:
    scopes: list[Scope] = []

    async def app(scope: Scope, _receive: Receive, send: Send) -> None:
        scopes.append(scope)
        await responding(b"")(scope, _receive, send)

    async with serving(app, tmp_path / "s"):
        await exchanged(tmp_path / "s", GET.replace(b"Host", b"HOST") + LAST)
    first = scopes[0]
    assert (first["path"], first["raw_path"], first["query_string"]) == ("/a b", b"/a%20b", b"c=d")
    assert (first["headers"], first["http_version"], first["scheme"]) == ([(b"host", b"a")], "1.1", "http")


@pytest.mark.parametrize("behind", [b"\0 rubbish\r\n\r\n", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n["])
async def test_rejection_does_not_overtake_the_answer_of_an_earlier_request(tmp_path: Path, behind: bytes) -> None:
    """A client would take it for the answer of its first request."""
    rejected = asyncio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await rejected.wait()
        await responding(b"first", (b"content-length", b"5"))(scope, receive, send)

    limits = ConnectionLimits(head_seconds=0.2, request_seconds=0.4)
    async with serving(app, tmp_path / "s", limits):
        asyncio.get_running_loop().call_later(1.0, rejected.set)
        answer = await exchanged(tmp_path / "s", GET + behind)
    assert (answer[9:12], answer.count(b"HTTP/1.1"), answer[-5:]) == (b"200", 1, b"first")


async def test_stop_closes_idle_connections_and_waits_for_answers(tmp_path: Path) -> None:
    is_asked, may_answer = asyncio.Event(), asyncio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        is_asked.set()
        await may_answer.wait()
        await responding(b"late", (b"content-length", b"4"))(scope, receive, send)

    async with serving(app, tmp_path / "s") as server:
        idle, idle_writer = await asyncio.open_unix_connection(str(tmp_path / "s"))
        waiting = asyncio.create_task(exchanged(tmp_path / "s", GET))
        await asyncio.wait_for(is_asked.wait(), LONGEST_WAIT_S)
        server.request_stop()
        assert await asyncio.wait_for(idle.read(), LONGEST_WAIT_S) == b""
        assert not waiting.done()
        may_answer.set()
        assert (await waiting).endswith(b"connection: close\r\n\r\nlate")
        idle_writer.close()
