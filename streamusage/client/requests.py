"""A request to a service and its reply, as values."""

import time
from collections.abc import Awaitable, Callable, Mapping
from datetime import date
from typing import NamedTuple

Receive = Callable[[bytes], Awaitable[None]]
"""Receives a part of a body."""


class ReplyTiming(NamedTuple):
    """Duration of each part of one request and its reply, in milliseconds, and the size of the reply."""

    connect_ms: float | None
    """`None` where an open connection was reused."""
    first_byte_ms: float
    """From the request to the head of the reply."""
    body_ms: float
    decode_ms: float
    answer_bytes: int


class Reply(NamedTuple):
    """A complete reply, whatever its status. The body is unpacked."""

    status: int
    headers: Mapping[str, str]
    """Names in any case."""
    body: bytes
    timing: ReplyTiming


class ApiRequest(NamedTuple):
    """A request to the service.

    `action` completes "could not …" in messages. The token travels in the query (`accessToken`), or as a bearer token
    with `bearer`; without `with_token` it is not sent. A failure of a request that changes something warns that it may
    have been carried out, unless it is `repeatable`. A reply that `is_computed` may take `computing_seconds`.
    """

    method: str
    path: str
    action: str
    query: Mapping[str, str] = {}
    body: bytes | None = None
    bearer: bool = False
    with_token: bool = True
    headers: Mapping[str, str] = {}
    repeatable: bool = False
    is_computed: bool = False


class Sender(NamedTuple):
    """Who sends a request."""

    host: str
    """Name of the service in messages."""
    token: str
    """Empty without one."""
    without_token: Callable[[str], str]
    """Returns a text from outside without the token."""
    check_size: Callable[[int, str], None]
    """Raises `InvalidAnswerError` where so many bytes are more than may be kept of the reply to an action."""


def milliseconds_since(instant: float) -> float:
    """Return the time since an instant of `time.perf_counter`, in milliseconds."""
    return 1000 * (time.perf_counter() - instant)


def days_query(first: date, last: date, tz: str, server: str | None) -> dict[str, str]:
    """Return the parameters that name days of a time zone, of one server or of all."""
    query = {"from": first.isoformat(), "to": last.isoformat(), "tz": tz}
    return query | ({"server": server} if server else {})
