"""Where a repair moves what a wrong clock filed in the future."""

from collections import Counter

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from streamusage.api.report import REPAIRED_LIFE, Baseline, OpenPublish, Peak, PeakWindow, SlotRow
from streamusage.core.coverage import MOST_AHEAD_MS, SLOT_MS, Provenance, slot_of
from streamusage.core.reasons import FILED_BY_REPAIR
from streamusage.service.rules.apply import LateFigures, Piece, ServerState, StoredSlot
from streamusage.service.rules.repair import (
    Repair,
    SlotSample,
    move_samples,
    move_slots,
    plan_repair,
    repaired_end,
)

NOW = 1_000_000 * SLOT_MS + 25_000
YEAR = 365 * 86_400_000
JUMP = NOW - 10 * SLOT_MS
"""The end of the true coverage."""


def state(watermark: int, **more: object) -> ServerState:
    values: dict[str, object] = {
        "server": "edge-1", "epoch": 3, "issued": 4, "life": "j.2", "acknowledged": 9, "since": JUMP - YEAR,
        "watermark": watermark, "last_sync_at": NOW + YEAR,
    }  # fmt: skip
    return ServerState(**values | more)  # type: ignore[arg-type]


def live(from_ms: int, to_ms: int) -> Piece:
    return Piece(from_ms, to_ms, Provenance.LIVE, "", None, None)


def repaired(before: ServerState, *pieces: Piece, slots: tuple[int, ...] = (), now: int = NOW) -> Repair:
    end = repaired_end(before, pieces, now, None)
    found = plan_repair(before, pieces, slots, end, now)
    assert found is not None
    return found


def a_slot(slot: int, bytes_out: int = 1) -> StoredSlot:
    peak = Peak(bytes_out, slot + SLOT_MS, 10_000)
    row = SlotRow(slot=slot, revision=1, connections={"hls": bytes_out}, bytes_out=bytes_out, peak_out=peak)
    return StoredSlot(row, LateFigures())


def test_filing_ends_at_the_last_report_and_the_time_since_the_jump_is_partial() -> None:
    heard = NOW - 3 * SLOT_MS
    ahead = heard + YEAR
    found = repaired(
        state(ahead, last_sync_at=heard), live(JUMP - YEAR, JUMP), live(ahead - 30_000, ahead), slots=(slot_of(ahead),)
    )
    assert (found.state.watermark, found.relocation.end) == (heard, heard)
    assert found.relocation.move_slot(slot_of(ahead - 1)) == slot_of(heard - 1)
    assert [(piece.from_ms, piece.to_ms, piece.state, piece.reason) for piece in found.pieces] == [
        (JUMP - YEAR, JUMP, Provenance.LIVE, ""),
        (JUMP, heard, Provenance.PARTIAL, FILED_BY_REPAIR),
    ]


def test_epoch_is_sealed_and_no_issued_epoch_continues() -> None:
    found = repaired(state(NOW + YEAR), live(JUMP - YEAR, JUMP))
    assert (found.state.epoch, found.state.issued, found.state.acknowledged) == (5, 5, NOW)
    assert found.state.life == f"j.2{REPAIRED_LIFE}"
    again = repaired(msgspec.structs.replace(found.state, watermark=NOW + YEAR), live(JUMP - YEAR, JUMP))
    assert again.state.life == f"j.2{REPAIRED_LIFE}"


def test_figures_slightly_ahead_need_no_repair() -> None:
    for watermark in (NOW - 1, NOW + MOST_AHEAD_MS):
        before = state(watermark)
        pieces = [live(JUMP, watermark)]
        assert plan_repair(before, pieces, (), repaired_end(before, pieces, NOW, None), NOW) is None


def test_two_filings_are_placed_one_after_the_other() -> None:
    first, second = NOW + YEAR, NOW + 2 * YEAR
    found = repaired(
        state(second), live(JUMP - YEAR, JUMP), live(first, first + 2 * SLOT_MS), live(second - SLOT_MS, second)
    )
    moved = [found.relocation.move_slot(slot) for slot in (slot_of(first), slot_of(first) + SLOT_MS, slot_of(second))]
    assert moved == sorted(moved)
    assert moved[-1] == slot_of(NOW - 1)
    assert all(slot_of(JUMP) < slot <= NOW for slot in moved)


def test_filing_longer_than_the_time_since_the_jump_is_compressed_into_its_first_minute() -> None:
    ahead = NOW + YEAR
    found = repaired(state(ahead), live(JUMP - YEAR, JUMP), live(ahead - 60 * SLOT_MS, ahead))
    assert found.relocation.move_slot(slot_of(ahead - 60 * SLOT_MS)) == slot_of(JUMP - 1)
    assert found.relocation.move_slot(slot_of(ahead - 1)) == slot_of(NOW - 1)
    assert found.pieces[-1].from_ms == slot_of(JUMP - 1), "that minute has figures of later minutes: it is partial"


def test_what_is_lost_stays_lost() -> None:
    ahead = NOW + YEAR
    lost = Piece(JUMP - 5_000, JUMP, Provenance.LOST, "gone", JUMP, None)
    found = repaired(state(ahead), live(JUMP - YEAR, JUMP - 5_000), lost, live(ahead - 60 * SLOT_MS, ahead))
    assert lost in found.pieces
    assert sum(piece.to_ms - piece.from_ms for piece in found.pieces) == YEAR + 10 * SLOT_MS


