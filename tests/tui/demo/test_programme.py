"""The demo's programme: the same for a seed, and a stream is on air once at a time."""

from itertools import pairwise

import pytest

from streamusage.agent.sources.simulated import Broadcast
from tui.demo.programme import evenings, night, night_from_now, programme
from tui.demo.regions import BEGINS_MS, DAY_MS, EU, MINUTE_MS, MONTH_FROM_MS, REGIONS, Region


def times(broadcasts: list[Broadcast]) -> list[tuple[str, str, int, int]]:
    return sorted((one.scope, one.name, one.from_ms, one.to_ms) for one in broadcasts)


@pytest.mark.parametrize("region", REGIONS, ids=lambda region: region.name)
def test_stream_is_on_air_once_at_a_time(region: Region) -> None:
    on_air = [one for one in night(region) if one.from_ms <= BEGINS_MS < one.to_ms]
    later = night_from_now(region, 1, on_air)
    before = [one for one in programme(region) if one.from_ms <= BEGINS_MS]
    for one, other in pairwise(times(before + later)):
        assert one[:2] != other[:2] or one[3] <= other[2]
    assert all(one.from_ms > BEGINS_MS for one in later)


def test_seed_decides_what_follows_the_start_only() -> None:
    assert times(programme(EU)) == times(programme(EU))
    assert times(night_from_now(EU, 1, ())) == times(night_from_now(EU, 1, ()))
    assert times(night_from_now(EU, 1, ())) != times(night_from_now(EU, 2, ()))


@pytest.mark.parametrize("region", REGIONS, ids=lambda region: region.name)
def test_every_evening_has_broadcasts_that_end_on_their_day(region: Region) -> None:
    days = {(one.from_ms - MONTH_FROM_MS) // DAY_MS for one in evenings(region)}
    assert days == set(range(27))
    assert all(one.from_ms // DAY_MS == one.to_ms // DAY_MS for one in evenings(region))
    assert all(one.to_ms - one.from_ms > 40 * MINUTE_MS for one in evenings(region))
