"""Replies of the usage service, as described in docs/api.md. Pure.

Unknown fields are ignored in every type. Times are UTC milliseconds.
"""

from typing import Literal

import msgspec
from msgspec import UNSET, UnsetType

from streamusage.api.alerts import AlertSummary
from streamusage.api.daily import GapDelta, VoidEntry
from streamusage.api.report import AgentPhase, ClockState, PhaseChange, Role
from streamusage.core.coverage import IMPORTED, LATE_AFTER_INTERVALS, OWED, Interval, Provenance
from streamusage.core.figures import SlotSums
from streamusage.core.usage import SessionKey, StreamId, UsageRecord


class SessionRecord(UsageRecord, frozen=True, gc=False):
    """A usage record of our own service, with fields that the documented one does not have."""

    live: bool
    provenance: Provenance
    """Provenance of the newest figures of the record; of an imported one `partial`."""
    imported: bool | msgspec.UnsetType = msgspec.UNSET
    """True for a record that was imported, so that no server accounts for its figures. Not sent for other records.

    It is a field of its own, because earlier clients cannot decode another value of `provenance`.
    """
    unseen_subscribers: int | msgspec.UnsetType = msgspec.field(name="unseenSubscribers", default=msgspec.UNSET)
    """How many of the active subscribers are at servers that owe newer figures: they are counted by older reports, and
    may have left. Without them, the active subscribers are a lower bound. Not sent where there are none."""

    @property
    def provenance_name(self) -> str:
        """The provenance as it is shown: `imported`, or that of the newest figures."""
        return IMPORTED if self.imported else self.provenance.value

    @property
    def leaves_out_server(self) -> bool:
        """Whether the seen subscribers are those of some servers only: another one owes its newest figures."""
        return self.live and self.provenance in OWED

    @property
    def seen_subscribers(self) -> int:
        """The active subscribers at servers that are seen: a lower bound while one is not."""
        unseen = self.unseen_subscribers if self.provenance in OWED else 0
        return max(0, self.active_subscribers - unseen) if unseen else self.active_subscribers


class DeletedSession(msgspec.Struct, frozen=True):
    """Key of a session that was deleted."""

    scope: str
    name: str
    start_time: int = msgspec.field(name="startTime")


class Changes(msgspec.Struct, frozen=True, kw_only=True):
    """Records that changed and sessions that were deleted since a cursor."""

    now: int
    cursor: str
    reset: bool = False
    """The cursor was too old: discard your copy, this reply starts from the beginning."""
    more: bool = False
    """There are more changes: send the next request at once, with the new cursor."""
    records: list[SessionRecord] = []
    deleted_sessions: list[DeletedSession] = msgspec.field(name="deleted", default_factory=list)

    @property
    def deleted(self) -> list[SessionKey]:
        """Keys of the deleted sessions."""
        return [SessionKey(session.scope, session.name, session.start_time) for session in self.deleted_sessions]


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
        """Name of the stream."""
        return StreamId(self.scope.removeprefix("/"), self.name)


