"""`streamtop rm` of many records: progress, an interruption and a failure in the middle, and a second run."""

import asyncio
import contextlib
import json
import os
import signal

import pytest

from tests.support.canned_answers import RESET, ReceivedRequest, reply
from tests.support.commands.hostile import TOKEN
from tests.support.commands.service_process import ServiceProcess
from tests.support.plain_manager import PlainManager, wire
from tests.support.program import Program
from tests.support.waiting import LONGEST_WAIT_S


class StoppingManager(PlainManager):
    """Deletes some records, and then answers no further delete until it is continued."""

    def __init__(self, records: int, *, answered: int) -> None:
        super().__init__(*(wire(start=start) for start in range(1, records + 1)))
        self.answered = answered
        self.stopped = asyncio.Event()
        self.respond = self._respond_some

    def _respond_some(self, request: ReceivedRequest) -> "bytes | asyncio.Future[bytes]":
        if request.method == "DELETE" and len(self.deletes) > self.answered:
            self.stopped.set()
            return asyncio.get_running_loop().create_future()
        return self._respond(request)

    def resume(self) -> None:
        """Answer everything from now on."""
        self.respond = self._respond


def read_terminal(descriptor: int) -> str:
    """Return all that is written to a terminal until it is closed."""
    parts = []
    with contextlib.suppress(OSError):
        while part := os.read(descriptor, 65_536):
            parts.append(part)
    os.close(descriptor)
    return b"".join(parts).decode()


@pytest.mark.parametrize("arguments", [("live/keynote",), ("--where", "keynote"), ("--all",)])
async def test_interrupted_rm_reports_what_is_deleted_and_can_be_run_again(
    streamtop: Program, arguments: tuple[str, ...]
) -> None:
    async with StoppingManager(200, answered=80) as manager:
        command = ("rm", *arguments, "--yes", "--url", manager.url)
        process = await streamtop.start(*command, stdin=asyncio.subprocess.DEVNULL, **TOKEN)
        await asyncio.wait_for(manager.stopped.wait(), LONGEST_WAIT_S)
        process.send_signal(signal.SIGINT)
        out, err = await asyncio.wait_for(process.communicate(), LONGEST_WAIT_S)
        assert (process.returncode, out) == (130, b"")
        assert b"stopped after 80 of 200 sessions; the next one may be deleted too" in err
        assert str(streamtop.journal).encode() in err
        assert b"Traceback" not in err
        kept = [json.loads(line)["startTime"] for line in streamtop.journal.read_text().splitlines()]
        assert kept == list(range(1, 201))
        manager.resume()
        again = await streamtop(*command, **TOKEN)
        assert (again.code, manager.records) == (0, [])
        assert "120 sessions" in again.err


@pytest.mark.parametrize("fault", [RESET, reply(503)])
async def test_failed_rm_names_what_is_left_and_can_be_run_again(streamtop: Program, fault: bytes) -> None:
    async with StoppingManager(200, answered=80) as manager:
        manager.respond = lambda request: fault if len(manager.deletes) > 80 else manager._respond(request)
        command = ("rm", "live/keynote", "--yes", "--format", "json", "--url", manager.url)
        ended = await streamtop(*command, **TOKEN)
        assert ended.code == 3, ended.err
        assert [record["startTime"] for record in json.loads(ended.out)] == list(range(1, 81))
        assert "of 200 sessions: 80 deleted, 1 failed, 119 not tried" in ended.err
        assert f"the records of all 200 are in {streamtop.journal}; look at what is left" in ended.err
        assert "run the same command again to delete it" in ended.err
        manager.resume()
        assert (await streamtop(*command, **TOKEN)).code == 0
        assert manager.records == []


async def test_rm_shows_its_progress_on_a_terminal_only(streamtop: Program) -> None:
    async with PlainManager(*(wire(start=start) for start in range(1, 301))) as manager:
        ours, its = os.openpty()
        process = await streamtop.start(
            "rm", "live/keynote", "--yes", "--url", manager.url, stdin=asyncio.subprocess.DEVNULL, stderr=its, **TOKEN
        )
        os.close(its)
        shown = await asyncio.to_thread(read_terminal, ours)
        await asyncio.wait_for(process.communicate(), LONGEST_WAIT_S)
        assert process.returncode == 0
        assert "deleting 300 sessions" in shown
        assert "100%" in shown
        manager.records = [wire(start=start) for start in range(1, 301)]
        piped = await streamtop("rm", "live/keynote", "--yes", "--url", manager.url, **TOKEN)
    host = f"127.0.0.1:{manager.port}"
    assert piped.err == f"deleted 300 sessions of live/keynote at {host}; kept in {streamtop.journal}\n"


