"""`streamtop import` of valid and invalid files."""

import asyncio
import json
import os
import signal

import pytest

from tests.support.canned_answers import CannedServer, ReceivedRequest, reply
from tests.support.commands.hostile import TOKEN
from tests.support.commands.service_process import ServiceProcess
from tests.support.plain_manager import PlainManager, wire
from tests.support.program import Ended, Program
from tests.support.waiting import LONGEST_WAIT_S


async def import_from_stdin(streamtop: Program, content: str) -> Ended:
    async with PlainManager() as manager:
        ended = await streamtop("import", "-", "--url", manager.url, stdin=content.encode(), **TOKEN)
    assert manager.requests == [], "an invalid file sends nothing"
    return ended


async def test_invalid_records_are_listed_and_nothing_is_sent(streamtop: Program) -> None:
    lacking = wire()
    del lacking["duration"]
    content = [wire(), lacking, wire(""), wire(totalSubscribers=-1), wire(name=5)]
    ended = await import_from_stdin(streamtop, json.dumps(content))
    assert ended.code == 2
    assert "4 invalid records" in ended.err
    for position, field in ((2, "duration"), (3, "name"), (4, "total_subscribers"), (5, "name")):
        assert any(f"record {position}: " in line and field in line for line in ended.err.splitlines())


async def test_unreadable_value_of_an_invalid_record_is_named(streamtop: Program) -> None:
    unreadable = wire(totalSubscribers="many", endTime=None)
    ended = await import_from_stdin(streamtop, json.dumps([wire(), unreadable]))
    assert ended.code == 2
    assert "record 2: the record lacks endTime; totalSubscribers is unreadable: many\n" in ended.err


@pytest.mark.parametrize("form", ["[{}]", "{}"])
async def test_deeply_nested_value_is_an_invalid_record(streamtop: Program, form: str) -> None:
    nested = json.dumps(wire())[:-1] + ', "note": ' + "[" * 20_000 + "]" * 20_000 + "}"
    ended = await import_from_stdin(streamtop, form.replace("{}", nested))
    assert ended.code == 2
    assert "nothing was imported" in ended.err
    assert "Traceback" not in ended.err


async def test_error_of_an_invalid_line_contains_its_number(streamtop: Program) -> None:
    ended = await import_from_stdin(streamtop, f"{json.dumps(wire())}\n\n{{oops\n")
    assert ended.code == 2
    assert "line 3: " in ended.err


@pytest.mark.parametrize("content", ['[{"name": "x"', "[1, 2]", "hello", "<html>"])
async def test_input_that_is_no_list_of_records_is_refused(streamtop: Program, content: str) -> None:
    assert (await import_from_stdin(streamtop, content)).code == 2


async def test_import_stores_new_records_and_keeps_existing_ones(service: ServiceProcess) -> None:
    records = [wire("keynote", start=3000), wire("keynote", start=2000), wire("a/b", "live/room1", start=1000)]
    ended = await service("import", "-", stdin=json.dumps(records).encode())
    assert (ended.code, ended.out) == (0, "3 imported, 0 kept as they were\n"), ended.err
    assert sorted(map(str, await service.records())) == sorted(map(str, records))
    again = await service("import", "-", stdin="\n".join(map(json.dumps, records)).encode())
    assert again.out == "0 imported, 3 kept as they were\n"


async def test_import_of_5000_records_is_complete(service: ServiceProcess) -> None:
    records = [wire(f"s{at}", start=at + 1) for at in range(5000)]
    path = service.streamtop.home / "records.json"
    path.write_text(json.dumps(records))
    ended = await service("import", str(path))
    assert ended.out == "5,000 imported, 0 kept as they were\n"
    assert len(await service.records()) == 5000


@pytest.mark.parametrize("content", ["", "\n", " \n\n"])
async def test_empty_file_is_not_a_success(streamtop: Program, content: str) -> None:
    ended = await import_from_stdin(streamtop, content)
    assert ended.code == 2
    assert "is empty, nothing was imported" in ended.err


async def test_empty_list_imports_nothing(service: ServiceProcess) -> None:
    ended = await service("import", "-", stdin=b"[]")
    assert (ended.code, ended.out) == (0, "0 imported, 0 kept as they were\n")


class SlowImporter(CannedServer):
    """Accepts the first request of an import, and answers no other one."""

    def __init__(self) -> None:
        super().__init__(self._answer)
        self.second = asyncio.Event()

    async def _answer(self, request: ReceivedRequest) -> bytes:
        if len(self.requests) > 1:
            self.second.set()
            await asyncio.Event().wait()
        return reply(200, '{"imported": 1990, "kept": 10}')


async def test_stopped_import_reports_what_is_in(streamtop: Program) -> None:
    path = streamtop.home / "records.json"
    path.write_text(json.dumps([wire(f"s{at}", start=at + 1) for at in range(5000)]))
    async with SlowImporter() as server:
        process = await streamtop.start("import", str(path), "--url", server.url, stdin=asyncio.subprocess.DEVNULL)
        await asyncio.wait_for(server.second.wait(), LONGEST_WAIT_S)
        process.send_signal(signal.SIGINT)
        out, err = await asyncio.wait_for(process.communicate(), LONGEST_WAIT_S)
    assert (process.returncode, out) == (130, b"")
    assert b"stopped after 2,000 of 5,000 records: 1,990 imported, 10 kept as they were" in err
    assert b"Traceback" not in err


async def test_failed_import_reports_what_is_in(streamtop: Program) -> None:
    path = streamtop.home / "records.json"
    path.write_text(json.dumps([wire(f"s{at}", start=at + 1) for at in range(5000)]))
    async with SlowImporter() as server:
        server.respond = lambda request: (
            reply(503) if len(server.requests) > 1 else reply(200, '{"imported": 1990, "kept": 10}')
        )
        ended = await streamtop("import", str(path), "--url", server.url)
    assert ended.code == 3
    assert "failed after 2,000 of 5,000 records: 1,990 imported, 10 kept as they were" in ended.err


async def test_import_shows_its_progress_on_a_terminal(streamtop: Program) -> None:
    path = streamtop.home / "records.json"
    path.write_text(json.dumps([wire(f"s{at}", start=at + 1) for at in range(5000)]))
    async with SlowImporter() as server:
        server.respond = lambda request: reply(200, '{"imported": 2000, "kept": 0}')
        ours, its = os.openpty()
        process = await streamtop.start(
            "import", str(path), "--url", server.url, stdin=asyncio.subprocess.DEVNULL, stderr=its
        )
        await asyncio.wait_for(process.communicate(), LONGEST_WAIT_S)
        shown = os.read(ours, 65_536).decode()
        os.close(ours)
        os.close(its)
    assert process.returncode == 0
    assert "importing 5,000 records" in shown
    assert "100%" in shown


async def test_viewer_token_cannot_import(service: ServiceProcess) -> None:
    record = json.dumps([wire()]).encode()
    await service("import", "-", stdin=record)
    ended = await service("import", "-", stdin=record, token="viewer-secret")
    assert ended.code == 4, ended.err
    assert "viewer-secret" not in ended.err
    assert await service.records() == [wire()]
