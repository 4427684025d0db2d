"""Lines of nginx-rtmp's access log as values. Pure.

nginx escapes nothing in this log, and publishers and viewers choose the names. In the recommended format all figures
come before the names, so that no name can imitate them. A line of the earlier format, which has them after the names,
cannot be read if a name makes its figures ambiguous.
"""

import re
from collections.abc import Sequence
from typing import NamedTuple

from streamusage.access_logs.log_time import TIME_LOCAL, parse_time_local_s

NAMELESS = "(no name)"
"""Replaces an empty scope or stream name."""

_COMMANDS = "(NONE|PLAY|PUBLISH|PLAY\\+PUBLISH)"
_FIGURE = r"(\d{1,10})"
_TIME = re.compile(r"(\d{1,12})\.(\d{3}) ")
_START = re.compile(
    rf'(\d{{1,12}})\.(\d{{3}}) (\d{{1,20}}) \S+ rx={_FIGURE} tx={_FIGURE} t={_FIGURE} "{_COMMANDS}" "', re.ASCII
)
_EARLIER_START = re.compile(rf'(\d{{1,12}})\.(\d{{3}}) (\d{{1,20}}) \S+ "{_COMMANDS}" "', re.ASCII)
_EARLIER_FIGURES = re.compile(rf'" rx={_FIGURE} tx={_FIGURE} t={_FIGURE}(?= "|$)', re.ASCII)

_COMBINED_START = re.compile(rf'\S+ \[{TIME_LOCAL}\] {_COMMANDS} "')
_COMBINED_FIGURES = re.compile(r'" - (\d{1,10}) (\d{1,10}) "')
_COMBINED_END = re.compile(r'" \((?:(\d{1,6})d )?(?:(\d{1,2})h )?(?:(\d{1,2})m )?(\d{1,2})s\)$')

_NAMES_BEFORE_VERSION = 2
"""A line of the recommended format with more names than application and stream ends with the player's version."""

_UNPRINTABLE = re.compile(r"[^\x20-\x7e]")


class RtmpLogLine(NamedTuple):
    """An ended connection."""

    connection_id: str
    """Without leading zeros; empty in nginx's own `combined` format, which has no connection id."""
    command: str
    """`PLAY`, `PUBLISH`, `PLAY+PUBLISH` or `NONE`."""
    texts: tuple[str, ...]
    """Application, name and further texts that the client chose. Without `$name` in the format, only the first."""
    ended_at: int
    """UTC milliseconds; exact to the second in the `combined` format."""
    duration_s: int
    """Rounded down."""
    bytes_in: int
    bytes_out: int
    address: str
    flashver: str | None
    """The version of the client's program; None where the format does not have it."""

    @property
    def scope(self) -> str:
        """The application."""
        return normalize_name(self.texts[0])

    @property
    def name(self) -> str:
        """The stream; empty where the format does not have it."""
        return normalize_name(self.texts[1]) if len(self.texts) > 1 else ""


def parse_line(line: bytes) -> RtmpLogLine | None:
    """Return the ended connection of a line; None for a line in an unknown format and for an ambiguous line.

    A line in nginx's own `combined` format has no connection id: the returned id is empty, and the end is exact to the
    second only. Without `$name` in the format, the returned name is empty.
    """
    text = line.removesuffix(b"\r").decode("latin-1")
    if start := _START.match(text):
        return _parse_recommended(text, start)
    if start := _EARLIER_START.match(text):
        return _parse_earlier(text, start)
    if start := _COMBINED_START.match(text):
        return _parse_combined(text, start)
    return None


def parse_time(line: bytes) -> int | None:
    """Return the time at the start of a line that cannot be read, in UTC milliseconds; None if it has none."""
    text = line.decode("latin-1")
    if start := _TIME.match(text):
        seconds, millis = start.groups()
        return int(seconds) * 1000 + int(millis)
    if start := _COMBINED_START.match(text):
        ended_s = parse_time_local_s(*start.groups()[:9])
        return None if ended_s is None else ended_s * 1000
    return None


def normalize_name(name: str) -> str:
    """Return a name as the statistics page writes it: with a space for each byte outside printable ASCII."""
    return _UNPRINTABLE.sub(" ", name) or NAMELESS


def _parse_recommended(text: str, start: re.Match[str]) -> RtmpLogLine | None:
    if not text.endswith('"') or start.end() == len(text):
        return None
    seconds, millis, connection, received, sent, duration_s, command = start.groups()
    names = text[start.end() : -1].split('" "')
    flashver = names[-1] if len(names) > _NAMES_BEFORE_VERSION else None
    ended_at = int(seconds) * 1000 + int(millis)
    figures = (received, sent, duration_s)
    return _connection(command, names, ended_at, figures, connection, flashver, _address(text))


def _parse_earlier(text: str, start: re.Match[str]) -> RtmpLogLine | None:
    figures = list(_EARLIER_FIGURES.finditer(text, start.end() - 1))
    if len(figures) != 1:
        return None
    seconds, millis, connection, command = start.groups()
    names = text[start.end() : figures[0].start()].split('" "')
    flashver = text[figures[0].end() :].removeprefix(' "').removesuffix('"').split('" "')[0]
    ended_at = int(seconds) * 1000 + int(millis)
    return _connection(command, names, ended_at, figures[0].groups(), connection, flashver, _address(text))


def _address(text: str) -> str:
    """Return the `$remote_addr` of a line with a connection id."""
    return text.split(" ", 3)[2]


def _connection(
    command: str,
    names: Sequence[str],
    ended_at: int,
    figures: Sequence[str],
    connection: str,
    flashver: str | None = None,
    address: str = "",
) -> RtmpLogLine:
    """Return a connection with its application and further names, and its bytes in, bytes out and seconds."""
    received, sent, duration_s = (int(figure) for figure in figures)
    connection_id = connection and str(int(connection))
    return RtmpLogLine(connection_id, command, tuple(names), ended_at, duration_s, received, sent, address, flashver)


def _parse_combined(text: str, start: re.Match[str]) -> RtmpLogLine | None:
    figures = list(_COMBINED_FIGURES.finditer(text, start.end() - 1))
    end = _COMBINED_END.search(text)
    ended_s = parse_time_local_s(*start.groups()[:9])
    if len(figures) != 1 or end is None or ended_s is None:
        return None
    days, hours, minutes, seconds = (int(part or 0) for part in end.groups())
    duration_s = ((days * 24 + hours) * 60 + minutes) * 60 + seconds
    names = text[start.end() : figures[0].start()].split('" "')
    return _connection(start.group(10), names, ended_s * 1000, (*figures[0].groups(), str(duration_s)), "")
