"""Sums of one day by server as the store has them now, without percentiles: summed hours, and minutes after them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import msgspec
from sqlalchemy import Connection, and_, func, select

from streamusage.core.coverage import Interval, Provenance
from streamusage.core.figures import SLOT_SUM_NAMES
from streamusage.service.rules.coverage import time_by_state
from streamusage.service.rules.rollups import HOUR_MS, QUARTER_MS, Rollup, round_to_quarters
from streamusage.service.store.coverage_rows import CoveredServer
from streamusage.service.store.schema import hours, slot_connections, slots

_BATCH_SIZE = 300
_whole = msgspec.msgpack.Decoder(Rollup)
_quarters = msgspec.msgpack.Decoder(tuple[Rollup, ...])


@dataclass
class DaySums:
    """A day of one server, or of several."""

    connections: dict[str, int] = field(default_factory=dict)
    """By protocol."""
    sums: dict[str, int] = field(default_factory=lambda: dict.fromkeys(SLOT_SUM_NAMES, 0))
    peak_in_bps: int | None = 0
    """`None` for several servers: their peaks do not add up."""
    peak_out_bps: int | None = 0
    covered_ms: dict[Provenance, int] = field(default_factory=lambda: dict.fromkeys(Provenance, 0))

    def fold(self, other: "DaySums") -> None:
        """Add the day of another server; the peak of both is unknown."""
        self.peak_in_bps = self.peak_out_bps = None
        _add(self.connections, other.connections)
        _add(self.sums, other.sums)
        for state, length in other.covered_ms.items():
            self.covered_ms[state] += length

    def add_rollup(self, part: Rollup) -> None:
        """Add a part of the server's day."""
        _add(self.connections, part.connections)
        for name in SLOT_SUM_NAMES:
            self.sums[name] += getattr(part, name)
        self.add_peaks(part.peak_in and part.peak_in[0], part.peak_out and part.peak_out[0])

    def add_peaks(self, peak_in_bps: int | None, peak_out_bps: int | None) -> None:
        """Raise the peaks to those of a part of the server's day."""
        self.peak_in_bps = max(self.peak_in_bps or 0, peak_in_bps or 0)
        self.peak_out_bps = max(self.peak_out_bps or 0, peak_out_bps or 0)


def sum_server_days(connection: Connection, day: Interval, ran: Sequence[CoveredServer]) -> dict[str, DaySums]:
    """Return the day of each of these servers, whose pieces cover it."""
    found = {item.state.server: DaySums(covered_ms=time_by_state(item.pieces, *day)) for item in ran}
    interval = round_to_quarters(day)
    _add_hours(connection, interval, found)
    for from_ms, names in unsummed(interval, {item.state.server: item.state.summed_to for item in ran}):
        _add_slots(connection, Interval(from_ms, interval.to_ms), names, found)
    return found


def unsummed(interval: Interval, summed_to: Mapping[str, int]) -> Iterator[tuple[int, list[str]]]:
    """Yield from when on hours of an interval are not summed yet, and for which servers: a batch at a time."""
    later: dict[int, list[str]] = {}
    for server, upto in sorted(summed_to.items()):
        if upto < interval.to_ms:
            later.setdefault(max(upto, interval.from_ms), []).append(server)
    for from_ms, names in later.items():
        for start in range(0, len(names), _BATCH_SIZE):
            yield from_ms, names[start : start + _BATCH_SIZE]


def _add_hours(connection: Connection, interval: Interval, found: Mapping[str, DaySums]) -> None:
    inside = Interval(-(-interval.from_ms // HOUR_MS) * HOUR_MS, interval.to_ms // HOUR_MS * HOUR_MS)
    within = and_(hours.c.hour >= inside.from_ms, hours.c.hour < inside.to_ms)
    for server, whole in connection.execute(select(hours.c.server, hours.c.whole).where(within)):
        if (of_server := found.get(server)) is not None:
            of_server.add_rollup(_whole.decode(whole))
    for cut in {interval.from_ms // HOUR_MS * HOUR_MS, inside.to_ms}:
        first = max(0, interval.from_ms - cut) // QUARTER_MS
        last = min(HOUR_MS, interval.to_ms - cut) // QUARTER_MS
        if (first, last) == (0, HOUR_MS // QUARTER_MS) or first >= last:
            continue
        for server, quarters in connection.execute(select(hours.c.server, hours.c.quarters).where(hours.c.hour == cut)):
            if (of_server := found.get(server)) is not None:
                for quarter in _quarters.decode(quarters)[first:last]:
                    of_server.add_rollup(quarter)


def _add_slots(connection: Connection, interval: Interval, names: Sequence[str], found: Mapping[str, DaySums]) -> None:
    sums = [func.sum(slots.c[name]).label(name) for name in SLOT_SUM_NAMES]
    peaks = [func.max(slots.c[name]).label(name) for name in ("peak_in_bps", "peak_out_bps")]
    within = (slots.c.server.in_(names), slots.c.slot >= interval.from_ms, slots.c.slot < interval.to_ms)
    for row in connection.execute(select(slots.c.server, *sums, *peaks).where(*within).group_by(slots.c.server)):
        _add(found[row.server].sums, {name: int(getattr(row, name)) for name in SLOT_SUM_NAMES})
        found[row.server].add_peaks(row.peak_in_bps, row.peak_out_bps)
    table = slot_connections.c
    counted = (table.server.in_(names), table.slot >= interval.from_ms, table.slot < interval.to_ms)
    query = select(table.server, table.protocol, func.sum(table.connections)).where(*counted)
    for server, protocol, count in connection.execute(query.group_by(table.server, table.protocol)):
        _add(found[server].connections, {protocol: int(count)})


def _add(sums: dict[str, int], more: Mapping[str, int]) -> None:
    for name, count in more.items():
        sums[name] = sums.get(name, 0) + count
