"""Viewers without a log who are missing on a list, and lists that are unreadable."""

from typing import Any

import pytest

from streamusage.agent.metering import meter
from streamusage.agent.metering.meter import KEEP_ABSENT_MS
from streamusage.agent.reading import Reading
from tests.support.agent.readings import connections, publish, reading, run, view_time, viewer


def polled(at: int, **fields: Any) -> Reading:
    """A reading of a server without a log."""
    return reading(at, logs_ends=False, misses="polling", run="r", elapsed_ms=at, **fields)


def test_viewer_who_is_missing_in_one_reading_continues() -> None:
    state, added = run(
        polled(0),
        polled(1_000, viewers=(viewer(1, 500),)),
        polled(2_000),
        polled(3_000, viewers=(viewer(1, 2_500),)),
    )
    assert connections(added) == 1
    assert view_time(added) == 2_500, "the server's age shows that it watched all the time"
    assert [row.counted_to for row in state.viewers.values()] == [None]


@pytest.mark.parametrize("slack_ms", [0, 300])
def test_id_that_is_used_again_by_a_later_connection_is_another_viewer(slack_ms: int) -> None:
    _, added = run(
        polled(0),
        polled(1_000, viewers=(viewer(1, 500),)),
        polled(2_000),
        polled(3_000, viewers=(viewer(1, 700),), age_slack_ms=slack_ms),
    )
    assert connections(added) == 2
    assert view_time(added) == 500 + 700


def test_viewer_who_stays_away_has_ended_at_the_last_reading_that_showed_it() -> None:
    listed = polled(1_000, viewers=(viewer(1, 500),))
    state, added = run(polled(0), listed, *(polled(at) for at in range(2_000, KEEP_ABSENT_MS + 3_000, 1_000)))
    assert view_time(added) == 500
    assert not state.viewers


def test_viewer_of_an_earlier_boot_has_ended_at_once() -> None:
    state, _ = run(polled(0), polled(1_000, viewers=(viewer(1, 500),)), polled(2_000, boot="b2", started_at=0))
    assert not state.viewers


@pytest.mark.parametrize("unreadable_s", [1, 600])
def test_unreadable_list_ends_nobody_and_bytes_are_counted(unreadable_s: int) -> None:
    shown = {"viewers": (viewer(1, 500), viewer(2, 500)), "publishes": (publish(9, 500),)}
    readable_at = (unreadable_s + 2) * 1_000
    later = {
        "viewers": (viewer(1, 500 + readable_at - 1_000), viewer(3, 100)),
        "publishes": (publish(9, 500 + readable_at - 1_000),),
    }
    unreadable = [polled(at, bytes_out=at, lists_connections=False) for at in range(2_000, readable_at, 1_000)]
    state, added = run(
        polled(0),
        polled(1_000, bytes_out=1_000, **shown),
        *unreadable,
        polled(readable_at, bytes_out=readable_at, **later),
    )
    assert connections(added) == 3
    assert sum(slot.bytes_out for slot in added.slots.values()) == readable_at
    assert view_time(added) == 500 + 500 + readable_at - 1_000 + 100, "viewer 2 left: counted up to its last reading"
    assert [session.live for session in added.sessions.values()] == [True], "the publish continued"
    more = meter.step(state, polled(readable_at + 1_000, bytes_out=readable_at + 1_000))[1]
    assert [session.live for session in more.sessions.values()] == [False], "a readable list without it ends it"


def test_unreadable_list_is_no_sample_of_zero_viewers() -> None:
    shown = {"viewers": (viewer(1, 500),), "publishes": (publish(9, 500),)}
    state, _ = run(polled(0), polled(1_000, **shown))
    _, added = meter.step(state, polled(2_000, lists_connections=False))
    assert not added.samples
