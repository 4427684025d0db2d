"""Repair of a server whose figures were filed in the future by a wrong clock: what moves, and to which time. Pure.

Nothing is known about the true time of such figures except that it lies between the end of the true coverage and the
last report. They are filed as late as possible in it, by whole minutes, so that no unit is lost or divided. The time
that they cover is `partial`, because it is not known which of its minutes they belong to.

A *filing* is a run of minutes in the future without a gap between them. A clock that was wrong twice leaves two.
"""

from bisect import bisect_right
from collections.abc import Collection, Iterable, Sequence
from typing import NamedTuple, Protocol

import msgspec

from streamusage.api.report import REPAIRED_LIFE, Baseline, OutageRow, Peak, PhaseChange, ViewerRow, higher_peak
from streamusage.core.coverage import MOST_AHEAD_MS, SLOT_MS, Interval, Provenance, slot_of
from streamusage.core.figures import SLOT_SUM_NAMES
from streamusage.core.reasons import FILED_BY_REPAIR
from streamusage.service.rules.apply import LateFigures, Piece, ServerState, StoredSlot
from streamusage.service.rules.rollups import HOUR_MS


class Filing(NamedTuple):
    """Whole minutes in the future, and by how much a repair moves them back."""

    minutes: Interval
    back_ms: int


class Relocation(NamedTuple):
    """Where a repair puts each instant of a server."""

    end: int
    """The end of the repaired coverage: the last instant at which the server can have counted something."""
    floor: int | None
    """The slot in which the true coverage ends; nothing is moved before it. `None` without true coverage."""
    filings: tuple[Filing, ...]

    def move_slot(self, slot: int) -> int:
        """Return the slot to which the figures of a slot belong after the repair."""
        if slot < self.end:
            return slot
        first = self.filings[0]
        return max(slot - self._back_ms(slot), first.minutes.from_ms - first.back_ms, self.floor or 0)

    def move_instant(self, at: int) -> int:
        """Return an instant after the repair: in the slot of `move_slot`, and never after the end."""
        if at <= self.end:
            return at
        # An instant at the end of a filing is the end of its last minute.
        slot = slot_of(at - 1)
        return min(self.move_slot(slot) + at - slot, self.end)

    def _back_ms(self, slot: int) -> int:
        # A slot outside all filings has no figures; it moves with the filing before it.
        index = bisect_right(self.filings, slot, key=lambda filing: filing.minutes.from_ms) - 1
        filing = self.filings[max(index, 0)]
        return max(filing.back_ms, slot - (filing.minutes.to_ms - filing.back_ms - SLOT_MS))


class SlotSample(NamedTuple):
    """A sample of one stream, as the store holds it."""

    slot: int
    epoch: int
    revision: int
    active: int
    highest: int
    late: int


class Closing(Protocol):
    """A closing of a day, as the ledger has it."""

    to_ms: int
    closed_at: int
    watermark: int | None


class Repair(NamedTuple):
    """What a repair writes. Rows are moved by `relocation`."""

    relocation: Relocation
    state: ServerState
    marked_from: int
    """From here to the end all time that was counted is `partial`."""
    pieces: list[Piece]
    """They replace the stored pieces that end after `marked_from`."""


def is_ahead(at: int | None, now_ms: int) -> bool:
    """Return whether an instant was written by a wrong clock."""
    return at is not None and at > now_ms + MOST_AHEAD_MS


def plan_repair(
    state: ServerState,
    pieces: Iterable[Piece],
    slots: Collection[int],
    end: int,
    now_ms: int,
    oldest_slot: int | None = None,
) -> Repair | None:
    """Return the repair of a server; `None` if none of its figures is filed in the future.

    `pieces` are the newest that began before now, those in the minute in which it began, and all later ones. `slots`
    are those from `end` (see `repaired_end`) on that have figures or samples. `now_ms` is the true time. `oldest_slot`
    is the oldest slot that has figures: a server whose accounting began in the future had begun by then.
    """
    if not is_filed_ahead(state, now_ms) and not any(is_ahead(slot, now_ms) for slot in slots):
        return None
    known = sorted(pieces)
    covered_to = max((min(piece.to_ms, end) for piece in known if piece.from_ms < end), default=None)
    began = state.since if covered_to is None else covered_to
    floor = None if began is None or began > end else slot_of(began - 1)
    relocation = Relocation(end, floor, _place(_filings(state, known, slots, end), end))
    first_slot = min(relocation.move_slot(filing.minutes.from_ms) for filing in relocation.filings)
    if oldest_slot is not None and is_ahead(state.since, now_ms):
        first_slot = min(first_slot, oldest_slot)
    # The figures of a server lie in its accounting: what began in their first minute begins with that minute.
    since = None if state.since is None else min(relocation.move_instant(state.since), first_slot)
    marked_from = first_slot if covered_to is None else min(covered_to, first_slot)
    after = _with_partial(known, Interval(marked_from, end), state, now_ms)
    return Repair(
        relocation,
        seal(
            msgspec.structs.replace(
                state,
                since=since,
                watermark=None if state.watermark is None else min(state.watermark, end),
                baseline=None if state.baseline is None else move_baseline(state.baseline, relocation),
                last_sync_at=None if state.last_sync_at is None else min(state.last_sync_at, end),
                summed_to=min(state.summed_to, marked_from - marked_from % HOUR_MS),
            ),
            now_ms,
        ),
        marked_from,
        after,
    )


