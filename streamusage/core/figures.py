"""The figures that customers are billed by, declared once: name, heading, unit, and how parts combine. Pure.

The store, the ledger, sums over servers and months, exports and tables loop over these declarations. The types in
`streamusage.api` write the names out, because a type checker must see them;
`tests/streamusage/core/test_figures.py` compares them with this table.
"""

from enum import Enum
from typing import Annotated, Generic, Literal, NamedTuple, TypeVar

import msgspec
from msgspec import Meta


class Unit(Enum):
    """Unit of a figure's whole number."""

    COUNT = "count"
    BYTES = "bytes"
    MILLISECONDS = "milliseconds"
    BITS_PER_SECOND = "bits per second"


class Combination(Enum):
    """How the parts of a figure make the whole."""

    SUM = "sum"
    """The parts add up: over time, over servers, and with the adjustments of a closed day."""
    PEAK = "peak"
    """The part counts that comes first by `peak_rank`. Its time is the field that ends in `_at`."""


class Figure(NamedTuple):
    """A figure of one server, or of several, over an interval."""

    name: str
    """Field name in the API, in the store and in exports."""
    heading: str
    """Heading of a column."""
    unit: Unit
    combination: Combination

    @property
    def time_name(self) -> str:
        """Field name of the time of a peak."""
        return self.name.removesuffix("_bps") + "_at"


FIGURES = (
    Figure("connections", "CONNECTIONS", Unit.COUNT, Combination.SUM),
    Figure("bytes_in", "IN", Unit.BYTES, Combination.SUM),
    Figure("bytes_out", "OUT", Unit.BYTES, Combination.SUM),
    Figure("peak_in_bps", "PEAK IN", Unit.BITS_PER_SECOND, Combination.PEAK),
    Figure("peak_out_bps", "PEAK OUT", Unit.BITS_PER_SECOND, Combination.PEAK),
    Figure("view_time_ms", "VIEW TIME", Unit.MILLISECONDS, Combination.SUM),
)
"""All figures, in the order of columns."""

SUMS = tuple(figure for figure in FIGURES if figure.combination is Combination.SUM)
SUM_NAMES = tuple(figure.name for figure in SUMS)


LARGEST_COUNT = 2**53

Count = Annotated[int, Meta(ge=0, le=LARGEST_COUNT)]
"""A count, bounded to the whole numbers that JSON represents exactly."""

MinuteBytes = Annotated[int, Meta(ge=0, le=2**47)]
"""Bytes of one server filed in one slot: 19 Tbit/s for a minute. Sums over years and servers stay within 64 bits."""

MinuteMillis = Annotated[int, Meta(ge=0, le=2**43)]
"""View time of one server filed in one slot: 146 million viewers for a minute."""

BytesT = TypeVar("BytesT", bound=int)
MillisT = TypeVar("MillisT", bound=int)


class SlotSums(msgspec.Struct, Generic[BytesT, MillisT], kw_only=True):
    """Sums that a slot keeps as one number each. Its connections are kept by protocol.

    The parameters are the limits of the numbers: those of one slot in a report (`MinuteBytes`, `MinuteMillis`), none
    (`int`) where slots are added up. Only the agent, which counts into it, does not freeze it; msgspec allows a frozen
    subclass, which type checkers refuse.
    """

    bytes_in: BytesT = 0  # type: ignore[assignment]  # 0 is of every such type
    bytes_out: BytesT = 0  # type: ignore[assignment]
    view_time_ms: MillisT = 0  # type: ignore[assignment]


STREAM_SUM_NAMES = ("connections", "bytes_in", "bytes_out", "view_time_ms")
"""Sums that are kept by stream, in the order of stored forms."""

NOT_BY_STREAM = "not by stream"
"""What the streams of a server leave of its figures is called."""
NO_CUSTOMER = "no customer"
"""What the streams of no customer are called."""

StreamTraffic = Literal["measured", "apportioned", "none"]
"""How the bytes of a stream are known: in proportion to counters of the streams; in proportion to view time and time on
air; not at all.
"""

_LEAST_EXACT_FIRST: tuple[StreamTraffic, ...] = ("none", "apportioned", "measured")


def least_exact(first: StreamTraffic, other: StreamTraffic) -> StreamTraffic:
    """Return how the bytes of a stream are known of which two parts are known in these ways."""
    return first if first == other else min(first, other, key=_LEAST_EXACT_FIRST.index)


def peak_rank(bps: int, at: int, window_ms: int = 0) -> tuple[int, int, int]:
    """Return the sort key of a peak: the highest comes first, of equal peaks the earliest, then the shortest window."""
    return -bps, at, window_ms


SLOT_SUM_NAMES = SlotSums.__struct_fields__


def slot_sums(row: object) -> dict[str, int]:
    """Return the sums of a slot's row, or of a row of the store, by name."""
    return {name: getattr(row, name) for name in SLOT_SUM_NAMES}


def late_slot_sums(row: object) -> dict[str, int]:
    """Return the late parts of the sums in a row of the store, by the sums' names."""
    return {name: getattr(row, late) for name, late in _LATE_NAMES.items()}


_LATE_NAMES = {name: f"late_{name}" for name in SLOT_SUM_NAMES}
