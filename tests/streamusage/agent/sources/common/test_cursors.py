"""Cursors stored as JSON, and starts computed from ages."""

from hypothesis import given
from hypothesis import strategies as st

from streamusage.agent.sources.common.cursors import LifeStarts


def test_start_is_kept_while_the_age_grows_although_the_clock_is_set() -> None:
    first = LifeStarts().update(100_000, {"a": 10_000})
    second = first.update(999_000, {"a": 11_000})
    assert first.began == second.began == {"a": 90_000}


def test_lower_age_is_another_life() -> None:
    first = LifeStarts().update(100_000, {"a": 10_000})
    assert first.update(101_000, {"a": 500}).began == {"a": 100_500}


def test_missing_object_is_forgotten() -> None:
    first = LifeStarts().update(100_000, {"a": 10_000})
    assert first.update(101_000, {}) == LifeStarts()


@given(st.text(max_size=80))
def test_any_text_is_a_cursor(text: str) -> None:
    cursor = LifeStarts.parse(text)
    assert LifeStarts.parse(str(cursor)) == cursor
