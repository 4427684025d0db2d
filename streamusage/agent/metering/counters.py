"""Byte counters that live shorter than the media server's boot: of a connection, of a mount. Pure.

What is counted of one is the most that it ever showed, or that log lines of its connections add up to, whichever is
more: the lines bring the tail that nobody read before it was gone. One that comes back under its key goes on.
"""

from collections.abc import Iterable, Mapping

import msgspec

from streamusage.agent.reading import CounterReading
from streamusage.api.report import OpenCounter

KEEP_GONE_MS = 600_000
"""For how long lines of a counter that is gone, or the counter itself, may still come."""


class CounterDifference(msgspec.Struct, frozen=True):
    """Counters after a reading, and the bytes that it adds."""

    counters: tuple[OpenCounter, ...]
    bytes_in: int
    bytes_out: int


Logged = Mapping[str, tuple[int, int]]
"""What log lines add to each counter: bytes in and out, by key."""


def opened(readings: Iterable[CounterReading]) -> tuple[OpenCounter, ...]:
    """The counters as they stand where accounting begins: what they show is not ours."""
    return tuple(OpenCounter(key=each.key, bytes_in=each.bytes_in, bytes_out=each.bytes_out) for each in readings)


def advance(
    before: Iterable[OpenCounter], readings: Iterable[CounterReading], logged: Logged, at: int
) -> CounterDifference:
    """The counters after a reading at `at`. A counter that fell under its key began again."""
    known = {counter.key: counter for counter in before}
    shown = {each.key: each for each in readings}
    after: list[OpenCounter] = []
    total_in = total_out = 0
    for key in known.keys() | shown.keys() | logged.keys():
        counter = known.get(key, OpenCounter(key=key, bytes_in=0, bytes_out=0))
        reading = shown.get(key)
        if reading is not None and (reading.bytes_in < counter.bytes_in or reading.bytes_out < counter.bytes_out):
            counter = OpenCounter(key=key, bytes_in=0, bytes_out=0)
        counter, more_in, more_out = _advance_one(counter, reading, *logged.get(key, (0, 0)), at)
        total_in += more_in
        total_out += more_out
        if counter.gone_at is None or at - counter.gone_at < KEEP_GONE_MS:
            after.append(counter)
    return CounterDifference(tuple(sorted(after, key=lambda counter: counter.key)), total_in, total_out)


def _advance_one(
    counter: OpenCounter, reading: CounterReading | None, logged_in: int, logged_out: int, at: int
) -> tuple[OpenCounter, int, int]:
    level_in, level_out = counter.bytes_in + counter.ahead_in, counter.bytes_out + counter.ahead_out
    shown_in = counter.bytes_in if reading is None else reading.bytes_in
    shown_out = counter.bytes_out if reading is None else reading.bytes_out
    logged_in, logged_out = counter.logged_in + logged_in, counter.logged_out + logged_out
    now_in, now_out = max(level_in, shown_in, logged_in), max(level_out, shown_out, logged_out)
    after = OpenCounter(
        key=counter.key,
        bytes_in=shown_in,
        bytes_out=shown_out,
        ahead_in=now_in - shown_in,
        ahead_out=now_out - shown_out,
        logged_in=logged_in,
        logged_out=logged_out,
        gone_at=None if reading is not None else at if counter.gone_at is None else counter.gone_at,
    )
    return after, now_in - level_in, now_out - level_out


def inherit(own: Iterable[OpenCounter], bridged: Iterable[OpenCounter]) -> CounterDifference:
    """A new journal's counters with what its predecessor knew of them, brought forward to the first reading.

    What both counted is taken off what comes next, since a counter may lag behind the lines that were read before.
    """
    inherited = {counter.key: counter for counter in bridged}
    after: list[OpenCounter] = []
    total_in = total_out = 0
    for counter in own:
        older = inherited.pop(counter.key, None)
        if older is None:
            after.append(counter)
            continue
        level_in = counter.bytes_in + counter.ahead_in + older.ahead_in
        level_out = counter.bytes_out + counter.ahead_out + older.ahead_out
        logged_in, logged_out = counter.logged_in + older.logged_in, counter.logged_out + older.logged_out
        now_in, now_out = max(level_in, logged_in), max(level_out, logged_out)
        total_in += now_in - level_in
        total_out += now_out - level_out
        after.append(
            msgspec.structs.replace(
                counter,
                ahead_in=now_in - counter.bytes_in,
                ahead_out=now_out - counter.bytes_out,
                logged_in=logged_in,
                logged_out=logged_out,
            )
        )
    return CounterDifference(
        tuple(sorted((*after, *inherited.values()), key=lambda each: each.key)), total_in, total_out
    )
