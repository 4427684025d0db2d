"""Limits of connections: size of heads and bodies, timeouts, stalled readers, and many slow clients."""

import asyncio
import gzip
import os
import resource
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import msgspec
import pytest

from streamusage.service.http.context import BODY_LIMIT_BYTES
from streamusage.service.http.server.connection_limits import ConnectionLimits
from tests.streamusage.service.conftest import USAGE, Estate, a_record, an_estate
from tests.support.program import REPOSITORY
from tests.support.waiting import LONGEST_WAIT_S

SLOW = int(os.environ.get("STREAMTOP_SLOW_CONNECTIONS", "1000"))
"""Number of slow connections at once; bench/README.md describes a run with 10,000."""

SMALL = ConnectionLimits(head_bytes=8_192)
SHORT = ConnectionLimits(head_seconds=1.0, request_seconds=2.0)
STALL = ConnectionLimits(stall_seconds=1.0)
"""Separate limits: on a busy machine an oversized request must not exceed a timeout as well."""


@pytest.fixture
async def estate(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Estate]:
    async with an_estate(tmp_path, limits=getattr(request, "param", SMALL)) as estate:
        yield estate


@pytest.fixture
async def short_timeout_estate(tmp_path: Path) -> AsyncIterator[Estate]:
    async with an_estate(tmp_path, limits=SHORT) as estate:
        yield estate


def failure(body: bytes) -> str:
    document = msgspec.json.decode(body)
    assert document.keys() == {"errorMessage", "timestamp"}
    return str(document["errorMessage"])


@pytest.mark.parametrize("header", [b"X-Long: " + b"x" * 9_000, b"\r\n".join(b"X-%d: y" % n for n in range(2_000))])
async def test_oversized_head_is_431(estate: Estate, header: bytes) -> None:
    status, body = await estate.raw(b"GET /healthz HTTP/1.1\r\nHost: a\r\n" + header)
    assert (status, "head is larger" in failure(body)) == (431, True)


@pytest.mark.parametrize("around", [b"0\r\nX-Trailer: ", b"1;extension="])
async def test_framing_of_a_chunked_body_has_the_same_limit(estate: Estate, around: bytes) -> None:
    """Without the limit, the framing would be buffered without end."""
    reader, writer = await asyncio.open_connection(estate.running.host, estate.running.port)
    writer.write(b"POST /api/v1/import HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer admin-token\r\n")
    writer.write(b"Transfer-Encoding: chunked\r\n\r\n1\r\n[\r\n" + around)
    await asyncio.sleep(0.1)
    writer.write(b"x" * 20_000)
    head, _, body = (await asyncio.wait_for(reader.read(), LONGEST_WAIT_S)).partition(b"\r\n\r\n")
    assert (head[9:12], "head is larger" in failure(body)) == (b"431", True)
    writer.close()


@pytest.mark.parametrize(
    "request_bytes",
    [b"", b"GET /heal", b"POST /api/v1/import HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer admin-token\r\nContent-Length: 9\r\n\r\n[",  # noqa: E501
     b"POST /api/v1/import HTTP/1.1\r\nHost: a\r\nContent-Length: 99999\r\n\r\n["],
)  # fmt: skip
async def test_request_that_does_not_arrive_is_closed(short_timeout_estate: Estate, request_bytes: bytes) -> None:
    reader, writer = await asyncio.open_connection(short_timeout_estate.running.host, short_timeout_estate.running.port)
    writer.write(request_bytes)
    answer = await asyncio.wait_for(reader.read(), LONGEST_WAIT_S)
    assert answer.split()[1] in {b"408", b"401"}
    writer.close()


@pytest.mark.parametrize(
    "malformed", [b"\x00\x01\x02\r\n\r\n", b"GET\r\n\r\n", b"BREW / HTTP/1.1\r\n\r\n", b"GET / HTTP/9\r\n\r\n"]
)
async def test_invalid_http_is_400_in_the_documented_shape(estate: Estate, malformed: bytes) -> None:
    status, body = await estate.raw(malformed)
    assert status in {400, 405}
    failure(body)


