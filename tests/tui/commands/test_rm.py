"""`streamtop rm` against a plain Stream Manager on a real port."""

import asyncio
import json
import os
import signal
import stat

import pytest

from streamusage.core.usage import StreamId
from tests.support.commands.hostile import HOSTILE, TOKEN, hostile
from tests.support.plain_manager import PlainManager, wire
from tests.support.program import Program
from tests.support.waiting import LONGEST_WAIT_S
from tui.commands.streams import format_stream_name


async def test_one_session(streamtop: Program) -> None:
    async with PlainManager(wire(start=1), wire(start=2)) as manager:
        ended = await streamtop("rm", "live/keynote", "--start-time", "2", "--url", manager.url, **TOKEN)
    assert ended.code == 0, ended.err
    assert manager.records == [wire(start=1)]
    assert ended.out == ""


async def test_all_sessions_of_a_stream(streamtop: Program) -> None:
    other = wire("other")
    async with PlainManager(wire(start=1), other, wire(start=2)) as manager:
        ended = await streamtop("rm", "live/keynote", "--yes", "--format", "json", "--url", manager.url, **TOKEN)
    assert ended.code == 0, ended.err
    assert manager.records == [other]
    assert json.loads(ended.out) == [wire(start=1), wire(start=2)]
    assert "2 sessions of live/keynote" in ended.err


async def test_everything(streamtop: Program) -> None:
    async with PlainManager(wire(), wire("other")) as manager:
        ended = await streamtop("rm", "--all", "--yes", "--url", manager.url, **TOKEN)
    assert ended.code == 0, ended.err
    assert manager.records == []
    assert len(streamtop.journal.read_text().splitlines()) == 2


async def test_the_records_are_kept_first_and_for_the_user_alone(streamtop: Program) -> None:
    async with PlainManager(wire()) as manager:
        await streamtop("rm", "live/keynote", "--yes", "--url", manager.url, **TOKEN)
    kept = json.loads(streamtop.journal.read_text())
    assert wire().items() <= kept.items()
    assert kept["service"] == f"127.0.0.1:{manager.port}"
    assert stat.S_IMODE(streamtop.journal.stat().st_mode) == 0o600


async def test_nothing_is_deleted_where_the_journal_cannot_be_written(streamtop: Program) -> None:
    streamtop.journal.mkdir(parents=True)
    async with PlainManager(wire()) as manager:
        ended = await streamtop("rm", "live/keynote", "--yes", "--url", manager.url, **TOKEN)
    assert ended.code == 1
    assert manager.deletes == []
    assert "nothing was deleted" in ended.err


@pytest.mark.parametrize("arguments", [("live/keynote",), ("--all",)])
async def test_without_a_terminal_it_does_not_guess(streamtop: Program, arguments: tuple[str, ...]) -> None:
    async with PlainManager(wire()) as manager:
        ended = await streamtop("rm", *arguments, "--url", manager.url, stdin=b"y\n", **TOKEN)
    assert ended.code == 2
    assert manager.requests == []
    assert "--yes" in ended.err


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("",),
        ("/",),
        ("live/",),
        ("/keynote",),
        ("keynote",),
        ("live//keynote",),
        ("live/keynote", "--start-time", ""),
        ("live/keynote", "--start-time", "0"),
        ("live/keynote", "--start-time", "-5"),
        ("live/keynote", "--all"),
        ("--all", "--start-time", "5"),
    ],
)
async def test_what_names_no_session_is_never_sent(streamtop: Program, arguments: tuple[str, ...]) -> None:
    async with PlainManager(wire()) as manager:
        ended = await streamtop("rm", *arguments, "--yes", "--url", manager.url, **TOKEN)
    assert (ended.code, manager.requests) == (2, [])


