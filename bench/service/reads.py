"""Cost of reads among many records: the list against a static file of the same bytes, and a poll of `changes`.

`python -m bench.service.reads [RECORDS]` prints both. The static file goes through the same server, protocol and
client.
"""

import asyncio
import os
import socket
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

import httpx
from starlette.applications import Starlette
from starlette.responses import FileResponse
from starlette.routing import Route

from bench.estate import ADMIN, served
from streamusage.core.clock import SystemClock
from streamusage.service.http.server.http_server import HttpServer

USAGE = "/streammanager/api/4.0/admin/event/usage"
TURNS = 15


async def seconds_for(port: int, target: str) -> tuple[float, int]:
    """Return the seconds that a whole answer takes, read as fast as possible, and its size in bytes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1 << 24)
    request = f"GET {target} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {ADMIN}\r\nConnection: close\r\n\r\n".encode()
    began = time.perf_counter()
    writer.write(request)
    size = 0
    while part := await reader.read(1 << 20):
        size += len(part)
    took = time.perf_counter() - began
    writer.close()
    return took, size


async def main_async(records: int) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        async with (
            served(folder / "usage.db", "") as service,
            httpx.AsyncClient(base_url=service.url, headers={"Authorization": f"Bearer {ADMIN}"}, timeout=120) as http,
        ):
            for start in range(0, records, 20_000):
                batch = [_record(number) for number in range(start, min(start + 20_000, records))]
                (await http.post("/api/v1/import", json=batch)).raise_for_status()
            target = f"{USAGE}?accessToken={ADMIN}"
            first, size = await seconds_for(service.port, target)
            listed = [(await seconds_for(service.port, target))[0] for _ in range(TURNS)]
            after_changes = []
            for turn in range(TURNS):
                await http.post("/api/v1/import", json=[_record(records + turn * 100 + n) for n in range(100)])
                after_changes.append((await seconds_for(service.port, target))[0])

            body = (await http.get(target)).content
            (folder / "list.json").write_bytes(body)
            static = await _static(folder / "list.json")
            ratio = median(listed) / median(static)
            print(
                f"list of {records:,} ({size / 1e6:.1f} MB): {median(listed) * 1000:.1f} ms, static file "
                f"{median(static) * 1000:.1f} ms: ratio {ratio:.2f}; after 100 changes "
                f"{median(after_changes) * 1000:.1f} ms: ratio {median(after_changes) / median(static):.2f}; "
                f"first request {first * 1000:.0f} ms",
                flush=True,
            )
            took, idle = [], []
            cursor, _ = await _changes(http, "")
            for turn in range(200):
                await http.post("/api/v1/import", json=[_record(records + (1000 + turn) * 100 + n) for n in range(100)])
                idle.append((await seconds_for(service.port, "/healthz"))[0] * 1000)
                seconds, _ = await seconds_for(service.port, f"/api/v1/changes?cursor={cursor}")
                cursor, count = await _changes(http, cursor)
                if turn:
                    took.append(seconds * 1000)
                    assert count == 100, count
            print(
                f"changes with 100 changes among {records:,}: {_tail(took)}; a request that does nothing, in between: "
                f"{_tail(idle)}"
            )


def _tail(took_ms: list[float]) -> str:
    ordered = sorted(took_ms)
    return f"p50 {median(ordered):.1f} ms, p99 {ordered[int(len(ordered) * 0.99)]:.1f} ms"


async def _changes(http: httpx.AsyncClient, cursor: str) -> tuple[str, int]:
    count, more = 0, True
    while more:
        page = (await http.get(f"/api/v1/changes?cursor={cursor}", headers={"Accept-Encoding": "identity"})).json()
        cursor, more = page["cursor"], page["more"]
        count += len(page["records"])
    return cursor, count


async def _static(path: Path) -> list[float]:
    app = Starlette(routes=[Route("/", lambda _request: FileResponse(path, media_type="application/json"))])
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.sched_setaffinity(0, {0})
        asyncio.run(_serve_static(app, write))
        os._exit(0)
    try:
        port = int(os.read(read, 16))
        await asyncio.sleep(1)
        return [(await seconds_for(port, "/"))[0] for _ in range(TURNS)]
    finally:
        os.kill(pid, 9)
        os.waitpid(pid, 0)  # noqa: ASYNC222 - the process was killed, so this returns at once


async def _serve_static(app: Starlette, write: int) -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    server = HttpServer(app, SystemClock())
    await server.start(listener)
    os.write(write, str(listener.getsockname()[1]).encode())
    await server.serve()


def _record(number: int) -> dict[str, object]:
    start = 1_795_000_000_000 + number
    return {
        "name": f"stream-{number}", "scope": "live/room", "startTime": start, "endTime": start + 8820, "duration": 8820,
        "aciveSubscribers": 2, "maxSubscribers": 2, "lostSubscribers": 2, "totalSubscribers": 4, "updated": start + 8821,  # noqa: E501
    }  # fmt: skip


def main() -> None:
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    asyncio.run(main_async(int(sys.argv[1]) if len(sys.argv) > 1 else 100_000))


if __name__ == "__main__":
    main()
