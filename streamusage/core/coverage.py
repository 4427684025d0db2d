"""Half-open intervals of time, slots, and provenance. Pure; all times are UTC milliseconds."""

from collections.abc import Iterable, Iterator
from enum import StrEnum
from typing import NamedTuple

SLOT_MS = 60_000
"""Length of a slot: one UTC minute of one server, half-open, the unit of accounting."""

LATE_AFTER_INTERVALS = 3
"""Time that a sync covers within this many sync intervals is live; time that is covered later is backfilled."""

MOST_AHEAD_MS = 120_000
"""How far after now figures may be filed: clocks differ. The service refuses reports beyond that; where an earlier
version accepted them, a wrong clock filed them."""


class Provenance(StrEnum):
    """How an interval of a server is accounted for. The values are part of the API."""

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
"""The states, the one that an operator must notice first in front."""

OWED = frozenset({Provenance.MISSING, Provenance.HELD})
"""In these states a server owes figures that may still arrive."""

INCOMPLETE = OWED | {Provenance.LOST, Provenance.PARTIAL}
"""In these states something is, or may be, left out: a figure is a lower bound."""

IMPORTED = "imported"
"""Provenance of the figures of a record that was imported: no server accounts for them. Time never has it."""


class Interval(NamedTuple):
    """Half-open interval `[from_ms, to_ms)`."""

    from_ms: int
    to_ms: int

    @property
    def length_ms(self) -> int:
        """Length in milliseconds; 0 for a reversed interval."""
        return max(0, self.to_ms - self.from_ms)

    def clip(self, from_ms: int, to_ms: int) -> "Interval":
        """Return the part inside the window; an empty interval (length 0) where they do not overlap."""
        clipped_from = min(max(self.from_ms, from_ms), to_ms)
        return Interval(clipped_from, max(clipped_from, min(self.to_ms, to_ms)))


def slot_of(at_ms: int) -> int:
    """Return the start of the slot that contains an instant."""
    return at_ms - at_ms % SLOT_MS


def by_slot(interval: Interval) -> Iterator[tuple[int, Interval]]:
    """Yield the interval cut at slot boundaries as (slot, piece), oldest first. Nothing for an empty interval."""
    from_ms = interval.from_ms
    while from_ms < interval.to_ms:
        slot = slot_of(from_ms)
        to_ms = min(slot + SLOT_MS, interval.to_ms)
        yield slot, Interval(from_ms, to_ms)
        from_ms = to_ms


def spread(total: int, interval: Interval) -> Iterator[tuple[int, int]]:
    """Distribute a whole number over the slots of an interval in proportion to time; yield (slot, share).

    The shares are whole numbers that add up to `total` exactly. An empty interval puts all of it into its slot.
    """
    if interval.length_ms <= 0:
        yield slot_of(interval.from_ms), total
        return
    distributed = 0
    for slot, piece in by_slot(interval):
        upto = total * (piece.to_ms - interval.from_ms) // interval.length_ms
        yield slot, upto - distributed
        distributed = upto


def worst(states: Iterable[Provenance]) -> Provenance | None:
    """Return the state that comes first in `WORST_FIRST`; `None` for no state at all."""
    present = set(states)
    return next((state for state in WORST_FIRST if state in present), None)
