"""Sessions from nginx-rtmp's callbacks."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamusage.agent.reading import EndedConnection
from streamusage.agent.sources.common.callbacks.spool import SpooledCallback
from streamusage.agent.sources.nginx_rtmp.callbacks import NginxOpenSessions
from tests.support.agent.callbacks import apply_callbacks, read_recorded_callbacks


def test_recorded_callbacks_give_sessions_with_their_duration() -> None:
    ended = apply_callbacks(NginxOpenSessions(), read_recorded_callbacks("nginx_rtmp_notify_callbacks.txt"))
    sessions = {(session.connection_id, session.kind, session.scope, session.name) for session in ended}
    assert sessions >= {("20", "play", "live", "s1")}
    viewer = next(session for session in ended if session.connection_id == "20")
    assert viewer.duration_ms == 1795288695258 - 1795288685263


@pytest.mark.parametrize(("later_run", "duration_ms"), [("boot", 5_000), ("other boot", 3_605_000)])
def test_duration_is_elapsed_time_within_one_boot_of_the_machine(later_run: str, duration_ms: int) -> None:
    body = "call={}&app=live&name=s1&clientid=1"
    (ended,) = apply_callbacks(
        NginxOpenSessions(),
        [
            SpooledCallback(1_000, body=body.format("play"), run="boot", elapsed_ms=70_000),
            SpooledCallback(3_606_000, body=body.format("play_done"), run=later_run, elapsed_ms=75_000),
        ],
    )
    assert (ended.ended_at, ended.duration_ms) == (3_606_000, duration_ms)


def test_publish_of_a_taken_name_is_refused() -> None:
    body = "call={}&app=live&name={}&clientid={}"
    ended = apply_callbacks(
        NginxOpenSessions(),
        [
            SpooledCallback(0, body=body.format("publish", "s1", 1)),
            SpooledCallback(5_000, body=body.format("publish", "s1", 2)),
            SpooledCallback(5_000, body=body.format("publish", "s2", 3)),
            SpooledCallback(7_000, body=body.format("publish_done", "s1", 2)),
            SpooledCallback(8_000, body=body.format("publish_done", "s2", 3)),
            SpooledCallback(9_000, body=body.format("publish_done", "s1", 1)),
            SpooledCallback(9_100, body=body.format("publish", "s1", 4)),
            SpooledCallback(9_150, body=body.format("publish_done", "s1", 4)),
            SpooledCallback(9_200, body=body.format("play", "s1", 5)),
            SpooledCallback(9_250, body=body.format("play_done", "s1", 5)),
        ],
    )
    assert [(session.connection_id, session.refused) for session in ended] == [
        ("2", True),
        ("3", False),
        ("1", False),
        ("4", True),
        ("5", False),
    ]


@given(bodies=st.lists(st.one_of(st.text(max_size=80), st.binary(max_size=40).map(lambda b: b.decode("latin-1")))))
def test_any_body_is_applied_or_ignored(bodies: list[str]) -> None:
    callbacks = [SpooledCallback(at=number, body=body) for number, body in enumerate(bodies)]
    ended = apply_callbacks(NginxOpenSessions(), callbacks)
    assert all(isinstance(session, EndedConnection) for session in ended)
