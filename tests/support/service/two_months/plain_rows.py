"""Rows of sums as the documentation defines them, from the plain model: nothing of the product is used."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from tests.support.service.two_months.plain_model import (
    FIVE,
    MINUTE,
    STATES,
    SUMS,
    Days,
    Part,
    ServerDay,
    sums_of,
)
from tests.support.service.two_months.plain_rules import customer_of, text_of

NOT_BY_STREAM, NO_CUSTOMER = "not by stream", "no customer"
OF_STREAMS = ("stream", "scope", "customer")
GROUPS = ("server", "role", "all", *OF_STREAMS)
_WORDS = ("none", "apportioned", "measured")
Key = tuple[int, str]


@dataclass
class Slice:
    """What a server adds to a group in a day."""

    day: ServerDay
    parts: list[Part] = field(default_factory=list)
    later: list[Part] = field(default_factory=list)


@dataclass
class Row:
    """A row under construction."""

    days: set[date] = field(default_factory=set)
    servers: set[str] = field(default_factory=set)
    states: set[str] = field(default_factory=set)
    sums: list[int] = field(default_factory=lambda: [0] * 4)
    backfilled: list[int] = field(default_factory=lambda: [0] * 4)
    adjustment: list[int] | None = None
    protocols: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    words: set[str] = field(default_factory=set)
    coverage: dict[str, int] = field(default_factory=lambda: dict.fromkeys(STATES, 0))
    peaks: list[tuple[int, int] | None] = field(default_factory=lambda: [None, None])
    samples: list[list[int]] = field(default_factory=lambda: [[], []])
    expected_samples: int = 0

    def add(self, day: date, slices: Sequence[Slice], *, of_streams: bool) -> None:
        """Add what the servers of a day have of the group."""
        self.days.add(day)
        parts = [part for piece in slices for part in piece.parts]
        for piece in slices:
            self.servers.add(piece.day.name)
            self.states.add(piece.day.state)
            for state, length in piece.day.coverage.items():
                self.coverage[state] += length
            if piece.day.state == "adjusted":
                moved = sums_of(piece.later)
                self.adjustment = [a + b for a, b in zip(self.adjustment or [0] * 4, moved, strict=True)]
            if of_streams:
                self.words |= _words(piece)
        self.sums = [a + b for a, b in zip(self.sums, sums_of(parts), strict=True)]
        late = sums_of([part for part in parts if part.is_late])
        self.backfilled = [a + b for a, b in zip(self.backfilled, late, strict=True)]
        for part in parts:
            for protocol, count in part.protocols.items():
                self.protocols[protocol] += count
        is_measured = not of_streams and len(slices) == 1
        for way, name in enumerate(("bytes_in", "bytes_out")):
            for peak in _measured(parts, way) if is_measured else _highest_minute(parts, name):
                self.peaks[way] = _higher(self.peaks[way], peak)
        self._sample([piece.day for piece in slices], parts)

    def _sample(self, days: Sequence[ServerDay], parts: Sequence[Part]) -> None:
        ran = frozenset().union(*(day.samples[0] for day in days))
        whole = ran.difference(*(day.samples[1] for day in days))
        self.expected_samples += len(ran)
        for way, name in enumerate(("bytes_in", "bytes_out")):
            moved: dict[int, int] = defaultdict(int)
            for part in parts:
                moved[part.minute // FIVE * FIVE] += getattr(part, name)
            busy = moved.keys() & whole
            self.samples[way] += [*(moved[five] for five in busy), *[0] * (len(whole) - len(busy))]

    def figures(self, *, of_streams: bool) -> dict[str, Any]:
        """Return the fields of the row."""
        connections = self.sums[0]
        return {
            "days": len(self.days),
            "servers": len(self.servers),
            "state": next(state for state in ("provisional", "adjusted", "final") if state in self.states),
            "traffic": min(self.words, key=_WORDS.index) if self.words else None,
            **dict(zip(SUMS, self.sums, strict=True)),
            "connections_by_protocol": {} if of_streams else {k: v for k, v in sorted(self.protocols.items()) if v},
            "average_view_time_ms": self.sums[3] // connections if connections else None,
            "backfilled": dict(zip(SUMS, self.backfilled, strict=True)),
            "adjustment": None if self.adjustment is None else dict(zip(SUMS, self.adjustment, strict=True)),
            "coverage": self.coverage,
            "peaks": [peak or (0, None) for peak in self.peaks],
            "percentile": [
                *(_percentile(known) for known in self.samples),
                len(self.samples[1]),
                self.expected_samples,
            ],
        }


def expected_rows(days: Days, roles: Mapping[str, str], by: str, group: str) -> dict[tuple[str, str], dict[str, Any]]:
    """Return the rows of days by period and group, in order."""
    rows: dict[tuple[str, Key], Row] = {}
    of_streams = group in OF_STREAMS
    for day, servers in days:
        slices: dict[Key, list[Slice]] = defaultdict(list)
        for of_server in servers.values():
            for key, piece in _slices(of_server, day, group, roles):
                slices[key].append(piece)
        for key, pieces in slices.items():
            period = day.isoformat()[: 10 if by == "day" else 7]
            rows.setdefault((period, key), Row()).add(day, pieces, of_streams=of_streams)
    return {(period, key[1]): row.figures(of_streams=of_streams) for (period, key), row in sorted(rows.items())}


def _slices(server: ServerDay, day: date, group: str, roles: Mapping[str, str]) -> Iterator[tuple[Key, Slice]]:
    if group not in OF_STREAMS:
        name = {"server": server.name, "role": roles[server.name], "all": "all"}[group]
        yield (0, name), Slice(server, server.parts, server.later)
        return
    slices: dict[Key, Slice] = {}
    for is_later, parts in ((False, server.parts), (True, server.later)):
        for part in parts:
            piece = slices.setdefault(_key(part, day, group, server), Slice(server))
            (piece.later if is_later else piece.parts).append(part)
    left_over = (2, NOT_BY_STREAM)
    rest = slices.pop(left_over, Slice(server))
    yield from slices.items()
    has_streams = any(part.stream is not None for part in server.parts)
    if any(sums_of(rest.parts)) or any(sums_of(rest.later)) or not has_streams:
        yield left_over, rest


def _key(part: Part, day: date, group: str, server: ServerDay) -> Key:
    if part.stream is None:
        return 2, NOT_BY_STREAM
    if group == "stream":
        return 0, text_of(part.stream)
    if group == "scope":
        return 0, part.stream[0]
    customer = customer_of(part.stream, day, server.rules)
    return (1, NO_CUSTOMER) if customer is None else (0, customer)


def _words(piece: Slice) -> set[str]:
    """Return how the bytes of its streams are known: of each stream as it was closed, else as it is."""
    closed = {part.stream for part in piece.parts}
    known = [*piece.parts, *(part for part in piece.later if part.stream not in closed)]
    return {part.word for part in known if part.stream is not None}


def _measured(parts: Sequence[Part], way: int) -> Iterator[tuple[int, int]]:
    return ((part.peaks[way].bps, part.peaks[way].at) for part in parts if part.peaks is not None)


def _highest_minute(parts: Sequence[Part], name: str) -> Iterator[tuple[int, int]]:
    """Yield the minute with the most bytes, the earliest of equal ones, as a peak at its end; nothing without bytes."""
    moved: dict[int, int] = defaultdict(int)
    for part in parts:
        moved[part.minute] += getattr(part, name)
    if any(moved.values()):
        minute = min(moved, key=lambda minute: (-moved[minute], minute))
        yield moved[minute] * 8_000 // MINUTE, minute + MINUTE


def _higher(one: tuple[int, int] | None, other: tuple[int, int]) -> tuple[int, int]:
    if one is None or other[0] > one[0]:
        return other
    return other if other[0] == one[0] and other[1] < one[1] else one


def _percentile(samples: Sequence[int]) -> int | None:
    if not samples:
        return None
    rank = -(-95 * len(samples) // 100)
    return sorted(samples)[rank - 1] * 8_000 // FIVE
