"""The 95th percentile of bandwidth, and what it rests on. Pure.

A sample is the average of five minutes, aligned to UTC: the window of the documented system's own peaks, and of those
who bill by percentile. Only samples count whose five minutes were seen live or backfilled in full. They are put in
order and the one at rank ceil(0.95 n) is taken (nearest rank): of 288 samples the 14 highest are passed over.
"""

from collections.abc import Iterable, Sequence
from typing import Any

from streamusage.core.coverage import SLOT_MS, Interval, Provenance
from streamusage.service.rules.apply import Piece
from streamusage.service.rules.rollups import sum_runs

SAMPLE_MS = 300_000
SAMPLE_MINUTES = SAMPLE_MS // SLOT_MS

OUT_OF_SERVICE, EXPECTED, WHOLE = 0, 1, 2
"""What is known of a sample: the server did not run; it ran, but not all of it is accounted for; all of it is."""


def sample_flags(pieces: Iterable[Piece], interval: Interval) -> bytes:
    """What is known of each sample of the interval, a byte each: one of the three above."""
    flags = bytearray(interval.length_ms // SAMPLE_MS)
    whole: list[Interval] = []
    for piece in sorted(pieces):
        part = Interval(piece.from_ms, piece.to_ms).clip(*interval)
        if not part.length_ms:
            continue
        first = (part.from_ms - interval.from_ms) // SAMPLE_MS
        last = -(-(part.to_ms - interval.from_ms) // SAMPLE_MS)
        flags[first:last] = bytes([EXPECTED]) * (last - first)
        if piece.state in {Provenance.LIVE, Provenance.BACKFILLED}:
            if whole and whole[-1].to_ms == part.from_ms:
                whole[-1] = Interval(whole[-1].from_ms, part.to_ms)
            else:
                whole.append(part)
    for part in whole:
        first = -(-(part.from_ms - interval.from_ms) // SAMPLE_MS)
        last = (part.to_ms - interval.from_ms) // SAMPLE_MS
        if last > first:
            flags[first:last] = bytes([WHOLE]) * (last - first)
    return bytes(flags)


def combine_flags(parts: Sequence[bytes]) -> bytes:
    """What is known of the samples of several servers added up: as little as of the least known that ran."""
    return bytes(min((flag for flag in flags if flag), default=OUT_OF_SERVICE) for flags in zip(*parts, strict=True))


def complete_samples(minutes: bytes, flags: bytes) -> list[int]:
    """The samples that count, in bytes, from packed minutes."""
    fives = sum_runs(minutes, SAMPLE_MINUTES)
    if flags.count(WHOLE) == len(flags):
        return fives
    return [five for five, flag in zip(fives, flags, strict=True) if flag == WHOLE]


def percentile_95_bps(sampled_bytes: Iterable[int]) -> int | None:
    """The 95th percentile in bits a second, rounded down; `None` where there is no sample."""
    ordered = sorted(sampled_bytes)
    if not ordered:
        return None
    rank = -(-len(ordered) * 95 // 100)
    return ordered[rank - 1] * 8_000 // SAMPLE_MS


def percentile_fields(samples_in: Sequence[int], samples_out: Sequence[int], expected: int) -> dict[str, Any]:
    """The percentile as `GET /api/v1/daily` tells it. `expected` is how many samples there would be without gaps."""
    return {
        "in_bps": percentile_95_bps(samples_in),
        "out_bps": percentile_95_bps(samples_out),
        "sample_ms": SAMPLE_MS,
        "samples": len(samples_out),
        "expected_samples": expected,
    }
