"""The ledger of closed days: a closed figure is written once and never again; later changes are recorded beside it.

A day is closed for each server separately, in an account zone: by the rule `watermark`, by an operator, or `late` if
the server was discovered after the day was closed, so that everything it reports is an adjustment. The transaction
that applies a report records what the report changes in a closed day, so the closed figure and its adjustments always
add up to what the slots contain.

A day that a wrong clock closed is closed again, at another revision: a void entry names the closing that no longer
counts. That closing and its adjustments stay as they are.
"""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import msgspec
from msgspec import UNSET
from msgspec.structs import asdict
from sqlalchemy import Connection, Row, and_, func, insert, select, update

from streamusage.api.daily import (
    Adjustment,
    Adjustments,
    Closed,
    DailyFigures,
    DailyStatistics,
    DayDifference,
    LedgerEntry,
    VoidEntry,
)
from streamusage.core.coverage import Interval
from streamusage.core.days import day_interval, day_of, zone
from streamusage.core.figures import SUM_NAMES
from streamusage.service.accounting.chain import chain_closings, chain_voids
from streamusage.service.accounting.closed_streams import ClosingColumns, present_streams
from streamusage.service.accounting.customer_differences import have_customers_changed
from streamusage.service.accounting.day_statistics import (
    DaySamples,
    DayStatistics,
    compute_day_statistics,
    unpack_samples,
)
from streamusage.service.store.change_feed import SLOTS_KEPT_FROM, read_counter
from streamusage.service.store.coverage_rows import load_covered_servers
from streamusage.service.store.ledger_checksums import keep_closing_checksums, keep_entry_checksum
from streamusage.service.store.schema import (
    BULK_OF_CLOSING,
    CLOSING_KEY,
    adjustments,
    closed_days,
    counters,
    servers,
    voids,
)

BY_WATERMARK, BY_OPERATOR, DISCOVERED_LATE = "watermark", "operator", "late"

_BATCH_SIZE = 300
_FIGURES = msgspec.json.Decoder(DailyFigures)
_DIFFERENCE = msgspec.json.Decoder(DayDifference)
_REVISION = counters.c.name == "closed"
_POINTER = "closed "
"""The counter of a zone: this, and the name of the zone."""
IS_VOID = select(voids.c.revision).where(*(voids.c[name] == closed_days.c[name] for name in CLOSING_KEY)).exists()
"""Whether a row of `closed_days` has a void entry."""


class ClosedDay(NamedTuple):
    """A closed day."""

    statistics: DailyStatistics
    """The closed figures, what closed them, and their adjustments."""
    samples: DaySamples | None


def close_day(
    connection: Connection,
    tz: ZoneInfo,
    day: date,
    interval: Interval,
    figures: Mapping[str, DayStatistics],
    streams: Mapping[str, ClosingColumns],
    *,
    rule: str,
    closed_by: str,
    watermarks: Mapping[str, int | None],
    now_ms: int,
) -> None:
    """Close the day of these servers with these figures, and with their columns by stream."""
    revision = _take_revisions(connection, len(figures))
    rows = []
    for server, (closed, samples) in sorted(figures.items()):
        revision += 1
        rows.append(
            {
                "tz": tz.key,
                "day": day.isoformat(),
                "server": server,
                "from_ms": interval.from_ms,
                "to_ms": interval.to_ms,
                "revision": revision,
                "closed_at": now_ms,
                "closed_by": closed_by,
                "rule": rule,
                "watermark": watermarks.get(server),
                "figures": msgspec.json.encode(closed),
                "samples": samples.pack(),
                "disagreements": None,
                **streams[server],
                "current": None,
                "entries": 0,
                "adjusted_at": None,
            }
        )
    if rows:
        connection.execute(insert(closed_days), rows)
        keep_closing_checksums(connection, rows)
        chain_closings(connection, rows, now_ms)
    names = list(figures)
    for start in range(0, len(names), _BATCH_SIZE):
        batch = servers.c.server.in_(names[start : start + _BATCH_SIZE])
        later = update(servers).where(batch, servers.c.closed_to < interval.to_ms)
        connection.execute(later.values(closed_to=interval.to_ms))


