"""Texts of log fields as values: times, addresses, numbers, request lines, escapes. Pure."""

import re
from collections.abc import Callable
from datetime import UTC, datetime
from ipaddress import ip_address
from typing import NamedTuple, TypeVar

from streamusage.access_logs.log_time import TIME_LOCAL, parse_time_local_s

MAX_TARGET_LENGTH = 8192
"""Servers refuse longer request lines by default; longer ones are cut and have no method."""

MAX_TIME_MS = 2**52

Value = TypeVar("Value")


class Remembered(dict[str, Value]):
    """Results of a function of a text, because a log repeats its texts. Forgets everything when it is full."""

    def __init__(self, compute: Callable[[str], Value], limit: int = 20_000, longest: int = 512) -> None:
        """Texts longer than `longest` are not remembered."""
        super().__init__()
        self._compute = compute
        self._limit = limit
        self._longest = longest

    def __missing__(self, text: str) -> Value:
        value = self._compute(text)
        if len(text) <= self._longest:
            if len(self) >= self._limit:
                self.clear()
            self[text] = value
        return value


class LogTime(NamedTuple):
    """A time in a log."""

    at: int
    """UTC milliseconds."""
    granularity_ms: int


_TIME_LOCAL = re.compile(TIME_LOCAL.replace(":(\\d\\d) (", ":(\\d\\d)(?:[.,](\\d{3,9}))? ("), re.ASCII)
_NUMBER = re.compile(r"(\d{9,19})(?:\.(\d{1,9}))?", re.ASCII)
_ISO = re.compile(
    r"(\d{4}-\d\d-\d\d)[T \t](\d\d:\d\d:\d\d)(?:[.,](\d{1,9}))? ?(Z|UTC|[+-]\d\d:?\d\d|[+-]\d\d)?", re.ASCII
)


def parse_time(text: str) -> LogTime | None:
    """Return the time of a text: `$time_local`, ISO 8601, or a number of seconds, ms, µs or ns since 1970.

    A time without a zone is UTC. Returns None for other texts.
    """
    if match := _NUMBER.fullmatch(text):
        return _time_of_number(match[1], match[2])
    if match := _ISO.fullmatch(text):
        return _time_of_iso(*match.groups())
    if match := _TIME_LOCAL.fullmatch(text):
        parts = match.groups()
        seconds = parse_time_local_s(*parts[:6], *parts[7:])
        return None if seconds is None else _log_time(seconds, parts[6])
    return None


def _log_time(seconds: int, fraction: str | None) -> LogTime:
    ms = int((fraction or "")[:3].ljust(3, "0"))
    return LogTime(min(seconds * 1000 + ms, MAX_TIME_MS), 1 if fraction else 1000)


