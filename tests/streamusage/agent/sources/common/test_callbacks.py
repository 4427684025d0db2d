"""Callbacks of media servers: on disk before they are answered, folded into sessions, and a hole in them is noticed."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tests.support.agent
from streamusage.agent.reading import EndedConnection, LogGoneError, SourceError
from streamusage.agent.sources.common import callback_spool
from streamusage.agent.sources.common.callback_spool import Hook, HookSpool, hooks_of
from streamusage.agent.sources.common.callbacks import Callbacks, OpenSessions
from streamusage.agent.sources.nginx_rtmp import callbacks as nginx_callbacks
from streamusage.agent.sources.node_media_server import callbacks as nms_callbacks
from streamusage.core.clock import SystemClock
from streamusage.core.reasons import CALLBACKS_LOST
from tests.support.real.processes import free_port

FIXTURES = Path(tests.support.agent.__file__).parent / "fixtures"


@pytest.fixture
async def spool(tmp_path: Path) -> AsyncIterator[HookSpool]:
    opened = HookSpool(f"127.0.0.1:{free_port()}", tmp_path / "agent.hooks", SystemClock())
    yield opened
    await opened.close()


async def call(spool: HookSpool, *bodies: str) -> None:
    async with httpx.AsyncClient(trust_env=False) as http:
        answers = await asyncio.gather(
            *(http.post(f"http://127.0.0.1:{spool._port}/x", content=each) for each in bodies)
        )
    assert {each.status_code for each in answers} == {200}


async def test_a_callback_is_in_the_file_when_it_is_answered(spool: HookSpool) -> None:
    await spool.start()
    start = await spool.end()
    await call(spool, "one")
    assert b'"body":"one"' in spool.path.read_bytes()
    await call(spool, *(f"n{number}" for number in range(50)))
    hooks, after, lost = await spool.read(start)
    assert [hook.body for hook in hooks[:1]] == ["one"]
    assert {hook.body for hook in hooks[1:]} == {f"n{number}" for number in range(50)}
    assert not lost
    assert (await spool.read(after)).hooks == []


async def test_where_the_listener_began_again_there_is_a_mark(spool: HookSpool, tmp_path: Path) -> None:
    await spool.start()
    start = await spool.end()
    await call(spool, "one")
    await spool.close()
    with spool.path.open("ab") as file:
        file.write(b'{"at":1,"bo')  # the machine died here
    await spool.start()
    await call(spool, "two")
    assert hooks_of(spool.path.read_bytes().splitlines())[-2].mark == "listening"
    hooks, after, lost = await spool.read(start)
    assert [hook.body for hook in hooks] == ["one", "two"]
    assert lost
    assert [hook.body for hook in await spool.before(after)] == ["one", "two"]


async def test_a_long_spool_is_begun_anew_when_it_is_read(spool: HookSpool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(callback_spool, "ROTATE_FROM_BYTES", 500)
    await spool.start()
    start = position = await spool.end()
    seen: list[str] = []
    for number in range(40):
        await call(spool, f"callback {number}")
        for _ in range(2):
            hooks, position, lost = await spool.read(position)
            assert not lost
            seen += [hook.body for hook in hooks]
    assert seen == [f"callback {number}" for number in range(40)]
    assert spool.path.stat().st_size < 2000
    assert start != position


async def test_rubbish_is_answered_or_cut_and_never_harms(spool: HookSpool) -> None:
    await spool.start()
    start = await spool.end()
    for rubbish in (b"\x16\x03\x01\x00", b"GET\r\n\r\n", b"POST / HTTP/1.1\r\nContent-Length: zz\r\n\r\n", b""):
        reader, writer = await asyncio.open_connection("127.0.0.1", spool._port)
        writer.write(rubbish)
        writer.write_eof()
        await asyncio.wait_for(reader.read(), 5)
        writer.close()
    await call(spool, "x" * 200_000)
    hooks = (await spool.read(start)).hooks
    assert [len(hook.body) for hook in hooks] == [callback_spool.LARGEST_BODY_BYTES]


async def test_an_address_that_is_taken_is_told(spool: HookSpool, tmp_path: Path) -> None:
    await spool.start()
    other = HookSpool(f"127.0.0.1:{spool._port}", tmp_path / "other.hooks", SystemClock())
    with pytest.raises(SourceError, match="callbacks cannot be taken"):
        await other.start()
    await other.close()


def hooks_from(fixture: str) -> list[Hook]:
    hooks = []
    for line in (FIXTURES / fixture).read_text().splitlines():
        head, _, body = line.partition(" | ")
        hooks.append(Hook(at=int(head.split()[0].replace(".", "")), path=head.split()[2], body=body))
    return hooks


def told_by(sessions: OpenSessions, hooks: list[Hook]) -> list[EndedConnection]:
    return [line for hook in hooks if (line := sessions.take(hook)) is not None]


def test_node_media_servers_own_callbacks() -> None:
    ended = told_by(nms_callbacks.NodeMediaServerOpenSessions(), hooks_from("nms4_notify_callbacks.txt"))
    assert [(each.kind, each.protocol, each.duration_ms, each.bytes_out) for each in ended] == [
        ("play", "rtmp", 7753, 112515),
        ("play", "rtmp", 8993, 127578),
        ("play", "flv", 9068, 128449),
        ("play", "flv", 989, 36065),
    ]


def test_sessions_of_node_media_server_that_are_open_are_named() -> None:
    sessions = nms_callbacks.NodeMediaServerOpenSessions()
    told_by(sessions, hooks_from("nms4_notify_callbacks.txt"))
    assert {key: (play.scope, play.name) for key, play in sessions.plays.items()} == {
        "mwqt5tqbggs0mzxz": ("live", "s2")
    }


def test_who_was_refused_or_only_knocked_is_no_viewer() -> None:
    def hook(action: str, **fields: object) -> Hook:
        return Hook(at=1, body=json.dumps({"id": "a1", "action": action, "endtime": 9, **fields}))

    refused = told_by(
        nms_callbacks.NodeMediaServerOpenSessions(),
        [hook("prePlay", app="a", name="b"), hook("donePlay", app="a", name="b")],
    )
    knocked = told_by(nms_callbacks.NodeMediaServerOpenSessions(), [hook("donePlay", app="", name="")])
    assert [each.kind for each in (*refused, *knocked)] == ["other", "other"]


def test_nginx_callbacks() -> None:
    ended = told_by(nginx_callbacks.NginxOpenSessions(), hooks_from("nginx_rtmp_notify_callbacks.txt"))
    assert {(each.connection_id, each.kind, each.scope, each.name) for each in ended} >= {("20", "play", "live", "s1")}
    viewer = next(each for each in ended if each.connection_id == "20")
    assert viewer.duration_ms == 1795288695258 - 1795288685263


@pytest.mark.parametrize("sessions", [nms_callbacks.NodeMediaServerOpenSessions, nginx_callbacks.NginxOpenSessions])
@given(bodies=st.lists(st.one_of(st.text(max_size=80), st.binary(max_size=40).map(lambda b: b.decode("latin-1")))))
def test_any_body_is_taken_without_harm(sessions: type, bodies: list[str]) -> None:
    ended = told_by(sessions(), [Hook(at=number, body=body) for number, body in enumerate(bodies)])
    assert all(isinstance(each, EndedConnection) for each in ended)


def body_of(call: str, client: int) -> str:
    return f"call={call}&app=live&name=s1&clientid={client}"


async def test_what_was_read_and_not_recorded_is_told_again(spool: HookSpool) -> None:
    """The journal may fail after a reading: the same place is read once more then."""
    callbacks = Callbacks(spool, nginx_callbacks.NginxOpenSessions)
    start = await callbacks.start(None)
    await call(spool, body_of("play", 1), body_of("play", 2))
    begun = await callbacks.read(start, start)
    await call(spool, body_of("play_done", 1))
    await call(spool, body_of("play_done", 2))
    assert begun.position is not None
    ended = await callbacks.read(begun.position, begun.position)
    assert [line.connection_id for line in ended.ended] == ["1", "2"]
    assert await callbacks.read(begun.position, begun.position) == ended
    assert await callbacks.between(start, ended.position) == ended.ended


async def test_who_begins_to_read_knows_who_came_before_and_that_it_did_not_listen(
    spool: HookSpool, tmp_path: Path
) -> None:
    callbacks = Callbacks(spool, nginx_callbacks.NginxOpenSessions)
    await callbacks.start(None)
    await call(spool, body_of("play", 1))
    await callbacks.close()
    again = Callbacks(
        HookSpool(f"127.0.0.1:{spool._port}", spool.path, SystemClock()), nginx_callbacks.NginxOpenSessions
    )
    first = await again.read(None, await again.start(None))
    assert (first.ended, first.logs_ends, first.misses) == ((), True, CALLBACKS_LOST)
    await call(spool, body_of("play_done", 1))
    assert first.position is not None
    told = await again.read(first.position, first.position)
    assert [line.connection_id for line in told.ended] == ["1"]
    assert (told.logs_ends, told.misses) == (True, "")
    await again.close()


async def test_a_spool_that_was_taken_away_has_lost_callbacks(spool: HookSpool) -> None:
    callbacks = Callbacks(spool, nginx_callbacks.NginxOpenSessions)
    start = await callbacks.start(None)
    await call(spool, body_of("play", 1))
    await callbacks.close()
    spool.path.unlink()
    await callbacks.start(start)
    told = await callbacks.read(start, start)
    assert (told.ended, told.logs_ends, told.misses) == ((), False, CALLBACKS_LOST)
    with pytest.raises(LogGoneError):
        await callbacks.between(start, told.position)
