"""Lines of nginx-rtmp's access log as values. Pure: a line of bytes in, an `EndedConnection` or None out.

nginx escapes nothing in this log, and publishers and viewers choose the names. Therefore a line with ambiguous figures
is skipped. Names are normalized to their form on the statistics page.
"""

import re
from typing import Literal

from streamusage.agent.reading import EndedConnection
from streamusage.agent.sources.common.log_time import TIME_LOCAL, parse_time_local_s
from streamusage.agent.sources.common.refusals import REFUSED_BYTES_OUT, has_no_media
from streamusage.agent.sources.nginx_rtmp.statistics import NAMELESS

LOG_FORMAT = (
    '$msec $connection $remote_addr "$command" "$app" "$name" "$args" '
    'rx=$bytes_received tx=$bytes_sent t=$session_time "$flashver"'
)
"""The recommended `log_format`. Quoted fields after the application and at the end of the line are optional."""

_COMMANDS = "(NONE|PLAY|PUBLISH|PLAY\\+PUBLISH)"
_START = re.compile(rf'(\d{{1,12}})\.(\d{{3}}) (\d{{1,20}}) \S+ "{_COMMANDS}" "')
_FIGURES = re.compile(r'" rx=(\d{1,10}) tx=(\d{1,10}) t=(\d{1,10})(?= "|$)')

_COMBINED_START = re.compile(rf'\S+ \[{TIME_LOCAL}\] {_COMMANDS} "')
_COMBINED_FIGURES = re.compile(r'" - (\d{1,10}) (\d{1,10}) "')
_COMBINED_END = re.compile(r'" \((?:(\d{1,6})d )?(?:(\d{1,2})h )?(?:(\d{1,2})m )?(\d{1,2})s\)$')

_UNPRINTABLE = re.compile(r"[^\x20-\x7e]")

Kind = Literal["publish", "play", "other"]
_KINDS: dict[str, Kind] = {"PLAY": "play", "PUBLISH": "publish"}


def parse_line(line: bytes) -> EndedConnection | None:
    """Return the ended connection of a line; None for a line in an unknown format and for an ambiguous line.

    A line in nginx's own `combined` format has no connection id: the returned id is empty, and the end is exact to the
    second only. Without `$name` in the format, the returned name is empty.
    """
    text = line.decode("latin-1")
    if start := _START.match(text):
        return _parse_recommended(text, start)
    if start := _COMBINED_START.match(text):
        return _parse_combined(text, start)
    return None


def normalize_name(name: str) -> str:
    """Return a name as the statistics page writes it: with a space for each byte outside printable ASCII."""
    return _UNPRINTABLE.sub(" ", name) or NAMELESS


def _is_refused(kind: Kind, bytes_in: int, bytes_out: int, text: str) -> bool:
    """Return whether the server refused a connection. `text` is the line, which contains the names."""
    if kind == "other" or bytes_out <= REFUSED_BYTES_OUT:
        return kind != "other"
    return kind == "publish" and has_no_media(bytes_in, text)


def _parse_recommended(text: str, start: re.Match[str]) -> EndedConnection | None:
    figures = list(_FIGURES.finditer(text, start.end() - 1))
    if len(figures) != 1:
        return None
    seconds, millis, connection, command = start.groups()
    received, sent, duration_s = (int(figure) for figure in figures[0].groups())
    scope, *names = text[start.end() : figures[0].start()].split('" "')
    kind = _KINDS.get(command, "other")
    return EndedConnection(
        connection_id=str(int(connection)),
        kind=kind,
        scope=normalize_name(scope),
        name=normalize_name(names[0]) if names else "",
        protocol="rtmp",
        ended_at=int(seconds) * 1000 + int(millis),
        duration_ms=duration_s * 1000,
        granularity_ms=1000,
        bytes_in=received,
        bytes_out=sent,
        refused=_is_refused(kind, received, sent, text),
    )


def _parse_combined(text: str, start: re.Match[str]) -> EndedConnection | None:
    figures = list(_COMBINED_FIGURES.finditer(text, start.end() - 1))
    end = _COMBINED_END.search(text)
    ended_s = parse_time_local_s(*start.groups()[:9])
    if len(figures) != 1 or end is None or ended_s is None:
        return None
    days, hours, minutes, seconds = (int(part or 0) for part in end.groups())
    duration_s = ((days * 24 + hours) * 60 + minutes) * 60 + seconds
    received, sent = (int(figure) for figure in figures[0].groups())
    scope, *names = text[start.end() : figures[0].start()].split('" "')
    return EndedConnection(
        connection_id="",
        kind=_KINDS.get(start.group(10), "other"),
        scope=normalize_name(scope),
        name=normalize_name(names[0]) if names else "",
        protocol="rtmp",
        ended_at=ended_s * 1000,
        duration_ms=duration_s * 1000,
        granularity_ms=1000,
        bytes_in=received,
        bytes_out=sent,
    )
