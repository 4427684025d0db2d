"""Cursors stored as JSON, and starts computed from ages."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamusage.agent.sources.common.cursors import LifeStarts
from streamusage.agent.sources.common.sample_time import Instant


def update(starts: LifeStarts, wall_ms: int, elapsed_ms: int, **ages_ms: int) -> LifeStarts:
    return starts.update(Instant(wall_ms, elapsed_ms), ages_ms, "boot")


def test_start_is_kept_while_the_age_grows_although_the_clock_is_set() -> None:
    first = update(LifeStarts(), 100_000, 0, a=10_000)
    second = update(first, 999_000, 1_000, a=11_000)
    assert first.began == second.began == {"a": 90_000}


def test_lower_age_is_another_life() -> None:
    first = update(LifeStarts(), 100_000, 0, a=10_000)
    assert update(first, 101_000, 1_000, a=500).began == {"a": 100_500}
    assert update(first, 700_000, 600_000, a=9_000).began == {"a": 691_000}


@pytest.mark.parametrize("age_ms", [7_000, -3_600_000])
def test_lower_age_after_a_step_of_the_server_clock_is_the_same_life(age_ms: int) -> None:
    first = update(LifeStarts(), 100_000, 0, a=10_000)
    second = update(first, 101_000, 1_000, a=age_ms)
    third = update(second, 102_000, 2_000, a=age_ms + 1_000)
    assert first.began == second.began == third.began


def test_lower_age_after_a_reboot_of_the_agents_machine_is_another_life() -> None:
    first = update(LifeStarts(), 100_000, 90_000, a=10_000)
    assert first.update(Instant(200_000, 1_000), {"a": 7_000}, "other boot").began == {"a": 193_000}


def test_missing_object_is_forgotten() -> None:
    first = update(LifeStarts(), 100_000, 0, a=10_000)
    assert update(first, 101_000, 1_000).began == {}


@given(st.text(max_size=80))
def test_any_text_is_a_cursor(text: str) -> None:
    cursor = LifeStarts.parse(text)
    assert LifeStarts.parse(str(cursor)) == cursor
