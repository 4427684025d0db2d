"""Lines of Icecast's access log as values. Pure.

Icecast writes a line when a connection ends; on a regular stop, it writes the lines of all open connections. Clients
choose names and user agents. The request comes first after the time, in quotation marks, which no path can contain.
"""

import re
from typing import Literal, NamedTuple

from streamusage.agent.sources.common.log_time import TIME_LOCAL, parse_time_local_s

_LINE = re.compile(
    rf"(\S{{1,64}}) \S+ .{{0,256}}?\[{TIME_LOCAL}\] "
    r'"(GET|PUT|SOURCE) ([^\s"]{1,4096}) [A-Z]{3,5}/\d\.\d" (\d{3}) (\d{1,15}) ".*" (\d{1,9}|\d{20})$'
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
    """Difference of two whole seconds by Icecast's wall clock; negative where that clock was set back meanwhile."""
    bytes_out: int
    """Including the response header."""

    @property
    def started_s(self) -> int:
        """The second in which the connection started, by Icecast's clock of that time."""
        return self.ended_s - self.duration_s


def parse_seconds(digits: str) -> int:
    """Return a difference of two times, which Icecast writes without a sign: negative ones as 64-bit numbers."""
    seconds = int(digits)
    return seconds - 2**64 if seconds >= 2**63 else seconds


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
    return IcecastLogLine(
        "listener" if method == "GET" else "source", ip, path, ended_s, parse_seconds(duration), int(sent)
    )


def has_log_format(line: bytes) -> bool:
    """Return whether the line begins as a line of an access log, whatever its request."""
    return _LINE_START.match(line.decode("utf-8", "replace")) is not None
