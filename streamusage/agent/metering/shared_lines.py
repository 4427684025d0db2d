"""Log lines whose bytes several counters contain: those of a listener who moved between mounts. Pure.

It is unknown how the bytes of such a line are divided among the counters. All that the lines report and all that the
counters show describe the same bytes, so what counts is the larger of the two sums, and each byte counts once.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

from streamusage.agent.metering.counters import (
    CounterDifference,
    CounterFigure,
    advance,
    incoming,
    make_counter,
    outgoing,
)
from streamusage.agent.reading import SHARED, CounterReading
from streamusage.api.report import OpenCounter


def advance_with_shared(
    before: Iterable[OpenCounter], readings: Sequence[CounterReading], logged: Mapping[str, tuple[int, int]], at: int
) -> CounterDifference:
    """Return the counters after a reading and the bytes that they add, as `counters.advance` does.

    `logged` are the bytes in and out of the new lines of each counter, of the shared one, too.
    """
    if all(reading.key != SHARED for reading in readings):
        return advance(before, readings, logged, at)
    own_lines = {key: lines for key, lines in logged.items() if key != SHARED}
    moved = advance(
        [counter for counter in before if counter.key != SHARED],
        [reading for reading in readings if reading.key != SHARED],
        own_lines,
        at,
    )
    logged_in, logged_out = (sum(lines[index] for lines in own_lines.values()) for index in (0, 1))
    return add_shared_lines(before, moved, (logged_in, logged_out), logged.get(SHARED, (0, 0)))


def add_shared_lines(
    before: Iterable[OpenCounter], moved: CounterDifference, logged: tuple[int, int], shared_logged: tuple[int, int]
) -> CounterDifference:
    """Return the counters with the shared one after a reading, and the bytes that all of them add.

    `moved` is the difference without it; `logged` are the bytes in and out of all new lines of the other counters.
    """
    known = {counter.key: counter for counter in before}
    shared = known.pop(SHARED, OpenCounter(key=SHARED, bytes_in=0, bytes_out=0))
    others = _Others(tuple(known.values()), moved.counters)
    received, added_in = _settle(incoming, shared, others, moved.bytes_in, logged[0] + shared_logged[0])
    sent, added_out = _settle(outgoing, shared, others, moved.bytes_out, logged[1] + shared_logged[1])
    counters = (make_counter(SHARED, received, sent), *moved.counters)
    return CounterDifference(counters, added_in, added_out, moved.by_key)


class _Others(NamedTuple):
    """The counters without the shared one."""

    before: tuple[OpenCounter, ...]
    after: tuple[OpenCounter, ...]
    """Those that are still kept after the reading."""


def _settle(
    direction: Callable[[OpenCounter], CounterFigure], shared: OpenCounter, others: _Others, moved: int, new_lines: int
) -> tuple[CounterFigure, int]:
    """Return the shared counter after a reading in one direction, and the bytes that all counters add in it.

    `moved` are the bytes that the other counters add, `new_lines` those of all new lines.
    """
    figure = direction(shared)
    before, after = ([direction(counter) for counter in counters] for counters in others)
    level, logged = sum(other.level for other in before), sum(other.logged for other in before)
    counted = figure.level + level
    shown = figure.value + level + moved
    lines = figure.logged + logged + new_lines
    now = max(counted, shown, lines)
    settled = CounterFigure(
        value=max(0, shown - sum(other.level for other in after)),
        ahead=now - shown,
        logged=max(0, lines - sum(other.logged for other in after)),
    )
    return settled, now - counted
