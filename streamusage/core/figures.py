"""The figures that customers are billed by, declared once: name, heading, unit, and how parts combine. Pure.

The store, the ledger, sums over servers and months, exports and tables loop over these declarations. The types in
`streamusage.api` write the names out, because a type checker must see them;
`tests/streamusage/core/test_figures.py` compares them with this table.
"""

from enum import Enum
from typing import NamedTuple


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
    """The highest part counts; of equal parts the earliest. Its time is the field that ends in `_at`."""


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

SLOT_SUM_NAMES = tuple(name for name in SUM_NAMES if name != "connections")
"""Sums that a slot keeps as one number each. Its connections are kept by protocol."""
