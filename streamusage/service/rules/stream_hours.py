"""Hours of all streams of a server, summed from their minutes, by column. Pure.

A column has one number for each stream. The sums are by quarter, because days of some zones begin at a quarter; the
bytes are by minute, from which peaks and percentiles of any group of streams are computed.
"""

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from streamusage.core.coverage import SLOT_MS
from streamusage.core.figures import STREAM_SUM_NAMES, StreamTraffic, least_exact
from streamusage.core.usage import StreamId
from streamusage.service.rules.rollups import HOUR_MS, MINUTES_OF_HOUR, QUARTER_MS, MinuteTraffic, pack_minutes
from streamusage.service.rules.stream_slots import ShareColumns

QUARTERS_OF_HOUR = HOUR_MS // QUARTER_MS
FIGURE_NAMES = (*STREAM_SUM_NAMES, *(f"late_{name}" for name in STREAM_SUM_NAMES))
"""The sums of a stream, then their late parts."""

ABSENT = "-"
"""Letter of a stream that has no figures in a quarter."""
_LETTERS: Mapping[StreamTraffic, str] = {"measured": "m", "apportioned": "a", "none": "n"}
TRAFFIC_OF: Mapping[str, StreamTraffic] = {letter: traffic for traffic, letter in _LETTERS.items()}
"""How the bytes of a stream are known, by letter."""
_LESS_EXACT = {(ABSENT, word): letter for word, letter in _LETTERS.items()} | {
    (known, word): _LETTERS[least_exact(TRAFFIC_OF[known], word)] for known in TRAFFIC_OF for word in _LETTERS
}
"""The letter after a part of a stream, by the letter before it and the word of the part."""
_BYTES_IN, _BYTES_OUT = FIGURE_NAMES.index("bytes_in"), FIGURE_NAMES.index("bytes_out")

Column = tuple[int, ...]
"""A number for each stream; empty if all are 0."""


class StreamHour(msgspec.Struct, frozen=True, gc=False):
    """Figures of all streams of one server in a UTC hour, in the order of the streams."""

    scopes: tuple[str, ...]
    names: tuple[str, ...]
    traffic: tuple[str, ...]
    """For each quarter a letter for each stream: how its bytes are known, or `ABSENT`."""
    sums: tuple[tuple[Column, ...], ...]
    """For each of `FIGURE_NAMES` a column for each quarter."""
    minutes: MinuteTraffic
    """Bytes by the minute, packed: the hour of the first stream, then that of the next one."""


def roll_up_streams(slots: Iterable[tuple[int, ShareColumns]]) -> dict[int, StreamHour]:
    """Return the hours of one server's streams, keyed by their start, from the streams of its slots.

    A slot may occur several times, once for each epoch. An hour without figures by stream is absent. Raises
    `ValueError` or `KeyError` if the columns of a slot are not those of parts of streams.
    """
    by_hour: dict[int, list[tuple[int, ShareColumns]]] = {}
    for slot, columns in slots:
        if columns[0]:
            by_hour.setdefault(slot - slot % HOUR_MS, []).append((slot, columns))
    return {start: _roll_up_hour(start, inside) for start, inside in by_hour.items()}


def _roll_up_hour(start: int, slots: Sequence[tuple[int, ShareColumns]]) -> StreamHour:
    # 2,000 streams have 120,000 parts in an hour: one column at a time is fastest in the interpreter.
    streams = sorted({key for _, columns in slots for key in zip(columns[0], columns[1], strict=True)})
    position = {key: at for at, key in enumerate(streams)}
    letters = [[ABSENT] * len(streams) for _ in range(QUARTERS_OF_HOUR)]
    sums = [[[0] * len(streams) for _ in range(QUARTERS_OF_HOUR)] for _ in FIGURE_NAMES]
    minutes_in, minutes_out = ([0] * (len(streams) * MINUTES_OF_HOUR) for _ in range(2))
    for slot, (scopes, names, traffic, *numbers) in slots:
        quarter, minute = (slot - start) // QUARTER_MS, (slot - start) // SLOT_MS
        places = [position[key] for key in zip(scopes, names, strict=True)]
        of_quarter = letters[quarter]
        for at, word in zip(places, traffic, strict=True):
            of_quarter[at] = _LESS_EXACT[of_quarter[at], word]
        for figure, column in zip(sums, numbers, strict=True):
            _add_column(figure[quarter], places, column)
        in_minute = [at * MINUTES_OF_HOUR + minute for at in places]
        _add_column(minutes_in, in_minute, numbers[_BYTES_IN])
        _add_column(minutes_out, in_minute, numbers[_BYTES_OUT])
    return StreamHour(
        scopes=tuple(scope for scope, _ in streams),
        names=tuple(name for _, name in streams),
        traffic=tuple("".join(quarter) for quarter in letters),
        sums=tuple(tuple(tuple(column) if any(column) else () for column in figure) for figure in sums),
        minutes=MinuteTraffic(pack_minutes(minutes_in), pack_minutes(minutes_out)),
    )


def _add_column(sums: list[int], places: Sequence[int], column: Sequence[int]) -> None:
    if any(column):
        for at, number in zip(places, column, strict=True):
            sums[at] += number


def streams_of(hour: StreamHour) -> list[StreamId]:
    """Return the streams of an hour, in its order."""
    return list(map(StreamId, hour.scopes, hour.names))
