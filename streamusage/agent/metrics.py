"""`GET /metrics` of an agent, in the text format of Prometheus.

The figures come from the status beside each journal. The endpoint is off by default, and on loopback unless an address
is given.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from streamusage.agent.status_file import Status, StatusFile
from streamusage.core.addresses import Address

LARGEST_REQUEST_BYTES = 8_192
REQUEST_TIMEOUT_SECONDS = 5.0

_FIGURES = (
    (
        "streamtop_agent_online",
        "gauge",
        "1 while the service is up to date, else 0.",
        lambda s: int(s.phase == "online"),
    ),
    ("streamtop_agent_failures", "gauge", "Consecutive failed syncs.", lambda s: s.failures),
    ("streamtop_agent_owed_connections", "gauge", "Connections not acknowledged yet.", lambda s: s.owed.connections),
    ("streamtop_agent_owed_bytes_in", "gauge", "Bytes received, not acknowledged yet.", lambda s: s.owed.bytes_in),
    ("streamtop_agent_owed_bytes_out", "gauge", "Bytes sent, not acknowledged yet.", lambda s: s.owed.bytes_out),
    (
        "streamtop_agent_owed_view_seconds",
        "gauge",
        "View time not acknowledged yet.",
        lambda s: s.owed.view_time_ms / 1000,
    ),
    (
        "streamtop_agent_oldest_owed_timestamp_seconds",
        "gauge",
        "Start of the oldest unacknowledged minute; 0 for none.",
        lambda s: (s.owed.oldest_minute or 0) / 1000,
    ),
    (
        "streamtop_agent_last_reading_timestamp_seconds",
        "gauge",
        "Time of the last reading of the media server.",
        lambda s: (s.last_reading_at or 0) / 1000,
    ),
    (
        "streamtop_agent_source_error",
        "gauge",
        "1 while the media server cannot be read.",
        lambda s: int(bool(s.source_error)),
    ),
    (
        "streamtop_agent_source_error_since_timestamp_seconds",
        "gauge",
        "Since when the media server cannot be read; 0 while it can.",
        lambda s: (s.source_error_since or 0) / 1000,
    ),
    (
        "streamtop_agent_ignored_viewers",
        "gauge",
        "Present viewers that the setting ignore leaves out.",
        lambda s: 0 if s.ignored is None else s.ignored.present,
    ),
    (
        "streamtop_agent_ignored_connections_total",
        "counter",
        "Connections that the setting ignore left out since the agent started.",
        lambda s: 0 if s.ignored is None else s.ignored.connections,
    ),
    (
        "streamtop_agent_journal_error",
        "gauge",
        "1 while readings cannot be written to the journal.",
        lambda s: int(bool(s.journal_error)),
    ),
    ("streamtop_agent_journal_bytes", "gauge", "Size of the journal.", lambda s: s.journal_bytes),
    (
        "streamtop_agent_clock_offset_seconds",
        "gauge",
        "The agent's clock minus the service's.",
        lambda s: (s.clock_offset_ms or 0) / 1000,
    ),
)


def format_metrics(statuses: Sequence[Status]) -> str:
    """Return the statuses in the text format of Prometheus."""
    lines = []
    for name, kind, help_text, figure in _FIGURES:
        lines += [f"# HELP {name} {help_text}", f"# TYPE {name} {kind}"]
        lines += [f'{name}{{server="{_escape_label(status.server)}"}} {figure(status)}' for status in statuses]
    return "\n".join(lines) + "\n"


@asynccontextmanager
async def serve_metrics(files: Sequence[StatusFile], address: Address) -> AsyncIterator[None]:
    """Serve `GET /metrics` while the block runs. Raises `OSError` where the address cannot be opened."""

    async def respond(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            async with asyncio.timeout(REQUEST_TIMEOUT_SECONDS):
                head = await reader.readuntil(b"\r\n\r\n")
                writer.write(_response(head, [file.last for file in files if file.last is not None]))
                await writer.drain()
        writer.close()

    server = await asyncio.start_server(respond, *address, limit=LARGEST_REQUEST_BYTES)
    async with server:
        yield


def _response(head: bytes, statuses: Sequence[Status]) -> bytes:
    if head.split(b" ")[:2] != [b"GET", b"/metrics"]:
        return b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    body = format_metrics(statuses).encode()
    kind = "text/plain; version=0.0.4; charset=utf-8"
    return (
        f"HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode()
        + body
    )


def _escape_label(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
