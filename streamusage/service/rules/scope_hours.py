"""Hours by scope: the streams of each scope added up, over the servers of an estate. Pure.

An hour of one server by scope has the form of an hour by stream whose streams have no name, so that it is stored and
decoded like one.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from streamusage.core.coverage import SLOT_MS, Interval
from streamusage.core.figures import STREAM_SUM_NAMES, least_exact
from streamusage.service.rules.rollups import (
    HOUR_MS,
    MINUTES_OF_HOUR,
    QUARTER_MS,
    MinuteTraffic,
    unpack_minutes,
)
from streamusage.service.rules.stream_hours import (
    ABSENT,
    QUARTERS_OF_HOUR,
    TRAFFIC_OF,
    StreamHour,
)
from streamusage.service.rules.stream_slots import ShareColumns

_LANE = 8
"""Bytes of a packed minute, see `rollups.py`."""
_HOUR_BYTES = MINUTES_OF_HOUR * _LANE
_SUMS = len(STREAM_SUM_NAMES)
_BYTES_IN, _BYTES_OUT = STREAM_SUM_NAMES.index("bytes_in"), STREAM_SUM_NAMES.index("bytes_out")
_LETTER_OF = {traffic: letter for letter, traffic in TRAFFIC_OF.items()}


def fold_hour(hour: StreamHour) -> StreamHour:
    """Return an hour of one server by scope."""
    scopes = sorted(set(hour.scopes))
    position = {scope: at for at, scope in enumerate(scopes)}
    places = [position[scope] for scope in hour.scopes]
    minutes: list[list[int]] = []
    for packed in (hour.minutes.bytes_in, hour.minutes.bytes_out):
        of_scopes = [0] * len(scopes)  # a scope's packed minutes as one long number: no minute overflows its lane
        for number, at in enumerate(places):
            of_scopes[at] += int.from_bytes(packed[number * _HOUR_BYTES : (number + 1) * _HOUR_BYTES], "little")
        minutes.append(of_scopes)
    packed_in, packed_out = (
        b"".join(number.to_bytes(_HOUR_BYTES, "little") for number in of_scopes) for of_scopes in minutes
    )
    return StreamHour(
        scopes=tuple(scopes),
        names=("",) * len(scopes),
        traffic=tuple(_fold_letters(quarter, places, len(scopes)) for quarter in hour.traffic),
        sums=tuple(
            tuple(_fold_column(column, places, len(scopes)) if column else () for column in figure)
            for figure in hour.sums
        ),
        minutes=MinuteTraffic(packed_in, packed_out),
    )


def _fold_column(column: Sequence[int], places: Sequence[int], count: int) -> tuple[int, ...]:
    folded = [0] * count
    for at, number in zip(places, column, strict=True):
        folded[at] += number
    return tuple(folded)


def _fold_letters(letters: str, places: Sequence[int], count: int) -> str:
    folded = [ABSENT] * count
    for at, letter in zip(places, letters, strict=True):
        if letter == ABSENT:
            continue
        known = folded[at]
        folded[at] = letter if known == ABSENT else _LETTER_OF[least_exact(TRAFFIC_OF[known], TRAFFIC_OF[letter])]
    return "".join(folded)


SlotSumsByScope = dict[str, tuple[int, ...]]
"""Sums of a slot by scope, in the order of `STREAM_SUM_NAMES`."""


def fold_slot(columns: ShareColumns) -> SlotSumsByScope:
    """Return the parts of the streams of a slot by scope."""
    scopes, _names, _traffic, *numbers = columns
    if len(set(scopes)) == 1:
        return {scopes[0]: tuple(map(sum, numbers[:_SUMS]))}
    folded: dict[str, list[int]] = {}
    for scope, *sums in zip(scopes, *numbers[:_SUMS], strict=True):
        known = folded.get(scope)
        folded[scope] = sums if known is None else list(map(int.__add__, known, sums))
    return {scope: tuple(sums) for scope, sums in folded.items()}


class ScopeTime:
    """Figures of one scope in an hour or a day of several servers."""

    __slots__ = ("minutes_in", "minutes_out", "servers", "sums")

    def __init__(self) -> None:
        self.sums = [0] * _SUMS
        """In the order of `STREAM_SUM_NAMES`."""
        self.minutes_in = self.minutes_out = 0
        """Packed minutes as one long number each."""
        self.servers: set[str] = set()
        """Servers on which streams of the scope had figures."""

    def add(self, other: "ScopeTime", shift_minutes: int = 0) -> None:
        """Add figures whose first minute is the one of that number here."""
        self.sums = list(map(int.__add__, self.sums, other.sums))
        bits = shift_minutes * _LANE * 8
        self.minutes_in += other.minutes_in << bits
        self.minutes_out += other.minutes_out << bits
        self.servers |= other.servers


class ScopedHour(NamedTuple):
    """An hour of one server by scope."""

    server: str
    figures: StreamHour


class ScopedSlot(NamedTuple):
    """A slot of one server by scope, as one of its epochs counted it."""

    server: str
    sums: SlotSumsByScope


QuarterOfScopes = dict[str, ScopeTime]
"""A quarter of an hour of an estate, or a whole hour or a minute, by scope. The minutes are those of this time."""


class _Group:
    """Servers that have the same scopes in an hour, added up column by column: thousands of servers and scopes are
    added in milliseconds.
    """

    def __init__(self, scopes: tuple[str, ...]) -> None:
        self._scopes = scopes
        self._sums: list[list[int]] = [[0] * len(scopes) for _ in range(_SUMS)]
        self._minutes_in = self._minutes_out = 0
        self._servers: list[set[str]] = [set() for _ in scopes]

    def add(self, server: str, hour: StreamHour) -> None:
        for at, column in enumerate(hour.sums[:_SUMS]):
            parts = [quarter for quarter in column if quarter]
            if parts:
                self._sums[at] = list(map(sum, zip(self._sums[at], *parts, strict=True)))
        self._minutes_in += int.from_bytes(hour.minutes.bytes_in, "little")
        self._minutes_out += int.from_bytes(hour.minutes.bytes_out, "little")
        for at, letters in enumerate(zip(*hour.traffic, strict=True)):
            if letters != _ALWAYS_ABSENT:
                self._servers[at].add(server)

    def add_to(self, merged: QuarterOfScopes) -> None:
        length = len(self._scopes) * _HOUR_BYTES
        packed_in, packed_out = (number.to_bytes(length, "little") for number in (self._minutes_in, self._minutes_out))
        for at, scope in enumerate(self._scopes):
            if self._servers[at]:
                part = ScopeTime()
                cut = slice(at * _HOUR_BYTES, (at + 1) * _HOUR_BYTES)
                part.sums = [column[at] for column in self._sums]
                part.minutes_in = int.from_bytes(packed_in[cut], "little")
                part.minutes_out = int.from_bytes(packed_out[cut], "little")
                part.servers = self._servers[at]
                merged.setdefault(scope, ScopeTime()).add(part)


_ALWAYS_ABSENT = (ABSENT,) * QUARTERS_OF_HOUR


def merge_whole_hours(hours: Iterable[ScopedHour]) -> tuple[QuarterOfScopes]:
    """Return one hour of several servers as a whole, for days that contain all of it."""
    groups: dict[tuple[str, ...], _Group] = {}
    for server, hour in hours:
        group = groups.get(hour.scopes)
        if group is None:
            group = groups[hour.scopes] = _Group(hour.scopes)
        group.add(server, hour)
    merged: QuarterOfScopes = {}
    for group in groups.values():
        group.add_to(merged)
    return (merged,)


def merge_hours(hours: Iterable[ScopedHour]) -> tuple[QuarterOfScopes, ...]:
    """Return the quarters of one hour of several servers."""
    quarters: tuple[QuarterOfScopes, ...] = tuple({} for _ in range(QUARTERS_OF_HOUR))
    length = _HOUR_BYTES // QUARTERS_OF_HOUR
    for server, hour in hours:
        for quarter, merged in enumerate(quarters):
            columns = [figure[quarter] for figure in hour.sums[:_SUMS]]
            letters = hour.traffic[quarter]
            for at, scope in enumerate(hour.scopes):
                if letters[at] == ABSENT:
                    continue
                part = merged.get(scope)
                if part is None:
                    part = merged[scope] = ScopeTime()
                part.servers.add(server)
                part.sums = [
                    total + (column[at] if column else 0) for total, column in zip(part.sums, columns, strict=True)
                ]
                begin = at * _HOUR_BYTES + quarter * length
                part.minutes_in += int.from_bytes(hour.minutes.bytes_in[begin : begin + length], "little")
                part.minutes_out += int.from_bytes(hour.minutes.bytes_out[begin : begin + length], "little")
    return quarters


def merge_slots(slots: Iterable[ScopedSlot]) -> QuarterOfScopes:
    """Return one slot of several servers; its only minute is number 0."""
    merged: QuarterOfScopes = {}
    for server, sums in slots:
        for scope, figures in sums.items():
            part = merged.get(scope)
            if part is None:
                part = merged[scope] = ScopeTime()
            part.servers.add(server)
            part.sums = list(map(int.__add__, part.sums, figures))
            part.minutes_in += figures[_BYTES_IN]
            part.minutes_out += figures[_BYTES_OUT]
    return merged


def sum_scopes(
    hours: Iterable[tuple[int, Sequence[QuarterOfScopes]]],
    slots: Iterable[tuple[int, QuarterOfScopes]],
    interval: Interval,
) -> dict[str, ScopeTime]:
    """Return the figures of an interval whose ends are at quarters, from hours and slots with their starts.

    An hour has its four quarters, or is one whole, which no end of the interval cuts.
    """
    found: dict[str, ScopeTime] = {}
    for start, quarters in hours:
        if len(quarters) == 1:
            if interval.from_ms <= start < interval.to_ms:
                _add(found, quarters[0], (start - interval.from_ms) // SLOT_MS)
            continue
        first = max(0, interval.from_ms - start) // QUARTER_MS
        last = min(HOUR_MS, interval.to_ms - start) // QUARTER_MS
        for quarter in range(first, last):
            _add(found, quarters[quarter], (start + quarter * QUARTER_MS - interval.from_ms) // SLOT_MS)
    for slot, merged in slots:
        if interval.from_ms <= slot < interval.to_ms:
            _add(found, merged, (slot - interval.from_ms) // SLOT_MS)
    return found


def _add(found: dict[str, ScopeTime], parts: QuarterOfScopes, shift_minutes: int) -> None:
    for scope, part in parts.items():
        total = found.get(scope)
        if total is None:
            total = found[scope] = ScopeTime()
        total.add(part, shift_minutes)


def highest_minute_bps(packed: int) -> int:
    """Return the traffic of the highest of packed minutes, in bits per second."""
    length = -(-packed.bit_length() // (_LANE * 8)) * _LANE
    return max(unpack_minutes(packed.to_bytes(length, "little")), default=0) * 8_000 // SLOT_MS
