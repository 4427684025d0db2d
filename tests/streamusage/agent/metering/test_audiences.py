"""Audiences: viewers without identities, counts of joins, and the server's own count of connections."""

from typing import Any

from streamusage.agent.metering import meter
from streamusage.agent.reading import AudienceReading
from tests.support.agent.readings import connections, publish, reading, run, view_time, viewer


def audience(viewers: int | None, joined: int | None = None, **fields: Any) -> AudienceReading:
    return AudienceReading(key="a", scope="live", name="s1", protocol="hls", viewers=viewers, joined=joined, **fields)


def test_view_time_of_a_number_of_viewers_is_a_lower_bound() -> None:
    _, added = run(
        reading(0, logs_ends=False, audiences=(audience(2),)),
        reading(10_000, logs_ends=False, audiences=(audience(5),), misses="numbers only"),
        reading(20_000, logs_ends=False, audiences=(audience(3),), misses="numbers only"),
    )
    assert connections(added) == 3
    assert view_time(added) == 20_000 + 30_000
    assert {(span.state, span.reason) for span in added.spans} == {("partial", "numbers only")}


def test_viewers_who_left_before_accounting_began_are_not_counted() -> None:
    _, added = meter.start(reading(0, audiences=(audience(2, 1_000),)))
    assert connections(added) == 2


def test_count_of_joins_takes_precedence_over_increases() -> None:
    _, added = run(
        reading(0, audiences=(audience(2, 10),)),
        reading(1_000, audiences=(audience(2, 14),)),
        reading(2_000, audiences=(audience(1, 1),)),
    )
    assert connections(added) == 4 + 1, "four joined at an unchanged number; then the count started again"


def test_view_time_is_not_computed_over_an_unobserved_time() -> None:
    _, added = run(
        reading(0, logs_ends=False, audiences=(audience(2),)),
        reading(61_000, logs_ends=False, audiences=(audience(2),)),
    )
    assert view_time(added) == 0
    assert [span.state for span in added.spans] == ["partial"]


def test_number_of_viewers_gives_the_figures_of_a_session() -> None:
    _, added = run(
        reading(0),
        reading(1_000, publishes=(publish(1, 900),), audiences=(audience(3),)),
        reading(2_000, publishes=(publish(1, 1_900),), audiences=(audience(1),)),
    )
    session = added.sessions["b1/1"]
    assert (session.active, session.highest, session.live) == (1, 3, True)


def test_connections_from_the_servers_own_count_are_counted_once() -> None:
    _, added = run(
        reading(0, logs_ends=False, accepted=10, viewers=(viewer(1, 5_000),)),
        reading(1_000, logs_ends=False, accepted=13, viewers=(viewer(1, 6_000), viewer(2, 500))),
        reading(2_000, logs_ends=False, accepted=14, viewers=(viewer(1, 7_000), viewer(2, 1_500), viewer(3, 100))),
        reading(3_000, logs_ends=False, accepted=14, viewers=(viewer(1, 8_000),)),
    )
    assert connections(added) == 4
    assert sum(slot.connections[meter.UNSEEN_PROTOCOL] for slot in added.slots.values()) == 2


def test_unchanged_count_of_joins_adds_no_connection() -> None:
    _, added = run(*(reading(at, audiences=(audience(2, 14),)) for at in (0, 1_000, 2_000, 3_000)))
    assert connections(added) == 0


def test_number_that_is_unknown_in_a_reading_counts_no_viewer_again() -> None:
    _, added = run(
        reading(0, logs_ends=False, audiences=(audience(5, 9),)),
        reading(1_000, logs_ends=False, publishes=(publish(1, 900),), audiences=(audience(None, None),)),
        reading(2_000, logs_ends=False, publishes=(publish(1, 1_900),), audiences=(audience(6, 10),)),
    )
    assert connections(added) == 1
    assert added.sessions["b1/1"].highest == 6
    assert {sample.active for sample in added.samples.values()} <= {5, 6}


def test_count_of_joins_that_falls_a_little_or_is_unknown_counts_no_viewer_again() -> None:
    _, added = run(
        reading(0, audiences=(audience(2, 10),)),
        reading(1_000, audiences=(audience(2, None),)),
        reading(2_000, audiences=(audience(2, 8),)),
        reading(3_000, audiences=(audience(2, 12),)),
    )
    assert connections(added) == 2
