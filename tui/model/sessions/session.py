"""A session: one publish of a stream as the console knows it. Pure."""

import msgspec

from streamusage.api.extension import SessionRecord
from streamusage.core.coverage import IMPORTED, INCOMPLETE, OWED, Provenance
from streamusage.core.usage import PartialUsageRecord, SessionKey, StreamId


class ServiceSessionKey(SessionKey):
    """Key of a session where a console shows several services; it never equals the key of another service."""

    __slots__ = ()

    def __new__(cls, scope: str, name: str, start_time: int, service: str) -> "ServiceSessionKey":
        """Return the key of a session of a service."""
        return tuple.__new__(cls, (scope, name, start_time, service))


class Session(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One publish of a stream as the console knows it. `None` is an unknown figure."""

    scope: str
    name: str
    start_time: int
    end_time: int | None
    duration_ms: int | None
    active: int | None
    peak: int | None
    lost: int | None
    total: int | None
    updated: int | None
    live: bool
    provenance: Provenance | None
    """Provenance of the newest figures; `None` from a plain Stream Manager and for an imported record."""
    recorded: bool
    """Whether the service has a usage record of it, which can be deleted."""
    text: str
    """`scope/name` in lower case, for the filter and for sorting."""
    imported: bool = False
    """Whether the record was imported: no server accounts for its figures."""
    service: str = ""
    """The profile of its service where a console shows several; else empty."""

    @property
    def is_whole(self) -> bool:
        """Whether every documented figure is known, so that the record can be kept in full before a delete."""
        figures = (self.end_time, self.duration_ms, self.active, self.peak, self.lost, self.total, self.updated)
        return self.recorded and self.start_time > 0 and None not in figures

    @property
    def provenance_name(self) -> str:
        """The provenance as it is shown; empty from a plain Stream Manager."""
        return IMPORTED if self.imported else self.provenance.value if self.provenance else ""

    @property
    def is_lower_bound(self) -> bool | None:
        """Whether figures leave out a server that owes newer ones; `None` where the service does not know."""
        return None if self.provenance is None and not self.imported else self.provenance in INCOMPLETE

    @property
    def leaves_out_server(self) -> bool:
        """Whether the active subscribers are those of some servers only: another one owes its newest figures."""
        return self.live and self.provenance in OWED

    @property
    def key(self) -> SessionKey:
        """The key of the session."""
        if self.service:
            return ServiceSessionKey(self.scope, self.name, self.start_time, self.service)
        return SessionKey(self.scope, self.name, self.start_time)

    @property
    def stream(self) -> StreamId:
        """The stream that was published."""
        return StreamId(self.scope, self.name)

    def lasted_ms(self, now_ms: int) -> int | None:
        """Duration so far, or of an ended session its whole duration."""
        if self.live:
            return max(0, now_ms - self.start_time) if self.start_time else None
        return self.duration_ms


def seen_subscribers(record: PartialUsageRecord) -> int | None:
    """Return the active subscribers of a record, without those at servers that are not seen."""
    return record.seen_subscribers if isinstance(record, SessionRecord) else record.active_subscribers


def from_record(record: PartialUsageRecord) -> Session:
    """Return the session of a usage record. Nothing is repaired: contradictory figures are shown as received.

    Subscribers at servers that are not seen are left out: what remains is a lower bound.
    """
    ours = record if isinstance(record, SessionRecord) else None
    return Session(
        scope=record.scope,
        name=record.name,
        start_time=record.start_time,
        end_time=record.end_time,
        duration_ms=record.duration,
        active=seen_subscribers(record),
        peak=record.max_subscribers,
        lost=record.lost_subscribers,
        total=record.total_subscribers,
        updated=record.updated,
        live=ours.live if ours else False,
        provenance=ours.provenance if ours and not ours.imported else None,
        imported=bool(ours and ours.imported),
        recorded=True,
        text=f"{record.scope}/{record.name}".casefold(),
    )
