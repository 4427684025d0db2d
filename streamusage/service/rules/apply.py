"""The rules by which a report becomes figures: values in, values out, without clock and store.

The store loads the rows of `StoredRows`, calls `classify_report` and `apply_report`, and writes `AppliedReport`, all
in one transaction; the acknowledgement is sent after its commit. Production and the simulation run this same code.
A large report is accepted whole with `accept_in_parts`, and each of its parts (`parts`) is applied with `apply_part`.

Four properties make it exact: a report is accepted whole or not at all; the newest revision of a row wins; totals move
by the difference between two versions of a row; coverage grows only at its end, the watermark.
"""

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal, NamedTuple

import msgspec

from streamusage.api.report import (
    REPAIRED_LIFE,
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
from streamusage.core.figures import LARGEST_COUNT, SLOT_SUM_NAMES, SlotSums, slot_sums
from streamusage.core.reasons import canonical_reason
from streamusage.service.errors import ContradictionError, EpochTooHighError
from streamusage.service.rules.gained import GainedFigures, gained_figures
from streamusage.service.rules.parts import ReportPart
from streamusage.service.rules.spans import find_hidden_mark, lay_out_spans, place_mark
from streamusage.service.rules.stream_slots import StoredStreams, check_streams, newer_streams


class ServerState(msgspec.Struct, frozen=True, kw_only=True):
    """State of one server at the service, apart from its rows."""

    server: str
    role: Role = "standalone"
    epoch: int = 0
    """The active epoch; 0 before the first report."""
    life: str = ""
    """The life of the agent's journal whose reports are accepted."""
    issued: int = 0
    """The highest epoch number that was issued."""
    acknowledged: int = 0
    """The revision of the active epoch up to which everything is applied."""
    since: int | None = None
    """When the server's accounting began."""
    watermark: int | None = None
    """The instant before which the server has reported everything."""
    baseline: Baseline | None = None
    sync_interval_ms: int = 10_000
    phase: AgentPhase = "online"
    last_sync_at: int | None = None
    clock_offset_ms: int = 0
    """The agent's clock minus the service's at the last sync, travel time included."""
    machine_offset_ms: int | None = None
    """The machine's own clock minus the service's at the last sync; `None` if the agent does not send it."""
    summed_to: int = 0
    """Hours before this instant are summed; a report of an earlier slot sums its hour again."""
    closed_to: int = 0
    """The end of the last closed day; changes to a closed day are recorded in the ledger."""
    parts_pending: int = 0
    """Number of parts of an accepted report that are not applied yet. No further report is accepted before."""
    previous_epoch: int = 0
    """The epoch that the active one continued; 0 for the first one, and where an earlier version activated it."""
    minutes_kept_from: int = 0
    """Minutes before this instant are discarded: only their hours are kept, and no report changes them."""
    hours_kept_from: int = 0
    """Hours before this instant are discarded: only their UTC days are kept."""

    @property
    def late_after_ms(self) -> int:
        """The age in milliseconds from which time is overdue and reports of it are late."""
        return LATE_AFTER_INTERVALS * self.sync_interval_ms

    @property
    def based(self) -> Based:
        """Epoch, revision and life that a new epoch continues from."""
        return Based(self.epoch, self.acknowledged, self.life)

    def is_based_on(self, based_on: Based | None) -> bool:
        """Return whether this is the state that a report continues from. Earlier versions do not name its life."""
        if based_on is None or (based_on.epoch, based_on.revision) != (self.epoch, self.acknowledged):
            return False
        return based_on.state_life in ("", self.life)


class LateFigures(SlotSums[int, int], frozen=True, kw_only=True):  # type: ignore[misc]
    """The part of a slot that arrived too late to be live: what backfilling added."""

    connections: dict[str, int] = msgspec.field(default_factory=dict)


class StoredSlot(NamedTuple):
    """A slot row as the store holds it."""

    row: SlotRow
    late: LateFigures


class Piece(NamedTuple):
    """A piece of coverage: newly covered time and its provenance."""

    from_ms: int
    to_ms: int
    state: Provenance
    reason: str
    detected_at: int | None
    """When the service could first detect that the time was missing; `None` for a live piece."""
    filled_at: int | None
    """When the figures arrived; `None` for a live piece and for a lost one."""


class SampleKey(NamedTuple):
    """Key of a sample within one server."""

    slot: int
    scope: str
    name: str


class StoredSample(NamedTuple):
    """A sample row as the store holds it. A server has one row per key, whatever the epoch."""

    epoch: int
    row: SampleRow
    late: bool


class StoredRows(NamedTuple):
    """The stored rows that a report touches. Slots and sessions are those of the report's own epoch."""

    slots: Mapping[int, StoredSlot]
    sessions: Mapping[str, SessionRow]
    samples: Mapping[SampleKey, StoredSample]
    viewers: Sequence[ViewerRow] = ()
    """Open viewers that the report may omit (`may_omit_viewers`)."""
    streams: Mapping[int, StoredStreams] = {}
    """Streams of the slots, those of the report's own epoch."""


ReportRows = Report | ReportPart
"""Rows of a report or of a part of it, under the same field names."""


class AppliedReport(NamedTuple):
    """The rows to write. Each replaces the stored row of the same key."""

    state: ServerState
    slots: Sequence[StoredSlot]
    pieces: Sequence[Piece]
    sessions: Sequence[SessionRow]
    samples: Sequence[StoredSample]
    viewers_open: Sequence[ViewerRow]
    viewers_closed: Sequence[str]
    outages: Sequence[OutageRow]
    streams: Sequence[StoredStreams] = ()
    gained: Sequence[GainedFigures] = ()
    """What the slots add to all that the server reported."""


LARGEST_EPOCH_LEAP = 10_000
"""How far above the issued numbers a journal's epoch may be: a service restored from an older copy issued fewer."""

LARGEST_REVISION_LEAP = 2**40
"""The most changes in one report. A journal makes a billion in 40 days with hundreds of streams and one reading a
second."""

Verdict = Literal["apply", "duplicate", "hole", "sealed", "stale"]


def next_epoch(
    state: ServerState, request: EpochRequest, viewers: Sequence[ViewerRow], now: int
) -> tuple[ServerState, EpochIssued]:
    """Return the state and the reply that issue an epoch number, with the state to continue from.

    Only the counter of issued numbers changes: a number has no effect until a report activates it, so a late request
    of a dead agent seals no epoch. A journal that already has a number above the active one keeps it: after the restore
    of an older store copy, honest journals have numbers above the issued ones. The distance is bounded, so that no
    number of requests exhausts the range of numbers. A journal whose epoch a repair ended may have a number that is
    too high: it gets a new one, with the repaired life, and begins anew. Raises `EpochTooHighError`.
    """
    is_too_high = request.epoch > state.issued + LARGEST_EPOCH_LEAP
    if is_too_high and not state.life.endswith(REPAIRED_LIFE):
        raise EpochTooHighError(
            f"epoch {request.epoch} is more than {LARGEST_EPOCH_LEAP:,} above {state.issued}, the highest one that "
            "this service issued for the server; nothing was changed; start the agent with a new journal"
        )
    known = 0 if is_too_high else request.epoch
    epoch = known if known > state.epoch else max(state.issued, state.epoch, known) + 1
    if epoch > LARGEST_COUNT:
        raise EpochTooHighError(
            f"no epoch number is left after {state.issued}; nothing was changed; an operator heals this with streamtop "
            f"servers repair {state.server}"
        )
    issued = EpochIssued(
        epoch=epoch,
        based_on=state.based,
        now=now,
        life=state.life,
        baseline=state.baseline,
        viewers=tuple(viewers),
        previous_epoch=state.previous_epoch,
        stores_streams=True,
    )
    return msgspec.structs.replace(state, issued=max(state.issued, epoch)), issued


def classify_report(state: ServerState, report: Report) -> Verdict:
    """Return whether a report is to be applied and, if not, why.

    A `duplicate` is acknowledged like an applied report: everything in it is stored already. An epoch that was never
    issued is `stale`: its agent requests an epoch, and may keep its number. The first epoch is always 1.
    """
    if report.epoch < state.epoch:
        return "sealed"
    if report.epoch > max(state.issued, 1):
        return "stale"
    if report.epoch > state.epoch:
        return "apply" if state.is_based_on(report.based_on) and report.since == 0 else "stale"
    if report.life != state.life:
        return "sealed"
    if report.upto <= state.acknowledged:
        return "duplicate"
    return "hole" if report.since > state.acknowledged else "apply"


def was_refused(report: Report, refused_upto: int) -> bool:
    """Return whether a report was made before one of its life, up to `refused_upto`, was refused as future time.

    Its agent dates these rows again, so that the old dates must not be accepted when their time has come. Whatever the
    agent sends later has more revisions.
    """
    return report.upto <= refused_upto


def covered_of_reporter(state: ServerState, report: Report) -> int | None:
    """Return up to where the store has the coverage of the life that sends a report; `None` if it is not active."""
    is_active = (report.epoch, report.life) == (state.epoch, state.life)
    return state.baseline.at if is_active and state.baseline is not None else None


def may_omit_viewers(state: ServerState, report: Report) -> bool:
    """Return whether viewers may have ended that are open in the store and that the report does not contain.

    An agent forgets a viewer who came and went between two acknowledgements, but the service may have applied a report
    of the time between, whose acknowledgement was lost. After the restore of an older copy of the store, the agent
    lists all viewers.
    """
    return report.lists_viewers is True or report.epoch != state.epoch or report.since < state.acknowledged


def find_newest_instant(report: Report) -> int:
    """Return the newest instant that the report covers or dates a row by."""
    return max(
        report.baseline.at,
        max((span.to_ms for span in report.spans), default=0),
        max((row.slot for row in report.slots), default=0),
        max((row.slot for row in report.samples), default=0),
        max((max(row.start_time, row.end_time) for row in report.sessions), default=0),
    )


def apply_report(state: ServerState, report: Report, stored: StoredRows, now: int) -> AppliedReport:
    """Return the changes of a report that was classified as `apply`. `now` is the service's clock in UTC
    milliseconds.

    Raises `ContradictionError` if the report takes back something that was counted, has streams that are no parts of
    their slots, or numbers more changes than a journal can make: nothing may be written then.
    """
    check_streams(report)
    reporting = _state_of_reporter(state, report, now)
    mark = hidden_mark(state, report)
    spans = report.spans if mark is None else place_mark(report.spans, mark, state.watermark or 0)
    shown = msgspec.structs.replace(report, spans=spans)
    applied = _apply_rows(reporting, shown, stored, now, None, report.baseline.at)
    return applied._replace(
        state=_attached(applied.state, report),
        viewers_closed=[*applied.viewers_closed, *omitted_viewers(report, stored.viewers)],
    )


def accept_in_parts(
    state: ServerState, report: Report, parts: int, stored_slots: Mapping[int, StoredSlot], now: int
) -> ServerState:
    """Return the state after a report was accepted whose rows are applied later, in that many parts. Nothing more is
    covered before.

    Raises `ContradictionError` as `apply_report`, and if the report names a slot twice: no part may contradict later.
    """
    if len({row.slot for row in report.slots}) < len(report.slots):
        raise ContradictionError("the report names a slot twice")
    check_streams(report)
    for row in report.slots:
        if row.slot in stored_slots and row.revision > stored_slots[row.slot].row.revision:
            _merge_slot(stored_slots[row.slot], row, came_late=False)
    reporting = _state_of_reporter(state, report, now)
    start = min((span.from_ms for span in report.spans if span.to_ms > span.from_ms), default=report.baseline.at)
    since = start if state.since is None else state.since
    covered = msgspec.structs.replace(
        reporting, since=since, watermark=since if state.watermark is None else state.watermark, parts_pending=parts
    )
    return _attached(covered, report)


def apply_part(state: ServerState, part: ReportPart, stored: StoredRows) -> AppliedReport:
    """Return the changes of the next part of an accepted report, as if they were applied when it was received."""
    applied = _apply_rows(state, part, stored, part.received_at, part.covers_to, part.received_at)
    return applied._replace(state=msgspec.structs.replace(applied.state, parts_pending=state.parts_pending - 1))


def _state_of_reporter(state: ServerState, report: Report, now: int) -> ServerState:
    """Return the state with what the report contains about its agent."""
    if report.upto - report.since > LARGEST_REVISION_LEAP:
        raise ContradictionError(
            f"revisions {report.since} to {report.upto} are more changes than a journal makes ({LARGEST_REVISION_LEAP})"
        )
    return msgspec.structs.replace(
        state,
        role=report.role,
        sync_interval_ms=report.sync_interval_ms,
        phase=report.phase,
        last_sync_at=now,
        clock_offset_ms=report.sent_at - now,
        machine_offset_ms=None if report.machine is None else report.machine.at - now,
    )


def _attached(state: ServerState, report: Report) -> ServerState:
    """Return the state that has everything up to the report's end."""
    return msgspec.structs.replace(
        state,
        epoch=report.epoch,
        life=report.life,
        issued=max(state.issued, report.epoch),
        acknowledged=report.upto,
        baseline=report.baseline,
        previous_epoch=state.epoch if report.epoch > state.epoch else state.previous_epoch,
    )


def _apply_rows(
    state: ServerState,
    rows: ReportRows,
    stored: StoredRows,
    now: int,
    covers_to: int | None,
    begins_at: int,
) -> AppliedReport:
    """Return the changes of rows, with coverage up to `covers_to`. Accounting that has not begun begins with the spans,
    or without them at `begins_at`.
    """
    pieces = newly_covered = _pieces(state, rows.spans, now)
    ends = newly_ends = [piece.to_ms for piece in pieces]
    slots = [
        _merge_slot(stored.slots.get(row.slot), row, _came_late(state, row.slot, pieces, ends, now))
        for row in rows.slots
        if row.slot not in stored.slots or row.revision > stored.slots[row.slot].row.revision
    ]
    sessions = [
        row
        for row in rows.sessions
        if row.publish_id not in stored.sessions or row.revision > stored.sessions[row.publish_id].revision
    ]
    samples = [
        _merge_sample(
            stored.samples.get(SampleKey(row.slot, row.scope, row.name)),
            StoredSample(rows.epoch, row, _came_late(state, row.slot, pieces, ends, now)),
        )
        for row in rows.samples
    ]
    if covers_to is not None:
        pieces = [piece._replace(to_ms=min(piece.to_ms, covers_to)) for piece in pieces if piece.from_ms < covers_to]
        ends = [piece.to_ms for piece in pieces]
    since = state.since if state.since is not None else min((piece.from_ms for piece in pieces), default=begins_at)
    watermark = max([since, *ends] if state.watermark is None else [state.watermark, *ends])
    return AppliedReport(
        state=msgspec.structs.replace(state, since=since, watermark=watermark),
        slots=slots,
        pieces=pieces,
        sessions=sessions,
        samples=samples,
        viewers_open=[row for row in rows.viewers if row.open],
        viewers_closed=[row.viewer_id for row in rows.viewers if not row.open],
        outages=rows.outages,
        streams=newer_streams(
            stored.streams, rows.stream_slots, lambda slot: _came_late(state, slot, newly_covered, newly_ends, now)
        ),
        gained=gained_figures(stored.slots, slots),
    )


def omitted_viewers(report: Report, stored: Iterable[ViewerRow]) -> list[str]:
    """Return the stored viewers that have ended: a report contains every viewer that changed after its `since`, or
    every one that is open.
    """
    contained = {row.viewer_id for row in report.viewers}
    since = -1 if report.lists_viewers is True else report.since
    return [row.viewer_id for row in stored if row.revision > since and row.viewer_id not in contained]


def omitted_publishes(report: Report, live: Iterable[SessionRow]) -> list[SessionRow]:
    """Return the publishes that are live in the store and have ended: the baseline contains every one that is live.

    Their ends are forgotten like those of viewers, if the store was restored from a copy older than the journal keeps.
    """
    if report.lists_viewers is not True:
        return []
    known = {publish.publish_id for publish in report.baseline.publishes} | {row.publish_id for row in report.sessions}
    return [msgspec.structs.replace(row, live=False, active=0) for row in live if row.publish_id not in known]


def hidden_mark(state: ServerState, report: Report) -> SpanRow | None:
    """Return the mark of the report that needs a place because its time is covered already; `None` for none."""
    applied_to = state.acknowledged if report.epoch == state.epoch else 0
    return find_hidden_mark(report.spans, state.watermark or 0, applied_to)


def _pieces(state: ServerState, spans: Sequence[SpanRow], now: int) -> list[Piece]:
    """Return the time that the spans cover after the watermark, oldest first, however long it is. Late and timely time
    are separated at a slot boundary.
    """
    pieces: list[Piece] = []
    late_before = now - state.late_after_ms
    live_from = slot_of(late_before + SLOT_MS - 1)
    for span in lay_out_spans(spans, state.watermark or 0):
        border = live_from if span.from_ms < late_before else span.from_ms
        parts = (Interval(span.from_ms, min(border, span.to_ms)), Interval(max(border, span.from_ms), span.to_ms))
        pieces.extend(_piece(state, span, part, now) for part in parts if part.length_ms)
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
    """Return whether the new figures of a slot arrived too late to be live. The first of the `pieces` inside the slot
    decides.
    """
    first = bisect_right(ends, slot)
    new_from = slot + SLOT_MS
    if first < len(pieces):
        new_from = min(new_from, max(slot, pieces[first].from_ms))
    return now - new_from > state.late_after_ms


def _merge_slot(stored: StoredSlot | None, row: SlotRow, came_late: bool) -> StoredSlot:
    if stored is None:
        counted = {protocol: count for protocol, count in row.connections.items() if count}
        return StoredSlot(row, LateFigures(connections=counted, **slot_sums(row)) if came_late else LateFigures())
    old, late = stored
    more = LateFigures(
        connections={
            protocol: row.connections.get(protocol, 0) - old.connections.get(protocol, 0)
            for protocol in {**old.connections, **row.connections}
        },
        **{name: getattr(row, name) - getattr(old, name) for name in SLOT_SUM_NAMES},
    )
    if min(*slot_sums(more).values(), *more.connections.values()) < 0:
        raise ContradictionError(
            f"revision {row.revision} of slot {row.slot} is below revision {old.revision}, which is counted already"
        )
    if came_late:
        late = LateFigures(
            connections={
                protocol: count
                for protocol, more_count in more.connections.items()
                if (count := late.connections.get(protocol, 0) + more_count)
            },
            **{name: getattr(late, name) + getattr(more, name) for name in SLOT_SUM_NAMES},
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
