"""What the usage service answers: the shapes of docs/api.md. Pure.

Unknown fields are ignored everywhere. Times are UTC milliseconds.
"""

from typing import Literal

import msgspec

from streamusage.api.daily import BackfilledPart as BackfilledPart
from streamusage.api.daily import CoveredTime as CoveredTime
from streamusage.api.daily import Daily as Daily
from streamusage.api.daily import DailyStatistics as DailyStatistics
from streamusage.api.report import AgentPhase, PhaseChange, Role
from streamusage.core.coverage import Interval, Provenance
from streamusage.core.usage import SessionKey, StreamId, UsageRecord


class SessionRecord(UsageRecord, frozen=True, kw_only=True, gc=False):
    """A usage record as our own service tells it: with what the documented one leaves out."""

    live: bool
    provenance: Provenance
    """How the newest figures of the record came."""


class _DeletedSession(msgspec.Struct, frozen=True):
    scope: str
    name: str
    start_time: int = msgspec.field(name="startTime")


class Changes(msgspec.Struct, frozen=True, kw_only=True):
    """What changed or was deleted since a cursor."""

    now: int
    cursor: str
    reset: bool = False
    """The cursor was too old: drop what you have, this answer begins anew."""
    more: bool = False
    """There is more: ask again at once with the new cursor."""
    records: list[SessionRecord] = []
    deleted_sessions: list[_DeletedSession] = msgspec.field(name="deleted", default_factory=list)

    @property
    def deleted(self) -> list[SessionKey]:
        return [SessionKey(gone.scope, gone.name, gone.start_time) for gone in self.deleted_sessions]


class LiveStream(msgspec.Struct, frozen=True, kw_only=True):
    """A row of the live list: one stream on one media server."""

    name: str
    scope: str
    type: str = ""
    server_address: str = msgspec.field(name="serverAddress", default="")
    region: str = ""
    current_subscribers: int = msgspec.field(name="currentSubscribers", default=0)
    start_time: int | None = msgspec.field(name="startTime", default=None)

    @property
    def stream(self) -> StreamId:
        return StreamId(self.scope.removeprefix("/"), self.name)


class ServerStatus(msgspec.Struct, frozen=True, kw_only=True):
    """A media server as the service knows it."""

    server: str
    role: Role
    state: Literal["live", "unreachable", "removed"]
    since: int | None = None
    last_sync_at: int | None = None
    watermark: int | None = None
    """Before this instant the server owes nothing more."""
    sync_interval_ms: int = 10_000
    phase: AgentPhase = "online"
    epoch: int = 0
    revision: int = 0
    owed_ms: int = 0
    """How much time before now is not accounted for."""
    active_subscribers: int = 0
    clock_offset_ms: int | None = None
    removed: Literal["in order", "by force"] | None = None
    """How it was taken out of the estate: by force, its part of the sessions is not accounted for."""
    removed_at: int | None = None


class RemovedServer(msgspec.Struct, frozen=True, kw_only=True):
    """A server that was taken out just now."""

    now: int
    server: str
    removed: Literal["in order", "by force"]
    sessions: int = 0
    """How many sessions that changed."""


class Orphan(msgspec.Struct, frozen=True, kw_only=True):
    """What one server reported of a record after it was deleted or discarded."""

    scope: str
    name: str
    start_time: int = msgspec.field(name="startTime")
    server: str
    end_time: int = msgspec.field(name="endTime")
    active: int = 0
    highest: int = 0
    total: int = 0
    first_at: int
    last_at: int

    @property
    def stream(self) -> StreamId:
        return StreamId(self.scope, self.name)


class Orphans(msgspec.Struct, frozen=True, kw_only=True):
    """Orphans, newest first."""

    now: int
    more: bool = False
    """There are older ones; they can be asked for by their time."""
    orphans: list[Orphan]


class AuditEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One change of what the service keeps: who made it, by the token's name, and how many records it met."""

    at: int
    who: str
    operation: str
    scope: str = ""
    name: str = ""
    """The stream's, or the server's where a server was removed."""
    start_time: int | None = msgspec.field(name="startTime", default=None)
    records: int = 0


