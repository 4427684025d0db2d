"""The programme of the demo: broadcasts from a seed, some steady, some short, some with difficult names."""

from collections.abc import Iterable
from random import Random

from streamusage.agent.sources.simulated import Broadcast
from streamusage.service.rules.customers import CustomerRules, DatedRule
from tui.demo.regions import BEGINS_MS, DAY_MS, EVENING_FROM_MS, HOUR_MS, MINUTE_MS, MONTH_FROM_MS, Region

_Stream = tuple[str, str, int, int]
"""Scope, name, audience on all servers, bit rate."""

_STEADY: dict[str, tuple[_Stream, ...]] = {
    "eu": (
        ("live", "stage-1", 420, 4_200_000),
        ("live", "stage-2", 290, 4_200_000),
        ("live/room1", "keynote", 120, 2_500_000),
        ("event/day2", "cam-4", 61, 1_800_000),
        ("live", "backstage", 4, 1_200_000),
        ("live", "日本語-メイン", 38, 2_500_000),
        ("live", "[late] night", 17, 1_500_000),
        ("radio", "drive-time", 95, 192_000),
    ),
    "us": (
        ("live", "stage-1", 230, 4_200_000),
        ("event/day2", "cam-7", 48, 1_800_000),
        ("radio", "drive-time", 70, 192_000),
    ),
}
"""On air since before the demo."""

_SHORT: dict[str, tuple[_Stream, ...]] = {
    "eu": (
        ("event/day2", "cam-1", 22, 1_800_000),
        ("event/day2", "cam-2", 30, 1_800_000),
        ("live/room1", "q-and-a", 55, 2_500_000),
        ("live", "rehearsal", 9, 1_200_000),
    ),
    "us": (("live/room1", "q-and-a", 26, 2_500_000),),
}
"""On air for some minutes at a time."""

_EVENINGS: tuple[_Stream, ...] = (
    ("live", "stage-1", 90, 4_200_000),
    ("live/room1", "keynote", 45, 2_500_000),
    ("radio", "drive-time", 30, 192_000),
    ("event/day1", "cam-1", 25, 1_800_000),
)
"""On air in the evenings of the month before."""

CUSTOMERS = CustomerRules(
    [
        DatedRule(name="Day Two Events", scopes=("event/*",)),
        DatedRule(name="Harbour Radio", scopes=("radio",)),
        DatedRule(name="Keynote Inc.", scopes=("live/room1",)),
        DatedRule(name="Stage & Sound", streams=("live/stage-*", "live/backstage")),
    ]
)
"""Whose streams these are. Some streams of the scope `live` are nobody's."""

ON_AIR_FOR_MS = DAY_MS


def evenings(region: Region) -> list[Broadcast]:
    """Return the broadcasts of the month before the demo: some hours of each evening, more on some weekdays."""
    random = Random(f"evenings {region.name}")
    broadcasts = []
    for day_from_ms in range(MONTH_FROM_MS, BEGINS_MS - DAY_MS, DAY_MS):
        busy = random.uniform(0.6, 1.3)
        for scope, name, audience, bitrate in _EVENINGS:
            if random.random() < 0.2:
                continue
            begins = day_from_ms + 19 * HOUR_MS + random.randrange(25) * MINUTE_MS
            ends = begins + random.randrange(50, 95) * MINUTE_MS
            size = max(1, round(audience * busy * region.audience))
            broadcasts.append(Broadcast(scope, name, begins, ends, size, bitrate))
    return broadcasts


def night(region: Region) -> list[Broadcast]:
    """Return the broadcasts around the start of the demo: steady ones for a day, and short ones."""
    random = Random(f"night {region.name}")
    to_ms = EVENING_FROM_MS + ON_AIR_FOR_MS
    steady = [
        Broadcast(scope, name, EVENING_FROM_MS + random.randrange(6 * MINUTE_MS), to_ms, audience, bitrate)
        for scope, name, audience, bitrate in _STEADY[region.name]
    ]
    return steady + _short_ones(region, random, EVENING_FROM_MS, {})


def night_from_now(region: Region, seed: int, on_air: Iterable[Broadcast]) -> list[Broadcast]:
    """Return the short broadcasts that follow those on air at the start of the demo. The seed decides when."""
    ends = {(broadcast.scope, broadcast.name): broadcast.to_ms for broadcast in on_air}
    return _short_ones(region, Random(f"{seed} {region.name}"), BEGINS_MS, ends)


def _short_ones(region: Region, random: Random, from_ms: int, ends_of: dict[tuple[str, str], int]) -> list[Broadcast]:
    broadcasts = []
    to_ms = EVENING_FROM_MS + ON_AIR_FOR_MS
    for scope, name, audience, bitrate in _SHORT[region.name]:
        begins = max(from_ms, ends_of.get((scope, name), 0)) + random.randrange(2 * MINUTE_MS, 10 * MINUTE_MS)
        while begins < to_ms:
            ends = begins + random.randrange(4 * MINUTE_MS, 12 * MINUTE_MS)
            broadcasts.append(Broadcast(scope, name, begins, min(ends, to_ms), audience, bitrate))
            begins = ends + random.randrange(2 * MINUTE_MS, 8 * MINUTE_MS)
    return broadcasts


def programme(region: Region) -> list[Broadcast]:
    """Return all broadcasts from the start of the month on."""
    return evenings(region) + night(region)
