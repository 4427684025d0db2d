"""`streamtop rm` against a plain Stream Manager and a real service."""

import asyncio
import json
import os
import signal
import stat

import pytest

from streamusage.core.usage import StreamId
from tests.support.canned_answers import ReceivedRequest, reply
from tests.support.commands.hostile import HOSTILE, TOKEN, hostile_manager
from tests.support.commands.service_process import ServiceProcess
from tests.support.plain_manager import PlainManager, wire
from tests.support.program import Program
from tests.support.waiting import LONGEST_WAIT_S
from tui.commands.streams import format_stream_name


async def test_rm_deletes_one_session_by_its_start_time(streamtop: Program) -> None:
    async with PlainManager(wire(start=1), wire(start=2)) as manager:
        ended = await streamtop("rm", "live/keynote", "--start-time", "2", "--url", manager.url, **TOKEN)
    assert ended.code == 0, ended.err
    assert manager.records == [wire(start=1)]
    assert ended.out == ""


async def test_rm_deletes_all_sessions_of_a_stream(streamtop: Program) -> None:
    other = wire("other")
    async with PlainManager(wire(start=1), other, wire(start=2)) as manager:
        ended = await streamtop("rm", "live/keynote", "--yes", "--format", "json", "--url", manager.url, **TOKEN)
    assert ended.code == 0, ended.err
    assert manager.records == [other]
    deleted = [{name: record[name] for name in wire()} for record in json.loads(ended.out)]
    assert deleted == [wire(start=1), wire(start=2)]
    assert "2 sessions of live/keynote" in ended.err


async def test_rm_all_deletes_every_session(streamtop: Program) -> None:
    async with PlainManager(wire(), wire("other")) as manager:
        ended = await streamtop("rm", "--all", "--yes", "--url", manager.url, **TOKEN)
    assert ended.code == 0, ended.err
    assert manager.records == []
    assert len(streamtop.journal.read_text().splitlines()) == 2


async def test_deleted_records_are_journalled_readable_by_the_user_only(streamtop: Program) -> None:
    async with PlainManager(wire()) as manager:
        await streamtop("rm", "live/keynote", "--yes", "--url", manager.url, **TOKEN)
    kept = json.loads(streamtop.journal.read_text())
    assert wire().items() <= kept.items()
    assert kept["service"] == f"127.0.0.1:{manager.port}"
    assert stat.S_IMODE(streamtop.journal.stat().st_mode) == 0o600


async def test_nothing_is_deleted_if_the_journal_is_not_writable(streamtop: Program) -> None:
    streamtop.journal.mkdir(parents=True)
    async with PlainManager(wire()) as manager:
        ended = await streamtop("rm", "live/keynote", "--yes", "--url", manager.url, **TOKEN)
    assert ended.code == 1
    assert manager.deletes == []
    assert "nothing was deleted" in ended.err


@pytest.mark.parametrize("arguments", [("live/keynote",), ("--all",)])
async def test_rm_without_terminal_requires_yes(streamtop: Program, arguments: tuple[str, ...]) -> None:
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
async def test_invalid_arguments_send_no_request(streamtop: Program, arguments: tuple[str, ...]) -> None:
    async with PlainManager(wire()) as manager:
        ended = await streamtop("rm", *arguments, "--yes", "--url", manager.url, **TOKEN)
    assert (ended.code, manager.requests) == (2, [])


@pytest.mark.parametrize(("typed", "left"), [(b"y\n", 1), (b"n\n", 3), (b"\n", 3), (b"\x04", 3)])
async def test_rm_of_a_stream_requires_confirmation(streamtop: Program, typed: bytes, left: int) -> None:
    async with PlainManager(wire(start=1), wire("other"), wire(start=2)) as manager:
        ended = await streamtop.typed_into(typed, "rm", "live/keynote", "--url", manager.url, **TOKEN)
    assert len(manager.records) == left
    assert (ended.code == 0) == (left == 1)
    assert "Delete 2 sessions of live/keynote" in ended.err
    assert ended.out == ""


@pytest.mark.parametrize("typed", ["yes", "", "127.0.0.1"])
async def test_rm_all_requires_the_host_to_be_typed(streamtop: Program, typed: str) -> None:
    async with PlainManager(wire(), wire("other")) as manager:
        host = f"127.0.0.1:{manager.port}"
        wrong = await streamtop.typed_into(f"{typed}\n".encode(), "rm", "--all", "--url", manager.url, **TOKEN)
        assert (wrong.code, len(manager.records)) == (1, 2)
        right = await streamtop.typed_into(f"{host}\n".encode(), "rm", "--all", "--url", manager.url, **TOKEN)
        assert (right.code, manager.records) == (0, [])


