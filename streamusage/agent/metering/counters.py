"""Byte counters of connections, mounts and past boots, and the log lines that complete them. Pure.

A counter may have a shorter life than the media server's boot. For such a counter the meter counts the highest value
that it ever showed, or the sum of the log lines of its connections, whichever is larger: the lines contain the bytes
after the last reading that showed it. A counter that reappears under its key continues.

A counter never falls while it lives. A figure that falls to no less than half counts on from its highest value; one
that falls further started again, unless it jumps back later. A figure that did start again and is taken for the other
had at most twice the traffic between two readings: that much may be missing, and nothing counts twice.

The same holds for a boot that has ended: its log lines may exceed its last counters, and the excess is counted then.
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import msgspec

from streamusage.agent.metering.additions import Additions
from streamusage.agent.reading import SHARED, CounterReading
from streamusage.api.report import Baseline, OpenCounter, RetiredBoot
from streamusage.core.coverage import slot_of

KEEP_GONE_MS = 600_000
"""How long a missing counter is kept, in case it reappears or its log lines arrive. One of the first reading of a new
journal is kept until the log lines that its predecessor knows are known, too."""


class CounterDifference(msgspec.Struct, frozen=True):
    """The counters after a reading, and the bytes that the reading adds."""

    counters: tuple[OpenCounter, ...]
    bytes_in: int
    bytes_out: int
    by_key: Mapping[str, tuple[int, int]] = {}
    """Bytes in and out that each counter adds, if any."""


LoggedBytes = Mapping[str, tuple[int, int]]
"""Bytes in and out of new log lines, by the key of their counter."""


def open_counters(readings: Iterable[CounterReading]) -> tuple[OpenCounter, ...]:
    """Return the counters at the start of accounting. Their values up to then are not counted."""
    return tuple(
        OpenCounter(
            key=reading.key,
            bytes_in=reading.bytes_in or 0,
            bytes_out=reading.bytes_out or 0,
            unknown_in=reading.bytes_in is None,
            unknown_out=reading.bytes_out is None,
            is_first=True,
        )
        for reading in readings
    )


def has_fallen(before: Iterable[OpenCounter], readings: Iterable[CounterReading]) -> bool:
    """Return whether a counter shows less than it did before, so that its bytes since then are a lower bound."""
    known = {counter.key: counter for counter in before}
    return any(
        reading.key != SHARED
        and (counter := known.get(reading.key)) is not None
        and (_is_less(reading.bytes_in, counter.bytes_in) or _is_less(reading.bytes_out, counter.bytes_out))
        for reading in readings
    )


def _is_less(shown: int | None, before: int) -> bool:
    return shown is not None and shown < before


def advance(
    before: Iterable[OpenCounter], readings: Iterable[CounterReading], logged: LoggedBytes, at: int
) -> CounterDifference:
    """Return the counters after a reading at `at`."""
    known = {counter.key: counter for counter in before}
    shown = {reading.key: reading for reading in readings}
    after: list[OpenCounter] = []
    total_in = total_out = 0
    by_key = {}
    for key in known.keys() | shown.keys() | logged.keys():
        counter = known.get(key) or OpenCounter(key=key, bytes_in=0, bytes_out=0)
        reading = shown.get(key)
        risen = None if reading is None or key in logged else _rise(counter, reading)
        if risen is not None:
            after.append(risen)
            more_in, more_out = risen.bytes_in - counter.bytes_in, risen.bytes_out - counter.bytes_out
        else:
            counter, more_in, more_out = _advance_counter(counter, reading, *logged.get(key, (0, 0)), at)
        total_in += more_in
        total_out += more_out
        if more_in or more_out:
            by_key[key] = more_in, more_out
        if risen is not None:
            continue
        if counter.is_first or counter.gone_at is None or at - counter.gone_at < KEEP_GONE_MS:
            after.append(counter)
    return CounterDifference(tuple(sorted(after, key=lambda counter: counter.key)), total_in, total_out, by_key)


def _rise(counter: OpenCounter, reading: CounterReading) -> OpenCounter | None:
    """Return a counter without a past after a reading that shows a rise, the usual case; None in any other case."""
    bytes_in, bytes_out = reading.bytes_in, reading.bytes_out
    if bytes_in is None or bytes_out is None or bytes_in < counter.bytes_in or bytes_out < counter.bytes_out:
        return None
    has_log = counter.ahead_in or counter.ahead_out or counter.logged_in or counter.logged_out
    if has_log or counter.fell_in or counter.fell_out or counter.unknown_in or counter.unknown_out:
        return None
    return OpenCounter(key=counter.key, bytes_in=bytes_in, bytes_out=bytes_out, is_first=counter.is_first)


class CounterFigure(NamedTuple):
    """One direction of a counter, as in `OpenCounter`."""

    value: int
    ahead: int
    logged: int
    fell: int = 0
    unknown: bool = False

    @property
    def level(self) -> int:
        """Bytes that are counted for it so far."""
        return self.value + self.ahead

    def advance(self, shown: int | None, logged: int) -> "tuple[CounterFigure, int]":
        """Return the figure after a reading and new log lines, and the bytes that they add."""
        figure, value = (self, self.value) if shown is None else self._settle(shown)
        now = max(figure.level, value, figure.logged + logged)
        after = figure._replace(value=value, ahead=now - value, logged=figure.logged + logged)
        return after, now - figure.level

    def _settle(self, shown: int) -> "tuple[CounterFigure, int]":
        """Return the figure from which a shown value counts, and the value that counts."""
        if self.unknown:
            return self._replace(value=shown, unknown=False), shown
        if shown < self.value:
            if 2 * shown >= self.value:
                return self, self.value
            return CounterFigure(0, 0, 0, fell=self.value), shown
        if 2 * self.value >= self.fell:
            return self._replace(fell=0), shown  # it grew again: it had started again
        if shown < self.fell:
            return self, shown
        # It jumped back: the values in between were wrong. What was counted of them counts as bytes since the fall.
        return self._replace(value=min(shown, self.fell + self.value), fell=0), shown


def incoming(counter: OpenCounter) -> CounterFigure:
    """Return what a counter has received."""
    return CounterFigure(counter.bytes_in, counter.ahead_in, counter.logged_in, counter.fell_in, counter.unknown_in)


def outgoing(counter: OpenCounter) -> CounterFigure:
    """Return what a counter has sent."""
    return CounterFigure(
        counter.bytes_out, counter.ahead_out, counter.logged_out, counter.fell_out, counter.unknown_out
    )


def make_counter(key: str, received: CounterFigure, sent: CounterFigure, gone_at: int | None = None) -> OpenCounter:
    """Return the counter of both directions."""
    return OpenCounter(
        key=key,
        bytes_in=received.value,
        bytes_out=sent.value,
        ahead_in=received.ahead,
        ahead_out=sent.ahead,
        logged_in=received.logged,
        logged_out=sent.logged,
        gone_at=gone_at,
        fell_in=received.fell,
        fell_out=sent.fell,
        unknown_in=received.unknown,
        unknown_out=sent.unknown,
    )


def _advance_counter(
    counter: OpenCounter, reading: CounterReading | None, logged_in: int, logged_out: int, at: int
) -> tuple[OpenCounter, int, int]:
    received, more_in = incoming(counter).advance(None if reading is None else reading.bytes_in, logged_in)
    sent, more_out = outgoing(counter).advance(None if reading is None else reading.bytes_out, logged_out)
    gone_at = None if reading is not None else at if counter.gone_at is None else counter.gone_at
    after = make_counter(counter.key, received, sent, gone_at)
    return msgspec.structs.replace(after, is_first=counter.is_first), more_in, more_out


def inherit_baseline(own: Baseline, bridged: Baseline, first_at: int) -> tuple[Baseline, Additions]:
    """Return a new journal's baseline with its predecessor's knowledge of log lines, and the bytes this adds.

    `bridged` is the predecessor's state advanced to the first reading of the new journal. Log lines of sessions that
    ended before belong to the same sums, from which the bytes of a past boot are computed. `first_at` is the time of
    that reading.
    """
    additions = Additions()
    known = {own.boot, *(boot.boot for boot in own.retired)}
    retired = []
    for boot in own.retired:
        if boot.boot == bridged.boot:
            boot, more_in, more_out = add_log_lines(boot, bridged.logged_in, bridged.logged_out)
            addition = additions.slot(slot_of(own.at))
            addition.bytes_in += more_in
            addition.bytes_out += more_out
        retired.append(boot)
    is_same = own.boot == bridged.boot
    inherited = _inherit_counters(own.counters, bridged.counters)
    if inherited.bytes_in or inherited.bytes_out:
        addition = additions.slot(slot_of(own.at))
        addition.bytes_in += inherited.bytes_in
        addition.bytes_out += inherited.bytes_out
    baseline = msgspec.structs.replace(
        own,
        since=_inherit_since(own.since, bridged.since, first_at),
        retired=(*(boot for boot in bridged.retired if boot.boot not in known), *retired),
        logged_in=own.logged_in + (bridged.logged_in if is_same else 0),
        logged_out=own.logged_out + (bridged.logged_out if is_same else 0),
        counters=inherited.counters,
    )
    return baseline, additions


def _inherit_since(own: int, bridged: int, first_at: int) -> int:
    """Return when accounting began, on the scale of the new journal: so long before its first reading, which is `own`
    on that scale. 0, any time before the present boot, stays 0.
    """
    return max(1, own - (first_at - bridged)) if own and bridged else 0


def _inherit_counters(own: Iterable[OpenCounter], bridged: Iterable[OpenCounter]) -> CounterDifference:
    """Return a new journal's counters with its predecessor's knowledge of them at the first reading.

    Bytes that both journals counted are subtracted from the next bytes, because a counter may lag behind log lines
    that were read before.
    """
    older_counters = {counter.key: _without_mark(counter) for counter in bridged}
    after: list[OpenCounter] = []
    total_in = total_out = 0
    for counter in map(_without_mark, own):
        older = older_counters.pop(counter.key, None)
        if older is None:
            after.append(counter)
            continue
        if counter.key == SHARED:
            after.append(_inherit_shared(counter, older))
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
    counters = sorted((*after, *older_counters.values()), key=lambda counter: counter.key)
    return CounterDifference(tuple(counters), total_in, total_out)


def _without_mark(counter: OpenCounter) -> OpenCounter:
    """Return a counter without the mark of the first reading: no other journal knows more of it."""
    return msgspec.structs.replace(counter, is_first=False)


def _inherit_shared(own: OpenCounter, older: OpenCounter) -> OpenCounter:
    """Return the shared counter of a new journal with that of its predecessor at the first reading."""
    return make_counter(
        SHARED, _add_figures(incoming(own), incoming(older)), _add_figures(outgoing(own), outgoing(older))
    )


def _add_figures(first: CounterFigure, other: CounterFigure) -> CounterFigure:
    return CounterFigure(first.value + other.value, first.ahead + other.ahead, first.logged + other.logged)


def add_log_lines(boot: RetiredBoot, bytes_in: int, bytes_out: int) -> tuple[RetiredBoot, int, int]:
    """Return a past boot after more log lines, and the bytes in and out by which its lines exceed its counted bytes."""
    logged_in, logged_out = boot.logged_in + bytes_in, boot.logged_out + bytes_out
    more_in, more_out = max(0, logged_in - boot.bytes_in), max(0, logged_out - boot.bytes_out)
    after = msgspec.structs.replace(
        boot,
        logged_in=logged_in,
        logged_out=logged_out,
        bytes_in=boot.bytes_in + more_in,
        bytes_out=boot.bytes_out + more_out,
    )
    return after, more_in, more_out
