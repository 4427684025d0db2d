"""Lines of an HLS access log, and the figures of what a source makes of them."""

from collections.abc import Iterable
from typing import NamedTuple

from streamusage.agent.reading import EndedConnection

LOG_START_S = 1_795_000_000
"""Time of second 0 of `hls_line`, in seconds since 1970."""


class LogFigures(NamedTuple):
    connections: int
    view_time_ms: int
    bytes_out: int


def hls_line(second: float, path: str = "/hls/s1.m3u8", sent: int = 100, sid: str = "-", ip: str = "10.0.0.1") -> bytes:
    """A line in the recommended format."""
    return f'{LOG_START_S + second:.3f} {ip} "GET {path} HTTP/1.1" 200 {sent} "Player" "{sid}"'.encode()


def sum_entries(entries: Iterable[EndedConnection]) -> LogFigures:
    """The sums over log entries."""
    entries = list(entries)
    return LogFigures(
        connections=sum(entry.kind == "join" for entry in entries),
        view_time_ms=sum(entry.duration_ms for entry in entries if entry.kind == "watch"),
        bytes_out=sum(entry.bytes_out for entry in entries),
    )
