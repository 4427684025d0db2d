"""The programme of the demo: broadcasts from a seed, some steady, some short, some with difficult names."""

from random import Random

from streamusage.agent.sources.simulated import Broadcast
from streamusage.service.rules.customers import CustomerRules, DatedRule

MINUTE_MS = 60_000

_STEADY = (
    ("live", "stage-1", 420, 4_200_000),
    ("live", "stage-2", 290, 4_200_000),
    ("live/room1", "keynote", 120, 2_500_000),
    ("event/day2", "cam-4", 61, 1_800_000),
    ("live", "backstage", 4, 1_200_000),
    ("live", "日本語-メイン", 38, 2_500_000),
    ("live", "[late] night", 17, 1_500_000),
    ("radio", "drive-time", 95, 192_000),
)
"""Scope, name, audience on all servers, bit rate: on air since before the demo."""

_SHORT = (
    ("event/day2", "cam-1", 22, 1_800_000),
    ("event/day2", "cam-2", 30, 1_800_000),
    ("live/room1", "q-and-a", 55, 2_500_000),
    ("live", "rehearsal", 9, 1_200_000),
)
"""On air for some minutes at a time."""

CUSTOMERS = CustomerRules(
    [
        DatedRule(name="Day Two Events", scopes=("event/*",)),
        DatedRule(name="Harbour Radio", scopes=("radio",)),
        DatedRule(name="Keynote Inc.", scopes=("live/room1",)),
        DatedRule(name="Stage & Sound", streams=("live/stage-*", "live/backstage")),
    ]
)
"""Whose streams these are. Some streams of the scope `live` are nobody's."""

ON_AIR_FOR_MS = 24 * 60 * MINUTE_MS


def make_programme(seed: int, from_ms: int) -> list[Broadcast]:
    """Return a day of broadcasts from an instant on. The same seed makes the same day."""
    random = Random(seed)
    to_ms = from_ms + ON_AIR_FOR_MS
    broadcasts = [
        Broadcast(scope, name, from_ms + random.randrange(6 * MINUTE_MS), to_ms, audience, bitrate)
        for scope, name, audience, bitrate in _STEADY
    ]
    for scope, name, audience, bitrate in _SHORT:
        begins = from_ms + random.randrange(10 * MINUTE_MS)
        while begins < to_ms:
            ends = begins + random.randrange(4 * MINUTE_MS, 12 * MINUTE_MS)
            broadcasts.append(Broadcast(scope, name, begins, min(ends, to_ms), audience, bitrate))
            begins = ends + random.randrange(2 * MINUTE_MS, 8 * MINUTE_MS)
    return broadcasts
