"""Counters of a boot that fall or are no counts: nothing counts twice, and the time is partial."""

import pytest

from streamusage.core.reasons import COUNTER_FELL
from tests.support.agent.readings import line, publish, reading, run, viewer


def bytes_out(*shown: int, **fields: object) -> tuple[int, set[str], int]:
    """Return the bytes that are counted of a counter, the reasons, and the connections of one viewer who stays."""
    readings = [
        reading(index * 1_000, bytes_out=value, run="r", elapsed_ms=index * 1_000, **fields)
        for index, value in enumerate(shown)
    ]
    _, added = run(*readings)
    slots = added.slots.values()
    reasons = {span.reason for span in added.spans if span.reason}
    return sum(slot.bytes_out for slot in slots), reasons, sum(sum(slot.connections.values()) for slot in slots)


LIVING = {"viewers": (viewer(7, 60_000),), "publishes": (publish(3, 60_000),)}


@pytest.mark.parametrize(
    ("shown", "counted"),
    [
        ((1_000, 2_000, 1_900, 2_100), 1_100),
        ((1_000, 2_000, 10, 2_500), 1_500),
        ((1_000, 2_000, 10, 1_500, 2_000), 1_000),
    ],
)
def test_counter_of_a_living_boot_counts_on_from_its_highest_value(shown: tuple[int, ...], counted: int) -> None:
    assert bytes_out(*shown, **LIVING) == (counted, {COUNTER_FELL}, 0)


def test_counter_that_falls_a_little_is_that_of_the_same_boot_without_any_connection() -> None:
    assert bytes_out(1_000, 2_000, 1_500, 2_100) == (1_100, {COUNTER_FELL}, 0)


def test_counter_that_falls_far_without_any_connection_started_again() -> None:
    counted, reasons, _ = bytes_out(1_000, 2_000, 10, 30)
    assert (counted, COUNTER_FELL in reasons) == (1_030, False)


@pytest.mark.parametrize("fields", [LIVING, {}])
def test_figure_that_is_no_count_changes_nothing(fields: dict[str, object]) -> None:
    assert bytes_out(1_000, 2_000, -1, -1, 2_600, **fields) == (1_600, set(), 0)


def test_figure_of_a_new_boot_that_is_no_count_counts_with_its_first_valid_value() -> None:
    _, added = run(
        reading(0, bytes_out=5_000),
        reading(1_000, bytes_out=-1, boot="b2"),
        reading(2_000, bytes_out=700, boot="b2", ended=(line(9, 1_500, 100),)),
    )
    assert sum(slot.bytes_out for slot in added.slots.values()) == 700