class ServiceClock(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The service's own clock. In doubt, nothing is closed, discarded, exported or signed."""

    state: ClockState
    wall_ahead_ms: int
    """Wall clock of the service's machine minus trusted time."""
    machines: int
    """How many machines of agents can judge the wall clock."""
    synchronised: bool | None = None
    """Whether the kernel believes that its clock is synchronised; `None` where it does not show this."""
    cause: str | None = None
    """What raised the doubt: `step`, `release`, `store` or `machines`."""
    since: int | None = None
    """Trusted time when the doubt began."""
    message: str | None = None
    """The doubt in a sentence."""


Repair = Literal["filed in the future", "closed in advance", "epochs used up"]
"""Why a server needs a repair."""


class ServerStatus(msgspec.Struct, frozen=True, kw_only=True):
    """State of a media server at the service."""

    server: str
    role: Role
    state: Literal["live", "unreachable", "removed"]
    since: int | None = None
    last_sync_at: int | None = None
    watermark: int | None = None
    """The instant before which the server has reported everything."""
    sync_interval_ms: int = 10_000
    phase: AgentPhase = "online"
    epoch: int = 0
    revision: int = 0
    owed_ms: int = 0
    """Length of the time before now that is not reported yet."""
    active_subscribers: int = 0
    unseen_subscribers: int | UnsetType = UNSET
    """How many of the active subscribers are counted by reports from before it owed newer figures; the records have
    them as `unseenSubscribers`. Not sent where there are none, and by services of an earlier version."""
    clock_offset_ms: int | None = None
    removed: Literal["in order", "by force"] | None = None
    """How the server was removed from the estate. Removed by force, its part of the sessions is not accounted for."""
    removed_at: int | None = None
    machine_offset_ms: int | None = None
    """The machine's own clock minus trusted time at the last report; `None` from an agent of an earlier version."""
    clock_refused_at: int | None = None
    """Since when its reports are refused because they cover time after trusted time; `None` while they are accepted."""
    clock_refused_by_ms: int = 0
    """How far the newest of them was ahead."""
    repair: Repair | UnsetType = UNSET
    """What an earlier version let happen: figures that a wrong clock filed in the future, days that were closed before
    their end, or epoch numbers so high that no new journal can report. `streamtop servers repair` heals it. Absent if
    nothing is wrong."""
    source_error: str | UnsetType = UNSET
    """Why its agent cannot read the media server, in the agent's words. Absent while it can, and from an agent of an
    earlier version."""
    source_error_since: int | UnsetType = UNSET
    """Since when it cannot. Absent with `source_error`."""
    source_error_at: int | UnsetType = UNSET
    """When the agent reported this last. Absent with `source_error`."""

    @property
    def is_unread(self) -> bool:
        """Whether its agent reports that the media server cannot be read, or did so before it fell silent."""
        return self.source_error is not UNSET and self.state != "removed"

    def has_silent_agent(self, now_ms: int) -> bool:
        """Whether the agent of an unread server has not reported for three sync intervals."""
        reported_at = self.source_error_at
        return reported_at is not UNSET and now_ms - reported_at > LATE_AFTER_INTERVALS * self.sync_interval_ms


class RemovedServer(msgspec.Struct, frozen=True, kw_only=True):
    """Result of removing a server."""

    now: int
    server: str
    removed: Literal["in order", "by force"]
    sessions: int = 0
    """How many sessions this changed."""


class RepairedServer(SlotSums[int, int], frozen=True, kw_only=True):  # type: ignore[misc]
    """What a repair of a server changed, or would change: figures that a wrong clock filed in the future.

    The sums are those of the slots that moved. None is lost or added.
    """

    now: int
    server: str
    dry: bool
    """Nothing was written: the request only asked what a repair would change."""
    needed: bool
    """Whether anything is to be repaired."""
    slots: int = 0
    """How many slots moved."""
    samples: int = 0
    sessions: int = 0
    connections: int = 0
    watermark_before: int | None = None
    watermark: int | None = None
    """The watermark after the repair."""
    partial_from: int | None = None
    """From here to `partial_to`, time that was counted is `partial` after the repair."""
    partial_to: int | None = None
    voids: list[VoidEntry] = msgspec.field(default_factory=list)
    """Closings that no longer count. Their days close anew when they are over."""
    highest_epoch_before: int | None = None
    """The highest epoch number, if no further one could be issued; `None` otherwise."""
    highest_epoch: int | None = None
    """The highest one after the repair."""

    @property
    def rows(self) -> int:
        """Number of rows that moved."""
        return self.slots + self.samples + self.sessions


class Orphan(msgspec.Struct, frozen=True, kw_only=True):
    """A server's report about a record that was deleted or discarded before."""

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
        """Name of the stream."""
        return StreamId(self.scope, self.name)


class Orphans(msgspec.Struct, frozen=True, kw_only=True):
    """Orphans, newest first."""

    now: int
    more: bool = False
    """There are older orphans; request them by their time."""
    orphans: list[Orphan]


class AuditEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One change of stored data: the name of the token that made it, and the number of records that it affected."""

    at: int
    who: str
    operation: str
    scope: str = ""
    name: str = ""
    """Name of the stream, or of the server that was removed."""
    start_time: int | None = msgspec.field(name="startTime", default=None)
    records: int = 0


class Audit(msgspec.Struct, frozen=True, kw_only=True):
    """The audit log, newest first."""

    now: int
    more: bool = False
    entries: list[AuditEntry]


class Servers(msgspec.Struct, frozen=True, kw_only=True):
    """The media servers that the service knows."""

    now: int
    servers: list[ServerStatus]
    clock: ServiceClock | None = None
    """`None` from a service of an earlier version."""
    alerts: AlertSummary | None = None
    """`None` from a service that evaluates no alert rules, and of an earlier version."""


class CoverageSpan(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """An interval of one server and its provenance."""

    from_ms: int = msgspec.field(name="from")
    to_ms: int = msgspec.field(name="to")
    state: Provenance
    detected_at: int | None = None
    filled_at: int | None = None
    reason: str | None = None
    delta: GapDelta | None = None

    @property
    def interval(self) -> Interval:
        """The interval of the span."""
        return Interval(self.from_ms, self.to_ms)


class Outage(msgspec.Struct, frozen=True, kw_only=True):
    """An outage: an interval in which an agent's syncs failed, as the agent reported it after it reconnected."""

    from_ms: int = msgspec.field(name="from")
    """When the first sync failed."""
    to_ms: int = msgspec.field(name="to")
    """When the newest of its phases began."""
    phases: list[PhaseChange]
    failed_attempts: int
    error: str = ""
    """Error text of the last attempt."""
    left_out: int = 0
    """How many phases after the first are left out."""


class ServerCoverage(msgspec.Struct, frozen=True, kw_only=True):
    """The spans of one server inside the requested window, oldest first."""

    server: str
    since: int | None = None
    watermark: int | None = None
    spans: list[CoverageSpan] = []
    outages: list[Outage] = []


class Coverage(msgspec.Struct, frozen=True, kw_only=True):
    """Coverage of the servers in the window `[from, to)`."""

    now: int
    from_ms: int = msgspec.field(name="from")
    to_ms: int = msgspec.field(name="to")
    servers: list[ServerCoverage]


class Placement(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A publish that a server carried. `to_ms` is `None` where it was live at the last report of the server."""

    scope: str
    name: str
    server: str
    from_ms: int = msgspec.field(name="from")
    to_ms: int | None = msgspec.field(name="to", default=None)

    @property
    def stream(self) -> StreamId:
        """Name of the stream."""
        return StreamId(self.scope, self.name)


class Placements(msgspec.Struct, frozen=True, kw_only=True):
    """Which server carried which stream."""

    now: int
    carriers: list[Placement]


class HistoryPoint(msgspec.Struct, frozen=True, gc=False):
    """Subscribers of a stream over one step. `None` means unknown, not zero."""

    at: int
    active: int | None = None
    highest: int | None = None
    """An upper bound of the true simultaneous maximum."""
    state: Provenance | None = None
    """`None` where no server that carried the stream was in service."""


class ServerShare(msgspec.Struct, frozen=True, kw_only=True):
    """Contribution of one server to the current figures of a stream."""

    server: str
    active: int | None = None
    state: str = ""


class History(msgspec.Struct, frozen=True, kw_only=True):
    """Subscribers of one stream over time, and each server's part of the newest figures."""

    now: int
    step_ms: int
    points: list[HistoryPoint]
    servers: list[ServerShare] = []


class Trend(msgspec.Struct, frozen=True, kw_only=True):
    """Subscribers of one live stream, one entry for each step. `None` means unknown, as a state: not in service."""

    scope: str
    name: str
    active: list[int | None]
    state: list[Provenance | None]

    @property
    def stream(self) -> StreamId:
        """Name of the stream."""
        return StreamId(self.scope, self.name)


class Audience(msgspec.Struct, frozen=True, kw_only=True):
    """Subscribers of all streams together, also of those that have ended since, one entry for each step.

    A figure is what the servers reported that are known. The state is the worst of the servers', and `partial` where a
    server has not reported yet and need not have. `None` means unknown, as a state: no server was in service.
    """

    active: list[int | None]
    state: list[Provenance | None]


class Trends(msgspec.Struct, frozen=True, kw_only=True):
    """Trends of every live stream, all from the same instant on."""

    now: int
    from_ms: int = msgspec.field(name="from")
    step_ms: int
    streams: list[Trend]
    audience: Audience | None = None
    """The sum of the whole estate; `None` from a service of before it."""


class ImportResult(msgspec.Struct, frozen=True, kw_only=True):
    """Result of importing records."""

    imported: int
    kept: int
    """How many records the service already had; it did not change these."""


class ErrorBody(msgspec.Struct, frozen=True):
    """Documented error body."""

    error_message: str = msgspec.field(name="errorMessage")
    timestamp: int | float | None = None
