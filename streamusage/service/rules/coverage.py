"""Which time of a server is accounted for, and how, as of now: stored coverage, and the time owed after it.

The stored spans end at the watermark. The time after it is owed once it is overdue, and not due before. Pure.
"""

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from streamusage.api.daily import GapDelta
from streamusage.api.report import Peak, higher_peak
from streamusage.core.coverage import Interval, Provenance, slot_of
from streamusage.core.figures import SLOT_SUM_NAMES
from streamusage.core.reasons import CLOCK_REFUSED, FILED_AHEAD, NEVER_READ, REPORT_HELD, SOURCE_UNREAD
from streamusage.service.rules.apply import LateFigures, Piece, ServerState
from streamusage.service.rules.utc_days import DAY_MS, utc_day_of


class LateSlot(NamedTuple):
    """The late figures of one slot, and the slot's peaks."""

    slot: int
    late: LateFigures
    peak_in: Peak | None
    peak_out: Peak | None


def is_overdue(state: ServerState, now_ms: int) -> bool:
    """Return whether the server owes time before now. It owes nothing while a sync can still deliver that time live."""
    return state.watermark is not None and now_ms - state.watermark > state.late_after_ms


def owed_pieces(
    state: ServerState,
    held: Iterable[Interval],
    now_ms: int,
    refused_at: int | None = None,
    unread_since: int | None = None,
) -> list[Piece]:
    """Return the overdue time from watermark to now: `held` where a quarantined report covers it, else `missing`.

    `refused_at` is since when its reports are refused for their clock: then time is owed at once, by a server that
    never reported from that instant on. `unread_since` is since when its agent cannot read the media server: a server
    that never gave a reading owes the time from there on.
    """
    watermark = state.watermark
    if watermark is None:
        starts = [at for at in (refused_at, unread_since) if at is not None]
        watermark = min(starts, default=None)
    elif refused_at is None and not is_overdue(state, now_ms):
        return []
    if watermark is None:
        return []
    overdue_at = watermark + state.late_after_ms
    detected_at = overdue_at if refused_at is None else min(overdue_at, refused_at)
    reason = CLOCK_REFUSED if refused_at is not None else "" if unread_since is None else SOURCE_UNREAD
    pieces = []
    at = watermark
    for interval in sorted(interval.clip(watermark, now_ms) for interval in held):
        if not interval.length_ms or interval.to_ms <= at:
            continue
        if interval.from_ms > at:
            pieces.append(Piece(at, interval.from_ms, Provenance.MISSING, reason, detected_at, None))
        pieces.append(Piece(max(at, interval.from_ms), interval.to_ms, Provenance.HELD, REPORT_HELD, detected_at, None))
        at = interval.to_ms
    if at < now_ms:
        pieces.append(Piece(at, now_ms, Provenance.MISSING, reason, detected_at, None))
    return pieces


def pieces_since_unread(pieces: Sequence[Piece], began: int, unread_since: int) -> list[Piece]:
    """Return the pieces of a server's first report after the time in which its agent could not read it.

    Its counters of that time are unknown for ever: accounting began with the first reading.
    """
    if began <= unread_since:
        return list(pieces)
    return [Piece(unread_since, began, Provenance.LOST, NEVER_READ, unread_since, None), *pieces]


def ahead_pieces(state: ServerState, covered_to: int | None, now_ms: int) -> list[Piece]:
    """Return the time up to now that is not covered because a wrong clock filed its figures in the future.

    It is `missing`, and the reason names the repair. Without earlier coverage nobody knows when it began.
    """
    if covered_to is None or covered_to >= now_ms:
        return []
    detected_at = min(now_ms, covered_to + state.late_after_ms)
    return [Piece(covered_to, now_ms, Provenance.MISSING, FILED_AHEAD, detected_at, None)]


def merge_pieces(pieces: Iterable[Piece], from_ms: int, to_ms: int) -> list[Piece]:
    """Return the pieces inside the window, oldest first. Adjacent pieces of the same kind become one."""
    result: list[Piece] = []
    for piece in sorted(pieces):
        clipped = Interval(piece.from_ms, piece.to_ms).clip(from_ms, to_ms)
        if not clipped.length_ms:
            continue
        piece = piece._replace(from_ms=clipped.from_ms, to_ms=clipped.to_ms)
        last = result[-1] if result else None
        if last and (last.to_ms, last.state, last.reason) == (piece.from_ms, piece.state, piece.reason):
            result[-1] = last._replace(to_ms=piece.to_ms, filled_at=_latest(last.filled_at, piece.filled_at))
        else:
            result.append(piece)
    return result


def cut_at_midnight(piece: Piece) -> Iterator[Piece]:
    """Yield the piece as parts that each lie in one UTC day, oldest first. `merge_pieces` joins them again."""
    from_ms = piece.from_ms
    while from_ms < piece.to_ms:
        to_ms = min(piece.to_ms, utc_day_of(from_ms) + DAY_MS)
        yield piece._replace(from_ms=from_ms, to_ms=to_ms)
        from_ms = to_ms


def backfilled_deltas(
    pieces: Sequence[Piece], late_slots: Iterable[LateSlot], kept_from: int = 0
) -> list[GapDelta | None]:
    """Return what arrived late in each piece; `None` for a piece that is live or still owed, or that begins before
    `kept_from`: minutes of it are discarded.

    A slot that two gaps share counts in the first of them, so that the deltas add up to what arrived late.
    """
    rows = sorted(late_slots, key=lambda row: row.slot)
    used = 0
    result: list[GapDelta | None] = []
    for piece in pieces:
        if piece.from_ms < kept_from or piece.state in {Provenance.LIVE, Provenance.MISSING, Provenance.HELD}:
            result.append(None)
            continue
        first = bisect_left(rows, slot_of(piece.from_ms), used, key=lambda row: row.slot)
        used = bisect_left(rows, piece.to_ms, first, key=lambda row: row.slot)
        result.append(_delta(rows[first:used]))
    return result


def time_by_state(pieces: Iterable[Piece], from_ms: int, to_ms: int) -> dict[Provenance, int]:
    """Return how many milliseconds of the window are in each state, 0 for a state that does not occur."""
    lengths = dict.fromkeys(Provenance, 0)
    for piece in pieces:
        lengths[piece.state] += Interval(piece.from_ms, piece.to_ms).clip(from_ms, to_ms).length_ms
    return lengths


def _delta(rows: Sequence[LateSlot]) -> GapDelta:
    by_protocol: dict[str, int] = {}
    peak_in = peak_out = None
    for row in rows:
        for protocol, count in row.late.connections.items():
            by_protocol[protocol] = by_protocol.get(protocol, 0) + count
        peak_in, peak_out = higher_peak(peak_in, row.peak_in), higher_peak(peak_out, row.peak_out)
    return GapDelta(
        connections=sum(by_protocol.values()),
        connections_by_protocol=by_protocol,
        **{name: sum(getattr(row.late, name) for row in rows) for name in SLOT_SUM_NAMES},
        peak_in_bps=peak_in.bps if peak_in else 0,
        peak_in_at=peak_in.at if peak_in else None,
        peak_out_bps=peak_out.bps if peak_out else 0,
        peak_out_at=peak_out.at if peak_out else None,
    )


def _latest(one: int | None, other: int | None) -> int | None:
    return max((value for value in (one, other) if value is not None), default=None)