def _time_of_number(whole: str, fraction: str | None) -> LogTime:
    value = int(whole)
    if value < 10**11:
        return _log_time(value, fraction)
    for divisor in (1, 1000, 1_000_000):
        if value // divisor < 10**14:
            return LogTime(min(value // divisor, MAX_TIME_MS), 1)
    return LogTime(MAX_TIME_MS, 1)


def _time_of_iso(date: str, time: str, fraction: str | None, zone: str | None) -> LogTime | None:
    try:
        moment = datetime.fromisoformat(f"{date}T{time}{'+00:00' if zone in (None, 'Z', 'UTC') else zone}")
    except ValueError:
        return None
    return _log_time(max(0, int((moment - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds())), fraction)


_PORT = re.compile(r"(?:\[([0-9A-Fa-f:.%\w]+)\]|([0-9.]+))(?::\d{1,5})?", re.ASCII)
_REMAINDER = re.compile(r"[0-9.]*\.[0-9.]*|[0-9A-Fa-f.:]*:[0-9A-Fa-f.:]*", re.ASCII)


def strip_port(text: str) -> str:
    """Return an address without port and brackets; other texts unchanged."""
    match = _PORT.fullmatch(text)
    return match[1] or match[2] if match else text


_NUMBER_TO_255 = r"(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)"
_IPV4 = re.compile(rf"{_NUMBER_TO_255}(?:\.{_NUMBER_TO_255}){{3}}", re.ASCII)


def is_address(text: str) -> bool:
    """Return whether a text is an IP address, with or without a port."""
    if _IPV4.fullmatch(text):
        return True
    try:
        ip_address(strip_port(text))
    except ValueError:
        return False
    return True


def is_remainder(text: str) -> bool:
    """Return whether a text is what is left of an address in a truncated line."""
    return _REMAINDER.fullmatch(text) is not None and not is_address(text)


def split_addresses(text: str) -> tuple[str, ...]:
    """Return the addresses of a list with commas, as in `X-Forwarded-For`. Removes ports, omits `-`."""
    if _IPV4.fullmatch(text):
        return (text,)
    parts = (part.strip() for part in text.split(","))
    return tuple(strip_port(part)[:64] for part in parts if part not in ("", "-"))


def ends_with_address(text: str) -> bool:
    """Return whether the last of a list with commas is an IP address without a port: a proxy has appended it."""
    last = text.rpartition(",")[2].strip()
    return strip_port(last) == last and is_address(last)


_METHOD = re.compile(r"[A-Z][A-Z_-]{1,31}", re.ASCII)
_ABSOLUTE = re.compile(r"[Hh][Tt][Tt][Pp][Ss]?://([^/?#\s]*)", re.ASCII)


def split_request(request: str) -> tuple[str, str, str]:
    """Return method, target and host of a request line; the host is empty unless the line has it.

    For texts that are no request line, the method is empty and the target the whole text.
    """
    if len(request) > MAX_TARGET_LENGTH:
        return "", request[:MAX_TARGET_LENGTH], ""
    method, _, rest = request.partition(" ")
    target, found, protocol = rest.rpartition(" ")
    if not found or not protocol.startswith("HTTP/"):
        target = rest
    if not _METHOD.fullmatch(method):
        return "", "" if request == "-" else request, ""
    host = ""
    if not target.startswith("/"):
        absolute = _ABSOLUTE.match(target)
        if absolute is None:
            return ("", request, "") if target != "*" else (method, target, "")
        host, target = absolute[1], target[absolute.end() :]
        if not target.startswith("/"):
            target = f"/{target}"
    return method, target, host


_ESCAPE = re.compile(r"\\(x[0-9A-Fa-f]{2}|u[0-9A-Fa-f]{4}|.)", re.DOTALL)
_SIMPLE_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", "b": "\b", "f": "\f", "v": "\v"}


def unescape(text: str) -> str:
    r"""Return a text without the escapes of servers: `\xHH`, `\uHHHH`, `\"`, `\\`, `\n`, `\r`, `\t`, `\b`, `\f`, `\v`.

    Escaped bytes are UTF-8; others stay as `\xhh`.
    """
    if "\\" not in text:
        return text
    pieces: list[bytes] = []
    end = 0
    for match in _ESCAPE.finditer(text):
        pieces.append(text[end : match.start()].encode("utf-8", "surrogatepass"))
        code = match[1]
        if len(code) == 3:
            pieces.append(bytes((int(code[1:], 16),)))
        elif len(code) == 5:
            pieces.append(chr(int(code[1:], 16)).encode("utf-8", "surrogatepass"))
        else:
            pieces.append(_SIMPLE_ESCAPES.get(code, code).encode("utf-8", "surrogatepass"))
        end = match.end()
    pieces.append(text[end:].encode("utf-8", "surrogatepass"))
    return b"".join(pieces).decode("utf-8", "backslashreplace")


def parse_duration_ms(text: str | float, unit_ms: float = 1000) -> int | None:
    """Return a duration in `unit_ms`; None for a text that is no such number."""
    try:
        duration_ms = int(float(text) * unit_ms + 0.5)
    except (ValueError, OverflowError):
        return None
    return duration_ms if 0 <= duration_ms < MAX_TIME_MS else None
