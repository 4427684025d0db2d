"""Callbacks of media servers: on disk before they are answered, folded into sessions, and a hole in them is noticed."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamusage.agent.source import EndedConnection, SourceError
from streamusage.agent.sources import hook_spool, nginx_hooks, nms_hooks
from streamusage.agent.sources.hook_spool import Hook, HookSpool
from streamusage.clock import SystemClock
from tests.real.processes import free_port

FIXTURES = Path(__file__).parent / "fixtures"


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
    hooks, after = await spool.read(start)
    assert [hook.body for hook in hooks[:1]] == ["one"]
    assert {hook.body for hook in hooks[1:]} == {f"n{number}" for number in range(50)}
    assert not any(hook.mark for hook in hooks)
    assert (await spool.read(after))[0] == []


async def test_where_the_listener_began_again_there_is_a_mark(spool: HookSpool, tmp_path: Path) -> None:
    await spool.start()
    start = await spool.end()
    await call(spool, "one")
    await spool.close()
    with spool.path.open("ab") as file:
        file.write(b'{"at":1,"bo')  # the machine died here
    await spool.start()
    await call(spool, "two")
    hooks, after = await spool.read(start)
    assert [hook.body or hook.mark for hook in hooks] == ["one", "listening", "two"]
    assert [hook.body or hook.mark for hook in await spool.before(after)][-3:] == ["one", "listening", "two"]


async def test_a_long_spool_is_begun_anew_when_it_is_read(spool: HookSpool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hook_spool, "ROTATE_FROM_BYTES", 500)
    await spool.start()
    start = position = await spool.end()
    seen: list[str] = []
    for number in range(40):
        await call(spool, f"callback {number}")
        for _ in range(2):
            hooks, position = await spool.read(position)
            seen += [hook.body for hook in hooks if not hook.mark]
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
    hooks, _ = await spool.read(start)
    assert [len(hook.body) for hook in hooks] == [hook_spool.LARGEST_BODY_BYTES]


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


def test_node_media_servers_own_callbacks() -> None:
    ended, lost = nms_hooks.Sessions().fold(hooks_from("nms4_notify_callbacks.txt"))
    assert not lost
    assert [(each.kind, each.protocol, each.duration_ms, each.bytes_out) for each in ended] == [
        ("play", "rtmp", 7753, 112515),
        ("play", "rtmp", 8993, 127578),
        ("play", "flv", 9068, 128449),
        ("play", "flv", 989, 36065),
    ]


def test_sessions_of_node_media_server_that_are_open_are_named() -> None:
    sessions = nms_hooks.Sessions()
    sessions.fold(hooks_from("nms4_notify_callbacks.txt"))
    assert {key: (play.scope, play.name) for key, play in sessions.plays.items()} == {
        "mwqt5tqbggs0mzxz": ("live", "s2")
    }


def test_who_was_refused_or_only_knocked_is_no_viewer() -> None:
    def hook(action: str, **fields: object) -> Hook:
        return Hook(at=1, body=json.dumps({"id": "a1", "action": action, "endtime": 9, **fields}))

    refused, _ = nms_hooks.Sessions().fold([hook("prePlay", app="a", name="b"), hook("donePlay", app="a", name="b")])
    knocked, _ = nms_hooks.Sessions().fold([hook("donePlay", app="", name="")])
    assert [each.kind for each in (*refused, *knocked)] == ["other", "other"]


def test_nginx_callbacks() -> None:
    ended, lost = nginx_hooks.Sessions().fold(hooks_from("nginx_rtmp_notify_callbacks.txt"))
    assert not lost
    assert {(each.connection_id, each.kind, each.scope, each.name) for each in ended} >= {("20", "play", "live", "s1")}
    viewer = next(each for each in ended if each.connection_id == "20")
    assert viewer.duration_ms == 1795288695258 - 1795288685263


@pytest.mark.parametrize("sessions", [nms_hooks.Sessions, nginx_hooks.Sessions])
@given(bodies=st.lists(st.one_of(st.text(max_size=80), st.binary(max_size=40).map(lambda b: b.decode("latin-1")))))
def test_any_body_is_taken_without_harm(sessions: type, bodies: list[str]) -> None:
    ended, _ = sessions().fold([Hook(at=number, body=body) for number, body in enumerate(bodies)])
    assert all(isinstance(each, EndedConnection) for each in ended)


def test_a_mark_tells_of_lost_callbacks() -> None:
    marks = [Hook(at=1, mark="rotated"), Hook(at=2, mark="listening")]
    assert nms_hooks.Sessions().fold(marks[:1])[1] is False
    assert nginx_hooks.Sessions().fold(marks)[1] is True