def repaired_end(state: ServerState, pieces: Iterable[Piece], now_ms: int, removed_at: int | None) -> int:
    """Return the last instant at which the server can have counted what it reported: its last report, or now.

    It is not before coverage that lies in the past: the clock of the last report may have been wrong itself.
    """
    if state.watermark is not None and not is_ahead(state.watermark, now_ms):
        return state.watermark
    heard = [at for at in (state.last_sync_at, removed_at) if at is not None and not is_ahead(at, now_ms)]
    covered = [at for piece in pieces for at in (piece.from_ms, piece.to_ms) if at <= now_ms]
    return max([min([now_ms, *heard]), *covered])


def is_filed_ahead(state: ServerState, now_ms: int) -> bool:
    """Return whether a wrong clock filed figures of the server in the future."""
    return any(is_ahead(at, now_ms) for at in _known_instants(state))


def seal(state: ServerState, now_ms: int) -> ServerState:
    """Return the state in a new epoch that no journal has: every report of an earlier one is refused as `sealed`.

    No epoch that was issued before continues from it either; the next one continues from the baseline. The revision is
    the time of the repair: after a service was restored from an older copy, the same epoch may be sealed again, and
    an epoch that was issued for the other state must not continue from this one.
    """
    epoch = max(state.issued, state.epoch) + 1
    life = state.life if not state.life or state.life.endswith(REPAIRED_LIFE) else state.life + REPAIRED_LIFE
    return msgspec.structs.replace(state, epoch=epoch, issued=epoch, acknowledged=now_ms, life=life)


def move_baseline(baseline: Baseline, relocation: Relocation) -> Baseline:
    """Return the baseline with its times moved. Its counters stay, so that the next reading counts from them."""
    back_ms = max(0, baseline.at - relocation.end)
    move = relocation.move_instant
    offset_ms = baseline.offset_ms
    if offset_ms is not None:
        offset_ms -= max(0, offset_ms + baseline.elapsed_ms - relocation.end)
    return msgspec.structs.replace(
        baseline,
        at=baseline.at - back_ms,
        offset_ms=offset_ms,
        started_at=move(baseline.started_at),
        since=move(baseline.since),
        window=msgspec.structs.replace(baseline.window, at=max(0, baseline.window.at - back_ms)),
        publishes=tuple(publish.move(move) for publish in baseline.publishes),
        retired=tuple(boot.move(move) for boot in baseline.retired),
        counters=tuple(
            counter if counter.gone_at is None else msgspec.structs.replace(counter, gone_at=move(counter.gone_at))
            for counter in baseline.counters
        ),
    )


def move_viewer(viewer: ViewerRow, relocation: Relocation) -> ViewerRow:
    """Return an open viewer connection with its times moved."""
    counted_to = None if viewer.counted_to is None else relocation.move_instant(viewer.counted_to)
    return msgspec.structs.replace(viewer, started_at=relocation.move_instant(viewer.started_at), counted_to=counted_to)


def move_outage(outage: OutageRow, relocation: Relocation) -> OutageRow:
    """Return an outage with its times moved."""
    move = relocation.move_instant
    phases = tuple(PhaseChange(change.phase, move(change.at)) for change in outage.phases)
    return msgspec.structs.replace(outage, began_at=move(outage.began_at), phases=phases)


def move_slots(stored: Iterable[StoredSlot], relocation: Relocation) -> dict[int, StoredSlot]:
    """Return the slots of one epoch after the repair, by slot. Slots that fall into one are added up.

    `stored` contains the slots that move and the slots to which they move. All that moves arrived late.
    """
    after: dict[int, StoredSlot] = {}
    for slot in sorted(stored, key=lambda stored: stored.row.slot):
        to = relocation.move_slot(slot.row.slot)
        moved = slot if to == slot.row.slot else _moved_slot(slot, to, relocation)
        after[to] = moved if to not in after else _added(after[to], moved)
    return after


def move_samples(stored: Iterable[SlotSample], relocation: Relocation) -> list[SlotSample]:
    """Return the samples of one stream after the repair. Of several in one slot the latest is kept, with the highest
    number of all.
    """
    after: dict[int, SlotSample] = {}
    for sample in sorted(stored):
        to = relocation.move_slot(sample.slot)
        highest = max(sample.highest, after[to].highest if to in after else 0)
        after[to] = sample._replace(slot=to, highest=highest, late=int(sample.late or to != sample.slot))
    return list(after.values())