@pytest.mark.parametrize("stops", [True, False])
async def test_single_request_for_everything_that_has_no_answer_is_reported(streamtop: Program, stops: bool) -> None:
    async with StoppingManager(1_200, answered=0) as manager:
        if not stops:
            manager.respond = lambda request: RESET if request.method == "DELETE" else manager._respond(request)
        command = ("rm", "--all", "--yes", "--url", manager.url)
        process = await streamtop.start(*command, stdin=asyncio.subprocess.DEVNULL, **TOKEN)
        if stops:
            await asyncio.wait_for(manager.stopped.wait(), LONGEST_WAIT_S)
            process.send_signal(signal.SIGINT)
        out, err = await asyncio.wait_for(process.communicate(), LONGEST_WAIT_S)
        assert (process.returncode, out) == (130 if stops else 3, b"")
        assert b"the service may have deleted them; all 1,200 are kept in" in err
        assert b"Traceback" not in err
        assert len(streamtop.journal.read_text().splitlines()) == 1_200
        manager.resume()
        again = await streamtop(*command, **TOKEN)
        assert (again.code, manager.records) == (0, [])


async def test_many_records_of_a_real_service_are_deleted_and_restored(service: ServiceProcess) -> None:
    records = [wire(start=start) for start in range(1, 1_501)]
    await service("import", "-", stdin=json.dumps(records).encode())
    ended = await service("rm", "--all", "--yes")
    assert ended.code == 0, ended.err
    assert "1,500 sessions" in ended.err
    assert await service.records() == []
    undone = await service("import", str(service.streamtop.journal))
    assert undone.out == "1,500 imported, 0 kept as they were\n"


class BusyManager(PlainManager):
    """Sessions begin at the moments of the first requests, in order: each list of records at one of them."""

    def __init__(self, records: int, begins: list[tuple[str, dict[str, object]]]) -> None:
        super().__init__(*(wire(start=start) for start in range(1, records + 1)))
        self.begins = begins
        self.respond = self._respond_and_begin

    def _respond_and_begin(self, request: ReceivedRequest) -> bytes:
        answer = self._respond(request)
        if self.begins and request.method == self.begins[0][0]:
            self.records.append(self.begins.pop(0)[1])
        return answer


@pytest.mark.parametrize("records", [3, 1_200])
async def test_rm_all_keeps_what_began_meanwhile_before_it_deletes_it(streamtop: Program, records: int) -> None:
    late = wire("late", start=7_000)
    async with BusyManager(records, [("GET", late)]) as manager:
        ended = await streamtop("rm", "--all", "--yes", "--format", "json", "--url", manager.url, **TOKEN)
    assert ended.code == 0, ended.err
    assert manager.records == []
    kept = [json.loads(line)["startTime"] for line in streamtop.journal.read_text().splitlines()]
    assert kept == [*range(1, records + 1), 7_000]
    assert [record["startTime"] for record in json.loads(ended.out)] == kept


async def test_rm_all_ends_although_sessions_begin_all_the_time(streamtop: Program) -> None:
    begins = [("GET", wire("late", start=7_000 + number)) for number in range(100)]
    async with BusyManager(3, begins) as manager:
        ended = await streamtop("rm", "--all", "--yes", "--url", manager.url, **TOKEN)
    assert ended.code == 0, ended.err
    assert len(manager.records) < 3
    kept = [json.loads(line)["startTime"] for line in streamtop.journal.read_text().splitlines()]
    assert len(kept) == len(manager.deletes), "each of them was kept, and deleted by itself"


async def test_rm_all_leaves_what_began_meanwhile_with_an_unreadable_record(streamtop: Program) -> None:
    late = {**wire("late", start=7_000), "totalSubscribers": "many"}
    async with BusyManager(3, [("GET", late)]) as manager:
        ended = await streamtop("rm", "--all", "--yes", "--format", "json", "--url", manager.url, **TOKEN)
    assert (ended.code, manager.records) == (4, [late]), ended.err
    assert len(json.loads(ended.out)) == 3
    assert "1 session began meanwhile with a record that the journal cannot keep in full" in ended.err


async def test_rm_all_of_an_empty_service_sends_no_delete(streamtop: Program) -> None:
    async with PlainManager() as manager:
        ended = await streamtop("rm", "--all", "--yes", "--url", manager.url, **TOKEN)
    assert (ended.code, manager.deletes) == (0, [])
    assert "has no usage records; nothing was deleted" in ended.err
