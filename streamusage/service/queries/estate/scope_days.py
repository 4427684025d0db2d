"""Sums of days by scope as the store has them now: summed hours, and minutes after them.

Hours and minutes of the past rarely change, and an estate has tens of thousands of them: what was read is kept, and
read again only where stamps, revisions or figures in the store differ.
"""

import time
import zlib
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

from sqlalchemy import Connection, case, func, select

from streamusage.core.coverage import Interval
from streamusage.service.queries.estate.server_days import unsummed
from streamusage.service.rules.rollups import HOUR_MS, round_to_quarters
from streamusage.service.rules.scope_hours import (
    QuarterOfScopes,
    ScopedHour,
    ScopedSlot,
    ScopeTime,
    SlotSumsByScope,
    fold_hour,
    fold_slot,
    merge_hours,
    merge_slots,
    merge_whole_hours,
    sum_scopes,
)
from streamusage.service.store.schema import slots, stream_hours, stream_slots
from streamusage.service.store.streams.stream_hours import decode_hour, decode_scopes
from streamusage.service.store.streams.stream_slots import decode_columns

_Merge = Callable[[Iterable[ScopedHour]], tuple[QuarterOfScopes, ...]]
_Mark = tuple[int, ...]
"""Numbers that change with the rows of an hour or of a minute."""


LONGEST_PAUSE_S = 0.05


class ScopeDays:
    """Reads days by scope. One thread at a time uses it."""

    def __init__(self) -> None:
        self._hours: dict[int, tuple[_Mark, tuple[QuarterOfScopes, ...]]] = {}
        self._slots: dict[int, tuple[_Mark, QuarterOfScopes]] = {}
        self._parts: dict[tuple[int, str, int], tuple[int, SlotSumsByScope]] = {}
        """Checksum and sums by slot, server and epoch."""

    def sum_days(
        self, connection: Connection, days: Sequence[Interval], summed_to: Mapping[str, int]
    ) -> list[dict[str, ScopeTime]]:
        """Return the days by scope, from the servers in `summed_to`: the instant before which the hours of each are
        summed. The days follow one another.
        """
        quarters = [round_to_quarters(day) for day in days]
        window = Interval(quarters[0].from_ms // HOUR_MS * HOUR_MS, -(-quarters[-1].to_ms // HOUR_MS) * HOUR_MS)
        ends = {end for interval in quarters for end in interval}
        cut = {end // HOUR_MS * HOUR_MS for end in ends if end % HOUR_MS}
        self._read_hours(connection, window, summed_to, cut)
        self._read_slots(connection, window, summed_to)
        of_hours = [(start, merged) for start, (_, merged) in sorted(self._hours.items())]
        of_slots = [(start, merged) for start, (_, merged) in sorted(self._slots.items())]
        return [sum_scopes(of_hours, of_slots, interval) for interval in quarters]

    def _read_hours(
        self, connection: Connection, window: Interval, known: Mapping[str, int], cut: Collection[int]
    ) -> None:
        table = stream_hours.c
        # Rows of an earlier version have no stamp: those are read each time.
        unstamped = func.sum(case((table.stamp == 0, 1), else_=0))
        query = select(table.hour, func.count(), func.sum(table.stamp), unstamped)
        query = query.where(table.hour >= window.from_ms, table.hour < window.to_ms).group_by(table.hour)
        marks = {
            row[0]: (int(row[1]), int(row[2]), int(row[3]), int(row[0] in cut)) for row in connection.execute(query)
        }
        self._hours = {hour: kept for hour, kept in self._hours.items() if hour in marks}
        for hour, mark in marks.items():
            kept = self._hours.get(hour)
            if kept is None or kept[0] != mark or mark[2]:
                merge: _Merge = merge_hours if hour in cut else merge_whole_hours
                began = time.perf_counter()
                self._hours[hour] = mark, merge(_load_hour(connection, hour, known))
                _pause(began)

    def _read_slots(self, connection: Connection, window: Interval, summed_to: Mapping[str, int]) -> None:
        marks: dict[int, _Mark] = {}
        groups = list(unsummed(window, summed_to))
        table = slots.c
        numbers = (table.revision, table.bytes_in, table.bytes_out, table.view_time_ms, table.epoch)
        for from_ms, names in groups:
            query = select(table.slot, func.count(), *map(func.sum, numbers))
            query = query.where(table.server.in_(names), table.slot >= from_ms, table.slot < window.to_ms)
            for slot, *found in connection.execute(query.group_by(table.slot)):
                marks[slot] = (*marks.get(slot, ()), from_ms, *map(int, found))
        changed = [slot for slot, mark in marks.items() if slot not in self._slots or self._slots[slot][0] != mark]
        self._slots = {slot: kept for slot, kept in self._slots.items() if slot in marks}
        self._parts = {key: kept for key, kept in self._parts.items() if key[0] in marks}
        for slot in changed:
            began = time.perf_counter()
            names = [name for from_ms, some in groups if from_ms <= slot for name in some]
            self._slots[slot] = marks[slot], merge_slots(self._load_slot(connection, slot, set(names)))
            _pause(began)

    def _load_slot(self, connection: Connection, slot: int, names: set[str]) -> list[ScopedSlot]:
        table = stream_slots.c
        columns = (table.server, table.epoch, table.streams)
        found = []
        for row in connection.execute(select(*columns).where(table.slot == slot)):
            if row.server not in names:
                continue
            key = (slot, row.server, row.epoch)
            kept = self._parts.get(key)
            digest = zlib.crc32(row.streams)
            if kept is None or kept[0] != digest:
                kept = self._parts[key] = digest, fold_slot(decode_columns(row.streams))
            found.append(ScopedSlot(row.server, kept[1]))
        return found


def _pause(began: float) -> None:
    """Leave the processor to others for as long as it was used: the first computation decodes two days."""
    time.sleep(min(LONGEST_PAUSE_S, time.perf_counter() - began))


def _load_hour(connection: Connection, hour: int, known: Mapping[str, int]) -> list[ScopedHour]:
    table = stream_hours.c
    found, earlier = [], []
    for server, scopes in connection.execute(select(table.server, table.scopes).where(table.hour == hour)):
        if server not in known:
            continue
        if scopes is None:
            earlier.append(server)
        else:
            found.append(ScopedHour(server, decode_scopes(scopes)))
    for server in earlier:
        query = select(table.figures, table.minutes).where(table.hour == hour, table.server == server)
        found.append(ScopedHour(server, fold_hour(decode_hour(*connection.execute(query).one()))))
    return found
