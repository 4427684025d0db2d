"""The documented usage record, its key, and the path of a stream.

The wire format is that of the Red5 Pro Stream Manager usage-statistics API, 3.1 and 4.0, with its own spelling
`aciveSubscribers`; everywhere else the field is `active_subscribers`. Times are UTC milliseconds.
"""

from typing import NamedTuple
from urllib.parse import quote, unquote

import msgspec


class SessionKey(NamedTuple):
    """One publish of a stream."""

    scope: str
    name: str
    start_time: int


class StreamId(NamedTuple):
    """A stream, over all of its sessions."""

    scope: str
    name: str

    def __str__(self) -> str:
        return f"{self.scope}/{self.name}"


class PartialUsageRecord(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A usage record as some service told it: ten fields, in wire order.

    A figure that was left out is `None`, a name that was left out empty, a start time 0.
    """

    name: str
    scope: str
    start_time: int = msgspec.field(name="startTime")
    end_time: int | None = msgspec.field(name="endTime")
    duration: int | None
    active_subscribers: int | None = msgspec.field(name="aciveSubscribers")
    max_subscribers: int | None = msgspec.field(name="maxSubscribers")
    lost_subscribers: int | None = msgspec.field(name="lostSubscribers")
    total_subscribers: int | None = msgspec.field(name="totalSubscribers")
    updated: int | None

    @property
    def key(self) -> SessionKey:
        return SessionKey(self.scope, self.name, self.start_time)

    @property
    def stream(self) -> StreamId:
        return StreamId(self.scope, self.name)


class UsageRecord(PartialUsageRecord, frozen=True, kw_only=True, gc=False):
    """The API's record of one session, as it is documented: nothing is left out."""

    name: str
    scope: str
    start_time: int = msgspec.field(name="startTime")
    end_time: int = msgspec.field(name="endTime")
    duration: int
    active_subscribers: int = msgspec.field(name="aciveSubscribers")
    max_subscribers: int = msgspec.field(name="maxSubscribers")
    lost_subscribers: int = msgspec.field(name="lostSubscribers")
    total_subscribers: int = msgspec.field(name="totalSubscribers")
    updated: int


class EmptyNameError(ValueError):
    """A scope or a name is empty; a request built from it would speak of more than was meant."""


def stream_path(stream: StreamId) -> str:
    """The URL path of a stream, `scope/name`, each segment percent-encoded.

    A slash inside the name travels as `%2F`; slashes in the scope part its segments. Segments that are `.` or `..`
    are encoded too, so that nothing on the way takes them for a direction.

    Raises `EmptyNameError` where the scope, the name or a segment of the scope is empty: an empty name would turn
    "delete one" into "delete all".
    """
    segments = [*stream.scope.split("/"), stream.name]
    if not all(segments):
        raise EmptyNameError(f"a stream needs a scope and a name, got {stream.scope!r} and {stream.name!r}")
    return "/".join(_encode(segment) for segment in segments)


def parse_stream_path(raw_path: str) -> StreamId:
    """The stream that an undecoded URL path names: the last segment is the stream, all before it the scope.

    A slash before the scope is not part of it. Raises `EmptyNameError` as `stream_path` does.
    """
    *scope, name = raw_path.removeprefix("/").split("/")
    if not scope or not name or not all(scope):
        raise EmptyNameError("a stream is named by a scope and a name, scope/name, and neither may be empty")
    return StreamId("/".join(unquote(segment) for segment in scope), unquote(name))


def parse_stream(text: str) -> StreamId:
    """The stream that a person names as `scope/name`, split at the last slash as the vendor's own tools do."""
    scope, _, name = text.strip("/").rpartition("/")
    if not scope or not name or not all(scope.split("/")) or text.endswith("/"):
        raise EmptyNameError(f"a stream is named as SCOPE/NAME, got {text!r}")
    return StreamId(scope, name)


def _encode(segment: str) -> str:
    encoded = quote(segment, safe="")
    return encoded.replace(".", "%2E") if segment in {".", ".."} else encoded
