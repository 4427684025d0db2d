"""Numbers of viewers who cannot be told apart, as some servers give them, and what follows for the figures. Pure.

View time is what was there at both ends of the time between two readings: the lower number times that time. It falls
short by up to two readings a viewer, and can exceed the truth only by those who left and were replaced unseen.
Connections are the server's own count of joins, or else the rises of the number, a lower bound.
"""

from collections.abc import Iterable

import msgspec

from streamusage.agent.reading import AudienceReading
from streamusage.api.report import OpenAudience


class Counted(msgspec.Struct, frozen=True):
    """What one number of viewers adds with a reading."""

    reading: AudienceReading
    watched: int
    """How many watched from the reading before to this one."""
    joined: int
    """How many came since."""


def advance(
    before: Iterable[OpenAudience], readings: Iterable[AudienceReading], boot: str
) -> tuple[tuple[OpenAudience, ...], list[Counted]]:
    """The numbers as they stand now, and what each adds. One that was not there before began at 0."""
    known = {audience.key: audience for audience in before}
    now: dict[str, OpenAudience] = {}
    counted = []
    for reading in readings:
        key = f"{boot}/{reading.key}"
        if key in now:
            continue
        now[key] = OpenAudience(key=key, viewers=reading.viewers, joined=reading.joined)
        last = known.get(key, OpenAudience(key=key, viewers=0))
        if reading.shown_only:
            counted.append(Counted(reading, 0, 0))
            continue
        rise = max(0, reading.viewers - last.viewers)
        counted.append(Counted(reading, min(last.viewers, reading.viewers), max(rise, _joined(last, reading))))
    return tuple(now.values()), counted


def _joined(last: OpenAudience, reading: AudienceReading) -> int:
    if reading.joined is None:
        return 0
    since = last.joined or 0
    return reading.joined - since if reading.joined >= since else reading.joined


def nameless(accepted: int | None, accounted: int, counted: int) -> tuple[int, int]:
    """Connections that the server had accepted by the reading before, and nobody saw; and how many are accounted for.

    Those of the reading before only: who was accepted just now may turn up with the next reading.
    """
    accounted += counted
    if accepted is None:
        return 0, accounted
    unseen = max(0, accepted - accounted)
    return unseen, accounted + unseen
