"""Lines of an HLS access log, and the figures of what a source makes of them."""

from collections.abc import Iterable
from typing import NamedTuple

from streamusage.agent.reading import EndedConnection
from streamusage.agent.sources.common.ignored import IgnoreRules
from streamusage.agent.sources.common.logs.line_form import LineForms
from streamusage.agent.sources.hls.config import make_rules
from streamusage.agent.sources.hls.log_lines import RequestParser
from streamusage.agent.sources.hls.requests import HlsRequest
from streamusage.agent.sources.hls.viewers import HlsViewers

LOG_START_S = 1_795_000_000
"""Time of second 0 of `hls_line`, in seconds since 1970."""

IDLE_AFTER_MS = 30_000


class LogFigures(NamedTuple):
    connections: int
    view_time_ms: int
    bytes_out: int


def hls_line(
    second: float,
    path: str = "",
    sent: int = 100,
    sid: str = "-",
    ip: str = "10.0.0.1",
    agent: str = "Player",
    method: str = "GET",
    status: int = 200,
) -> bytes:
    """A line in the recommended format. Without a path it is for the segment of that second."""
    target = path or f"/hls/s1-{int(second)}.ts"
    line = f'{LOG_START_S + second:.3f} {ip} "{method} {target} HTTP/1.1" {status} {sent} "{agent}" "{sid}"'
    return line.encode()


def parse_requests(lines: Iterable[bytes], **settings: list[str] | str) -> list[HlsRequest]:
    """The requests of viewers in lines, with settings of the source."""
    ignore = IgnoreRules(settings.pop("ignore", ()))
    rules = make_rules(
        **{"layout": "auto", "pattern": None, "trusted_proxy": [], **settings},  # type: ignore[arg-type]
        ignore=ignore,
    )
    return RequestParser(rules).parse_lines(list(lines), LineForms())


def fold_lines(*lines: bytes, **settings: list[str] | str) -> LogFigures:
    """The figures of lines that are read at once."""
    return sum_entries(HlsViewers(IDLE_AFTER_MS).fold(parse_requests(lines, **settings)))


def fold_line_by_line(*lines: bytes) -> LogFigures:
    """As `fold_lines`, with a reading after each line."""
    viewers = HlsViewers(IDLE_AFTER_MS)
    return sum_entries(entry for request in parse_requests(lines) for entry in viewers.fold([request]))


def sum_entries(entries: Iterable[EndedConnection]) -> LogFigures:
    """The sums over log entries."""
    entries = list(entries)
    return LogFigures(
        connections=sum(entry.kind == "join" for entry in entries),
        view_time_ms=sum(entry.watched_ms for entry in entries),
        bytes_out=sum(entry.bytes_out for entry in entries),
    )
