"""What a console knows beside its polls: coverage and daily statistics, fetched for a recording and read from one."""

from collections.abc import Hashable
from datetime import date

import msgspec
from textual.message import Message

from streamusage.api.daily import DailyStatistics, DailySums
from streamusage.api.extension import Coverage, Placements, ServerCoverage
from streamusage.client.usage_client import UsageClient
from streamusage.core.days import day_of, zone
from tui.app.messages.views import CoveragePolled, DayPolled, DayRowsPolled, MonthPolled
from tui.model.daily.months import first_of, last_of, month_of, rows_of
from tui.model.gaps.coverage_book import CoverageBook

COVERAGE_MS = 6 * 60 * 60_000
"""How far back the coverage of a recording and of a bundle reaches."""


class RecordedDays(msgspec.Struct, kw_only=True):
    """The daily statistics of a month, as the service answered."""

    first: date
    tz: str
    by_day: DailySums
    by_month: DailySums
    by_role: DailySums
    servers: list[DailyStatistics]


async def fetch_coverage(client: UsageClient, from_ms: int, now_ms: int) -> CoveragePolled:
    """Return the coverage since an instant, with the streams. Raises `UsageApiError`."""
    coverage = await client.coverage(from_ms, now_ms)
    return CoveragePolled(coverage, await client.carriers(from_ms, now_ms))


async def fetch_days(client: UsageClient, now_ms: int, tz: str) -> RecordedDays:
    """Return the daily statistics of this month. Raises `UsageApiError`."""
    first = first_of(day_of(now_ms, zone(tz)))
    last = last_of(first)
    return RecordedDays(
        first=first,
        tz=tz,
        by_day=await client.daily_sums(first, last, tz, by="day", group="all"),
        by_month=await client.daily_sums(first, last, tz, by="month", group="all"),
        by_role=await client.daily_sums(first, last, tz, by="day", group="role"),
        servers=(await client.daily(first, last, tz)).days,
    )


class Knowledge:
    """The coverage and days of a recording, as far as it is played."""

    def __init__(self) -> None:
        self.coverage: list[CoveragePolled] = []
        self.days: dict[tuple[date, str], RecordedDays] = {}
        """By month and time zone, the newest answers."""

    def add_days(self, days: RecordedDays) -> None:
        """Add the answers for a month; they replace earlier ones."""
        self.days[days.first, days.tz] = days

    def answer(self, request: tuple[Hashable, ...], tz: str) -> Message | None:
        """Return the answer to a request of the fetcher; `None` where the recording has none."""
        match request:
            case ("month", date() as first):
                if days := self.days.get((first, tz)):
                    return MonthPolled(first, month_of(first, days.by_day, days.by_month))
            case ("day rows", date() as day):
                if days := self.days.get((first_of(day), tz)):
                    roles = [row for row in days.by_role.sums if row.period == day.isoformat()]
                    return DayRowsPolled(
                        day, rows_of(day, roles, [row for row in days.servers if row.day == day.isoformat()])
                    )
            case ("day", str() as server, date() as day):
                if days := self.days.get((first_of(day), tz)):
                    found = (row for row in days.servers if (row.server, row.day) == (server, day.isoformat()))
                    return DayPolled(server, day, next(found, None))
        return None


def merged(polled: list[CoveragePolled]) -> Coverage | None:
    """Return the coverage of several answers as one; `None` without any."""
    book = CoverageBook()
    for message in polled:
        book.apply(message.coverage)
    if book.from_ms is None:
        return None
    servers = [
        ServerCoverage(server=name, spans=list(timeline.spans), outages=book.outages.get(name, []))
        for name, timeline in book.servers.items()
    ]
    return Coverage(now=book.now_ms, from_ms=book.from_ms, to_ms=book.now_ms, servers=servers)


def last_carriers(polled: list[CoveragePolled]) -> Placements | None:
    """Return the newest answer about which server carried which stream."""
    return next((message.carriers for message in reversed(polled) if message.carriers is not None), None)
