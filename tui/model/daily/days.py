"""Accounting days: why a day is not final, and how much of it is covered. Pure."""

from collections.abc import Iterable, Sequence
from datetime import date
from zoneinfo import ZoneInfo

from streamusage.api.daily import CoveredTime, DailyStatistics
from streamusage.core.days import day_interval, days_between
from tui.model import formats

NO_DAYS = "a plain Stream Manager has no daily statistics"
_MOST_NAMED = 3


def why_not_final(day: DailyStatistics, now_ms: int, account_zones: Sequence[str]) -> str | None:
    """Return why a server's day is not final; `None` for a final or adjusted one that is over."""
    if day.state != "provisional":
        # A service of an earlier version closed days in advance while its clock was ahead.
        is_over = day_interval(date.fromisoformat(day.day), ZoneInfo(day.tz)).to_ms <= now_ms
        return None if is_over else "the day is not over yet, but it was closed"
    return _why_open(date.fromisoformat(day.day), day.tz, day.waiting_for, now_ms, account_zones)


def days_without_figures(
    days: Iterable[DailyStatistics], first: date, last: date, tz: ZoneInfo, now_ms: int
) -> list[date]:
    """Return the days from `first` to `last` that are not over and have no figures yet."""
    known = {day.day for day in days}
    return [
        day
        for day in days_between(first, last)
        if day.isoformat() not in known and day_interval(day, tz).to_ms > now_ms
    ]


def _why_open(day: date, tz: str, waiting_for: Sequence[str], now_ms: int, account_zones: Sequence[str]) -> str:
    if day_interval(day, ZoneInfo(tz)).to_ms > now_ms:
        return "the day is not over yet"
    if waiting_for:
        return f"{join_names(waiting_for)} still {'owes' if len(waiting_for) == 1 else 'owe'} figures of it"
    if tz not in account_zones:
        return f"{tz} is not an account zone of this service"
    return "all figures are reported and the day closes shortly; try again in a moment"


def join_names(servers: Sequence[str]) -> str:
    """Return `edge-1, edge-2 and 5 more`."""
    if len(servers) <= _MOST_NAMED:
        return " and ".join([", ".join(servers[:-1]), servers[-1]] if len(servers) > 1 else list(servers))
    return f"{', '.join(servers[:_MOST_NAMED])} and {len(servers) - _MOST_NAMED} more"


def complete_share(covered: CoveredTime) -> str:
    """Return the live or backfilled share of the time in percent."""
    whole = covered.live_ms + covered.backfilled_ms
    return formats.percent(whole, whole + covered.partial_ms + covered.missing_ms + covered.lost_ms + covered.held_ms)