async def test_connection_may_last_longer_than_the_head_timeout(tmp_path: Path) -> None:
    """The timeout starts again with each request."""
    async with an_estate(tmp_path, limits=ConnectionLimits(head_seconds=2.0)) as estate:
        reader, writer = await asyncio.open_connection(estate.running.host, estate.running.port)
        for _ in range(2):
            writer.write(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n")
            assert (await asyncio.wait_for(reader.readuntil(b"}"), LONGEST_WAIT_S)).startswith(b"HTTP/1.1 200")
            await asyncio.sleep(2.1)
        writer.write(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\nGET /hea")
        assert b"408" in await asyncio.wait_for(reader.read(), LONGEST_WAIT_S), "the second request stays incomplete"
        writer.close()


async def test_idle_connection_is_closed(tmp_path: Path) -> None:
    async with an_estate(tmp_path, limits=ConnectionLimits(idle_seconds=0.6)) as estate:
        reader, writer = await asyncio.open_connection(estate.running.host, estate.running.port)
        writer.write(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n")
        assert (await asyncio.wait_for(reader.readuntil(b"}"), LONGEST_WAIT_S)).startswith(b"HTTP/1.1 200")
        assert await asyncio.wait_for(reader.read(), LONGEST_WAIT_S) == b"", "closed without a response"
        writer.close()


async def test_body_above_the_limit_is_413_compressed_or_not(tmp_path: Path) -> None:
    """Uses the default timeouts, since only the size is tested."""
    async with an_estate(tmp_path) as estate:
        headers = {"Content-Encoding": "gzip"}
        bomb = gzip.compress(b" " * (BODY_LIMIT_BYTES + 1), 9)
        answer = await estate.request("POST", "/api/v1/import", content=bomb, headers=headers)
        assert answer.status_code == 413
        bombs = [estate.request("POST", "/api/v1/import", content=bomb, headers=headers) for _ in range(8)]
        assert {answer.status_code for answer in await asyncio.gather(*bombs)} <= {413, 503}
        doubled = gzip.compress(b"[") + gzip.compress(b"]")
        assert (await estate.request("POST", "/api/v1/import", content=doubled, headers=headers)).status_code == 200
        assert (await estate.request("POST", "/api/v1/import", content=bomb[:-9], headers=headers)).status_code in {
            400,
            413,
        }
        assert (
            await estate.request("POST", "/api/v1/import", content=b"x", headers={"Content-Encoding": "br"})
        ).status_code == 415


@pytest.mark.parametrize("estate", [STALL], indirect=True)
async def test_client_that_stops_reading_is_disconnected(estate: Estate) -> None:
    for part in range(4):
        await estate.import_records(*(a_record(f"s{part}-{n}" + "x" * 1500) for n in range(2_500)))
    reader, writer = await asyncio.open_connection(estate.running.host, estate.running.port, limit=1024)
    writer.write(f"GET {USAGE}?accessToken=admin-token HTTP/1.1\r\nHost: a\r\n\r\n".encode())
    async with asyncio.timeout(LONGEST_WAIT_S):
        while f'route="{USAGE}",status=' not in (await estate.request("GET", "/metrics")).text:  # noqa: ASYNC110
            await asyncio.sleep(0.1)
    with pytest.raises((ConnectionResetError, asyncio.IncompleteReadError)):
        await asyncio.wait_for(reader.readexactly(16_000_000), LONGEST_WAIT_S)
    writer.close()


async def test_many_slow_connections_block_no_other_client_and_use_little_memory(tmp_path: Path) -> None:
    """Each client sends a byte a second and is disconnected after the head timeout. The clients run in separate
    processes with separate addresses, so that neither open files nor ports of the test are exhausted first."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, max(soft, SLOW + 1_000)), hard))
    # On a busy machine some are disconnected before the last has connected: retry with longer timeouts.
    for patience in (1, 2, 4, 8):
        if await _all_connected_and_answered(tmp_path, patience * (5 + SLOW / 300)):
            return
    raise AssertionError("the clients were never all connected at once")


async def _all_connected_and_answered(tmp_path: Path, head_seconds: float) -> bool:
    """Return whether all clients were connected while memory was measured."""
    async with (
        an_estate(tmp_path, limits=ConnectionLimits(head_seconds=head_seconds)) as estate,
        AsyncExitStack() as stack,
    ):
        before = _resident_bytes()
        crowds = [await _slow_clients(estate, count, number, stack) for number, count in enumerate(_crowd_sizes(SLOW))]
        for crowd in crowds:
            assert crowd.stdout is not None
            assert await asyncio.wait_for(crowd.stdout.readline(), LONGEST_WAIT_S) == b"open\n"
        for _ in range(5):
            answer = await asyncio.wait_for(estate.http.get("/healthz"), LONGEST_WAIT_S)
            assert answer.status_code == 200
            await asyncio.sleep(0.5)
        used_bytes = _resident_bytes() - before
        if len(estate.running._server.server_state.connections) <= SLOW:  # includes the connection of `estate.http`
            return False
        assert used_bytes < SLOW * 32 * 1024, f"{used_bytes // SLOW} bytes a connection"
        timeout_counts = [int((await asyncio.wait_for(crowd.communicate(), LONGEST_WAIT_S))[0]) for crowd in crowds]
        assert SLOW * 0.9 <= sum(timeout_counts) <= SLOW, "a byte sent while the answer arrives may discard the answer"
        print(f"{SLOW} slow connections: {used_bytes // SLOW} bytes each")
        assert (await estate.http.get("/healthz")).status_code == 200
        return True


def _crowd_sizes(count: int) -> list[int]:
    return [min(2_500, count - start) for start in range(0, count, 2_500)]


async def _slow_clients(estate: Estate, count: int, number: int, stack: AsyncExitStack) -> asyncio.subprocess.Process:
    crowd = await asyncio.create_subprocess_exec(
        *[
            sys.executable,
            "-m",
            "tests.support.service.parties.slow_clients",
            estate.running.host,
            str(estate.running.port),
        ],
        *[str(count), f"127.0.0.{number + 2}"],
        stdout=asyncio.subprocess.PIPE,
        cwd=REPOSITORY,
    )

    async def end() -> None:
        if crowd.returncode is None:
            crowd.kill()
            await crowd.wait()

    stack.push_async_callback(end)
    return crowd


def _resident_bytes() -> int:
    fields = Path("/proc/self/statm").read_text().split()
    return int(fields[1]) * resource.getpagesize()