def test_server_that_began_in_the_future_begins_before_now() -> None:
    before = state(NOW + YEAR + 40_000, since=NOW + YEAR, last_sync_at=NOW)
    found = repaired(before, live(NOW + YEAR, NOW + YEAR + 40_000))
    assert found.state.since is not None
    assert found.state.since <= NOW == found.state.watermark
    assert [(piece.from_ms, piece.to_ms, piece.state) for piece in found.pieces] == [
        (found.state.since, NOW, Provenance.PARTIAL)
    ]


def test_baseline_moves_and_keeps_its_counters() -> None:
    baseline = Baseline(
        at=NOW + YEAR, boot="b", started_at=NOW + YEAR - 5_000, since=JUMP - YEAR, bytes_in=5, bytes_out=6,
        window=PeakWindow(NOW + YEAR - 4_000, 1, 2), run="r", elapsed_ms=1_000, offset_ms=NOW + YEAR - 1_000,
        cursor="c", publishes=(OpenPublish(publish_id="p", scope="s", name="n", start_time=JUMP - 7, highest=1),),
    )  # fmt: skip
    found = repaired(state(NOW + YEAR, baseline=baseline), live(JUMP - YEAR, JUMP))
    after = found.state.baseline
    assert after is not None
    assert (after.at, after.window.at, after.offset_ms) == (NOW, NOW - 4_000, NOW - 1_000)
    assert after.started_at <= NOW
    assert (after.bytes_in, after.bytes_out, after.cursor, after.since) == (5, 6, "c", JUMP - YEAR)
    assert after.publishes[0].start_time == JUMP - 7


def test_peak_keeps_its_height_and_its_time_moves() -> None:
    found = repaired(state(NOW + YEAR), live(JUMP - YEAR, JUMP))
    (moved,) = move_slots([a_slot(slot_of(NOW + YEAR), 7)], found.relocation).values()
    assert moved.row.peak_out is not None
    assert (moved.row.peak_out.bps, moved.row.peak_out.window_ms) == (7, 10_000)
    assert moved.row.slot <= moved.row.peak_out.at <= NOW
    assert (moved.late.bytes_out, moved.late.connections) == (7, {"hls": 7}), "nothing of it is shown as live"


def test_samples_that_meet_keep_the_latest_number_and_the_highest() -> None:
    found = repaired(state(NOW + YEAR), live(JUMP - YEAR, JUMP))
    here, there = slot_of(NOW - 1), slot_of(NOW + YEAR)
    samples = [SlotSample(here, 1, 4, 2, 9, 0), SlotSample(there, 2, 5, 3, 4, 0)]
    assert move_samples(samples, found.relocation) == [SlotSample(here, 2, 5, 3, 9, 1)]


@given(
    ahead_ms=st.integers(MOST_AHEAD_MS + 1, YEAR),
    lengths=st.lists(st.integers(1, 5 * SLOT_MS), min_size=1, max_size=4),
    holes=st.lists(st.integers(1, 40 * SLOT_MS), min_size=4, max_size=4),
    true_ms=st.integers(0, 20 * SLOT_MS),
    heard=st.one_of(st.none(), st.integers(-30 * SLOT_MS, 2 * YEAR)),
)
def test_every_unit_stays_and_gets_a_time_before_the_end(
    ahead_ms: int, lengths: list[int], holes: list[int], true_ms: int, heard: int | None
) -> None:
    since = JUMP - true_ms
    pieces = [live(since, JUMP)] if true_ms else []
    at = NOW + ahead_ms
    for length, hole in zip(lengths, holes, strict=False):
        pieces.append(live(at, at + length))
        at += length + hole
    watermark = pieces[-1].to_ms
    before = state(
        watermark, since=since if true_ms else pieces[0].from_ms, last_sync_at=None if heard is None else NOW + heard
    )
    slots = sorted({slot for piece in pieces for slot in range(slot_of(piece.from_ms), piece.to_ms, SLOT_MS)})
    end = repaired_end(before, pieces, NOW, None)
    found = plan_repair(before, pieces, [slot for slot in slots if slot >= end], end, NOW)
    assert found is not None
    stored = [a_slot(slot, number + 1) for number, slot in enumerate(slots)]
    after = move_slots(stored, found.relocation)
    assert sum(slot.row.bytes_out for slot in after.values()) == sum(slot.row.bytes_out for slot in stored)
    connections: Counter[str] = Counter()
    for slot in after.values():
        connections.update(slot.row.connections)
    assert connections["hls"] == sum(slot.row.bytes_out for slot in stored)
    assert max(after) < end <= NOW
    moved = [found.relocation.move_slot(slot) for slot in slots]
    assert moved == sorted(moved), "the order of units is kept"
    assert found.state.since is not None
    assert min(after) >= slot_of(found.state.since)
    position = found.state.since
    for piece in sorted(found.pieces):
        assert piece.from_ms <= position, "no time is without a state"
        position = max(position, piece.to_ms)
    assert position == end == found.state.watermark
    assert all(piece.state is not Provenance.LIVE for piece in found.pieces if piece.to_ms > found.marked_from)
