"""Session ends from callbacks: readings can be repeated, sessions survive a restart, lost callbacks are reported."""

import pytest

from streamusage.agent.reading import LogGoneError
from streamusage.agent.sources.common.callbacks.reader import CallbackReader, OpenSessions
from streamusage.agent.sources.common.callbacks.spool import CallbackSpool
from streamusage.agent.sources.nginx_rtmp.callbacks import NginxOpenSessions
from streamusage.agent.sources.node_media_server.callbacks import NmsOpenSessions
from streamusage.core.clock import SystemClock
from streamusage.core.reasons import CALLBACKS_LOST
from tests.support.agent.callbacks import post_callbacks


def nginx_body(call: str, client: int) -> str:
    return f"call={call}&app=live&name=s1&clientid={client}"


async def test_reading_that_was_not_recorded_can_be_repeated(spool: CallbackSpool) -> None:
    """The journal may fail after a reading; then the same position is read again."""
    callbacks = CallbackReader(spool, NginxOpenSessions)
    start = await callbacks.start(None)
    await post_callbacks(spool, nginx_body("play", 1), nginx_body("play", 2))
    before = await callbacks.read_ends(start, start)
    await post_callbacks(spool, nginx_body("play_done", 1))
    await post_callbacks(spool, nginx_body("play_done", 2))
    assert before.position is not None
    ends = await callbacks.read_ends(before.position, before.position)
    assert [connection.connection_id for connection in ends.ended] == ["1", "2"]
    assert await callbacks.read_ends(before.position, before.position) == ends
    assert await callbacks.ends_between(start, ends.position) == ends.ended


async def test_new_journal_has_earlier_sessions_and_reports_lost_callbacks(spool: CallbackSpool) -> None:
    callbacks = CallbackReader(spool, NginxOpenSessions)
    await callbacks.start(None)
    await post_callbacks(spool, nginx_body("play", 1))
    await callbacks.close()
    restarted = CallbackReader(CallbackSpool(spool.address, spool.path, SystemClock()), NginxOpenSessions)
    first = await restarted.read_ends(None, await restarted.start(None))
    assert (first.ended, first.logs_ends, first.misses) == ((), True, CALLBACKS_LOST)
    await post_callbacks(spool, nginx_body("play_done", 1))
    assert first.position is not None
    second = await restarted.read_ends(first.position, first.position)
    assert [connection.connection_id for connection in second.ended] == ["1"]
    assert (second.logs_ends, second.misses) == (True, "")
    await restarted.close()


async def test_deleted_spool_is_reported_as_lost_callbacks(spool: CallbackSpool) -> None:
    callbacks = CallbackReader(spool, NginxOpenSessions)
    start = await callbacks.start(None)
    await post_callbacks(spool, nginx_body("play", 1))
    await callbacks.close()
    spool.path.unlink()
    await callbacks.start(start)
    ends = await callbacks.read_ends(start, start)
    assert (ends.ended, ends.logs_ends, ends.misses) == ((), False, CALLBACKS_LOST)
    with pytest.raises(LogGoneError):
        await callbacks.ends_between(start, ends.position)


@pytest.mark.parametrize(
    ("create_sessions", "body", "is_readable"),
    [
        (NginxOpenSessions, "call=connect&app=live", True),
        (NginxOpenSessions, "call=play&app=live&name=s1&clientid=x", False),
        (NginxOpenSessions, "app=live&flashver=" + "a" * 100, False),
        (NginxOpenSessions, "", True),
        (NmsOpenSessions, '{"id":"a","action":"prePlay","app":"live","name":"s1"}', True),
        (NmsOpenSessions, '{"id":"a","action":"donePlay","outbytes":-1}', False),
        (NmsOpenSessions, '{"id":"a","act', False),
        (NmsOpenSessions, "", True),
    ],
)
async def test_callback_that_cannot_be_read_is_an_unreadable_line_of_its_minute(
    spool: CallbackSpool, create_sessions: type[OpenSessions], body: str, is_readable: bool
) -> None:
    callbacks = CallbackReader(spool, create_sessions)
    start = await callbacks.start(None)
    now_ms = SystemClock().now_ms()
    await post_callbacks(spool, body)
    ends = await callbacks.read_ends(start, start)
    await callbacks.close()
    assert [line.kind for line in ends.ended] == ([] if is_readable else ["unreadable"])
    assert (ends.logs_ends, ends.misses) == (True, "")
    if not is_readable:
        assert abs(ends.ended[0].ended_at - now_ms) < 120_000


async def test_truncated_line_of_the_spool_is_a_lost_callback(spool: CallbackSpool) -> None:
    callbacks = CallbackReader(spool, NginxOpenSessions)
    start = await callbacks.start(None)
    started = await callbacks.read_ends(start, start)
    assert started.position is not None
    with spool.path.open("ab") as file:
        file.write(b'{"at":1795288682303,"path":"/x","bo\n')
    ends = await callbacks.read_ends(started.position, started.position)
    assert (ends.logs_ends, ends.misses) == (False, CALLBACKS_LOST)
    await callbacks.close()
