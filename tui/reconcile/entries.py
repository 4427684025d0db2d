"""What a line of an outside account states. Pure; times are UTC milliseconds."""

from datetime import date
from enum import StrEnum
from typing import Literal, NamedTuple, Protocol

from streamusage.core.figures import NO_CUSTOMER, NOT_BY_STREAM, SUMS, Unit
from streamusage.core.usage import StreamId, stream_text


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
    SCOPE = "scope"
    CUSTOMER = "customer"

    @property
    def is_of_streams(self) -> bool:
        """Whether its rows are sums of streams."""
        return self in (Grouping.STREAM, Grouping.SCOPE, Grouping.CUSTOMER)

    @property
    def undivided(self) -> tuple[str, ...]:
        """Names of rows that have what belongs to none of the others. Empty if each unit has a group."""
        if self is Grouping.CUSTOMER:
            return NO_CUSTOMER, NOT_BY_STREAM
        return (NOT_BY_STREAM,) if self.is_of_streams else ()


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
    """As `name_stream` writes it."""
    scope: str = ""
    """The scope, if the account names it beside the stream."""
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

    def group_of(self, grouping: Grouping) -> str:
        """Return the name of its group; empty for the total.

        A line that names no stream or customer is in the row that the service has for these.
        """
        match grouping:
            case Grouping.TOTAL:
                return ""
            case Grouping.SERVER:
                return self.server
            case Grouping.STREAM:
                return self.stream or NOT_BY_STREAM
            case Grouping.SCOPE:
                return self.scope or self.stream.rpartition("/")[0] or NOT_BY_STREAM
            case Grouping.CUSTOMER:
                return self.customer or NO_CUSTOMER


def name_stream(scope: str, name: str) -> str:
    """Return the text of a stream, as the service's statistics by stream have it: a slash in the name is `%2F`.

    Empty without a name.
    """
    return stream_text(StreamId(scope, name)) if name else ""


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
