"""Lines of Icecast's access log as values. Pure.

Icecast writes a line when a connection ends; on a regular stop, it writes the lines of all open connections. Clients
choose names and user agents. The request comes first after the time, in quotation marks, which no path can contain.
"""

import re
from typing import Literal, NamedTuple

from streamusage.agent.sources.common.log_time import TIME_LOCAL, parse_time_local_s

_LINE = re.compile(
    rf"(\S{{1,64}}) \S+ .{{0,256}}?\[{TIME_LOCAL}\] "
    r'"(GET|PUT|SOURCE) ([^\s"]{1,4096}) [A-Z]{3,5}/\d\.\d" (\d{3}) (\d{1,15}) ".*" (\d{1,9})$'
)
_LINE_START = re.compile(r'\S{1,64} \S+ .{0,256}?\[[^\]]+\] "')


class IcecastLogLine(NamedTuple):
    """A completed connection of a listener or of a source."""

    kind: Literal["listener", "source"]
    ip: str
    path: str
    ended_s: int
    """Seconds since 1970."""
    duration_s: int
    """Difference of two whole seconds, so the connection started in second `ended_s - duration_s`."""
    bytes_out: int
    """Including the response header."""


def parse_line(line: bytes) -> IcecastLogLine | None:
    """Return the connection of a line; None for refused requests, for pages and for lines in another format."""
    match = _LINE.match(line.decode("utf-8", "replace"))
    if match is None:
        return None
    ip, *time_groups, method, path, status, sent, duration = match.groups()
    ended_s = parse_time_local_s(*time_groups)
    path = path.partition("?")[0]
    if status != "200" or ended_s is None or path.startswith("/admin/"):
        return None
    return IcecastLogLine("listener" if method == "GET" else "source", ip, path, ended_s, int(duration), int(sent))


def has_log_format(line: bytes) -> bool:
    """Return whether the line begins as a line of an access log, whatever its request."""
    return _LINE_START.match(line.decode("utf-8", "replace")) is not None
