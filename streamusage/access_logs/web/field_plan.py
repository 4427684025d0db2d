"""From the fields of a line, found by their names, to a request. Pure."""

import re
from collections.abc import Sequence
from operator import itemgetter
from typing import Any
from urllib.parse import unquote

from streamusage.access_logs.web.field_names import (
    duration_unit_ms,
    find_fields,
    is_percent_encoded,
    missing_fields,
    normalize_field_name,
)
from streamusage.access_logs.web.request import WebRequest, new_request
from streamusage.access_logs.web.values import (
    MAX_TARGET_LENGTH,
    MAX_TIME_MS,
    LogTime,
    Remembered,
    is_remainder,
    parse_duration_ms,
    parse_time,
    split_addresses,
    split_request,
)

Field = Any
"""A value of a line: a text, or what JSON has."""

_CODES: dict[str | int, int] = {"-": 0, "0": 0, "000": 0, "009": 9, 0: 0}
_CODES |= {code: code for code in range(100, 1000)} | {str(code): code for code in range(100, 1000)}
_CODE_TYPES = (int, str)


def _split_peer(text: str) -> tuple[str, ...] | None:
    addresses = split_addresses(text)
    return None if addresses and is_remainder(addresses[-1]) else addresses


_times: Remembered[LogTime | None] = Remembered(parse_time, 1000)
_addresses = Remembered(split_addresses)
_peers: Remembered[tuple[str, ...] | None] = Remembered(_split_peer)
_requests = Remembered(split_request, 10_000, 256)
_decoded = Remembered(lambda text: unquote(text, errors="backslashreplace"))

_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ns|us|µs|ms|s)", re.ASCII)
_DURATION_UNIT_MS = {"ns": 1e-6, "us": 1e-3, "µs": 1e-3, "ms": 1, "s": 1000}


_FIELDS = (
    *("start", "time", "duration", "status", "sent", "peer", "forwarded", "request", "method", "target", "query"),
    *("user_agent", "session", "cookie", "cmcd", "host", "via"),
)


class FieldPlan:
    """Where the fields of a request are in lines with given field names."""

    def __init__(self, names: Sequence[str]) -> None:
        fields = find_fields(names)
        self.missing = missing_fields(fields)
        """Needed fields that are missing, in words; such lines cannot be read."""
        normal = [normalize_field_name(name) for name in names]
        self._has_date = "date" in normal and "time" in normal
        if self._has_date:
            fields |= {"start": normal.index("date"), "time": normal.index("time")}
        self._has_start, self._has_time, self._has_duration = "start" in fields, "time" in fields, "duration" in fields
        self._has_target, self._has_method = "target" in fields, "method" in fields
        unit = names[fields["duration"]] if self._has_duration else ""
        self._unit_ms = duration_unit_ms(unit)
        # The empty text after the last value stands for all fields that the line does not have.
        self._get = itemgetter(*(fields.get(field, len(names)) for field in _FIELDS))
        self._is_encoded = any(
            field in fields and is_percent_encoded(names[fields[field]]) for field in ("user_agent", "cookie")
        )

    def build(self, values: list[Any]) -> WebRequest | None:
        """Return the request of a line; None for a line whose values cannot be read. Appends to the values."""
        values.append("")
        # fmt: off
        (start, time, duration, status, sent, peer, forwarded, request, method, target, query,
         user_agent, session, cookie, cmcd, host, via) = self._get(values)
        # fmt: on
        duration_ms = _duration_ms(duration, self._unit_ms) if duration != "" else None
        if self._has_date:
            log_time = _times[f"{start} {time}"] or _time(time) or _time(start)
        elif self._has_start:
            log_time = self._find_time(start, time, duration_ms)
        else:
            log_time = _time(time)
        code = _CODES.get(status) if type(status) in _CODE_TYPES else None
        bytes_out = sent if type(sent) is int and 0 <= sent < MAX_TIME_MS else _number(sent)
        addresses = _peers[peer if type(peer) is str else _text(peer)]
        if log_time is None or code is None or bytes_out is None or peer is None or addresses is None:
            return None
        if forwarded not in ("", "-"):
            addresses = _addresses[_text(forwarded)] + addresses
        if type(user_agent) is not str or user_agent == "-":
            user_agent = _text(user_agent)
        cookie = _text(cookie) if cookie != "" else ""
        if self._is_encoded:
            user_agent = _decoded[user_agent] if "%" in user_agent else user_agent.replace("+", " ")
            cookie = _decoded[cookie] if "%" in cookie else cookie
        method, target, absolute_host = self._find_request(request, method, target, query)
        # fmt: off
        return new_request(
            WebRequest,
            (log_time[0], log_time[1], addresses, method, target, code, bytes_out, user_agent,
             _text(session).strip('"') if session != "" else "", cookie, _text(cmcd) if cmcd != "" else "",
             absolute_host or (_text(host) if host != "" else ""), _text(via) if via != "" else "", duration_ms),
        )
        # fmt: on

    def _find_time(self, start: Field, time: Field, duration_ms: int | None) -> LogTime | None:
        if duration_ms is not None or not self._has_time:
            found = _time(start)
            return found and LogTime(min(found.at + (duration_ms or 0), MAX_TIME_MS), found.granularity_ms)
        return _time(time)

    def _find_request(self, request: Field, method: Field, target: Field, query: Field) -> tuple[str, str, str]:
        method, target = _text(method), _text(target)
        if request != "" and (request := _text(request)):
            if not self._has_target or " " in request or (self._has_method and not method):
                return _requests[request]
            if not self._has_method:
                return _requests[f"{request} {target}"]
        if query != "" and "?" not in target and (query := _text(query)):
            target = f"{target}?{query}"
        if not method or not target or len(target) > MAX_TARGET_LENGTH:
            return "", target[:MAX_TARGET_LENGTH], ""
        return (method, target, "") if target[0] == "/" else split_request(f"{method} {target}")


def _text(value: Field) -> str:
    """Return a value as text; of a list the values joined, as of a header that was sent several times."""
    if type(value) is str:
        return value if value != "-" else ""
    if value is None:
        return ""
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return str(value)


def _number(value: Field) -> int | None:
    """Return a whole number that is not negative; 0 for `-`."""
    if type(value) is str:
        if value.isdecimal() and len(value) <= 15 and value.isascii():
            return int(value)
        return 0 if value == "-" else None
    return int(value) if type(value) is float and value.is_integer() and 0 <= value < MAX_TIME_MS else None


def _time(value: Field) -> LogTime | None:
    if type(value) is float and 0 < value < 1e11:
        return LogTime(round(value * 1000), 1)
    return _times[str(value)]


def _duration_ms(value: Field, unit_ms: float | None) -> int | None:
    if value in (None, "-", ""):
        return None
    if type(value) is float:
        return parse_duration_ms(value, unit_ms or 1000)
    text = str(value)
    if text[-1] == "s" and (match := _DURATION.fullmatch(text)):
        return parse_duration_ms(match[1], _DURATION_UNIT_MS[match[2]])
    if unit_ms is None:
        unit_ms = 1000 if "." in text else 1
    return parse_duration_ms(text, unit_ms)
