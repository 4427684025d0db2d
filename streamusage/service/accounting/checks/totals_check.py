"""The check of totals, which counters of metrics show: each is the sum of its server's minutes, and of the hours and
UTC days to which minutes are folded.

Where some of these are not kept or were not counted, the sum of the others is a bound: a total only grows.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

import msgspec
from sqlalchemy import Connection, func, select

from streamusage.service.rules.folding import REVISED_MS, KeptFrom
from streamusage.service.rules.rollups import ROLLUP_SLOT_COLUMNS, Rollup
from streamusage.service.rules.utc_days import DAY_MS, QUARTERS, DayPart, UtcDay, add_parts, utc_day_of
from streamusage.service.store.change_feed import (
    FIGURES_MOVED,
    FROM_THE_BEGINNING,
    SLOTS_KEPT_FROM,
    TOTALS_COUNT_FROM,
    read_counter,
)
from streamusage.service.store.schema import hours, servers, slot_connections, slots, totals, utc_days
from streamusage.service.store.store import Store

_LATE_CONNECTIONS = "late_connections"
_whole = msgspec.msgpack.Decoder(Rollup)


class WrongTotal(NamedTuple):
    """A total that is not as it must be."""

    table: str
    key: str
    what: str


@dataclass
class _Sums:
    """Figures of one server."""

    connections: dict[str, int] = field(default_factory=dict)
    """By protocol."""
    others: dict[str, int] = field(default_factory=lambda: dict.fromkeys((_LATE_CONNECTIONS, *ROLLUP_SLOT_COLUMNS), 0))

    def add(self, figures: Rollup) -> None:
        for protocol, count in figures.connections.items():
            self.connections[protocol] = self.connections.get(protocol, 0) + count
        for name in self.others:
            self.others[name] += getattr(figures, name)

    def values(self) -> dict[tuple[str, str], int]:
        """Return the figures by protocol, which is empty where they are not kept by protocol, and name."""
        by_protocol = {(protocol, "connections"): count for protocol, count in self.connections.items()}
        return by_protocol | {("", name): count for name, count in self.others.items()}


class _Bounds(NamedTuple):
    """What the rows of a server imply for its totals."""

    least: dict[tuple[str, str], int]
    most: dict[tuple[str, str], int] | None
    """`None` where rows were discarded."""


def check_totals(store: Store, progress: Callable[[int, int], None]) -> tuple[str, list[WrongTotal]]:
    """Return how much was compared, in words, and the totals that are wrong. A server is read in one transaction."""
    with store.reading() as connection:
        names = {*connection.execute(select(servers.c.server)).scalars()}
        names |= {*connection.execute(select(totals.c.server)).scalars()}
    wrong: list[WrongTotal] = []
    exact = 0
    for number, server in enumerate(sorted(names)):
        progress(number, len(names))
        with store.reading() as connection:
            stored, bounds = _load_totals(connection, server), _sum_rows(connection, server)
        exact += bounds.least == bounds.most
        wrong += _compare(server, stored, bounds)
    words = f"totals of {len(names):,} servers, summed again from their minutes, hours and UTC days"
    if bounded := len(names) - exact:
        words += f"; of {bounded:,} some of these are not kept or were not counted, the others are a bound"
    return words, wrong


def _compare(server: str, stored: dict[tuple[str, str], int], bounds: _Bounds) -> Iterator[WrongTotal]:
    for protocol, name in sorted({*stored, *bounds.least, *(bounds.most or ())}):
        key = (protocol, name)
        total, least = stored.get(key, 0), bounds.least.get(key, 0)
        most = None if bounds.most is None else bounds.most.get(key, 0)
        if total < least or (most is not None and total > most):
            expected = f"{least}" if least == most else f"at least {least}" if total < least else f"at most {most}"
            what = f"{name} is {total}, but its minutes, hours and UTC days give {expected}"
            yield WrongTotal(totals.name, f"server={server} protocol={protocol}", what)


def _load_totals(connection: Connection, server: str) -> dict[tuple[str, str], int]:
    sums = _Sums()
    for row in connection.execute(select(totals).where(totals.c.server == server)):
        if row.protocol or row.connections:
            sums.connections[row.protocol] = row.connections
        for name in sums.others:
            sums.others[name] += getattr(row, name)
    return sums.values()


def _sum_rows(connection: Connection, server: str) -> _Bounds:
    columns = (servers.c.since, servers.c.minutes_kept_from, servers.c.hours_kept_from)
    row = connection.execute(select(*columns).where(servers.c.server == server)).first()
    folds = KeptFrom(0, 0) if row is None else KeptFrom(row.minutes_kept_from, row.hours_kept_from)
    kept_from, counted_from = read_counter(connection, SLOTS_KEPT_FROM), read_counter(connection, TOTALS_COUNT_FROM)
    everything = _sum_kept(connection, server, folds, kept_from)
    if everything is None:
        return _Bounds({}, None)
    counted: _Sums | None = everything
    if not counted_from:
        counted = None
    elif counted_from > max(kept_from, FROM_THE_BEGINNING):
        counted = _sum_kept(connection, server, folds, utc_day_of(counted_from) + DAY_MS)
    least = {} if counted is None else counted.values()
    if read_counter(connection, FIGURES_MOVED):  # what a repair moves is late in its minutes only
        least = {key: count for key, count in least.items() if not key[1].startswith("late_")}
    has_all = not kept_from or (row is not None and row.since is not None and kept_from <= row.since - REVISED_MS)
    return _Bounds(least, everything.values() if has_all else None)


def _sum_kept(connection: Connection, server: str, folds: KeptFrom, from_ms: int) -> _Sums | None:
    """Return the sums of what is kept from an instant on: minutes, the hours before them, the UTC days before those.
    `None` if one cannot be decoded: other checks name it.
    """
    found = _sum_minutes(connection, server, max(from_ms, folds.minutes))
    query = select(hours.c.whole).where(hours.c.server == server, hours.c.hour >= max(from_ms, folds.hours))
    of_hours = connection.execute(query.where(hours.c.hour < folds.minutes)).scalars().all()
    days = select(utc_days.c.day, utc_days.c.figures, utc_days.c.samples)
    days = days.where(utc_days.c.server == server, utc_days.c.day >= from_ms, utc_days.c.day < folds.hours)
    of_days = connection.execute(days).all()
    try:
        for whole in of_hours:
            found.add(_whole.decode(whole))
        for day_ms, *columns in of_days:
            found.add(add_parts([DayPart(UtcDay(*map(bytes, columns)), day_ms, 0, QUARTERS)]).figures)
    except Exception:  # whatever a damaged row makes of its decoder
        return None
    return found


def _sum_minutes(connection: Connection, server: str, from_ms: int) -> _Sums:
    of_server = (slots.c.server == server, slots.c.slot >= from_ms)
    sums = connection.execute(
        select(*(func.sum(slots.c[name]) for name in ROLLUP_SLOT_COLUMNS)).where(*of_server)
    ).one()
    table = slot_connections.c
    query = select(table.protocol, func.sum(table.connections), func.sum(table.late_connections))
    query = query.where(table.server == server, table.slot >= from_ms).group_by(table.protocol)
    rows = connection.execute(query).all()
    others = {name: int(count or 0) for name, count in zip(ROLLUP_SLOT_COLUMNS, sums, strict=True)}
    others[_LATE_CONNECTIONS] = sum(int(late) for _, _, late in rows)
    return _Sums({protocol: int(count) for protocol, count, _ in rows}, others)
