"""Media servers, their covered time, and the subscribers of streams over time. Pure."""

from dataclasses import dataclass
from datetime import datetime

from msgspec import UNSET

from streamusage.api.daily import GapDelta
from streamusage.api.extension import CoverageSpan, HistoryPoint, ServerStatus
from streamusage.client.lenient_live_list import ListedStream
from streamusage.core.coverage import Provenance
from streamusage.core.usage import StreamId
from streamusage.library.instants import datetime_of, optional_datetime
from streamusage.library.quantities import AtLeast, Estimate, Exact, Quantity, Reported, Unknown, sum_of


@dataclass(frozen=True, slots=True)
class MediaServer:
    """A media server of the estate."""

    name: str
    role: str
    """`origin`, `edge` or `standalone`."""
    state: str
    """`live`, `unreachable` or `removed`."""
    watermark: datetime | None
    """The instant before which the server has reported everything; `None` if it never reported."""
    owed_ms: int
    """Length of the time before now that is not reported yet."""
    active_subscribers: Quantity
    """A lower bound while the server owes figures: those counted by older reports are left out, they may have left."""
    source_error: str | None
    """Why its agent cannot read the media server; `None` while it can."""
    status: ServerStatus
    """Everything that the service reports."""


@dataclass(frozen=True, slots=True)
class CoveredSpan:
    """An interval of one server and how it is accounted for."""

    server: str
    start: datetime
    end: datetime
    provenance: Provenance
    reason: str | None
    """Why it is partial or lost; else `None`."""
    detected_at: datetime | None
    filled_at: datetime | None
    """When it was backfilled."""
    recovered: GapDelta | None
    """The figures that the backfill added; `None` where there is none, or where its minutes are no longer kept."""

    @property
    def is_gap(self) -> bool:
        """Whether it was not reported live."""
        return self.provenance is not Provenance.LIVE


@dataclass(frozen=True, slots=True)
class SubscriberPoint:
    """Subscribers of a stream over one step of time."""

    at: datetime
    active: Quantity
    highest: Quantity
    """The sum of the servers' maxima, an estimate of the simultaneous one: it may be too high."""
    provenance: Provenance | None
    """`None` where no server that carried the stream was in service."""


@dataclass(frozen=True, slots=True)
class CarriedLiveStream:
    """A row of the live list: one stream on one media server."""

    stream: StreamId
    active_subscribers: Quantity
    started_at: datetime | None


def server_of_status(status: ServerStatus) -> MediaServer:
    """Return the server of an answer."""
    unseen = 0 if status.unseen_subscribers is UNSET else status.unseen_subscribers
    seen = max(0, status.active_subscribers - unseen)
    is_seen = status.state == "live" and not status.owed_ms and not unseen
    return MediaServer(
        name=status.server,
        role=status.role,
        state=status.state,
        watermark=optional_datetime(status.watermark),
        owed_ms=status.owed_ms,
        active_subscribers=Exact(seen, Provenance.LIVE) if is_seen else AtLeast(seen, Provenance.MISSING),
        source_error=None if status.source_error is UNSET else status.source_error,
        status=status,
    )


def span_of_coverage(server: str, span: CoverageSpan) -> CoveredSpan:
    """Return the interval of an answer."""
    return CoveredSpan(
        server=server,
        start=datetime_of(span.from_ms),
        end=datetime_of(span.to_ms),
        provenance=span.state,
        reason=span.reason,
        detected_at=optional_datetime(span.detected_at),
        filled_at=optional_datetime(span.filled_at),
        recovered=span.delta,
    )


def point_of_history(point: HistoryPoint) -> SubscriberPoint:
    """Return the point of an answer."""
    active = sum_of(point.active, point.state, is_complete=True)
    highest = point.highest
    return SubscriberPoint(
        at=datetime_of(point.at),
        active=active,
        highest=Unknown(point.state) if highest is None else Estimate(highest, point.state),
        provenance=point.state,
    )


def live_stream_of_row(row: ListedStream) -> CarriedLiveStream:
    """Return the stream of a row of the live list, whose figures no server accounts for."""
    count = row.current_subscribers
    return CarriedLiveStream(
        stream=row.stream,
        active_subscribers=Unknown(None) if count is None else Reported(count),
        started_at=optional_datetime(row.start_time),
    )
