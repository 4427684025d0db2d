"""Lines of Icecast's access log as values. Pure.

Icecast writes a line when a connection ends; on a regular stop, it writes the lines of all open connections. Clients
choose names, referers and user agents, and Icecast writes them as they are. The request comes first after the time, and
the path of a raw request has no spaces: so no quotation mark in it can imitate the figures that follow. Icecast-KH can
write the path decoded, and can escape all texts.
"""

import re
from typing import Literal, NamedTuple
from urllib.parse import unquote

from streamusage.access_logs.log_time import TIME_LOCAL, parse_time_local_s

ROOT_SCOPE = "icecast"
"""Scope of mounts without a folder, such as `/a.mp3`."""

_HEAD = rf"(\S{{1,64}}) \S+ (?:.{{0,256}}? )?\[{TIME_LOCAL}\] "
_PROTOCOL = r"[A-Za-z]{3,6}/[\d.]{1,8}"
_STATUS_AND_BYTES = r"(-?\d{1,3}) (\d{1,20})"
_SECONDS = r"(\d{1,20})$"
_LINE = re.compile(
    rf'{_HEAD}"(\S{{1,16}}) (\S{{1,8192}}) {_PROTOCOL}" {_STATUS_AND_BYTES} ".*" {_SECONDS}', re.ASCII | re.DOTALL
)
_SPACED_LINE = re.compile(
    rf'{_HEAD}"(\S{{1,16}}) (.{{0,8192}}?) {_PROTOCOL}" {_STATUS_AND_BYTES} ".*" {_SECONDS}',
    re.ASCII | re.DOTALL,
)
_FIGURES = re.compile(rf' {_PROTOCOL}" {_STATUS_AND_BYTES} "', re.ASCII)
_ESCAPED_LINE = re.compile(
    rf"(\S{{1,64}}) - \S+ {TIME_LOCAL} (\S{{1,1024}}) {_STATUS_AND_BYTES} \S* \S* {_SECONDS}", re.ASCII
)
_TIME = re.compile(rf"\S{{1,64}} \S+ .{{0,256}}?\[?{TIME_LOCAL}\]? ", re.ASCII)

_MAX_BYTES = 2**53
_MAX_SECONDS = 2**33


class IcecastLogLine(NamedTuple):
    """A completed connection."""

    kind: Literal["listener", "source", "other"]
    """`other`: it is not counted, such as a refused request or an admin page."""
    ip: str
    path: str
    """Normalized as by `normalize_path`."""
    ended_s: int
    """Seconds since 1970."""
    duration_s: int
    """Difference of two whole seconds by Icecast's wall clock; negative where that clock was set back meanwhile."""
    bytes_out: int
    """Including the response header."""
    agent: str = ""
    """User agent; empty in a log that escapes its texts."""
    method: str = ""
    status: int = 0
    """HTTP status; 0 without one."""

    @property
    def started_s(self) -> int:
        """The second in which the connection started, by Icecast's clock of that time."""
        return self.ended_s - self.duration_s


def parse_seconds(digits: str) -> int:
    """Return a difference of two times, which Icecast writes without a sign: negative ones as 64-bit numbers."""
    seconds = int(digits)
    return seconds - 2**64 if seconds >= 2**63 else seconds


def normalize_path(path: str) -> str:
    """Return the path of a mount in the form in which log and statistics are compared.

    Each of the two can have it percent-encoded or decoded, the log with its query.
    """
    return re.sub("//+", "/", unquote(path.partition("?")[0], errors="replace"))


def parse_line(line: bytes) -> IcecastLogLine | None:
    """Return the connection of a line; None for a line that cannot be read.

    Without an address (`log-ip` of Icecast-KH) a listener cannot be found on the lists: such a line cannot be read.
    """
    text = line.removesuffix(b"\r").decode("utf-8", "replace")
    match = _LINE.match(text)
    if match is None and len(_FIGURES.findall(text)) == 1:
        match = _SPACED_LINE.match(text)
    agent = ""
    if match is not None:
        agent = text.rsplit('"', 2)[-2]
        ip, *time_groups, method, path, status, sent, duration = match.groups()
    elif match := _ESCAPED_LINE.match(text):
        ip, *time_groups, request, status, sent, duration = match.groups()
        method, _, rest = unquote(request, errors="replace").partition(" ")
        path = rest.rpartition(" ")[0]
    else:
        return None
    ended_s = parse_time_local_s(*time_groups)
    duration_s = parse_seconds(duration)
    if ended_s is None or ip == "-" or int(sent) > _MAX_BYTES or abs(duration_s) > _MAX_SECONDS:
        return None
    path = normalize_path(path)
    kind = _kind(method, path, status)
    return IcecastLogLine(kind, ip, path, ended_s, duration_s, int(sent), agent, method, max(0, int(status)))


def _kind(method: str, path: str, status: str) -> Literal["listener", "source", "other"]:
    """Return the kind of a request. Icecast-KH answers a listener that sends `Range`, as browsers do, with 206."""
    if status not in ("200", "206") or path.startswith("/admin/"):
        return "other"
    return "listener" if method == "GET" else "source" if method in ("PUT", "SOURCE") else "other"


def parse_time_ms(line: bytes) -> int | None:
    """Return the time of a line that cannot be read, in UTC milliseconds; None if it has none."""
    match = _TIME.match(line.decode("utf-8", "replace"))
    seconds = None if match is None else parse_time_local_s(*match.groups())
    return None if seconds is None else seconds * 1000
