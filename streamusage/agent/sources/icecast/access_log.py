"""Lines of Icecast's access log as values. Pure.

A line is written when a connection ends; for all that are open also when the server is told to stop. Names and agents
are the clients' own, but the request comes first after the time, in quotation marks that no path can hold.
"""

import re
from typing import Literal, NamedTuple

from streamusage.agent.sources.common.log_time import TIME_LOCAL, seconds_of

_LINE = re.compile(
    rf"(\S{{1,64}}) \S+ .{{0,256}}?\[{TIME_LOCAL}\] "
    r'"(GET|PUT|SOURCE) ([^\s"]{1,4096}) [A-Z]{3,5}/\d\.\d" (\d{3}) (\d{1,15}) ".*" (\d{1,9})$'
)
_OTHER = re.compile(r"\S{1,64} \S+ .{0,256}?\[[^\]]+\] \"")


class LogLine(NamedTuple):
    """A connection that ended well: a listener's, or a source's."""

    kind: Literal["listener", "source"]
    ip: str
    path: str
    ended_s: int
    lasted_s: int
    """The difference of two whole seconds, so that the connection began in second `ended_s - lasted_s`."""
    bytes_out: int
    """With the answer's header."""


def parse_line(line: bytes) -> LogLine | None:
    """What a line tells; `None` for requests that were refused, for pages, and for what is no line of this log."""
    match = _LINE.match(line.decode("utf-8", "replace"))
    if match is None:
        return None
    ip, *when, method, path, status, sent, lasted = match.groups()
    ended_s = seconds_of(*when)
    path = path.partition("?")[0]
    if status != "200" or ended_s is None or path.startswith("/admin/"):
        return None
    return LogLine("listener" if method == "GET" else "source", ip, path, ended_s, int(lasted), int(sent))


def is_line(line: bytes) -> bool:
    """Whether it is a line of an access log at all."""
    return _OTHER.match(line.decode("utf-8", "replace")) is not None
