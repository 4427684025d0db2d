"""What a line of an outside account states. Pure; times are UTC milliseconds."""

from datetime import date
from enum import StrEnum
from typing import Literal, NamedTuple, Protocol

from streamusage.core.figures import SUMS, Unit


class Measure(StrEnum):
    """The figure that is compared. The values are names of `streamusage.core.figures`."""

    BYTES_OUT = "bytes_out"
    BYTES_IN = "bytes_in"
    VIEW_TIME = "view_time_ms"
    CONNECTIONS = "connections"

    @property
    def unit(self) -> Unit:
        """Unit of the whole numbers of this figure."""
        return next(figure.unit for figure in SUMS if figure.name == self.value)


class Grouping(StrEnum):
    """What a row of the comparison is about, beside the day."""

    TOTAL = "total"
    SERVER = "server"
    STREAM = "stream"
    CUSTOMER = "customer"


class Basis(StrEnum):
    """What the bytes of an account contain."""

    BODY = "body"
    """Bodies of HTTP responses."""
    RESPONSE = "response"
    """HTTP responses with their headers."""
    PAYLOAD = "payload"
    """Media of connections, without the headers of its protocol."""
    CONNECTION = "connection"
    """Everything on a connection above TCP."""
    UNKNOWN = "unknown"


EntryKind = Literal["request", "HEAD", "error", "connection", "whole connection", "total"]
"""`HEAD` and `error` are requests that deliver no media. `whole connection`: bytes of a connection of which other lines
have the media, so that only the overhead follows from it. `total`: a sum of a day."""


class Entry(NamedTuple):
    """A line. A figure that the account does not have is None; a text that it does not have is empty."""

    at: int
    """When it ended."""
    kind: EntryKind
    stream: str = ""
    """Scope and name, joined by a slash."""
    server: str = ""
    customer: str = ""
    bytes_out: int | None = None
    bytes_in: int | None = None
    view_time_ms: int | None = None
    connections: int | None = None
    duration_ms: int = 0
    """Its figures are spread over this time before `at`."""
    is_bodiless: bool = False
    """Whether the response has no body, so that its bytes are those of its header."""
    day: date | None = None
    """The day of a sum of a day. Its `at` is 0."""
    rounded_to: int = 0
    """The figure is a multiple of this, because the account rounds: in the unit of the figure."""
    view_time_step_ms: int = 0
    """The view time is a multiple of this, because the log cuts or rounds durations."""


class LineReader(Protocol):
    """Reads the lines of one file. A line without its end is bytes."""

    name: str
    """Name of the form for messages."""
    basis: Basis

    def read(self, line: bytes) -> Entry | None:
        """Return the entry of a line; None for a line that cannot be read, and for a comment."""
        ...

    def is_comment(self, line: bytes) -> bool:
        """Return whether a line without an entry reports nothing by design: a header, an empty line, other events."""
        ...
