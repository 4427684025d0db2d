"""The rules by which a report becomes figures: values in, values out, no clock and no store of their own.

The store reads what `Stored` asks for, calls `judge` and `apply`, and writes `Applied`, all in one transaction; the
acknowledgement is sent after its commit. Production and the simulation run this same code.

What makes it exact: a report is applied whole or not at all; of a row the newest revision wins; what moves the totals
is the difference between two versions of a row; coverage only ever grows at its end, the watermark.
"""

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

import msgspec

from streamusage.api.report import (
    AgentPhase,
    Based,
    Baseline,
    EpochIssued,
    EpochRequest,
    OutageRow,
    Report,
    Role,
    SampleRow,
    SessionRow,
    SlotRow,
    SpanRow,
    ViewerRow,
    higher_peak,
)
from streamusage.core.coverage import LATE_AFTER_INTERVALS, SLOT_MS, Interval, Provenance, slot_of
from streamusage.core.reasons import canonical_reason


class ServerState(msgspec.Struct, frozen=True, kw_only=True):
    """What the service knows of one server, apart from its rows."""

    server: str
    role: Role = "standalone"
    epoch: int = 0
    """The active epoch; 0 before the first report."""
    life: str = ""
    """The life of an agent's journal whose reports are taken."""
    issued: int = 0
    """The highest epoch number that was given out."""
    acknowledged: int = 0
    """The revision of the active epoch up to which everything is applied."""
    since: int | None = None
    """When the server's accounting began."""
    watermark: int | None = None
    """The instant before which the server owes nothing more."""
    baseline: Baseline | None = None
    sync_interval_ms: int = 10_000
    phase: AgentPhase = "online"
    last_sync_at: int | None = None
    clock_offset_ms: int = 0
    """The agent's clock less the service's, at the last sync-up; travel time included."""
    summed_to: int = 0
    """Its hours before this instant are summed up; a report that reaches behind it sums them again."""
    closed_to: int = 0
    """The end of its last closed day; what comes to a closed day is entered in the ledger."""

    @property
    def late_after_ms(self) -> int:
        return LATE_AFTER_INTERVALS * self.sync_interval_ms

    @property
    def based(self) -> Based:
        return Based(self.epoch, self.acknowledged)


class Late(msgspec.Struct, frozen=True, kw_only=True):
    """The part of a slot that came too late to be live: what backfilling added."""

    connections: dict[str, int] = {}
    bytes_in: int = 0
    bytes_out: int = 0
    view_time_ms: int = 0


class StoredSlot(NamedTuple):
    """A slot row as the store holds it."""

    row: SlotRow
    late: Late


class Piece(NamedTuple):
    """Newly covered time of one slot, and how it came."""

    from_ms: int
    to_ms: int
    state: Provenance
    reason: str
    detected_at: int | None
    """When the service could first know that something was missing; `None` for a live piece."""
    filled_at: int | None
    """When the figures came; `None` for a live piece and for a lost one."""


class SampleKey(NamedTuple):
    slot: int
    scope: str
    name: str


class StoredSample(NamedTuple):
    """A sample row as the store holds it; one server's row is kept, whatever the epoch."""

    epoch: int
    row: SampleRow
    late: bool


class Stored(NamedTuple):
    """The rows that a report touches, as they are now. Slots and sessions are those of the report's own epoch."""

    slots: Mapping[int, StoredSlot]
    sessions: Mapping[str, SessionRow]
    samples: Mapping[SampleKey, StoredSample]


class Applied(NamedTuple):
    """What to write. Every row here replaces the stored one of the same key."""

    state: ServerState
    slots: Sequence[StoredSlot]
    pieces: Sequence[Piece]
    sessions: Sequence[SessionRow]
    samples: Sequence[StoredSample]
    viewers_open: Sequence[ViewerRow]
    viewers_closed: Sequence[str]
    outages: Sequence[OutageRow]


Verdict = Literal["apply", "duplicate", "hole", "sealed", "stale"]


class HeldError(ValueError):
    """A report that contradicts what the service already has; it must be kept aside for an operator."""


def issue(
    state: ServerState, request: EpochRequest, viewers: Sequence[ViewerRow], now: int
) -> tuple[ServerState, EpochIssued]:
    """Gives out an epoch number and the state to continue from.

    Only the counter of given-out numbers changes: a number has no effect until a report activates it, so that the
    late request of a dead agent fences nobody. A journal that already has a number above the active one keeps it.
    """
    keeps = request.epoch > state.epoch
    epoch = request.epoch if keeps else max(state.issued, state.epoch, request.epoch) + 1
    issued = EpochIssued(
        epoch=epoch, based_on=state.based, now=now, life=state.life, baseline=state.baseline, viewers=tuple(viewers)
    )
    return msgspec.structs.replace(state, issued=max(state.issued, epoch)), issued


def judge(state: ServerState, report: Report) -> Verdict:
    """Whether a report is to be applied, and if not, why.

    `duplicate` is acknowledged like an applied one: all it says is here already.
    """
    if report.epoch < state.epoch:
        return "sealed"
    if report.epoch > state.epoch:
        return "apply" if report.based_on == state.based and report.since == 0 else "stale"
    if report.life != state.life:
        return "sealed"
    if report.upto <= state.acknowledged:
        return "duplicate"
    return "hole" if report.since > state.acknowledged else "apply"


