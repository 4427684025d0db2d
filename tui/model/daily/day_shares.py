"""What part of its day's traffic a fill brought: `1.3 %`. Knows the days that were asked for. Pure."""

from datetime import date, tzinfo
from zoneinfo import ZoneInfo

from streamusage.api.daily import DailyStatistics
from streamusage.api.extension import CoverageSpan
from streamusage.core.days import day_of
from tui.model import formats

_UTC = ZoneInfo("UTC")


def accounting_zone(tz: tzinfo | None) -> ZoneInfo:
    """The zone of accounting days: the one that times are shown in, if it has a name, else UTC."""
    return tz if isinstance(tz, ZoneInfo) else _UTC


class DayShares:
    """The days of servers as they were heard last."""

    def __init__(self) -> None:
        self._days: dict[tuple[str, date], DailyStatistics | None] = {}
        self._asked: set[tuple[str, date]] = set()

    def heard(self, server: str, day: date, statistics: DailyStatistics | None) -> None:
        """Takes in a day; `None` where nothing could be told of it."""
        self._days[server, day] = statistics

    def day_went_on(self, now_ms: int, tz: tzinfo | None) -> None:
        """The figures of the day that now is in have grown: they are to be asked for again."""
        today = day_of(now_ms, accounting_zone(tz))
        self._asked = {key for key in self._asked if key[1] != today}

    def share(self, server: str, span: CoverageSpan, tz: tzinfo | None) -> str | None:
        """The part of the bytes sent in the gap's day; `None` while that is not known, or where it is in two days."""
        key = _key(server, span, tz)
        day = None if key is None else self._days.get(key)
        if day is None or span.delta is None or not day.bytes_out:
            return None
        return formats.percent(min(span.delta.bytes_out, day.bytes_out), day.bytes_out)

    def missing(self, server: str, span: CoverageSpan, tz: tzinfo | None) -> tuple[str, date] | None:
        """The server's day that has to be asked for, once; `None` where it has been."""
        key = _key(server, span, tz)
        if key is None or key in self._asked:
            return None
        self._asked.add(key)
        return key


def _key(server: str, span: CoverageSpan, tz: tzinfo | None) -> tuple[str, date] | None:
    first, last = (day_of(at_ms, accounting_zone(tz)) for at_ms in (span.from_ms, span.to_ms - 1))
    return (server, first) if first == last else None