def record_adjustments(connection: Connection, server: str, touched: Interval, now_ms: int) -> None:
    """Record what changed in the server's closed days that overlap the touched time."""
    meets = and_(
        ~IS_VOID,
        closed_days.c.server == server,
        closed_days.c.to_ms > touched.from_ms,
        closed_days.c.from_ms < touched.to_ms,
        closed_days.c.from_ms
        >= read_counter(connection, SLOTS_KEPT_FROM),  # slots before that are discarded: nothing to compare with
    )
    columns = [column for column in closed_days.c if column.name not in ("samples", "stream_minutes")]
    for row in connection.execute(select(*columns).where(meets)).all():
        interval = Interval(row.from_ms, row.to_ms)
        items = load_covered_servers(connection, *interval, now_ms, [server])
        after = compute_day_statistics(connection, items, interval)[server].figures
        before = _FIGURES.decode(row.current or row.figures)
        key = {name: getattr(row, name) for name in CLOSING_KEY}
        closed_day = and_(*(closed_days.c[name] == value for name, value in key.items()))
        current_streams = present_streams(connection, items[0], row, interval)
        if current_streams is not None:
            connection.execute(update(closed_days).where(closed_day).values(current_streams=current_streams))
        if after == before and not (current_streams and have_customers_changed(connection, row, current_streams)):
            continue
        current = msgspec.json.encode(after)
        entry = {
            **key,
            "entry": row.entries + 1,
            "at": now_ms,
            "difference": msgspec.json.encode(difference(after, before)),
            "current": current,
        }
        connection.execute(insert(adjustments).values(entry))
        keep_entry_checksum(connection, entry, row.revision)
        values = {"current": current, "entries": row.entries + 1, "adjusted_at": now_ms}
        connection.execute(update(closed_days).where(closed_day).values(values))


def difference(after: DailyFigures, before: DailyFigures) -> DayDifference:
    """Return by how much the sums of a day changed. Of all other figures the ledger keeps the new value."""
    counted_after, counted_before = after.connections_by_protocol, before.connections_by_protocol
    by_protocol = {
        name: moved
        for name in sorted({*counted_after, *counted_before})
        if (moved := counted_after.get(name, 0) - counted_before.get(name, 0))
    }
    sums = {name: getattr(after, name) - getattr(before, name) for name in SUM_NAMES}
    return DayDifference(**sums, connections_by_protocol=by_protocol)


def load_closed_days(
    connection: Connection,
    tz: ZoneInfo,
    first: date,
    last: date,
    only: Sequence[str] | None,
    *,
    with_samples: bool = False,
) -> list[ClosedDay]:
    """Return the closed days of a zone from `first` to `last`."""
    left_out = set(BULK_OF_CLOSING) - ({"samples"} if with_samples else set())
    columns = [column for column in closed_days.c if column.name not in left_out]
    query = select(*columns).where(
        ~IS_VOID,
        closed_days.c.tz == tz.key,
        closed_days.c.day >= first.isoformat(),
        closed_days.c.day <= last.isoformat(),
    )
    if only is not None:
        query = query.where(closed_days.c.server.in_(only))
    return [_decode_closed_day(row, with_samples) for row in connection.execute(query)]


def find_closings(connection: Connection, server: str, after_ms: int) -> list[Row[Any]]:
    """Return the closings of a server's days that end after an instant, except void ones, without their samples."""
    columns = [column for column in closed_days.c if column.name not in BULK_OF_CLOSING]
    query = select(*columns).where(~IS_VOID, closed_days.c.server == server, closed_days.c.to_ms > after_ms)
    return list(connection.execute(query.order_by(*(closed_days.c[name] for name in CLOSING_KEY))).all())


def void_closings(connection: Connection, closings: Sequence[Row[Any]], reason: str, by: str, now_ms: int) -> None:
    """Enter closings of one server's days as void, and open these days: the pointers of their zones move back."""
    if not closings:
        return
    rows = [
        {name: getattr(row, name) for name in CLOSING_KEY} | {"at": now_ms, "by": by, "reason": reason}
        for row in closings
    ]
    connection.execute(insert(voids), rows)
    chain_voids(connection, rows, now_ms)
    for name in sorted({row.tz for row in closings}):
        opened_from = min(row.from_ms for row in closings if row.tz == name)
        pointer = and_(counters.c.name == f"{_POINTER}{name}", counters.c.value > opened_from)
        connection.execute(update(counters).where(pointer).values(value=opened_from))
    server = closings[0].server
    last = select(func.max(closed_days.c.to_ms)).where(~IS_VOID, closed_days.c.server == server)
    closed_to = connection.execute(last).scalar() or 0
    connection.execute(update(servers).where(servers.c.server == server).values(closed_to=closed_to))


def void_entry(row: Any, reason: str, by: str, at_ms: int) -> VoidEntry:
    """Return the void entry of a closing."""
    return VoidEntry(
        server=row.server,
        day=row.day,
        tz=row.tz,
        revision=row.revision,
        at=at_ms,
        by=by,
        reason=reason,
        closed=_closed(row),
        figures=_FIGURES.decode(row.figures),
    )


