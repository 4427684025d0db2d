"""Coverage where log lines cannot be read: each of them makes its own minute partial, and no other time. Pure."""

from collections.abc import Iterable

import msgspec

from streamusage.agent.metering.additions import SpanAddition
from streamusage.agent.metering.passage import Passage
from streamusage.agent.reading import EndedConnection, Reading
from streamusage.core.coverage import SLOT_MS, Interval, slot_of
from streamusage.core.reasons import LINES_UNREADABLE


def split_unreadable(reading: Reading) -> tuple[Reading, list[EndedConnection]]:
    """Return a reading without its unreadable lines, and these: nothing else is known of them than about when."""
    unreadable = [line for line in reading.ended if line.kind == "unreadable"]
    if not unreadable:
        return reading, unreadable
    ended = tuple(line for line in reading.ended if line.kind != "unreadable")
    return msgspec.structs.replace(reading, ended=ended), unreadable


def unreadable_minutes(lines: Iterable[EndedConnection], passage: Passage, now: int) -> list[Interval]:
    """Return the whole minutes in which unreadable lines were written, on the scale of the reading at `now`."""
    minutes = []
    for line in lines:
        written = [passage.date_line(at, now) for at in (line.ended_at - line.duration_ms, line.ended_at)]
        minutes.append(Interval(slot_of(min(written)), slot_of(max(written)) + SLOT_MS))
    return minutes


def counted_spans(covered: Interval, minutes: Iterable[Interval]) -> list[SpanAddition]:
    """Return the spans of the time that a reading covers: `partial` in the given minutes, else `counted`.

    Minutes before that time are covered already: a line that was written late marks the nearest minute.
    """
    spans: list[SpanAddition] = []
    at = covered.from_ms
    for minute in sorted(_nearest(covered, minute) for minute in minutes):
        if minute.to_ms <= at:
            continue
        if minute.from_ms > at:
            spans.append(SpanAddition(at, minute.from_ms, "counted"))
            at = minute.from_ms
        spans.append(SpanAddition(at, minute.to_ms, "partial", LINES_UNREADABLE))
        at = minute.to_ms
    if at < covered.to_ms:
        spans.append(SpanAddition(at, covered.to_ms, "counted"))
    return spans


def _nearest(covered: Interval, minute: Interval) -> Interval:
    """Return the part of a minute that is covered now; of a minute outside, the nearest minute that is."""
    if minute.to_ms <= covered.from_ms:
        minute = Interval(covered.from_ms, slot_of(covered.from_ms) + SLOT_MS)
    elif minute.from_ms >= covered.to_ms:
        minute = Interval(slot_of(covered.to_ms - 1), covered.to_ms)
    return minute.clip(*covered)
