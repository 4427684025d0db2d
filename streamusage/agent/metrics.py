"""`GET /metrics` of an agent, in the formats of Prometheus and OpenMetrics.

The figures come from the status beside each journal and from what the agents did since the process started. The
endpoint is off by default, and on loopback unless an address is given.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.openmetrics import exposition as openmetrics
from prometheus_client.registry import Collector

from streamusage import __version__
from streamusage.agent.activity import AgentActivity
from streamusage.agent.status_file import Status, StatusFile
from streamusage.core.addresses import Address
from streamusage.core.text import escape_unprintable

LARGEST_REQUEST_BYTES = 8_192
REQUEST_TIMEOUT_SECONDS = 5.0
TEXT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_OPENMETRICS = b"application/openmetrics-text"

_STATES: tuple[tuple[str, str, Callable[[Status], float | None]], ...] = (
    ("online", "1 while the service is up to date, else 0.", lambda s: int(s.phase == "online")),
    ("failures", "Consecutive failed syncs.", lambda s: s.failures),
    ("owed_connections", "Connections not acknowledged yet.", lambda s: s.owed.connections),
    ("owed_bytes_in", "Bytes received, not acknowledged yet.", lambda s: s.owed.bytes_in),
    ("owed_bytes_out", "Bytes sent, not acknowledged yet.", lambda s: s.owed.bytes_out),
    ("owed_view_seconds", "View time not acknowledged yet.", lambda s: s.owed.view_time_ms / 1000),
    (
        "oldest_owed_timestamp_seconds",
        "Start of the oldest unacknowledged minute; 0 for none.",
        lambda s: (s.owed.oldest_minute or 0) / 1000,
    ),
    (
        "unacknowledged_rows",
        "Rows of the journal that the service has not acknowledged.",
        lambda s: s.unacknowledged_rows,
    ),
    (
        "last_reading_timestamp_seconds",
        "Time of the last reading of the media server.",
        lambda s: (s.last_reading_at or 0) / 1000,
    ),
    ("source_error", "1 while the media server cannot be read.", lambda s: int(bool(s.source_error))),
    (
        "source_error_since_timestamp_seconds",
        "Since when the media server cannot be read; 0 while it can.",
        lambda s: (s.source_error_since or 0) / 1000,
    ),
    (
        "ignored_viewers",
        "Present viewers that the setting ignore leaves out.",
        lambda s: 0 if s.ignored is None else s.ignored.present,
    ),
    ("journal_error", "1 while readings cannot be written to the journal.", lambda s: int(bool(s.journal_error))),
    ("journal_bytes", "Size of the journal.", lambda s: s.journal_bytes),
    ("clock_offset_seconds", "The agent's clock minus the service's.", lambda s: (s.clock_offset_ms or 0) / 1000),
    ("status_timestamp_seconds", "When these figures were read from the journal.", lambda s: s.written_at / 1000),
)
"""Gauges: what follows the prefix, the help text, and the figure of a status."""

_COUNTERS: tuple[tuple[str, str, Callable[[Status, AgentActivity], float]], ...] = (
    (
        "ignored_connections",
        "Connections that the setting ignore left out since the agent started.",
        lambda s, _: 0 if s.ignored is None else s.ignored.connections,
    ),
    ("readings", "Readings recorded since the agent started.", lambda _, a: a.readings),
    ("log_lines", "Lines of logs read since the agent started.", lambda _, a: a.log_lines),
    ("unreadable_log_lines", "Lines of logs that cannot be read, a part of all.", lambda _, a: a.unreadable_lines),
    ("syncs", "Syncs after which the service had everything.", lambda _, a: a.syncs),
    ("failed_syncs", "Syncs that failed.", lambda _, a: a.failed_syncs),
)
"""Counters, likewise."""


class _Statuses(Collector):
    def __init__(self, files: Sequence[tuple[Status, AgentActivity]]) -> None:
        self._files = files

    def collect(self) -> Iterable[Metric]:
        """Return the metrics of all agents of the process."""
        yield _with_label("build_info", "Version of the agent; always 1.", "version", [(__version__, 1)])
        for name, what, state in _STATES:
            gauge = GaugeMetricFamily(f"streamtop_agent_{name}", what, labels=["server"])
            for status, _ in self._files:
                if (value := state(status)) is not None:
                    gauge.add_metric([_label(status)], value)
            yield gauge
        synced = GaugeMetricFamily(
            "streamtop_agent_last_sync_timestamp_seconds",
            "Time of the last sync after which the service had everything; absent before the first one.",
            labels=["server"],
        )
        errors = CounterMetricFamily(
            "streamtop_agent_source_errors",
            "Readings that failed since the agent started, by kind of cause.",
            labels=["server", "kind"],
        )
        for status, activity in self._files:
            if activity.last_sync_at is not None:
                synced.add_metric([_label(status)], activity.last_sync_at / 1000)
            for kind, count in activity.source_errors.items():
                errors.add_metric([_label(status), kind], count)
        yield from (synced, errors)
        for name, what, count_of in _COUNTERS:
            counter = CounterMetricFamily(f"streamtop_agent_{name}", what, labels=["server"])
            for status, activity in self._files:
                counter.add_metric([_label(status)], count_of(status, activity))
            yield counter


def _with_label(name: str, what: str, label: str, values: Iterable[tuple[str, float]]) -> Metric:
    family = GaugeMetricFamily(f"streamtop_agent_{name}", what, labels=[label])
    for text, value in values:
        family.add_metric([text], value)
    return family


def _label(status: Status) -> str:
    return escape_unprintable(status.server)


def format_metrics(files: Sequence[tuple[Status, AgentActivity]], *, as_openmetrics: bool = False) -> bytes:
    """Return the metrics of agents in the text format of Prometheus, or in that of OpenMetrics."""
    registry = CollectorRegistry()
    registry.register(_Statuses(files))
    encode: Callable[[Collector], bytes] = openmetrics.generate_latest if as_openmetrics else generate_latest
    return encode(registry)


@asynccontextmanager
async def serve_metrics(files: Sequence[StatusFile], address: Address) -> AsyncIterator[None]:
    """Serve `GET /metrics` while the block runs. Raises `OSError` where the address cannot be opened."""

    async def respond(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            async with asyncio.timeout(REQUEST_TIMEOUT_SECONDS):
                head = await reader.readuntil(b"\r\n\r\n")
                present = [(file.last, file.activity) for file in files if file.last is not None]
                writer.write(_response(head, present))
                await writer.drain()
        writer.close()

    server = await asyncio.start_server(respond, *address, limit=LARGEST_REQUEST_BYTES)
    async with server:
        yield


def _response(head: bytes, files: Sequence[tuple[Status, AgentActivity]]) -> bytes:
    if head.split(b" ")[:2] != [b"GET", b"/metrics"]:
        return b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    # Names of headers are read in any case; only Accept has this media type.
    as_openmetrics = _OPENMETRICS in head.lower()
    body = format_metrics(files, as_openmetrics=as_openmetrics)
    kind = openmetrics.CONTENT_TYPE_LATEST if as_openmetrics else TEXT_TYPE
    return (
        f"HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode()
        + body
    )
