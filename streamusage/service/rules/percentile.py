"""The 95th percentile of bandwidth and the samples it rests on. Pure.

A sample is the average of five minutes, aligned to UTC: the window of the documented system's peaks and of percentile
billing. A sample counts only if its five minutes are completely live or backfilled. The samples are sorted and the
one at rank ceil(0.95 n) is taken (nearest rank): the 14 highest of 288 samples are ignored.
"""

from array import array
from collections.abc import Iterable, Sequence

from streamusage.api.daily import Percentile
from streamusage.core.coverage import SLOT_MS, Interval, Provenance
from streamusage.service.rules.apply import Piece
from streamusage.service.rules.rollups import sum_runs

SAMPLE_MS = 300_000
SAMPLE_MINUTES = SAMPLE_MS // SLOT_MS

_COMPLETE = frozenset({Provenance.LIVE, Provenance.BACKFILLED})

OUT_OF_SERVICE, EXPECTED, WHOLE = 0, 1, 2
"""State of a sample: the server did not run; it ran but some of the time is not accounted for; all of it is."""


def sample_flags(pieces: Iterable[Piece], interval: Interval) -> bytes:
    """Return the state of each sample of the interval, one byte each: `OUT_OF_SERVICE`, `EXPECTED` or `WHOLE`."""
    flags = bytearray(interval.length_ms // SAMPLE_MS)
    whole: list[Interval] = []
    pieces = sorted(pieces)
    if len(pieces) == 1 and pieces[0].from_ms <= interval.from_ms and interval.to_ms <= pieces[0].to_ms:
        return bytes([WHOLE if pieces[0].state in _COMPLETE else EXPECTED]) * len(flags)
    for piece in pieces:
        part = Interval(piece.from_ms, piece.to_ms).clip(*interval)
        if not part.length_ms:
            continue
        first = (part.from_ms - interval.from_ms) // SAMPLE_MS
        last = -(-(part.to_ms - interval.from_ms) // SAMPLE_MS)
        flags[first:last] = bytes([EXPECTED]) * (last - first)
        if piece.state in _COMPLETE:
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
    """Return the sample states of several servers added up: the lowest state of those that ran."""
    return bytes(min((flag for flag in flags if flag), default=OUT_OF_SERVICE) for flags in zip(*parts, strict=True))


def complete_samples(minutes: bytes, flags: bytes) -> list[int]:
    """Return the samples that count, in bytes, from packed minutes."""
    fives = sum_runs(minutes, SAMPLE_MINUTES)
    if flags.count(WHOLE) == len(flags):
        return fives
    return [five for five, flag in zip(fives, flags, strict=True) if flag == WHOLE]


class HighestSamples:
    """The samples of a period, of which only those are kept that its 95th percentile can be."""

    def __init__(self, longest_days: int) -> None:
        """Begin a period of at most this many days, of which one has 25 hours."""
        most = (longest_days * 24 + 1) * 3_600_000 // SAMPLE_MS
        self._kept = most - _rank(most) + 1
        self._highest = array("Q")
        self.count = 0

    def add(self, samples: Sequence[int]) -> None:
        """Add the samples of a day, in bytes."""
        self.count += len(samples)
        self._highest = array("Q", sorted([*self._highest, *samples])[-self._kept :])

    def percentile_95_bps(self) -> int | None:
        """Return the 95th percentile in bits per second, rounded down; `None` without samples."""
        if not self.count:
            return None
        return self._highest[len(self._highest) - 1 - (self.count - _rank(self.count))] * 8_000 // SAMPLE_MS


def percentile_from(samples_in: HighestSamples, samples_out: HighestSamples, expected: int) -> Percentile:
    """Return the percentile of the samples. `expected` is the number of samples without any gap."""
    return Percentile(
        in_bps=samples_in.percentile_95_bps(),
        out_bps=samples_out.percentile_95_bps(),
        sample_ms=SAMPLE_MS,
        samples=samples_out.count,
        expected_samples=expected,
    )


def _rank(count: int) -> int:
    return -(-count * 95 // 100)


def percentile_95_bps(sampled_bytes: Iterable[float]) -> int | None:
    """Return the 95th percentile in bits per second, rounded down; `None` without samples. The samples are whole."""
    ordered = sorted(sampled_bytes)
    if not ordered:
        return None
    return int(ordered[_rank(len(ordered)) - 1]) * 8_000 // SAMPLE_MS


def percentile_of(samples_in: Sequence[float], samples_out: Sequence[float], expected: int) -> Percentile:
    """Return the percentile of the samples. `expected` is the number of samples without any gap."""
    return Percentile(
        in_bps=percentile_95_bps(samples_in),
        out_bps=percentile_95_bps(samples_out),
        sample_ms=SAMPLE_MS,
        samples=len(samples_out),
        expected_samples=expected,
    )
