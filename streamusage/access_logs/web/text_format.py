"""Formats in which one regular expression finds all fields of a line. Pure."""

import re
from typing import Protocol

from streamusage.access_logs.web.request import WebRequest
from streamusage.access_logs.web.values import (
    LogTime,
    Remembered,
    ends_with_address,
    parse_duration_ms,
    parse_time,
    split_addresses,
    split_request,
    unescape,
)

QUOTED = r'"[^"\\]*+(?:\\.[^"\\]*+)*+"(?=\s|\Z)'
"""A field in quotation marks; those inside of it are escaped."""

CAPTURED = r'"([^"\\]*+(?:\\.[^"\\]*+)*+)"(?=\s|\Z)'

TEXT_FIELDS = (
    "time",
    "peer",
    "forwarded",
    "request",
    "method",
    "target",
    "query",
    "status",
    "sent",
    "user_agent",
    "session",
    "cookie",
    "cmcd",
    "host",
    "via",
    "duration",
    "extras",
)
"""Names of the groups of a pattern. Those that a format does not have are empty."""


class Peer(Protocol):
    """What the beginning of a line states about the client."""

    def __call__(self, text: str) -> tuple[tuple[str, ...], str] | None:
        """Return addresses and host; None where the text is not what a server writes there."""
        ...


class TextFormat:
    """A `LogFormat` by a regular expression with named groups out of `TEXT_FIELDS`."""

    def __init__(self, name: str, pattern: str, parse_peer: Peer, duration_unit_ms: float = 1000) -> None:
        self.name = name
        # The last group is empty: it stands for all fields that the format does not have.
        compiled = re.compile(rf"{pattern}()\r?\Z", re.ASCII | re.DOTALL)
        self._match = compiled.match
        self._order = tuple(compiled.groupindex.get(field, compiled.groups) for field in TEXT_FIELDS)
        self._has_request = "request" in compiled.groupindex
        self._duration_unit_ms = duration_unit_ms
        self.times: Remembered[LogTime | None] = Remembered(parse_time, 1000)
        self.peers = Remembered(lambda text: parse_peer(unescape(text)))
        self.forwarded = Remembered(lambda text: split_addresses(unescape(text)))
        self.extras = Remembered(find_forwarded)
        self.requests = Remembered(lambda text: split_request(unescape(text)), 10_000)

    def parse(self, line: bytes) -> WebRequest | None:
        """As `LogFormat.parse`."""
        return self.parse_text(line.decode("utf-8", "backslashreplace"))

    def parse_text(self, text: str) -> WebRequest | None:
        """Return the request of a line; None for one that cannot be read."""
        match = self._match(text)
        if match is None:
            return None
        (
            time,
            peer_text,
            forwarded,
            request,
            method,
            target,
            query,
            status,
            sent,
            user_agent,
            session,
            cookie,
            cmcd,
            host,
            via,
            duration,
            extras,
        ) = match.group(*self._order)
        log_time = self.times[time]
        peer = self.peers[peer_text]
        if log_time is None or peer is None:
            return None
        addresses = peer[0]
        if extras and '"' in extras and not forwarded:
            forwarded = self.extras[extras]
        if forwarded and forwarded != "-":
            addresses = self.forwarded[forwarded] + addresses
        if "\\" in text:
            user_agent, session, cookie = map(unescape, (user_agent, session or "", cookie or ""))
            method, target, query = map(unescape, (method, target, query))
            cmcd, host, via = map(unescape, (cmcd or "", host or "", via or ""))
        if self._has_request:
            method, target, absolute_host = self.requests[request]
            host = absolute_host or host
        elif query and query != "-":
            target = f"{target}?{query}"
        return WebRequest(
            log_time[0],
            log_time[1],
            addresses,
            method,
            target,
            int(status) if status != "-" else 0,
            int(sent) if sent != "-" else 0,
            user_agent if user_agent != "-" else "",
            session if session and session != "-" else "",
            cookie if cookie and cookie != "-" else "",
            cmcd if cmcd and cmcd != "-" else "",
            host if host and host != "-" else peer[1],
            via if via and via != "-" else "",
            parse_duration_ms(duration, self._duration_unit_ms) if duration else None,
        )

    def is_comment(self, line: bytes) -> bool:
        """As `LogFormat.is_comment`."""
        return not line.strip()


_QUOTED_EXTRA = re.compile(r'"([^"\\]*+(?:\\.[^"\\]*+)*+)"')


def find_forwarded(extras: str) -> str:
    """Return the first quoted field whose last part is an address, as `"$http_x_forwarded_for"`; empty without one."""
    for match in _QUOTED_EXTRA.finditer(extras):
        if ends_with_address(unescape(match[1])):
            return match[1]
    return ""