def is_closed_wrongly(closing: Closing, repair: Repair | None, now_ms: int) -> bool:
    """Return whether a wrong clock closed a day: before its end, or while its figures were filed in the future."""
    if is_ahead(closing.to_ms, now_ms):
        return True
    after_jump = repair is not None and closing.to_ms > repair.marked_from
    return after_jump and (is_ahead(closing.watermark, now_ms) or is_ahead(closing.closed_at, now_ms))


def _known_instants(state: ServerState) -> list[int]:
    instants = (state.watermark, state.since, None if state.baseline is None else state.baseline.at)
    return [at for at in instants if at is not None]


def _filings(state: ServerState, pieces: Sequence[Piece], slots: Collection[int], end: int) -> list[Interval]:
    """Return the whole minutes after the end that are covered or have figures, joined where they touch."""
    first = slot_of(end - 1) + SLOT_MS
    minutes = [(max(first, slot_of(piece.from_ms)), slot_of(piece.to_ms - 1) + SLOT_MS) for piece in pieces]
    minutes += [(slot, slot + SLOT_MS) for slot in slots]
    minutes += [(slot_of(at - 1), slot_of(at - 1) + SLOT_MS) for at in _known_instants(state)]
    joined: list[Interval] = []
    for from_ms, to_ms in sorted(minutes):
        if from_ms < first or to_ms <= from_ms:
            continue
        if joined and from_ms <= joined[-1].to_ms:
            joined[-1] = Interval(joined[-1].from_ms, max(joined[-1].to_ms, to_ms))
        else:
            joined.append(Interval(from_ms, to_ms))
    return joined


def _place(filings: Sequence[Interval], end: int) -> tuple[Filing, ...]:
    """Return the filings one after the other, the last of them in the minute in which the repaired coverage ends."""
    placed: list[Filing] = []
    to_ms = slot_of(end - 1) + SLOT_MS
    for minutes in reversed(filings):
        placed.append(Filing(minutes, minutes.to_ms - to_ms))
        to_ms -= minutes.length_ms
    return tuple(reversed(placed))


def _ends(minutes: Interval) -> tuple[int, int]:
    return minutes.from_ms, minutes.to_ms - SLOT_MS


def _with_partial(pieces: Sequence[Piece], repaired: Interval, state: ServerState, now_ms: int) -> list[Piece]:
    """Return the pieces up to the end of the repaired time. All of it is covered: what is lost or partial stays so."""

    def partial(from_ms: int, to_ms: int) -> Piece:
        detected_at = min(now_ms, from_ms + state.late_after_ms)
        return Piece(from_ms, to_ms, Provenance.PARTIAL, FILED_BY_REPAIR, detected_at, now_ms)

    after: list[Piece] = []
    position = repaired.from_ms
    for piece in pieces:
        if piece.from_ms < repaired.from_ms:
            after.append(piece._replace(to_ms=min(piece.to_ms, repaired.from_ms)))
        inside = Interval(piece.from_ms, piece.to_ms).clip(*repaired)
        if not inside.length_ms or piece.state in (Provenance.LIVE, Provenance.BACKFILLED):
            continue
        if inside.from_ms > position:
            after.append(partial(position, inside.from_ms))
        after.append(piece._replace(from_ms=inside.from_ms, to_ms=inside.to_ms))
        position = inside.to_ms
    if position < repaired.to_ms:
        after.append(partial(position, repaired.to_ms))
    return after


def _moved_slot(stored: StoredSlot, to: int, relocation: Relocation) -> StoredSlot:
    row = stored.row
    late = LateFigures(connections=dict(row.connections), **{name: getattr(row, name) for name in SLOT_SUM_NAMES})
    moved = msgspec.structs.replace(
        row, slot=to, peak_in=_moved_peak(row.peak_in, relocation), peak_out=_moved_peak(row.peak_out, relocation)
    )
    return StoredSlot(moved, late)


def _moved_peak(peak: Peak | None, relocation: Relocation) -> Peak | None:
    return None if peak is None else Peak(peak.bps, relocation.move_instant(peak.at), peak.window_ms)


def _added(stored: StoredSlot, more: StoredSlot) -> StoredSlot:
    row = msgspec.structs.replace(
        stored.row,
        revision=max(stored.row.revision, more.row.revision),
        connections=_sum_counts(stored.row.connections, more.row.connections),
        peak_in=higher_peak(stored.row.peak_in, more.row.peak_in),
        peak_out=higher_peak(stored.row.peak_out, more.row.peak_out),
        **{name: getattr(stored.row, name) + getattr(more.row, name) for name in SLOT_SUM_NAMES},
    )
    late = LateFigures(
        connections=_sum_counts(stored.late.connections, more.late.connections),
        **{name: getattr(stored.late, name) + getattr(more.late, name) for name in SLOT_SUM_NAMES},
    )
    return StoredSlot(row, late)


def _sum_counts(counts: dict[str, int], more: dict[str, int]) -> dict[str, int]:
    return {name: counts.get(name, 0) + more.get(name, 0) for name in {**counts, **more}}