async def test_ctrl_c_at_the_confirmation_deletes_nothing(streamtop: Program) -> None:
    async with PlainManager(wire()) as manager:
        control, terminal = os.openpty()
        process = await streamtop.start("rm", "live/keynote", "--url", manager.url, stdin=terminal, **TOKEN)
        assert process.stderr is not None
        prompt = await asyncio.wait_for(process.stderr.readuntil(b"[y/N]"), LONGEST_WAIT_S)
        await asyncio.sleep(0.2)
        process.send_signal(signal.SIGINT)
        _, err = await asyncio.wait_for(process.communicate(), LONGEST_WAIT_S)
        os.close(control)
        os.close(terminal)
    assert (process.returncode, manager.deletes) == (130, [])
    assert b"Traceback" not in prompt + err


async def test_session_that_starts_during_the_confirmation_is_kept(streamtop: Program) -> None:
    async with PlainManager(wire(start=1)) as manager:
        control, terminal = os.openpty()
        process = await streamtop.start("rm", "live/keynote", "--url", manager.url, stdin=terminal, **TOKEN)
        assert process.stderr is not None
        await asyncio.wait_for(process.stderr.readuntil(b"[y/N]"), LONGEST_WAIT_S)
        manager.records.append(wire(start=2))
        os.write(control, b"y\n")
        await asyncio.wait_for(process.communicate(), LONGEST_WAIT_S)
        os.close(control)
        os.close(terminal)
    assert (process.returncode, manager.records) == (0, [wire(start=2)])


class TwoDeleters(PlainManager):
    """Another operator deletes records at the moment at which this run sends its first delete."""

    def __init__(self, *records: dict[str, object], taken: int) -> None:
        super().__init__(*records)
        self.taken = taken
        self.respond = self._respond_second

    def _respond_second(self, request: ReceivedRequest) -> bytes:
        if request.method == "DELETE" and len(self.deletes) == 1:
            del self.records[: self.taken]
        return self._respond(request)


SELECTIONS = [("live/keynote",), ("--where", "keynote"), ("--all",)]


@pytest.mark.parametrize("arguments", SELECTIONS)
async def test_rm_reports_only_what_this_run_deleted(streamtop: Program, arguments: tuple[str, ...]) -> None:
    async with TwoDeleters(*(wire(start=start) for start in range(1, 31)), taken=20) as manager:
        ended = await streamtop("rm", *arguments, "--yes", "--format", "json", "--url", manager.url, **TOKEN)
    assert ended.code == 0, ended.err
    assert [record["startTime"] for record in json.loads(ended.out)] == list(range(21, 31))
    assert "deleted 10 sessions" in ended.err
    assert "20 sessions had been deleted by somebody else" in ended.err
    assert "30 sessions" not in ended.err


@pytest.mark.parametrize("arguments", SELECTIONS)
async def test_rm_exits_with_5_when_somebody_else_deleted_everything(
    streamtop: Program, arguments: tuple[str, ...]
) -> None:
    async with TwoDeleters(*(wire(start=start) for start in range(1, 31)), taken=30) as manager:
        ended = await streamtop("rm", *arguments, "--yes", "--format", "json", "--url", manager.url, **TOKEN)
    assert ended.code == 5, ended.err
    assert json.loads(ended.out) == []
    assert "this run deleted nothing" in ended.err


async def test_rm_prints_what_it_deleted_before_a_failure(streamtop: Program) -> None:
    async with PlainManager(wire(start=1), wire(start=2), wire(start=3)) as manager:
        respond = manager.respond
        manager.respond = lambda request: reply(503) if len(manager.deletes) > 1 else respond(request)
        ended = await streamtop("rm", "live/keynote", "--yes", "--format", "json", "--url", manager.url, **TOKEN)
    assert ended.code == 3, ended.err
    assert [record["startTime"] for record in json.loads(ended.out)] == [1]
    assert "1 deleted, 1 failed, 1 not tried" in ended.err


