"""Sessions of a service and their changes, made from usage records. Pure.

    | record                                     | `total_subscribers` of 5 | `max_subscribers` of 3 |
    |--------------------------------------------|--------------------------|------------------------|
    | live or backfilled                         | `Exact(5)`               | `AtLeast(3)`           |
    | partial, missing, lost or held             | `AtLeast(5)`             | `AtLeast(3)`           |
    | imported, or of a plain Stream Manager     | `Reported(5)`            | `Reported(3)`          |
    | a plain Stream Manager did not send it     | `Unknown()`              | `Unknown()`            |

A maximum is a lower bound even where everything is accounted for, because subscribers are counted by sampling.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from streamusage.api.extension import SessionRecord
from streamusage.core.coverage import Provenance
from streamusage.core.usage import PartialUsageRecord, SessionKey, StreamId
from streamusage.library.instants import datetime_of, optional_datetime
from streamusage.library.quantities import AtLeast, Quantity, Reported, Unknown, sum_of


@dataclass(frozen=True, slots=True)
class StreamSession:
    """A session: one publish of a stream."""

    key: SessionKey
    """Scope, name and start time; deletes take it."""
    started_at: datetime | None
    """`None` where a plain Stream Manager did not send it: such a session has no usable key."""
    ended_at: datetime | None
    """The end, or the newest reading of a live session."""
    duration_ms: int | None
    active_subscribers: Quantity
    max_subscribers: Quantity
    lost_subscribers: Quantity
    """Subscribers who left."""
    total_subscribers: Quantity
    """Subscribers who joined."""
    updated_at: datetime | None
    live: bool | None
    """`None` from a plain Stream Manager, which does not report it."""
    provenance: Provenance | None
    """Of the newest figures; `None` from a plain Stream Manager and for an imported record."""
    imported: bool
    """Whether the record was imported, so that no server accounts for its figures."""

    @property
    def stream(self) -> StreamId:
        """The stream: its scope and name. As text it is `scope/name`."""
        return StreamId(self.key.scope, self.key.name)


@dataclass(frozen=True, slots=True)
class SessionChanges:
    """What changed since a cursor."""

    cursor: str
    """Pass it to the next request."""
    reset: bool
    """Whether `changed` has all sessions: discard every other one."""
    changed: list[StreamSession]
    """Sessions that are new or different."""
    removed: list[SessionKey]
    """Keys of the sessions that were deleted."""


def session_of(record: PartialUsageRecord) -> StreamSession:
    """Return the session of a record of either kind of service."""
    provenance, live, imported = None, None, False
    if isinstance(record, SessionRecord):
        imported = bool(record.imported)
        provenance, live = None if imported else record.provenance, record.live
    figure = _figure_of(provenance)
    seen = record.active_subscribers
    if isinstance(record, SessionRecord) and record.leaves_out_server:
        seen = record.seen_subscribers
    highest = figure(record.max_subscribers)
    return StreamSession(
        key=record.key,
        started_at=datetime_of(record.start_time) if record.start_time else None,
        ended_at=optional_datetime(record.end_time),
        duration_ms=record.duration,
        active_subscribers=figure(seen),
        max_subscribers=(
            highest if provenance is None or highest.known is None else AtLeast(highest.known, provenance)
        ),
        lost_subscribers=figure(record.lost_subscribers),
        total_subscribers=figure(record.total_subscribers),
        updated_at=optional_datetime(record.updated),
        live=live,
        provenance=provenance,
        imported=imported,
    )


def _figure_of(provenance: Provenance | None) -> Callable[[int | None], Quantity]:
    if provenance is None:
        return lambda value: Unknown(None) if value is None else Reported(value)
    return lambda value: sum_of(value, provenance, is_complete=True)
