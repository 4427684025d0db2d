"""Compares an outside account with the service's figures, by day and group. Pure.

The difference of a row is divided over its causes: exact amounts first, then within the bounds of the others. What
remains is unexplained.
"""

from collections.abc import Mapping, Sequence
from datetime import date
from fractions import Fraction
from typing import NamedTuple
from zoneinfo import ZoneInfo

from streamusage.core.days import day_interval, days_between
from streamusage.core.windows import Days
from tui.reconcile.account import AccountSum, DayKey, OutsideAccount
from tui.reconcile.causes import Cause, CauseFinder, CauseSettings
from tui.reconcile.service_figures import ServiceSide


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


class ComparisonSettings(NamedTuple):
    """How rows are judged."""

    days: Days
    tz: ZoneInfo
    tolerance: Fraction
    """Share of the larger figure of a row that may be unexplained."""
    causes: CauseSettings = CauseSettings()


def compare(account: OutsideAccount, service: ServiceSide, settings: ComparisonSettings) -> list[ComparedRow]:
    """Return a row for each day and group of which a side has figures, by day and name."""
    finder = CauseFinder(account, service, settings.causes)
    sums = account.by_day()
    days = set(days_between(*settings.days))
    keys = sorted(key for key in {*sums, *service.rows} if key[0] in days)
    return [_compare_row(key, sums, service, finder, settings) for key in keys]


def _compare_row(
    key: DayKey,
    sums: Mapping[DayKey, AccountSum],
    service: ServiceSide,
    finder: CauseFinder,
    settings: ComparisonSettings,
) -> ComparedRow:
    found, row = sums.get(key), service.rows.get(key)
    measure = finder.measure
    value = None if found is None else found.value * settings.causes.sampled
    figure = None if row is None else row.value(measure)
    causes: Sequence[Cause] = ()
    if found is not None and row is not None:
        causes = finder.causes(key, day_interval(key[0], settings.tz), found, row)
    explained = explain(0 if value is None or figure is None else value - figure, causes)
    compared = ComparedRow(
        day=key[0].isoformat(),
        group=key[1],
        account=value,
        service=figure,
        causes=explained,
        bounds=AmountBounds(sum(cause.low for cause in causes), sum(cause.high for cause in causes)),
        is_within=False,
        lines=0 if found is None else found.lines,
        is_final=row is not None and row.is_final,
    )
    return compared._replace(is_within=is_within(compared, settings.tolerance))


def explain(difference: int, causes: Sequence[Cause]) -> tuple[Explained, ...]:
    """Divide a difference over the causes, in their order; each takes what its bounds allow.

    Bounds that do not contain zero take their nearest end, whatever remains.
    """
    remaining = difference
    explained = []
    for cause in causes:
        amount = min(max(remaining, cause.low), cause.high)
        remaining -= amount
        explained.append(Explained(cause.name, amount, cause.low, cause.high, cause.note))
    return tuple(explained)


def is_within(row: ComparedRow, tolerance: Fraction) -> bool:
    """Return whether a row's unexplained part is within the tolerance. A row without both figures is not.

    A side without figures of zero at the other is the same as zero.
    """
    if row.unexplained is None:
        return not row.account and not row.service
    larger = max(abs(row.account or 0), abs(row.service or 0))
    return abs(row.unexplained) <= tolerance * larger