class Audit(msgspec.Struct, frozen=True, kw_only=True):
    """The audit log, newest first."""

    now: int
    more: bool = False
    entries: list[AuditEntry]


class Servers(msgspec.Struct, frozen=True, kw_only=True):
    now: int
    servers: list[ServerStatus]


class GapDelta(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What a span brought when it was filled."""

    connections: int = 0
    connections_by_protocol: dict[str, int] = {}
    bytes_in: int = 0
    bytes_out: int = 0
    peak_in_bps: int | None = None
    peak_in_at: int | None = None
    peak_out_bps: int | None = None
    peak_out_at: int | None = None
    view_time_ms: int = 0


class CoverageSpan(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """An interval of one server and how it is accounted for."""

    from_ms: int = msgspec.field(name="from")
    to_ms: int = msgspec.field(name="to")
    state: Provenance
    detected_at: int | None = None
    filled_at: int | None = None
    reason: str | None = None
    delta: GapDelta | None = None

    @property
    def interval(self) -> Interval:
        return Interval(self.from_ms, self.to_ms)


class Outage(msgspec.Struct, frozen=True, kw_only=True):
    """A stretch in which an agent's sync-ups failed, as the agent itself told it once it got through again."""

    from_ms: int = msgspec.field(name="from")
    """When the first sync-up failed."""
    to_ms: int = msgspec.field(name="to")
    """When the newest of its phases began."""
    phases: list[PhaseChange]
    failed_attempts: int
    error: str = ""
    """What the last attempt failed of."""
    left_out: int = 0
    """How many phases after the first are not told."""


class ServerCoverage(msgspec.Struct, frozen=True, kw_only=True):
    """The spans of one server, oldest first, inside the window that was asked for."""

    server: str
    since: int | None = None
    watermark: int | None = None
    spans: list[CoverageSpan] = []
    outages: list[Outage] = []


class Coverage(msgspec.Struct, frozen=True, kw_only=True):
    now: int
    from_ms: int = msgspec.field(name="from")
    to_ms: int = msgspec.field(name="to")
    servers: list[ServerCoverage]


class Placement(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A publish that a server carried. `to_ms` of `None`: it was live when the server was last heard of."""

    scope: str
    name: str
    server: str
    from_ms: int = msgspec.field(name="from")
    to_ms: int | None = msgspec.field(name="to", default=None)

    @property
    def stream(self) -> StreamId:
        return StreamId(self.scope, self.name)


class Placements(msgspec.Struct, frozen=True, kw_only=True):
    now: int
    carriers: list[Placement]


class HistoryPoint(msgspec.Struct, frozen=True, kw_only=True):
    """Subscribers of a stream over one step. `None` where nothing is known, which is not a zero."""

    at: int
    active: int | None = None
    highest: int | None = None
    """An upper bound of the true simultaneous maximum."""
    state: Provenance | None = None
    """`None` where no server that carried the stream was in service."""


class ServerShare(msgspec.Struct, frozen=True, kw_only=True):
    """What one server contributes to a stream now."""

    server: str
    active: int | None = None
    state: str = ""


class History(msgspec.Struct, frozen=True, kw_only=True):
    now: int
    step_ms: int
    points: list[HistoryPoint]
    servers: list[ServerShare] = []


class Trend(msgspec.Struct, frozen=True, kw_only=True):
    """Subscribers of one live stream, an entry a step. `None` is not known, and a state of `None` not in service."""

    scope: str
    name: str
    active: list[int | None]
    state: list[Provenance | None]

    @property
    def stream(self) -> StreamId:
        return StreamId(self.scope, self.name)


class Trends(msgspec.Struct, frozen=True, kw_only=True):
    """The trends of every stream that is live, from the same instant on."""

    now: int
    from_ms: int = msgspec.field(name="from")
    step_ms: int
    streams: list[Trend]


class ImportResult(msgspec.Struct, frozen=True, kw_only=True):
    imported: int
    kept: int
    """Records that were there already, kept as they were."""


class ErrorBody(msgspec.Struct, frozen=True):
    """The documented shape of a failure."""

    error_message: str = msgspec.field(name="errorMessage")
    timestamp: int | float | None = None
