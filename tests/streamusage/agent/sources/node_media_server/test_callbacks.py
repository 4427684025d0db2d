"""Sessions from Node-Media-Server's callbacks."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamusage.agent.reading import EndedConnection
from streamusage.agent.sources.common.callbacks.spool import SpooledCallback
from streamusage.agent.sources.node_media_server.callbacks import NmsOpenSessions
from tests.support.agent.callbacks import apply_callbacks, read_recorded_callbacks


def test_recorded_callbacks_give_sessions_with_duration_and_bytes() -> None:
    ended = apply_callbacks(NmsOpenSessions(), read_recorded_callbacks("nms4_notify_callbacks.txt"))
    assert [(session.kind, session.protocol, session.duration_ms, session.bytes_out) for session in ended] == [
        ("play", "rtmp", 7753, 112515),
        ("play", "rtmp", 8993, 127578),
        ("play", "flv", 9068, 128449),
        ("play", "flv", 989, 36065),
    ]


def test_open_sessions_have_the_name_of_their_stream() -> None:
    sessions = NmsOpenSessions()
    apply_callbacks(sessions, read_recorded_callbacks("nms4_notify_callbacks.txt"))
    assert {key: (play.scope, play.name) for key, play in sessions.plays.items()} == {
        "mwqt5tqbggs0mzxz": ("live", "s2")
    }


def test_refused_player_and_connection_without_a_stream_are_no_viewers() -> None:
    def callback(action: str, **fields: object) -> SpooledCallback:
        return SpooledCallback(at=1, body=json.dumps({"id": "a1", "action": action, "endtime": 9, **fields}))

    refused = apply_callbacks(
        NmsOpenSessions(), [callback("prePlay", app="a", name="b"), callback("donePlay", app="a", name="b")]
    )
    without_stream = apply_callbacks(NmsOpenSessions(), [callback("donePlay", app="", name="")])
    assert [session.kind for session in (*refused, *without_stream)] == ["other", "other"]


@pytest.mark.parametrize("step_ms", [0, 3_600_000, -3_600_000])
def test_step_of_the_server_clock_during_a_session_does_not_change_its_duration(step_ms: int) -> None:
    start_ms = 1_795_289_744_338

    def callback(action: str, elapsed_ms: int, **fields: object) -> SpooledCallback:
        body = json.dumps({"id": "a1", "action": action, "app": "a", "name": "b", "createtime": start_ms, **fields})
        return SpooledCallback(start_ms + elapsed_ms, body=body, run="boot", elapsed_ms=elapsed_ms)

    (ended,) = apply_callbacks(
        NmsOpenSessions(),
        [callback("postPlay", 400), callback("donePlay", 60_000, endtime=start_ms + 60_000 + step_ms)],
    )
    assert 60_000 - ended.granularity_ms < ended.duration_ms <= 60_000


@given(bodies=st.lists(st.one_of(st.text(max_size=80), st.binary(max_size=40).map(lambda b: b.decode("latin-1")))))
def test_any_body_is_applied_or_ignored(bodies: list[str]) -> None:
    callbacks = [SpooledCallback(at=number, body=body) for number, body in enumerate(bodies)]
    ended = apply_callbacks(NmsOpenSessions(), callbacks)
    assert all(isinstance(session, EndedConnection) for session in ended)
