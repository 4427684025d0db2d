"""The check of figures by stream: minutes are parts of their slots, hours and closed days are sums of their minutes."""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from sqlalchemy import Connection, func, select

from streamusage.core.coverage import Interval
from streamusage.service.accounting.checks.stream_sums import compare_all_streams
from streamusage.service.accounting.folding import read_hours_kept_from, read_minutes_kept_from
from streamusage.service.accounting.ledger import IS_VOID
from streamusage.service.accounting.stream_days import load_stream_days
from streamusage.service.accounting.stream_hours import roll_up_minutes
from streamusage.service.rules.rollups import HOUR_MS
from streamusage.service.rules.stream_hours import StreamHour
from streamusage.service.rules.utc_days import DAY_MS, utc_day_of
from streamusage.service.store.schema import closed_days, servers, stream_hours, stream_slots
from streamusage.service.store.store import Store
from streamusage.service.store.streams.closed_streams import decode_streams
from streamusage.service.store.streams.stream_hours import decode_hour

_CLOSING = ("tz", "day", "server", "revision")


class WrongStreams(NamedTuple):
    """A row by stream that is not as it must be."""

    table: str
    key: str
    what: str


def check_streams(store: Store, progress: Callable[[int, int], None]) -> tuple[str, list[WrongStreams]]:
    """Return how much was compared, in words, and the rows that are wrong. Each read is of a server and day."""
    slots, found = compare_all_streams(store, progress)
    wrong = [
        WrongStreams(stream_slots.name, f"server={row.server} epoch={row.epoch} slot={row.slot}", row.what)
        for row in found
    ]
    hours, of_hours = _compare_all_hours(store, progress)
    closings, of_closings = _compare_closings(store, progress)
    words = (
        f"{slots:,} slots with figures by stream, compared with the figures of their servers; "
        f"{hours:,} hours by stream, summed again from their slots; {closings:,} closed days, compared with their hours"
    )
    return words, wrong + of_hours + of_closings


def _compare_all_hours(store: Store, progress: Callable[[int, int], None]) -> tuple[int, list[WrongStreams]]:
    with store.reading() as connection:
        query = select(servers.c.server, servers.c.summed_to).order_by(servers.c.server)
        estate = connection.execute(query).all()
    wrong: list[WrongStreams] = []
    compared = 0
    for number, (server, summed_to) in enumerate(estate):
        progress(number, len(estate))
        with store.reading() as connection:
            known = _known_time(connection, server)
        for day_ms in range(utc_day_of(known.from_ms), known.to_ms, DAY_MS):
            with store.reading() as connection:
                # Retention may have discarded more meanwhile.
                kept_from = -(-read_minutes_kept_from(connection, server) // HOUR_MS) * HOUR_MS
                day = Interval(day_ms, day_ms + DAY_MS).clip(kept_from, max(kept_from, summed_to))
                count, found = compare_stream_hours(connection, server, day)
            compared += count
            wrong += found
    return compared, wrong


def _known_time(connection: Connection, server: str) -> Interval:
    """Return the time from the first to the last row by stream of a server."""
    ends = [
        end
        for time, of_server in (
            (stream_slots.c.slot, stream_slots.c.server == server),
            (stream_hours.c.hour, stream_hours.c.server == server),
        )
        for end in connection.execute(select(func.min(time), func.max(time)).where(of_server)).one()
        if end is not None
    ]
    return Interval(min(ends), max(ends) + 1) if ends else Interval(0, 0)


def compare_stream_hours(connection: Connection, server: str, interval: Interval) -> tuple[int, list[WrongStreams]]:
    """Sum the hours by stream of an interval again. Return how many there are, and those that differ."""
    try:
        summed = roll_up_minutes(connection, [server], interval).get(server, {})
    except Exception:  # whatever a damaged row makes of its decoder: the check of the minutes names it
        return 0, []
    of_server = (stream_hours.c.server == server, stream_hours.c.hour >= interval.from_ms)
    query = select(stream_hours).where(*of_server, stream_hours.c.hour < interval.to_ms)
    stored = {row.hour: row for row in connection.execute(query)}
    hours = sorted({*summed, *stored})
    wrong = [
        WrongStreams(stream_hours.name, f"server={server} hour={hour}", what)
        for hour in hours
        for what in _differences(stored.get(hour), summed.get(hour))
    ]
    return len(hours), wrong


def _differences(row: Any, expected: StreamHour | None) -> Iterator[str]:
    if row is None:
        yield "is missing, but has figures by stream in its slots"
        return
    try:
        stored = decode_hour(row.figures, row.minutes)
    except Exception as error:  # whatever a damaged row makes of its decoder
        yield f"cannot be decoded: {error}"
        return
    if expected is None:
        yield "has figures, but no figures by stream in its slots"
    elif stored != expected:
        yield "differs from its slots"


def _compare_closings(store: Store, progress: Callable[[int, int], None]) -> tuple[int, list[WrongStreams]]:
    """Compare the present figures by stream of closed days, whose hours are kept, with the hours by stream."""
    with store.reading() as connection:
        query = select(*(closed_days.c[name] for name in _CLOSING)).where(~IS_VOID, closed_days.c.streams.is_not(None))
        closings = connection.execute(query.order_by(closed_days.c.revision)).all()
    wrong: list[WrongStreams] = []
    compared = 0
    for number, (tz, day, server, revision) in enumerate(closings):
        progress(number, len(closings))
        with store.reading() as connection:
            of_closing = (closed_days.c.tz == tz, closed_days.c.day == day, closed_days.c.server == server)
            columns = ("from_ms", "to_ms", "streams", "current_streams")
            query = select(*(closed_days.c[name] for name in columns)).where(*of_closing)
            row = connection.execute(query.where(closed_days.c.revision == revision)).one()
            if row.from_ms < read_hours_kept_from(connection, server):
                continue
            summed_to = connection.execute(select(servers.c.summed_to).where(servers.c.server == server)).scalar_one()
            interval = Interval(row.from_ms, row.to_ms)
            what = _compare_closing(connection, row, {server: summed_to}, interval)
        compared += 1
        if what is not None:
            key = " ".join(f"{name}={value}" for name, value in zip(_CLOSING, closings[number], strict=True))
            wrong.append(WrongStreams(closed_days.name, key, what))
    return compared, wrong


def _compare_closing(connection: Connection, row: Any, summed_to: dict[str, int], day: Interval) -> str | None:
    try:
        stored = decode_streams(row.streams if row.current_streams is None else row.current_streams)
    except Exception as error:  # whatever a damaged row makes of its decoder
        return f"its figures by stream cannot be read ({error})"
    try:
        (expected,) = load_stream_days(connection, summed_to, day, with_minutes=False).values()
    except Exception:  # the checks of minutes and hours name it
        return None
    return None if stored == expected else "its present figures by stream are not those of its hours"
