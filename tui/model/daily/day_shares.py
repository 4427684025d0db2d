"""Share of a day's traffic that a backfill recovered: `1.3 %`. Keeps the days that were fetched. Pure."""

from datetime import date, tzinfo
from zoneinfo import ZoneInfo

from streamusage.api.daily import DailyStatistics
from streamusage.api.extension import CoverageSpan
from streamusage.core.days import day_of
from tui.model import formats

_UTC = ZoneInfo("UTC")


def accounting_zone(tz: tzinfo | None) -> ZoneInfo:
    """Return the zone of accounting days: the zone of the screen if it has a name, else UTC."""
    return tz if isinstance(tz, ZoneInfo) else _UTC


class DayShares:
    """The days of servers as they were fetched last."""

    def __init__(self) -> None:
        self._days: dict[tuple[str, date], DailyStatistics | None] = {}
        self._asked: set[tuple[str, date]] = set()

    def add_day(self, server: str, day: date, statistics: DailyStatistics | None) -> None:
        """Add a day; `None` if it could not be fetched."""
        self._days[server, day] = statistics

    def expire_day(self, now_ms: int, tz: tzinfo | None) -> None:
        """Forget the current day, whose figures have grown, so that it is fetched again."""
        today = day_of(now_ms, accounting_zone(tz))
        self._asked = {key for key in self._asked if key[1] != today}

    def share(self, server: str, span: CoverageSpan, tz: tzinfo | None) -> str | None:
        """Return the gap's share of the bytes sent in its day; `None` while unknown or if it spans two days."""
        key = _key(server, span, tz)
        day = None if key is None else self._days.get(key)
        if day is None or span.delta is None or not day.bytes_out:
            return None
        return formats.percent(min(span.delta.bytes_out, day.bytes_out), day.bytes_out)

    def missing(self, server: str, span: CoverageSpan, tz: tzinfo | None) -> tuple[str, date] | None:
        """Return the server's day to fetch, once; `None` afterwards."""
        key = _key(server, span, tz)
        if key is None or key in self._asked:
            return None
        self._asked.add(key)
        return key


def _key(server: str, span: CoverageSpan, tz: tzinfo | None) -> tuple[str, date] | None:
    first, last = (day_of(at_ms, accounting_zone(tz)) for at_ms in (span.from_ms, span.to_ms - 1))
    return (server, first) if first == last else None
