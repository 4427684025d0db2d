"""Compares an outside account with the service's figures, by day and group. Pure.

The difference of a row is divided over its causes: exact amounts first, then within the bounds of the others. What
remains is unexplained.
"""

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import NamedTuple
from zoneinfo import ZoneInfo

from streamusage.core.days import day_interval, days_between
from streamusage.core.windows import Days
from tui.reconcile.account import AccountSum, DayKey, OutsideAccount
from tui.reconcile.causes import Cause, CauseFinder, CauseSettings
from tui.reconcile.compared_rows import AmountBounds, ComparedRow, Explained, is_within
from tui.reconcile.service_figures import ServiceSide
from tui.reconcile.undivided import explain_by_undivided


class ComparisonSettings(NamedTuple):
    """How rows are judged."""

    days: Days
    tz: ZoneInfo
    tolerance: Fraction
    """Share of the larger figure of a row that may be unexplained."""
    causes: CauseSettings = CauseSettings()


def compare(account: OutsideAccount, service: ServiceSide, settings: ComparisonSettings) -> list[ComparedRow]:
    """Return a row for each day and group of which a side has figures, by day and name.

    Rows of what belongs to no group are the last of their day.
    """
    finder = CauseFinder(account, service, settings.causes)
    sums = account.by_day()
    days = set(days_between(*settings.days))
    keys = sorted(key for key in {*sums, *service.rows} if key[0] in days)
    rows = [_compare_row(key, sums, service, finder, settings) for key in keys]
    return explain_by_undivided(rows, account.grouping, account.measure, settings.tolerance)


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
        traffic=None if row is None else row.traffic,
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
