"""Refused publishes make no session, refused plays no connection; streams whose names look alike stay apart."""

import msgspec

from streamusage.agent.metering import meter
from tests.support.agent.readings import T0, line, publish, reading, run, viewer


def refused_publish(number: int, ended_at: int) -> object:
    return line(number, ended_at, 0, kind="publish", refused=True, bytes_in=300, bytes_out=292)


def test_refused_publishes_make_no_session_and_their_bytes_count() -> None:
    lines = tuple(refused_publish(number, 10_000 + number) for number in range(30))
    state, added = run(reading(0), reading(60_000, ended=lines, bytes_in=9_000, bytes_out=8_760))
    assert added.sessions == {}
    assert sum(slot.bytes_in for slot in added.slots.values()) == 9_000
    assert (state.baseline.logged_in, state.baseline.publishes) == (9_000, ())


def test_publish_that_a_reading_showed_is_a_session_whatever_its_line_transferred() -> None:
    _, added = run(
        reading(0), reading(1_000, publishes=(publish(1, 500),)), reading(2_000, ended=(refused_publish(1, 1_500),))
    )
    assert len(added.sessions) == 1


def test_refused_play_is_no_connection() -> None:
    _, added = run(reading(0), reading(60_000, ended=(line(1, 30_000, 2_000, refused=True),)))
    assert sum(sum(slot.connections.values()) for slot in added.slots.values()) == 0
    assert sum(slot.view_time_ms for slot in added.slots.values()) == 0


def test_viewer_that_a_reading_showed_counts_whatever_its_line_transferred() -> None:
    _, added = run(
        reading(0),
        reading(1_000, viewers=(viewer(1, 500),)),
        reading(3_000, ended=(line(1, 2_000, 1_500, refused=True),)),
    )
    assert sum(sum(slot.connections.values()) for slot in added.slots.values()) == 1
    assert sum(slot.view_time_ms for slot in added.slots.values()) == 1_500


def test_two_publishes_of_one_name_stay_apart_until_each_has_ended() -> None:
    """The page may name the second one plainly after the first has ended: it keeps its name."""
    first = publish(1, 5_000)
    second = msgspec.structs.replace(publish(2, 3_000), name="s1 [2]")
    state, _ = meter.start(reading(0, publishes=(first, second)))
    names = {session.publish_id: session.name for session in state.baseline.publishes}
    assert names == {"b1/1": "s1", "b1/2": "s1 [2]"}
    late = msgspec.structs.replace(viewer(7, 500), publish_id="2")
    alone = msgspec.structs.replace(second, name="s1", age_ms=4_000)
    ended = line(1, 500, 5_000, kind="publish", bytes_in=50_000)
    state, added = meter.step(state, reading(1_000, publishes=(alone,), ended=(ended,), viewers=(late,)))
    sessions = {key: (session.name, session.live, session.active) for key, session in added.sessions.items()}
    assert sessions == {"b1/1": ("s1", False, 0), "b1/2": ("s1 [2]", True, 1)}
    assert state.viewers["b1/7"].name == "s1 [2]"
    assert all(session.start_time < T0 for session in added.sessions.values())


def test_new_publish_takes_no_name_of_a_counted_one() -> None:
    state, _ = meter.start(reading(0, publishes=(publish(5, 1_000),)))
    for number in (1, 9):
        both = (publish(number, 100), publish(5, 2_000))
        after, added = meter.step(state, reading(1_000, publishes=both))
        names = {session.publish_id: session.name for session in after.baseline.publishes}
        assert names == {"b1/5": "s1", f"b1/{number}": f"s1 [{number}]"}
        assert all(session.live for session in added.sessions.values())
