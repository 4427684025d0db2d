"""Audiences: numbers of viewers without identities, as some media servers report them. Pure.

View time of an audience is the lower number of two readings times the time between them. It falls short by up to two
readings for each viewer, and exceeds the truth only where viewers left and others joined between two readings.
Connections are the server's own count of joins or, without one, the increases of the number, a lower bound.
"""

from collections.abc import Iterable

import msgspec

from streamusage.agent.reading import AudienceReading
from streamusage.api.report import OpenAudience


class AudienceIncrement(msgspec.Struct, frozen=True):
    """What one audience adds with a reading."""

    reading: AudienceReading
    viewers: int
    """The number of the reading, or the last one where it is unknown."""
    watched: int
    """Viewers who watched from the last reading to this one."""
    joined: int
    """Viewers who joined since the last reading."""


def advance(
    before: Iterable[OpenAudience], readings: Iterable[AudienceReading], boot: str
) -> tuple[tuple[OpenAudience, ...], list[AudienceIncrement]]:
    """Return the audiences after a reading, and what each adds. A new audience starts at 0 viewers."""
    known = {audience.key: audience for audience in before}
    after: dict[str, OpenAudience] = {}
    increments = []
    for reading in readings:
        key = f"{boot}/{reading.key}"
        if key in after:
            continue
        last = known.get(key, OpenAudience(key=key, viewers=0))
        viewers = last.viewers if reading.viewers is None else reading.viewers
        joined = _highest_joined(last, reading)
        after[key] = OpenAudience(key=key, viewers=viewers, joined=joined)
        if reading.shown_only or reading.viewers is None:
            increments.append(AudienceIncrement(reading, viewers, 0, 0))
            continue
        rise = max(0, viewers - last.viewers)
        watched = min(last.viewers, viewers)
        increments.append(AudienceIncrement(reading, viewers, watched, max(rise, _count_joins(last, reading))))
    return tuple(after.values()), increments


def without_present_viewers(readings: Iterable[AudienceReading], boot: str) -> tuple[OpenAudience, ...]:
    """Return the audiences before their present viewers joined: accounting begins with these."""
    return tuple(
        OpenAudience(key=f"{boot}/{reading.key}", viewers=0, joined=max(0, reading.joined - (reading.viewers or 0)))
        for reading in readings
        if reading.joined is not None
    )


def _count_joins(last: OpenAudience, reading: AudienceReading) -> int:
    joined = _highest_joined(last, reading)
    if joined is None:
        return 0
    joined_before = last.joined or 0
    return joined - joined_before if joined >= joined_before else joined


def _highest_joined(last: OpenAudience, reading: AudienceReading) -> int | None:
    """Return the count of joins: as `metering.counters`, one that falls to no less than half has not started again."""
    if reading.joined is None or (last.joined is not None and last.joined / 2 <= reading.joined < last.joined):
        return last.joined
    return reading.joined


def count_unseen(accepted: int | None, accounted: int, counted: int) -> tuple[int, int]:
    """Return how many accepted connections no reading ever showed, and how many are accounted for in total.

    `accepted` is the server's own count at the last reading: a connection that was accepted since may still appear in
    the next reading. `counted` connections were added by this reading.
    """
    accounted += counted
    if accepted is None:
        return 0, accounted
    unseen = max(0, accepted - accounted)
    return unseen, accounted + unseen
