"""A server's day by stream: sums, traffic by the minute, and what its streams leave of the server's figures. Pure.

The streams of a server and the rest, which is not by stream, always sum to the server's figures.
"""

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache, reduce
from typing import NamedTuple

from streamusage.core.coverage import SLOT_MS, Interval
from streamusage.core.figures import StreamTraffic, least_exact
from streamusage.core.usage import StreamId
from streamusage.service.rules.rollups import HOUR_MS, MINUTES_OF_HOUR, QUARTER_MS, MinuteTraffic
from streamusage.service.rules.stream_hours import ABSENT, FIGURE_NAMES, TRAFFIC_OF, StreamHour

_LANE = 8
"""Bytes of a packed minute, see `rollups.py`."""
_NO_MINUTES = MinuteTraffic(b"", b"")


class StreamDay(NamedTuple):
    """Figures of one stream on one server over an interval, or of what is not by stream."""

    traffic: StreamTraffic | None
    """How the bytes are known; `None` for what is not by stream."""
    sums: tuple[int, ...]
    """In the order of `FIGURE_NAMES`."""
    minutes: MinuteTraffic
    """Empty if the minutes were not read."""


StreamsOfDay = Mapping[StreamId, StreamDay]


class _Table:
    """Sums of streams under construction, by column."""

    def __init__(self, length: int) -> None:
        self._length = length
        self._places: dict[tuple[str, str], int] = {}
        self.letters: list[str] = []
        self.sums: list[list[int]] = [[] for _ in FIGURE_NAMES]
        self.minutes_in: list[bytearray] = []
        self.minutes_out: list[bytearray] = []

    def places_of(self, keys: Iterable[tuple[str, str]]) -> list[int]:
        places = [self._places.setdefault(key, len(self._places)) for key in keys]
        more = len(self._places) - len(self.letters)
        if more:
            self.letters += [ABSENT] * more
            for column in self.sums:
                column += [0] * more
            for minutes in (self.minutes_in, self.minutes_out):
                minutes += [bytearray(self._length) for _ in range(more)]
        return places

    def figures(self) -> dict[StreamId, StreamDay]:
        """Return the streams that had figures, in order."""
        sums = list(zip(*self.sums, strict=True))
        return {
            StreamId(*key): StreamDay(
                TRAFFIC_OF[self.letters[at]],
                sums[at],
                MinuteTraffic(bytes(self.minutes_in[at]), bytes(self.minutes_out[at])),
            )
            for key, at in sorted(self._places.items())
            if self.letters[at] != ABSENT
        }


def sum_streams(
    hours: Iterable[tuple[int, StreamHour]], interval: Interval, *, with_minutes: bool
) -> dict[StreamId, StreamDay]:
    """Return the figures of one server's streams over an interval whose ends are at quarters.

    `hours` are those that the interval overlaps, with their starts. Streams without a part in it are absent.
    """
    table = _Table(interval.length_ms // SLOT_MS * _LANE if with_minutes else 0)
    for start, hour in hours:
        first = max(0, interval.from_ms - start) // QUARTER_MS
        last = min(HOUR_MS, interval.to_ms - start) // QUARTER_MS
        if first >= last:
            continue
        places = table.places_of(zip(hour.scopes, hour.names, strict=True))
        words = map(_least_exact_letter, zip(*hour.traffic[first:last], strict=True))
        for at, word in zip(places, words, strict=True):
            table.letters[at] = _least_exact_letter((table.letters[at], word))
        for column, quarters in zip(table.sums, hour.sums, strict=True):
            parts = [quarter for quarter in quarters[first:last] if quarter]
            if parts:
                for at, number in zip(places, map(sum, zip(*parts, strict=True)), strict=True):
                    column[at] += number
        if with_minutes:
            begin = (start + first * QUARTER_MS - interval.from_ms) // SLOT_MS * _LANE
            _copy(hour.minutes.bytes_in, table.minutes_in, places, begin, (first, last))
            _copy(hour.minutes.bytes_out, table.minutes_out, places, begin, (first, last))
    return table.figures()


def _copy(hour: bytes, days: Sequence[bytearray], places: Sequence[int], begin: int, quarters: tuple[int, int]) -> None:
    """Copy quarters of the packed minutes of an hour of streams into their days."""
    whole = MINUTES_OF_HOUR * _LANE
    first, last = (quarter * QUARTER_MS // SLOT_MS * _LANE for quarter in quarters)
    end = begin + last - first
    for number, at in enumerate(places):
        days[at][begin:end] = hour[number * whole + first : number * whole + last]


@lru_cache(maxsize=1024)
def _least_exact_letter(letters: tuple[str, ...]) -> str:
    present = [letter for letter in letters if letter != ABSENT]
    if not present:
        return ABSENT
    word = reduce(least_exact, (TRAFFIC_OF[letter] for letter in present))
    return next(letter for letter in present if TRAFFIC_OF[letter] == word)


def sum_figures(parts: Sequence[StreamDay]) -> tuple[int, ...]:
    """Return the sums of several parts, in the order of `FIGURE_NAMES`."""
    return tuple(map(sum, zip(*(part.sums for part in parts), strict=True))) if parts else (0,) * len(FIGURE_NAMES)


def rest_of(sums: Sequence[int], minutes: MinuteTraffic, streams: StreamsOfDay) -> StreamDay:
    """Return what the streams leave of their server's figures. `sums` are in the order of `FIGURE_NAMES`.

    The late part of the rest is negative where units became known by stream later than the server's units. The minutes
    are empty if those of the server are.
    """
    parts = list(streams.values())
    left = tuple(whole - part for whole, part in zip(sums, sum_figures(parts), strict=True))
    if not minutes.bytes_in or not parts:
        return StreamDay(None, left, minutes)
    return StreamDay(
        None,
        left,
        MinuteTraffic(
            _subtract(minutes.bytes_in, [part.minutes.bytes_in for part in parts]),
            _subtract(minutes.bytes_out, [part.minutes.bytes_out for part in parts]),
        ),
    )


def _subtract(whole: bytes, parts: Iterable[bytes]) -> bytes:
    """Return packed minutes without those of parts, of which no minute has more than the whole."""
    left = int.from_bytes(whole, "little") - sum(int.from_bytes(part, "little") for part in parts)
    return left.to_bytes(len(whole), "little")
