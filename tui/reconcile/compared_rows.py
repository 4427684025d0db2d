"""Compared rows: a day of a group, both figures, and what explains their difference. Pure."""

from datetime import date
from fractions import Fraction
from typing import NamedTuple

from streamusage.core.figures import StreamTraffic
from tui.reconcile.account import DayKey


class Explained(NamedTuple):
    """What a cause explains of a difference."""

    cause: str
    amount: int
    low: int
    high: int
    note: str


class AmountBounds(NamedTuple):
    """The least and the most of an amount."""

    low: int
    high: int


class ComparedRow(NamedTuple):
    """A day of a group, with both figures. A figure is None if that side has none of it."""

    day: str
    group: str
    account: int | None
    """For a sample, the figure of all lines that follows from it."""
    service: int | None
    causes: tuple[Explained, ...]
    bounds: AmountBounds
    """The least and the most that all causes together explain."""
    is_within: bool
    """Whether what is unexplained is within the tolerance."""
    lines: int
    is_final: bool
    """Whether the service's day is final."""
    traffic: StreamTraffic | None = None
    """How the service knows the bytes of streams; None for servers, and for what is not by stream."""

    @property
    def difference(self) -> int | None:
        """The account's figure minus the service's."""
        return None if self.account is None or self.service is None else self.account - self.service

    @property
    def explained(self) -> int:
        """The sum of what the causes explain."""
        return sum(found.amount for found in self.causes)

    @property
    def unexplained(self) -> int | None:
        """What no cause explains; None without both figures."""
        return None if self.difference is None else self.difference - self.explained

    @property
    def key(self) -> DayKey:
        """Day and group."""
        return date.fromisoformat(self.day), self.group


def is_within(row: ComparedRow, tolerance: Fraction) -> bool:
    """Return whether a row's unexplained part is within the tolerance. A row without both figures is not.

    A side without figures of zero at the other is the same as zero.
    """
    if row.unexplained is None:
        return not row.account and not row.service
    larger = max(abs(row.account or 0), abs(row.service or 0))
    return abs(row.unexplained) <= tolerance * larger
