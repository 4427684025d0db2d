"""Figures whose type states how far they can be trusted. Pure.

    | type       | meaning                                                         | text      |
    |------------|-----------------------------------------------------------------|-----------|
    | `Exact`    | everything is accounted for                                     | `1,204`   |
    | `AtLeast`  | a lower bound: something is, or may be, left out                | `≥ 680`   |
    | `Estimate` | may be too high or too low: an average or a share               | `~ 41`    |
    | `Reported` | as reported; nobody knows whether anything is left out          | `12`      |
    | `Unknown`  | there is no figure, which is not a zero                         | `–`       |

Figures have no arithmetic, so that none is used as exact by accident: `exact()` returns the number or raises,
`known` returns what there is. `total` adds figures up and keeps the mark.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NoReturn, TypeAlias

from streamusage.core.coverage import Provenance, worst
from streamusage.core.errors import StreamUsageError

COMPLETE = frozenset({Provenance.LIVE, Provenance.BACKFILLED})
"""In these states everything is accounted for."""


class IncompleteFigureError(StreamUsageError, ValueError):
    """A figure was used as exact and is not. `figure` is the figure."""

    def __init__(self, figure: "Quantity", cause: str) -> None:
        super().__init__(f"the figure {figure} is not exact: {cause}")
        self.figure = figure


@dataclass(frozen=True, slots=True)
class Exact:
    """A figure that accounts for everything."""

    value: int
    provenance: Provenance
    """`live` or `backfilled`."""

    @property
    def known(self) -> int:
        """The number."""
        return self.value

    def exact(self) -> int:
        """Return the number."""
        return self.value

    def __str__(self) -> str:
        return _format(self.value)


@dataclass(frozen=True, slots=True)
class AtLeast:
    """A lower bound: the true figure is this or higher."""

    value: int
    provenance: Provenance | None
    """The worst state of the time or servers that it covers; `None` where only the kind of figure makes it a bound."""

    @property
    def known(self) -> int:
        """The lower bound."""
        return self.value

    def exact(self) -> NoReturn:
        """Raise `IncompleteFigureError`."""
        raise IncompleteFigureError(self, _cause(self.provenance, "it is a lower bound"))

    def __str__(self) -> str:
        return f"≥ {_format(self.value)}"


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure that may be too high or too low, such as an average over incomplete time or an apportioned share."""

    value: int
    provenance: Provenance | None

    @property
    def known(self) -> int:
        """The estimate."""
        return self.value

    def exact(self) -> NoReturn:
        """Raise `IncompleteFigureError`."""
        raise IncompleteFigureError(self, _cause(self.provenance, "it is an estimate"))

    def __str__(self) -> str:
        return f"~ {_format(self.value)}"


@dataclass(frozen=True, slots=True)
class Reported:
    """A figure of a plain Stream Manager or of an imported record: no server accounts for it."""

    value: int

    @property
    def provenance(self) -> None:
        """Nothing is known of it."""
        return

    @property
    def known(self) -> int:
        """The number as it was reported."""
        return self.value

    def exact(self) -> NoReturn:
        """Raise `IncompleteFigureError`."""
        raise IncompleteFigureError(self, "no server accounts for it")

    def __str__(self) -> str:
        return _format(self.value)


@dataclass(frozen=True, slots=True)
class Unknown:
    """No figure. It is not a zero."""

    provenance: Provenance | None

    @property
    def known(self) -> None:
        """Nothing."""
        return

    def exact(self) -> NoReturn:
        """Raise `IncompleteFigureError`."""
        raise IncompleteFigureError(self, _cause(self.provenance, "nothing is known"))

    def __str__(self) -> str:
        return "–"


Quantity: TypeAlias = Exact | AtLeast | Estimate | Reported | Unknown
"""Any figure. `match` over it is checked for completeness by type checkers."""


def total(figures: Iterable[Quantity]) -> Quantity:
    """Return the sum of figures, marked as the least certain of them; `Unknown` for none.

    A figure that is unknown is left out and makes the sum a lower bound.
    """
    addends = list(figures)
    provenance = worst(figure.provenance for figure in addends if figure.provenance is not None)
    numbers = [figure.known for figure in addends if figure.known is not None]
    if not numbers:
        return Unknown(provenance)
    kinds, value = {type(figure) for figure in addends}, sum(numbers)
    if Estimate in kinds:
        return Estimate(value, provenance)
    if kinds & {AtLeast, Unknown}:
        return AtLeast(value, provenance)
    if Reported in kinds or provenance is None:
        return Reported(value)
    return Exact(value, provenance)


def sum_of(value: int | None, provenance: Provenance | None, *, is_complete: bool) -> Quantity:
    """Return a sum or a peak over time of which some may be left out."""
    if value is None:
        return Unknown(provenance)
    if is_complete and provenance in COMPLETE and provenance is not None:
        return Exact(value, provenance)
    return AtLeast(value, provenance)


def mean_of(value: int | None, provenance: Provenance | None, *, is_complete: bool) -> Quantity:
    """Return an average, a percentile or a share: what is left out may make it higher or lower."""
    known = sum_of(value, provenance, is_complete=is_complete)
    return Estimate(known.value, provenance) if isinstance(known, AtLeast) else known


def _cause(provenance: Provenance | None, otherwise: str) -> str:
    return otherwise if provenance is None or provenance in COMPLETE else f"some of its time is {provenance}"


def _format(value: int) -> str:
    return f"{value:,}"