def list_voids(
    connection: Connection, tz: ZoneInfo, first: date, last: date, only: Sequence[str] | None
) -> list[VoidEntry]:
    """Return the void entries of the days of a zone from `first` to `last`, by day, server and revision."""
    columns = [column for column in closed_days.c if column.name not in BULK_OF_CLOSING]
    query = (
        select(*columns, voids.c.reason, voids.c.by, voids.c.at.label("voided_at"))
        .join(voids, and_(*(voids.c[name] == closed_days.c[name] for name in CLOSING_KEY)))
        .where(voids.c.tz == tz.key, voids.c.day >= first.isoformat(), voids.c.day <= last.isoformat())
        .order_by(voids.c.day, voids.c.server, voids.c.revision)
    )
    if only is not None:
        query = query.where(voids.c.server.in_(only))
    return [void_entry(row, row.reason, row.by, row.voided_at) for row in connection.execute(query)]


def limit_closed_until(connection: Connection, now_ms: int) -> None:
    """Move the pointers of zones that are after now back to the start of the present day: it is not over."""
    ahead = and_(counters.c.name.startswith(_POINTER, autoescape=True), counters.c.value > now_ms)
    for row in connection.execute(select(counters.c.name).where(ahead)).all():
        tz = zone(row.name.removeprefix(_POINTER))
        set_closed_until(connection, tz, day_interval(day_of(now_ms, tz), tz).from_ms)


def _decode_closed_day(row: Any, with_samples: bool) -> ClosedDay:
    figures = _FIGURES.decode(row.figures)
    adjustment = None
    if row.current is not None:
        current = _FIGURES.decode(row.current)
        adjustment = Adjustment(
            entries=row.entries, at=row.adjusted_at, **asdict(difference(current, figures)), figures=current
        )
    statistics = DailyStatistics(
        server=row.server,
        day=row.day,
        tz=row.tz,
        state="final" if row.current is None else "adjusted",
        **asdict(figures),
        closed=_closed(row),
        adjustment=adjustment,
    )
    samples = unpack_samples(row.samples, Interval(row.from_ms, row.to_ms)) if with_samples else None
    return ClosedDay(statistics, samples)


def _closed(row: Any) -> Closed:
    return Closed(
        at=row.closed_at,
        by=row.closed_by or None,
        rule=row.rule,
        revision=row.revision,
        watermark=row.watermark,
    )


def list_adjustments(
    connection: Connection, tz: ZoneInfo, first: date, last: date, server: str | None, now_ms: int
) -> Adjustments:
    """Return the adjustments of the days of a zone from `first` to `last`, of one server or of all."""
    query = (
        select(adjustments, voids.c.at.label("voided_at"))
        .outerjoin(voids, and_(*(voids.c[name] == adjustments.c[name] for name in CLOSING_KEY)))
        .where(
            adjustments.c.tz == tz.key, adjustments.c.day >= first.isoformat(), adjustments.c.day <= last.isoformat()
        )
    )
    if server is not None:
        query = query.where(adjustments.c.server == server)
    order = (adjustments.c.day, adjustments.c.server, adjustments.c.revision, adjustments.c.entry)
    return Adjustments(
        now=now_ms,
        adjustments=[
            LedgerEntry(
                server=row.server,
                day=row.day,
                tz=row.tz,
                entry=row.entry,
                at=row.at,
                **asdict(_DIFFERENCE.decode(row.difference)),
                figures=_FIGURES.decode(row.current),
                void_revision=UNSET if row.voided_at is None else row.revision,
            )
            for row in connection.execute(query.order_by(*order))
        ],
        voids=list_voids(connection, tz, first, last, None if server is None else [server]) or UNSET,
    )


def closed_servers(connection: Connection, tz: ZoneInfo, day: date) -> set[str]:
    """Return the servers whose day is closed."""
    of_day = (closed_days.c.tz == tz.key, closed_days.c.day == day.isoformat())
    query = select(closed_days.c.server).where(~IS_VOID, *of_day)
    return set(connection.execute(query).scalars())


def closed_until(connection: Connection, tz: ZoneInfo) -> int | None:
    """Return the instant until which every day of the zone is closed; `None` if no day is."""
    return connection.execute(select(counters.c.value).where(counters.c.name == _pointer(tz))).scalar()


def set_closed_until(connection: Connection, tz: ZoneInfo, upto_ms: int) -> None:
    """Set the instant until which every day of the zone is closed."""
    moved = connection.execute(update(counters).where(counters.c.name == _pointer(tz)).values(value=upto_ms))
    if moved.rowcount == 0:
        connection.execute(insert(counters).values(name=_pointer(tz), value=upto_ms))


def _pointer(tz: ZoneInfo) -> str:
    return f"{_POINTER}{tz.key}"


def _take_revisions(connection: Connection, count: int) -> int:
    """Allocate `count` revisions and return the one before the first of them."""
    value = counters.c.value
    taken = connection.execute(update(counters).where(_REVISION).values(value=value + count).returning(value)).scalar()
    if taken is None:
        connection.execute(insert(counters).values(name="closed", value=count))
        taken = count
    return int(taken) - count
