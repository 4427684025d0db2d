"""Lines of Icecast's access log as values. Pure.

A line is written when a connection ends; for all that are open also when the server is told to stop. Names and agents
are the clients' own, but the request comes first after the time, in quotation marks that no path can hold.
"""

import re
from datetime import UTC, datetime, timedelta, timezone
from typing import Literal, NamedTuple

_LINE = re.compile(
    r"(\S{1,64}) \S+ .{0,256}?\[(\d\d)/(\w{3})/(\d{4}):(\d\d):(\d\d):(\d\d) ([+-])(\d\d)(\d\d)\] "
    r'"(GET|PUT|SOURCE) ([^\s"]{1,4096}) [A-Z]{3,5}/\d\.\d" (\d{3}) (\d{1,15}) ".*" (\d{1,9})$'
)
_OTHER = re.compile(r"\S{1,64} \S+ .{0,256}?\[[^\]]+\] \"")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


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
    ended_s = _second(*when)
    path = path.partition("?")[0]
    if status != "200" or ended_s is None or path.startswith("/admin/"):
        return None
    return LogLine("listener" if method == "GET" else "source", ip, path, ended_s, int(lasted), int(sent))


def is_line(line: bytes) -> bool:
    """Whether it is a line of an access log at all."""
    return _OTHER.match(line.decode("utf-8", "replace")) is not None


def _second(
    day: str, month: str, year: str, hour: str, minute: str, second: str, sign: str, zone_hours: str, zone_minutes: str
) -> int | None:
    offset = timedelta(hours=int(zone_hours), minutes=int(zone_minutes)) * (-1 if sign == "-" else 1)
    try:
        local = datetime(
            int(year), _MONTHS.index(month) + 1, int(day), int(hour), int(minute), int(second), tzinfo=timezone(offset)
        )
        return max(0, int(local.astimezone(UTC).timestamp()))
    except (ValueError, OverflowError):
        return None
