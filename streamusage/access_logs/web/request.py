"""A request as an HTTP access log has it, whatever the form of the log. Pure."""

from collections.abc import Callable
from typing import NamedTuple


class WebRequest(NamedTuple):
    """One answered request. Texts are unescaped; a field that the log does not have, or has as `-`, is empty."""

    at: int
    """UTC milliseconds at which the server logged the request: its end."""
    granularity_ms: int
    """Resolution of `at`: 1, or 1000 for logs with whole seconds."""
    addresses: tuple[str, ...]
    """Addresses of the client without ports: forwarded ones left to right, the peer last."""
    method: str
    """Empty for a request line that is no HTTP request."""
    target: str
    """Path with query, as in the request line: still percent-encoded. The whole request line without a method."""
    status: int
    """HTTP status; 0 without one."""
    bytes_out: int
    user_agent: str
    session: str
    """Session id that the log has in a field of its own."""
    cookie: str
    cmcd: str
    """CMCD header; CMCD in the query stays in `target`."""
    host: str
    via: str
    duration_ms: int | None
    """Time taken to answer; None where the log does not have it."""


RequestValues = tuple[
    int, int, tuple[str, ...], str, str, int, int, str, str, str, str, str, str, int | None
]  # fmt: skip

new_request: Callable[[type[WebRequest], RequestValues], WebRequest] = tuple.__new__
"""Create a request in half the time that its constructor takes: once for each line of a log."""
