"""Half-open intervals of time, the slots they fall in, and their provenance. Pure; all times are UTC milliseconds."""

from collections.abc import Iterable, Iterator
from enum import StrEnum
from typing import NamedTuple

SLOT_MS = 60_000
"""A slot is one UTC minute of one server, half-open: the unit of accounting."""

LATE_AFTER_INTERVALS = 3
"""A time that a sync-up covers within this many sync intervals was seen live; one covered later was backfilled."""


class Provenance(StrEnum):
    """How an interval of a server is accounted for."""

    LIVE = "live"
    BACKFILLED = "backfilled"
    PARTIAL = "partial"
    MISSING = "missing"
    LOST = "lost"
    HELD = "held"


WORST_FIRST = (
    Provenance.LOST,
    Provenance.HELD,
    Provenance.MISSING,
    Provenance.PARTIAL,
    Provenance.BACKFILLED,
    Provenance.LIVE,
)


class Interval(NamedTuple):
    """From `from_ms` up to, and without, `to_ms`."""

    from_ms: int
    to_ms: int

    @property
    def length_ms(self) -> int:
        return max(0, self.to_ms - self.from_ms)

    def clip(self, from_ms: int, to_ms: int) -> "Interval":
        """The part inside the window; empty (length 0) where they do not meet."""
        clipped_from = min(max(self.from_ms, from_ms), to_ms)
        return Interval(clipped_from, max(clipped_from, min(self.to_ms, to_ms)))


def slot_of(at_ms: int) -> int:
    """The start of the slot that holds the instant."""
    return at_ms - at_ms % SLOT_MS


def by_slot(interval: Interval) -> Iterator[tuple[int, Interval]]:
    """The interval cut at slot boundaries: (slot, piece), oldest first. Empty for an empty interval."""
    from_ms = interval.from_ms
    while from_ms < interval.to_ms:
        slot = slot_of(from_ms)
        to_ms = min(slot + SLOT_MS, interval.to_ms)
        yield slot, Interval(from_ms, to_ms)
        from_ms = to_ms


def spread(total: int, interval: Interval) -> Iterator[tuple[int, int]]:
    """Deals a whole number out over the slots of an interval in proportion to time: (slot, share).

    The shares are whole and add up to `total` exactly. An empty interval puts all of it into its slot.
    """
    if interval.length_ms <= 0:
        yield slot_of(interval.from_ms), total
        return
    dealt = 0
    for slot, piece in by_slot(interval):
        upto = total * (piece.to_ms - interval.from_ms) // interval.length_ms
        yield slot, upto - dealt
        dealt = upto


def worst(states: Iterable[Provenance]) -> Provenance | None:
    """The state that an operator must hear of first; `None` where there is none at all."""
    present = set(states)
    return next((state for state in WORST_FIRST if state in present), None)
