"""The check of hours and UTC days: each is the sum of its minutes or hours, as far as these are kept.

What was folded cannot be summed again. It is counted, and its form is checked.
"""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import NamedTuple

from sqlalchemy import Connection, func, select

from streamusage.core.coverage import Interval
from streamusage.service.accounting.folding import read_hours_kept_from, read_minutes_kept_from
from streamusage.service.accounting.hours import compare_hours
from streamusage.service.accounting.utc_days import compare_day, load_utc_days
from streamusage.service.rules.rollups import HOUR_MS
from streamusage.service.rules.utc_days import DAY_MS, QUARTERS, DayPart, add_parts, utc_day_of
from streamusage.service.store.change_feed import SLOTS_KEPT_FROM, read_counter
from streamusage.service.store.schema import hours, servers, slots, utc_days
from streamusage.service.store.store import Store

WEEK_MS = 7 * DAY_MS


class WrongSum(NamedTuple):
    """A sum that is not as it must be."""

    table: str
    key: str
    what: str


class _SummedServer(NamedTuple):
    """How far the hours and UTC days of a server are summed."""

    server: str
    summed_to: int
    days_summed_to: int


class _Counts:
    """How many sums were compared with their parts, and how many have none any more."""

    hours = days = folded_hours = folded_days = 0


def check_hours(store: Store, progress: Callable[[int, int], None]) -> tuple[str, list[WrongSum]]:
    """Return how much was compared, in words, and the sums that are wrong. Each read is of a server and week or day."""
    with store.reading() as connection:
        query = select(servers.c.server, servers.c.summed_to, servers.c.days_summed_to).order_by(servers.c.server)
        estate = [_SummedServer(*row) for row in connection.execute(query)]
        first_day = connection.execute(select(func.min(utc_days.c.day))).scalar()
    counts = _Counts()
    wrong: list[WrongSum] = []
    for number, server in enumerate(estate):
        progress(number, len(estate))
        with store.reading() as connection:
            known = _known_time(connection, server.server)
        wrong += _compare_hours(store, server, known, counts)
        wrong += _compare_days(store, server, known, counts)
        if first_day is not None:
            wrong += _read_folded_days(store, server.server, first_day, counts)
    compared = f"{counts.hours:,} hours and {counts.days:,} UTC days"
    words = f"{compared} of {len(estate):,} servers, summed again from their slots"
    if counts.folded_hours or counts.folded_days:
        folded = f"{counts.folded_hours:,} hours and {counts.folded_days:,} UTC days"
        words += f"; {folded} cannot be summed again: the minutes or hours that they are sums of are discarded"
    return words, wrong


def _compare_hours(store: Store, server: _SummedServer, known: Interval, counts: _Counts) -> Iterator[WrongSum]:
    last = min(server.summed_to, known.to_ms)
    for at in range(known.from_ms, last, WEEK_MS):
        upto = min(last, at + WEEK_MS)
        with store.reading() as connection:
            # Retention may have discarded more meanwhile.
            kept_from = -(-read_minutes_kept_from(connection, server.server) // HOUR_MS) * HOUR_MS
            folded = Interval(max(at, read_counter(connection, SLOTS_KEPT_FROM)), min(upto, kept_from))
            counts.folded_hours += _count_hours(connection, server.server, folded)
            count, found = compare_hours(connection, server.server, Interval(max(at, kept_from), upto))
        counts.hours += count
        for hour, what in found:
            yield WrongSum(hours.name, f"server={server.server} hour={_format_hour(hour)}", what)


def _compare_days(store: Store, server: _SummedServer, known: Interval, counts: _Counts) -> Iterator[WrongSum]:
    for day_ms in range(utc_day_of(known.from_ms), min(server.days_summed_to, known.to_ms), DAY_MS):
        with store.reading() as connection:
            if day_ms < read_hours_kept_from(connection, server.server):
                continue
            what = compare_day(connection, server.server, day_ms)
        counts.days += 1
        if what is not None:
            yield _wrong_day(server.server, day_ms, what)


def _read_folded_days(store: Store, server: str, first_day: int, counts: _Counts) -> Iterator[WrongSum]:
    with store.reading() as connection:
        query = select(servers.c.hours_kept_from).where(servers.c.server == server)
        kept_from = connection.execute(query).scalar() or 0
    for day_ms in range(first_day, kept_from, DAY_MS):
        with store.reading() as connection:
            day = load_utc_days(connection, day_ms, server).get(server)
        if day is None:
            continue
        counts.folded_days += 1
        try:
            add_parts([DayPart(day, day_ms, 0, QUARTERS)])
        except Exception as error:  # whatever a damaged row makes of its decoder
            yield _wrong_day(server, day_ms, f"cannot be decoded: {error}")


def _known_time(connection: Connection, server: str) -> Interval:
    """Return the time from the first to the last hour of a server that has minutes or a sum."""
    ends = [
        end
        for column, of_server in ((slots.c.slot, slots.c.server == server), (hours.c.hour, hours.c.server == server))
        for end in connection.execute(select(func.min(column), func.max(column)).where(of_server)).one()
        if end is not None
    ]
    return Interval(min(ends) // HOUR_MS * HOUR_MS, max(ends) + HOUR_MS) if ends else Interval(0, 0)


def _count_hours(connection: Connection, server: str, interval: Interval) -> int:
    within = (hours.c.server == server, hours.c.hour >= interval.from_ms, hours.c.hour < interval.to_ms)
    return int(connection.execute(select(func.count()).select_from(hours).where(*within)).scalar_one())


def _wrong_day(server: str, day_ms: int, what: str) -> WrongSum:
    return WrongSum(utc_days.name, f"server={server} day={_format_hour(day_ms)}", what)


def _format_hour(hour: int) -> str:
    return datetime.fromtimestamp(hour / 1000, UTC).strftime("%Y-%m-%dT%H:%MZ")
