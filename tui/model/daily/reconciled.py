"""Kept results of comparisons with outside accounts, as marks on days and servers. Pure.

A result of all servers is of the sum; one of a server is of its row. A result of anything else, such as of some of the
servers, is a part of the day: it marks the day only if it is unexplained. Where the service's figure is another one by
now, the result is outdated.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import date, tzinfo
from typing import NamedTuple

from streamusage.api.daily import DailyFigures
from tui.model import formats
from tui.model.daily.months import ReconciledMark
from tui.model.services.days import name_of_all
from tui.model.services.servers import qualified_name
from tui.reconcile.entries import Grouping, Measure
from tui.reconcile.kept import KeptComparison, KeptRow

SUM = ""
"""The name of the sum of all servers, beside those of servers."""
OUTDATED = "outdated"
_SHARE_CELLS = 8
_WORST_FIRST = ("unexplained", OUTDATED, "explained", "agrees")


class KeptResults(NamedTuple):
    """What is kept for the services of a console."""

    comparisons: Mapping[str, Sequence[KeptComparison]] = {}
    """By service; the name is empty where there is one service."""
    problems: Sequence[str] = ()
    """Why files cannot be used."""


class ReconciledResult(NamedTuple):
    """A result of a day, and what it is of."""

    service: str
    owner: str | None
    """The name of the row with the same figures: of a server, or `SUM`; None for a part of the day."""
    comparison: KeptComparison
    row: KeptRow

    @property
    def subject(self) -> str:
        """What was compared: `all servers`, `edge-1`, `edge-1, edge-2`, `stream live/a of all servers`."""
        servers = ", ".join(self.comparison.servers) or "all servers"
        if self.comparison.by is Grouping.SERVER:
            servers = self.row.group
        elif self.comparison.by is not Grouping.TOTAL:
            is_rest = self.row.group in self.comparison.by.undivided
            kind = "" if is_rest else f"{self.comparison.by.value} "
            servers = f"{kind}{self.row.group} of {servers}"
        return f"{servers} of {self.service}" if self.service else servers

    def state(self, figures: DailyFigures) -> str:
        """Return the result, or `outdated` if the row with the same figures has another figure by now."""
        return OUTDATED if self.is_outdated(figures) else self.row.result

    def is_outdated(self, figures: DailyFigures) -> bool:
        """Return whether the service's figure differs from the compared one; `figures` is the row of the owner."""
        return self.owner is not None and figure_now(figures, self.comparison.figure) != (self.row.service or 0)


def figure_now(figures: DailyFigures, measure: Measure) -> int:
    """Return the figure of a row that was compared."""
    value: int = getattr(figures, measure.value)
    return value


def share_of(row: KeptRow) -> str:
    """Return what is unexplained in percent of the service's figure, with its sign; else which side has no figure."""
    if row.unexplained is None:
        return "no account" if row.account is None else "no service"
    if not row.service:
        return ""
    sign = "+" if row.unexplained > 0 else "-" if row.unexplained < 0 else ""
    return f"{sign}{formats.percent(abs(row.unexplained), row.service)}"


class ReconciledBook:
    """The kept results of one time zone, by day."""

    def __init__(self, kept: KeptResults, tz: str) -> None:
        self._days: dict[str, dict[str | None, list[ReconciledResult]]] = {}
        for service, comparisons in kept.comparisons.items():
            for comparison in comparisons:
                if comparison.tz == tz:
                    for row in comparison.rows:
                        owner = _owner(service, comparison, row)
                        result = ReconciledResult(service, owner, comparison, row)
                        self._days.setdefault(row.day, {}).setdefault(owner, []).append(result)

    def __bool__(self) -> bool:
        return bool(self._days)

    def results(self, day: date, name: str = SUM) -> list[ReconciledResult]:
        """Return the results of a row, the newest first. Those of the sum include the other results of the day."""
        of_day = self._days.get(day.isoformat(), {})
        own = _newest_first(of_day.get(name, []))
        if name != SUM:
            return own
        return own + _newest_first([result for owner, known in of_day.items() if owner != SUM for result in known])

    def worst(self, day: date, name: str, figures: DailyFigures) -> ReconciledResult | None:
        """Return the worst result that marks a row, the newest of equal ones; None without any."""
        marking = [
            result for result in self.results(day, name) if result.owner == name or result.row.result == "unexplained"
        ]
        return min(marking, key=lambda result: _WORST_FIRST.index(_state(result, name, figures)), default=None)

    def mark(self, day: date, name: str, figures: DailyFigures) -> ReconciledMark | None:
        """Return the mark of a row."""
        worst = self.worst(day, name, figures)
        if worst is None:
            return None
        state = _state(worst, name, figures)
        share = share_of(worst.row) if state == "unexplained" and worst.row.unexplained is not None else ""
        return ReconciledMark(state, share if len(share) <= _SHARE_CELLS else f">{share[0]}999 %")

    def describe(self, day: date, name: str, figures: DailyFigures, now_ms: int, tz: tzinfo | None) -> Sequence[str]:
        """Return the parts of a line about the worst result of a row: when, result and figures; causes, if any.

        Nothing without a result.
        """
        worst = self.worst(day, name, figures)
        if worst is None:
            return ()
        row, state, measure = worst.row, _state(worst, name, figures), worst.comparison.figure
        amount = amount_text(measure)
        share = f" {share_of(row)}".rstrip() if state == "unexplained" else ""
        subject = f" ({worst.subject})" if worst.owner != name else ""
        if state == OUTDATED:
            figure = f"service {amount(row.service)} then and {amount(figure_now(figures, measure))} now"
        else:
            figure = signed_text(row.difference, measure)
        causes = [f"{signed_text(found.amount, measure)} {found.cause}" for found in row.causes if found.amount]
        explained = [f"explained {', '.join(causes)}"] if causes else []
        compared = f"compared {formats.moment(worst.comparison.compared_at, now_ms, tz)}{subject}, {state}{share}"
        return [f"{compared}: account {amount(row.account)}, {figure}", *explained]


def amount_text(measure: Measure) -> Callable[[int | None], str]:
    """Return the function that formats an amount of a figure; `–` for None."""
    text = formats.FORMAT_OF_UNIT[measure.unit]
    return lambda value: formats.UNKNOWN if value is None else text(value)


def signed_text(value: int | None, measure: Measure) -> str:
    """Return an amount with its sign; `–` for None."""
    text = amount_text(measure)
    return f"+{text(value)}" if value and value > 0 else f"-{text(-value)}" if value and value < 0 else text(value)


def _state(result: ReconciledResult, name: str, figures: DailyFigures) -> str:
    return result.state(figures) if result.owner == name else result.row.result


def _newest_first(results: Sequence[ReconciledResult]) -> list[ReconciledResult]:
    return sorted(results, key=lambda result: -result.comparison.compared_at)


def _owner(service: str, comparison: KeptComparison, row: KeptRow) -> str | None:
    """Return the name of the row of the days view that has the same figures; None without one."""
    if comparison.by is Grouping.SERVER:
        server = row.group
    elif comparison.by is not Grouping.TOTAL or len(comparison.servers) > 1:
        return None
    elif not comparison.servers:
        return name_of_all(service) if service else SUM
    else:
        server = comparison.servers[0]
    return qualified_name(service, server) if service else server
