"""The documented usage record, its key, and the URL path of a stream. Pure.

The wire format is that of the Red5 Pro Stream Manager usage-statistics API, 3.1 and 4.0, with its spelling
`aciveSubscribers`; everywhere else the field is `active_subscribers`. Times are UTC milliseconds.
"""

from typing import NamedTuple
from urllib.parse import quote, unquote

import msgspec

from streamusage.core.errors import InvalidArgumentError


class SessionKey(NamedTuple):
    """Key of a session, which is one publish of a stream. `start_time` is in UTC milliseconds."""

    scope: str
    name: str
    start_time: int


class StreamId(NamedTuple):
    """Name of a stream, which may have many sessions."""

    scope: str
    name: str

    def __str__(self) -> str:
        return f"{self.scope}/{self.name}"


class PartialUsageRecord(msgspec.Struct, frozen=True, gc=False):
    """A usage record as a service sent it, possibly incomplete: ten fields, in wire order.

    A missing figure is `None`, a missing name is empty, and a missing start time is 0.
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
        """Key of the session."""
        return SessionKey(self.scope, self.name, self.start_time)

    @property
    def stream(self) -> StreamId:
        """Name of the stream."""
        return StreamId(self.scope, self.name)


class FieldFault(NamedTuple):
    """A documented field of a record whose value is there and cannot be used."""

    field: str
    """Its name on the wire."""
    problem: str
    """`UNREADABLE` or `REPEATED`."""
    value: str
    """The value as it was sent, shortened and printable."""


UNREADABLE = "unreadable"
"""The problem of a value of another type or of no valid notation."""
REPEATED = "repeated"
"""The problem of a field that a record has several times with different values."""


class FaultyUsageRecord(PartialUsageRecord, frozen=True, gc=False, kw_only=True):
    """An incomplete usage record of which some values are there and cannot be used. These count as missing."""

    faults: tuple[FieldFault, ...]


class UsageRecord(PartialUsageRecord, frozen=True, gc=False):
    """A complete usage record of one session, as the API documents it. The store reads it by position."""

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


RECORD_FIELDS = dict(zip(UsageRecord.__struct_encode_fields__, UsageRecord.__struct_fields__, strict=True))
"""The documented fields in wire order: attribute by documented name. Columns, exports and tables loop over them."""

MISSPELLED_FIELDS = {"aciveSubscribers": "activeSubscribers"}
"""Documented fields that the API itself misspells, and what they mean. On the wire only the misspelling is known."""

RECORD_TIMES = frozenset({"start_time", "end_time", "updated"})
"""The fields that are instants, in UTC milliseconds."""


class EmptyNameError(InvalidArgumentError):
    """A scope or a name is empty, so that a request built from it would affect more than was intended."""


def stream_path(stream: StreamId) -> str:
    """Return the URL path of a stream, `scope/name`, with each segment percent-encoded.

    A slash inside the name becomes `%2F`; slashes in the scope separate its segments. The segments `.` and `..` are
    encoded too, so that no proxy resolves them.

    Raises `EmptyNameError` where the scope, the name or a segment of the scope is empty: an empty name would turn
    "delete one" into "delete all".
    """
    segments = [*stream.scope.split("/"), stream.name]
    if not all(segments):
        raise EmptyNameError(f"a stream needs a scope and a name, got {stream.scope!r} and {stream.name!r}")
    return "/".join(_encode(segment) for segment in segments)


def stream_text(stream: StreamId) -> str:
    """Return `scope/name`, with a slash inside the name as `%2F`, so that two streams never have one text."""
    return f"{stream.scope}/{stream.name.replace('%', '%25').replace('/', '%2F')}"


def parse_stream_path(raw_path: str) -> StreamId:
    """Return the stream of an undecoded URL path: the last segment is the name, everything before it the scope.

    A leading slash is not part of the scope. Raises `EmptyNameError` as `stream_path` does.
    """
    *scope, name = raw_path.removeprefix("/").split("/")
    if not scope or not name or not all(scope):
        raise EmptyNameError("a stream is given as scope/name, and neither may be empty")
    return StreamId("/".join(unquote(segment) for segment in scope), unquote(name))


def parse_stream(text: str) -> StreamId:
    """Return the stream that a person wrote as `scope/name`, split at the last slash as the vendor's tools do.

    Raises `EmptyNameError`.
    """
    scope, _, name = text.strip("/").rpartition("/")
    if not scope or not name or not all(scope.split("/")) or text.endswith("/"):
        raise EmptyNameError(f"expected SCOPE/NAME for a stream, got {text!r}")
    return StreamId(scope, name)


def _encode(segment: str) -> str:
    encoded = quote(segment, safe="")
    return encoded.replace(".", "%2E") if segment in {".", ".."} else encoded
