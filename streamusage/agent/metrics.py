"""`/metrics` of an agent, in Prometheus' text format, on request and on loopback unless told otherwise.

The figures are those of the status beside each journal; nothing is counted twice for it.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from streamusage.agent.status_file import Status, StatusFile

LONGEST_REQUEST_BYTES = 8_192
PATIENCE_SECONDS = 5.0

_FIGURES = (
    (
        "streamtop_agent_online",
        "gauge",
        "1 while the service has everything, else 0.",
        lambda s: int(s.phase == "online"),
    ),
    ("streamtop_agent_failures", "gauge", "Failed sync-ups in a row.", lambda s: s.failures),
    ("streamtop_agent_owed_connections", "gauge", "Connections not handed over yet.", lambda s: s.owed.connections),
    ("streamtop_agent_owed_bytes_in", "gauge", "Bytes received, not handed over yet.", lambda s: s.owed.bytes_in),
    ("streamtop_agent_owed_bytes_out", "gauge", "Bytes sent, not handed over yet.", lambda s: s.owed.bytes_out),
    (
        "streamtop_agent_owed_view_seconds",
        "gauge",
        "View time not handed over yet.",
        lambda s: s.owed.view_time_ms / 1000,
    ),
    (
        "streamtop_agent_oldest_owed_timestamp_seconds",
        "gauge",
        "The oldest minute not handed over; 0 for none.",
        lambda s: (s.owed.oldest_minute or 0) / 1000,
    ),
    (
        "streamtop_agent_last_reading_timestamp_seconds",
        "gauge",
        "When the media server was read last.",
        lambda s: (s.last_reading_at or 0) / 1000,
    ),
    (
        "streamtop_agent_source_error",
        "gauge",
        "1 while the media server cannot be read.",
        lambda s: int(bool(s.source_error)),
    ),
    ("streamtop_agent_journal_bytes", "gauge", "Size of the journal.", lambda s: s.journal_bytes),
    (
        "streamtop_agent_clock_offset_seconds",
        "gauge",
        "The agent's clock less the service's.",
        lambda s: (s.clock_offset_ms or 0) / 1000,
    ),
)


def exposition(statuses: Sequence[Status]) -> str:
    """The statuses as Prometheus reads them."""
    lines = []
    for name, kind, told, figure in _FIGURES:
        lines += [f"# HELP {name} {told}", f"# TYPE {name} {kind}"]
        lines += [f'{name}{{server="{_label(status.server)}"}} {figure(status)}' for status in statuses]
    return "\n".join(lines) + "\n"


@asynccontextmanager
async def serving_metrics(files: Sequence[StatusFile], address: tuple[str, int]) -> AsyncIterator[None]:
    """Answers `GET /metrics` while the block runs."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            async with asyncio.timeout(PATIENCE_SECONDS):
                head = await reader.readuntil(b"\r\n\r\n")
                writer.write(_response(head, [file.last for file in files if file.last is not None]))
                await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, *address, limit=LONGEST_REQUEST_BYTES)
    async with server:
        yield


def _response(head: bytes, statuses: Sequence[Status]) -> bytes:
    if head.split(b" ")[:2] != [b"GET", b"/metrics"]:
        return b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    body = exposition(statuses).encode()
    kind = "text/plain; version=0.0.4; charset=utf-8"
    return (
        f"HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode()
        + body
    )


def _label(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
