"""Connections without a request, open files that run out, and stops: a real service under real limits."""

import asyncio
import json
import re
import resource
import signal
import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import pytest

from streamusage.service.http.server import http_server
from tests.streamusage.service.conftest import Estate, a_record
from tests.support.certificates import sign
from tests.support.service.held_write import HeldWrite
from tests.support.service.parties.reporting import ReportingAgent
from tests.support.service.serve_command import serving
from tests.support.waiting import LONGEST_WAIT_S, wait_until, wait_until_blocking

HEAD = b"GET /healthz HTTP/1.1\r\nHost: a\r\n"


def _port(url: str) -> int:
    return int(url.rpartition(":")[2])


def _half_open(stack: ExitStack, url: str, count: int) -> list[socket.socket]:
    sockets = []
    for _ in range(count):
        client = stack.enter_context(socket.create_connection(("127.0.0.1", _port(url)), LONGEST_WAIT_S))
        client.sendall(HEAD)
        sockets.append(client)
    return sockets


@contextmanager
def _open_files(count: int) -> Iterator[None]:
    """Permit the test itself that many open files."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, count)), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def _answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/healthz", timeout=5).status_code == 200
    except httpx.TransportError:
        return False


def _documented_failure(received: bytes) -> str:
    head, _, body = received.partition(b"\r\n\r\n")
    document = json.loads(body)
    assert document.keys() == {"errorMessage", "timestamp"}
    return f"{head.split()[1].decode()} {document['errorMessage']}"


def test_half_open_heads_give_way_to_new_clients(tmp_path: Path) -> None:
    """More half-open heads than connections: without making room, nobody is answered until heads time out (15 s)."""
    with _open_files(1_500), ExitStack() as stack:
        _, url, lines = stack.enter_context(serving(tmp_path, "--limit", "connections=500", files=700))
        clients = _half_open(stack, url, 900)
        began = time.monotonic()
        wait_until_blocking(lambda: _answers(url), "a new client is answered", last_seen=lambda: lines)
        waited = time.monotonic() - began
        clients[0].settimeout(LONGEST_WAIT_S)
        assert re.match("503 .*limit of 500 connections", _documented_failure(clients[0].recv(4000)))
        assert waited < 14, "room is made before the heads time out"
        assert len("".join(lines)) < 2_000, lines[:20]


def test_files_that_run_out_are_one_log_line_and_503(tmp_path: Path) -> None:
    with _open_files(1_000), ExitStack() as stack:
        process, url, lines = stack.enter_context(serving(tmp_path, "--limit", "connections=500"))
        assert _answers(url)
        _, hard = resource.prlimit(process.pid, resource.RLIMIT_NOFILE)
        resource.prlimit(process.pid, resource.RLIMIT_NOFILE, (60, hard))
        clients = _half_open(stack, url, 120)
        wait_until_blocking(lambda: "cannot accept connections" in "".join(lines), "it is logged")
        assert "Traceback" not in "".join(lines)
        wait_until_blocking(lambda: _answers(url), "a new client is answered", last_seen=lambda: lines)
        refused = set()
        for client in clients:
            client.settimeout(0.01)
            try:
                received = client.recv(4000)
            except OSError:
                continue
            if received:
                refused.add(_documented_failure(received)[:3])
        assert refused == {"503"}
        assert sum("cannot accept connections" in line for line in lines) == 1
        assert len("".join(lines)) < 2_000, lines[:20]


def test_stop_does_not_wait_for_idle_tls_clients(tmp_path: Path) -> None:
    signed = sign(tmp_path)
    options = ["--tls-cert", str(signed.certificate), "--tls-key", str(signed.key)]
    trusted = ssl.create_default_context(cafile=str(signed.authority))
    with ExitStack() as stack:
        process, url, lines = stack.enter_context(serving(tmp_path, *options))
        for number in range(6):
            client = socket.create_connection(("127.0.0.1", _port(url)), LONGEST_WAIT_S)
            stack.callback(client.close)
            if number < 4:  # the others never begin their handshake
                client = trusted.wrap_socket(client, server_hostname="127.0.0.1", suppress_ragged_eofs=True)
                stack.callback(client.close)
            if number < 2:
                client.sendall(HEAD + b"\r\n")
                assert client.recv(1000).startswith(b"HTTP/1.1 200 ")
        process.send_signal(signal.SIGTERM)
        began = time.monotonic()
        assert process.wait(LONGEST_WAIT_S) == 0
        assert time.monotonic() - began < 8, "the grace for requests is 10 s"
    assert "ERROR" not in "".join(lines)


async def test_stop_during_a_long_write_is_answered_in_the_documented_shape(
    estate: Estate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_server, "GRACE_SECONDS", 0.5)
    agent = ReportingAgent(estate)
    await agent.begin()
    held = HeldWrite()
    write = estate.running.service.writer.submit(held)
    assert await asyncio.to_thread(held.began.wait, LONGEST_WAIT_S)
    requests = [
        asyncio.create_task(agent.send(agent.report())),
        asyncio.create_task(estate.import_records(a_record())),
    ]
    server = estate.running._server
    await wait_until(lambda: sum(not one.is_waiting for one in server.server_state.connections) == 2, "both are begun")
    estate.running.stop()
    for answer in await asyncio.gather(*requests):
        assert answer.status_code == 503, answer.text
        assert answer.json().keys() == {"errorMessage", "timestamp"}
        assert answer.headers["retry-after"] == "5"
    held.go.set()
    await asyncio.to_thread(write.result, LONGEST_WAIT_S)