@pytest.mark.parametrize(("typed", "left"), [(b"y\n", 1), (b"n\n", 3), (b"\n", 3), (b"\x04", 3)])
async def test_deleting_a_stream_needs_confirmation(streamtop: Program, typed: bytes, left: int) -> None:
    async with PlainManager(wire(start=1), wire("other"), wire(start=2)) as manager:
        ended = await streamtop.typed_into(typed, "rm", "live/keynote", "--url", manager.url, **TOKEN)
    assert len(manager.records) == left
    assert (ended.code == 0) == (left == 1)
    assert "Delete 2 sessions of live/keynote" in ended.err
    assert ended.out == ""


@pytest.mark.parametrize("typed", ["yes", "", "127.0.0.1"])
async def test_deleting_everything_needs_the_host_typed(streamtop: Program, typed: str) -> None:
    async with PlainManager(wire(), wire("other")) as manager:
        host = f"127.0.0.1:{manager.port}"
        wrong = await streamtop.typed_into(f"{typed}\n".encode(), "rm", "--all", "--url", manager.url, **TOKEN)
        assert (wrong.code, len(manager.records)) == (1, 2)
        right = await streamtop.typed_into(f"{host}\n".encode(), "rm", "--all", "--url", manager.url, **TOKEN)
        assert (right.code, manager.records) == (0, [])


async def test_ctrl_c_at_the_question_deletes_nothing(streamtop: Program) -> None:
    async with PlainManager(wire()) as manager:
        ours, its = os.openpty()
        process = await streamtop.start("rm", "live/keynote", "--url", manager.url, stdin=its, **TOKEN)
        assert process.stderr is not None
        asked = await asyncio.wait_for(process.stderr.readuntil(b"[y/N]"), LONGEST_WAIT_S)
        await asyncio.sleep(0.2)
        process.send_signal(signal.SIGINT)
        _, err = await asyncio.wait_for(process.communicate(), LONGEST_WAIT_S)
        os.close(ours)
        os.close(its)
    assert (process.returncode, manager.deletes) == (130, [])
    assert b"Traceback" not in asked + err


async def test_a_session_that_begins_meanwhile_stays(streamtop: Program) -> None:
    async with PlainManager(wire(start=1)) as manager:
        ours, its = os.openpty()
        process = await streamtop.start("rm", "live/keynote", "--url", manager.url, stdin=its, **TOKEN)
        assert process.stderr is not None
        await asyncio.wait_for(process.stderr.readuntil(b"[y/N]"), LONGEST_WAIT_S)
        manager.records.append(wire(start=2))
        os.write(ours, b"y\n")
        await asyncio.wait_for(process.communicate(), LONGEST_WAIT_S)
        os.close(ours)
        os.close(its)
    assert (process.returncode, manager.records) == (0, [wire(start=2)])


@pytest.mark.parametrize("name", HOSTILE)
async def test_a_hostile_name_deletes_itself_and_nothing_else(streamtop: Program, name: str) -> None:
    async with hostile() as manager:
        ended = await streamtop(
            "rm", format_stream_name(StreamId("live", name)), "--yes", "--url", manager.url, **TOKEN
        )
    assert ended.code == 0, ended.err
    assert sorted(record["name"] for record in manager.records) == sorted(set(HOSTILE) - {name})
    assert "\x1b" not in ended.err


@pytest.mark.parametrize("start", [(), ("--start-time", "77")])
async def test_what_is_not_there(streamtop: Program, start: tuple[str, ...]) -> None:
    async with PlainManager(wire("other")) as manager:
        ended = await streamtop("rm", "live/keynote", *start, "--yes", "--url", manager.url, **TOKEN)
    assert (ended.code, manager.deletes) == (5, [])
    assert not streamtop.journal.exists()


async def test_a_read_only_profile_deletes_nothing(streamtop: Program) -> None:
    async with PlainManager(wire()) as manager:
        streamtop.configure(f'[profiles.p]\nurl = "{manager.url}"\nread_only = true\n')
        ended = await streamtop("rm", "--all", "--yes", "--profile", "p", **TOKEN)
    assert (ended.code, manager.requests) == (4, [])