def apply(state: ServerState, report: Report, stored: Stored, now: int) -> Applied:
    """What a report that was judged `apply` changes. `now` is the service's clock, UTC milliseconds.

    Raises `HeldError` where the report takes back something that was counted: nothing may be written then.
    """
    state = msgspec.structs.replace(state, role=report.role, sync_interval_ms=report.sync_interval_ms)
    pieces = _pieces(state, report.spans, now)
    ends = [piece.to_ms for piece in pieces]
    slots = [
        _merge_slot(stored.slots.get(row.slot), row, _came_late(state, row.slot, pieces, ends, now))
        for row in report.slots
        if row.slot not in stored.slots or row.revision > stored.slots[row.slot].row.revision
    ]
    sessions = [
        row
        for row in report.sessions
        if row.publish_id not in stored.sessions or row.revision > stored.sessions[row.publish_id].revision
    ]
    samples = [
        _merge_sample(
            stored.samples.get(SampleKey(row.slot, row.scope, row.name)),
            StoredSample(report.epoch, row, _came_late(state, row.slot, pieces, ends, now)),
        )
        for row in report.samples
    ]
    since = (
        state.since if state.since is not None else min((piece.from_ms for piece in pieces), default=report.baseline.at)
    )
    watermark = max([since, *ends] if state.watermark is None else [state.watermark, *ends])
    return Applied(
        state=msgspec.structs.replace(
            state,
            epoch=report.epoch,
            life=report.life,
            issued=max(state.issued, report.epoch),
            acknowledged=report.upto,
            since=since,
            watermark=watermark,
            baseline=report.baseline,
            phase=report.phase,
            last_sync_at=now,
            clock_offset_ms=report.sent_at - now,
        ),
        slots=slots,
        pieces=pieces,
        sessions=sessions,
        samples=samples,
        viewers_open=[row for row in report.viewers if row.open],
        viewers_closed=[row.viewer_id for row in report.viewers if not row.open],
        outages=report.outages,
    )


def _pieces(state: ServerState, spans: Sequence[SpanRow], now: int) -> list[Piece]:
    """The time that the spans cover beyond the watermark, oldest first, however long it is: what came late of it and
    what did not, cut at a slot boundary."""
    pieces = []
    watermark = state.watermark or 0
    late_before = now - state.late_after_ms
    live_from = slot_of(late_before + SLOT_MS - 1)
    for span in sorted(spans, key=lambda span: span.from_ms):
        from_ms = max(span.from_ms, watermark)
        border = live_from if from_ms < late_before else from_ms
        for part in (Interval(from_ms, min(border, span.to_ms)), Interval(border, span.to_ms)):
            if part.length_ms:
                pieces.append(_piece(state, span, part, now))
        watermark = max(watermark, span.to_ms)
    return pieces


def _piece(state: ServerState, span: SpanRow, part: Interval, now: int) -> Piece:
    late = now - part.from_ms > state.late_after_ms
    detected_at = min(now, part.from_ms + state.late_after_ms)
    if span.state == "lost":
        return Piece(*part, Provenance.LOST, canonical_reason(span.reason), detected_at, None)
    if span.state == "partial":
        return Piece(*part, Provenance.PARTIAL, canonical_reason(span.reason), detected_at, now)
    if late:
        return Piece(*part, Provenance.BACKFILLED, "", detected_at, now)
    return Piece(*part, Provenance.LIVE, "", None, None)


def _came_late(state: ServerState, slot: int, pieces: Sequence[Piece], ends: Sequence[int], now: int) -> bool:
    """Whether what is new in a slot came too late to be live: judged by the time that it is about, the first of the
    `pieces` in the slot."""
    first = bisect_right(ends, slot)
    new_from = slot + SLOT_MS
    if first < len(pieces):
        new_from = min(new_from, max(slot, pieces[first].from_ms))
    return now - new_from > state.late_after_ms


def _merge_slot(stored: StoredSlot | None, row: SlotRow, came_late: bool) -> StoredSlot:
    old, late = stored or StoredSlot(SlotRow(slot=row.slot, revision=0), Late())
    more = Late(
        connections={
            protocol: row.connections.get(protocol, 0) - old.connections.get(protocol, 0)
            for protocol in {**old.connections, **row.connections}
        },
        bytes_in=row.bytes_in - old.bytes_in,
        bytes_out=row.bytes_out - old.bytes_out,
        view_time_ms=row.view_time_ms - old.view_time_ms,
    )
    if min(more.bytes_in, more.bytes_out, more.view_time_ms, *more.connections.values()) < 0:
        raise HeldError(
            f"revision {row.revision} of slot {row.slot} is below revision {old.revision}, which was counted already"
        )
    if came_late:
        late = Late(
            connections={
                protocol: count
                for protocol, more_count in more.connections.items()
                if (count := late.connections.get(protocol, 0) + more_count)
            },
            bytes_in=late.bytes_in + more.bytes_in,
            bytes_out=late.bytes_out + more.bytes_out,
            view_time_ms=late.view_time_ms + more.view_time_ms,
        )
    merged = msgspec.structs.replace(
        row, peak_in=higher_peak(old.peak_in, row.peak_in), peak_out=higher_peak(old.peak_out, row.peak_out)
    )
    return StoredSlot(merged, late)


def _merge_sample(old: StoredSample | None, new: StoredSample) -> StoredSample:
    if old is None:
        return new
    newest = new if (new.epoch, new.row.revision) >= (old.epoch, old.row.revision) else old
    highest = max(old.row.highest, new.row.highest)
    return newest._replace(row=msgspec.structs.replace(newest.row, highest=highest), late=old.late or new.late)