@pytest.mark.parametrize("arguments", SELECTIONS)
async def test_session_that_changed_after_it_was_listed_is_named_and_the_others_are_deleted(
    streamtop: Program, arguments: tuple[str, ...]
) -> None:
    conflict = reply(409, json.dumps({"errorMessage": "the session has a newer record", "timestamp": 1}))
    async with PlainManager(*(wire(start=start) for start in (1, 2, 3))) as manager:
        respond = manager.respond
        manager.respond = lambda request: conflict if "startTime=2" in request.target else respond(request)
        ended = await streamtop("rm", *arguments, "--yes", "--format", "json", "--url", manager.url, **TOKEN)
    assert ended.code == 4, ended.err
    assert [record["startTime"] for record in json.loads(ended.out)] == [1, 3]
    assert [record["startTime"] for record in manager.records] == [2]
    *_, counts, failed, rest, journal, error = ended.err.splitlines()
    assert counts == "of 3 sessions: 2 deleted, 1 failed: HTTP 409, “the session has a newer record”"
    assert failed == "not deleted: live/keynote, started at 2: HTTP 409, “the session has a newer record”"
    assert rest.startswith("1 session changed after being listed")
    assert rest.endswith("; 1 still at the service")
    assert journal.startswith(
        f"the records of all 3 are in {streamtop.journal}; look at what is left with streamtop ls"
    )
    assert "could not delete the session of live/keynote that started at 2" in error


async def test_delete_without_an_answer_may_have_happened(streamtop: Program) -> None:
    async with PlainManager(wire(start=1), wire(start=2), wire(start=3)) as manager:
        respond = manager.respond
        manager.respond = lambda request: b"" if "startTime=2" in request.target else respond(request)
        ended = await streamtop("rm", "live/keynote", "--yes", "--url", manager.url, **TOKEN)
    assert ended.code == 3, ended.err
    assert "of 3 sessions: 1 deleted, 1 failed, 1 not tried: " in ended.err
    assert "the one without an answer may be deleted all the same; 1 still at the service" in ended.err


async def test_two_deleters_of_a_real_service_report_each_session_once(service: ServiceProcess) -> None:
    records = [wire(start=start) for start in range(1, 41)]
    await service("import", "-", stdin=json.dumps(records).encode())
    both = await asyncio.gather(*(service("rm", "live/keynote", "--yes", "--format", "json") for _ in range(2)))
    deleted = [record["startTime"] for ended in both for record in json.loads(ended.out or "[]")]
    assert sorted(deleted) == list(range(1, 41)), [ended.err for ended in both]


@pytest.mark.parametrize("name", HOSTILE)
async def test_rm_of_a_hostile_name_deletes_only_that_stream(streamtop: Program, name: str) -> None:
    async with hostile_manager() as manager:
        ended = await streamtop(
            "rm", format_stream_name(StreamId("live", name)), "--yes", "--url", manager.url, **TOKEN
        )
    assert ended.code == 0, ended.err
    assert sorted(record["name"] for record in manager.records) == sorted(set(HOSTILE) - {name})
    assert "\x1b" not in ended.err


@pytest.mark.parametrize("start", [(), ("--start-time", "77")])
async def test_rm_of_an_unknown_stream_exits_with_5(streamtop: Program, start: tuple[str, ...]) -> None:
    async with PlainManager(wire("other")) as manager:
        ended = await streamtop("rm", "live/keynote", *start, "--yes", "--url", manager.url, **TOKEN)
    assert (ended.code, manager.deletes) == (5, [])
    assert not streamtop.journal.exists()


async def test_read_only_profile_deletes_nothing(streamtop: Program) -> None:
    async with PlainManager(wire()) as manager:
        streamtop.configure(f'[profiles.p]\nurl = "{manager.url}"\nread_only = true\n')
        ended = await streamtop("rm", "--all", "--yes", "--profile", "p", **TOKEN)
    assert (ended.code, manager.requests) == (4, [])


async def test_rm_deletes_from_a_real_service_and_its_journal_restores(service: ServiceProcess) -> None:
    records = [wire("keynote", start=3000), wire("keynote", start=2000), wire("a/b", "live/room1", start=1000)]
    await service("import", "-", stdin=json.dumps(records).encode())
    assert (await service("rm", "live/keynote", "--start-time", "2000")).code == 0
    assert (await service("rm", "live/room1/a%2Fb", "--yes")).code == 0
    assert await service.records() == [wire("keynote", start=3000)]

    undone = await service("import", str(service.streamtop.journal))
    assert undone.out == "2 imported, 0 kept as they were\n"
    assert len(await service.records()) == 3

    assert (await service("rm", "--all", "--yes")).code == 0
    assert await service.records() == []
    assert (await service("rm", "live/keynote", "--yes")).code == 5


@pytest.mark.parametrize("arguments", [("live/keynote",), ("--all",)])
async def test_viewer_token_cannot_delete(service: ServiceProcess, arguments: tuple[str, ...]) -> None:
    await service("import", "-", stdin=json.dumps([wire()]).encode())
    ended = await service("rm", *arguments, "--yes", token="viewer-secret")
    assert ended.code == 4, ended.err
    assert "viewer-secret" not in ended.err
    assert await service.records() == [wire()]
