"""Closed, full and broken standard streams end a command with its exit code and a message, never with a traceback."""

import asyncio
import json
import shlex
import sys
from pathlib import Path

import pytest

from tests.support.commands.hostile import TOKEN
from tests.support.plain_manager import PlainManager, wire
from tests.support.program import Ended, Program
from tests.support.waiting import LONGEST_WAIT_S


async def run_shell(streamtop: Program, arguments: str, redirected: str) -> Ended:
    """Run the program by a shell that redirects its streams."""
    process = await asyncio.create_subprocess_exec(
        "bash",
        "-c",
        f"{shlex.quote(sys.executable)} -m tui {arguments} {redirected}",
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=streamtop.environment | TOKEN,
        cwd=streamtop.home,
    )
    out, err = await asyncio.wait_for(process.communicate(), LONGEST_WAIT_S)
    assert process.returncode is not None
    assert b"Traceback" not in err
    assert b"Exception ignored" not in err
    return Ended(process.returncode, out.decode(), err.decode())


@pytest.mark.parametrize("arguments", ["ls", "ls --format json", "ls --format csv", "config", "--help", "--version"])
@pytest.mark.parametrize(
    ("redirected", "reason"), [(">&-", "Bad file descriptor"), ("> /dev/full", "No space left on device")]
)
async def test_output_that_cannot_be_written(streamtop: Program, arguments: str, redirected: str, reason: str) -> None:
    async with PlainManager(*(wire(start=start) for start in range(1, 40))) as manager:
        streamtop.environment["STREAMTOP_URL"] = manager.url
        ended = await run_shell(streamtop, arguments, redirected)
    assert ended.code == 1
    assert ended.err.endswith(f"standard output cannot be written: {reason}; what was printed is incomplete\n")


async def test_closed_pipe_ends_quietly(streamtop: Program) -> None:
    async with PlainManager(*(wire(start=start) for start in range(1, 4000))) as manager:
        streamtop.environment["STREAMTOP_URL"] = manager.url
        ended = await run_shell(streamtop, "ls --format json", "2> messages | head -1")
    assert ended.out == "[\n"
    assert (streamtop.home / "messages").read_text() == ""


@pytest.mark.parametrize("arguments", ["ls --format json", "rm --all --yes --format ndjson", "--plain"])
async def test_closed_pipe_has_its_exit_code(streamtop: Program, arguments: str) -> None:
    async with PlainManager(*(wire(start=start) for start in range(1, 900))) as manager:
        streamtop.environment["STREAMTOP_URL"] = manager.url
        code = await run_shell(streamtop, arguments, "> >(exec sleep 0) 2> messages; echo $?")
    assert code.out == "141\n"


@pytest.mark.parametrize("redirected", ["2>&-", "2> /dev/full"])
async def test_messages_that_cannot_be_written_change_nothing(streamtop: Program, redirected: str) -> None:
    async with PlainManager(wire()) as manager:
        streamtop.environment["STREAMTOP_URL"] = manager.url
        ended = await run_shell(streamtop, "ls --format json", redirected)
        assert ended.code == 0
        (record,) = json.loads(ended.out)
        assert {name: record[name] for name in wire()} == wire()
        ended = await run_shell(streamtop, "ls --nonsense", redirected)
        assert ended.code == 2


@pytest.mark.parametrize("arguments", ["rm live/keynote", "rm --all", "rm --where keynote"])
async def test_rm_without_standard_input_asks_for_yes(streamtop: Program, arguments: str) -> None:
    async with PlainManager(wire()) as manager:
        streamtop.environment["STREAMTOP_URL"] = manager.url
        ended = await run_shell(streamtop, arguments, "<&-")
        assert (ended.code, manager.deletes) == (2, [])
    assert "--yes" in ended.err


async def test_rm_without_any_stream_deletes_and_writes_nothing_into_its_files(streamtop: Program) -> None:
    async with PlainManager(wire(start=1), wire(start=2)) as manager:
        streamtop.environment["STREAMTOP_URL"] = manager.url
        ended = await run_shell(streamtop, "rm live/keynote --yes", "<&- >&- 2>&-")
    assert (ended.code, manager.records) == (0, [])
    kept = [json.loads(line)["startTime"] for line in streamtop.journal.read_text().splitlines()]
    assert kept == [1, 2]


async def test_rm_that_cannot_print_names_the_journal(streamtop: Program) -> None:
    async with PlainManager(wire()) as manager:
        streamtop.environment["STREAMTOP_URL"] = manager.url
        ended = await run_shell(streamtop, "rm live/keynote --yes --format json", "> /dev/full")
    assert (ended.code, manager.records) == (1, [])
    assert str(streamtop.journal) in ended.err
    assert "No space left on device" in ended.err


async def test_plain_mode_ends_when_its_output_is_full(streamtop: Program) -> None:
    async with PlainManager(wire()) as manager:
        streamtop.environment["STREAMTOP_URL"] = manager.url
        ended = await run_shell(streamtop, "--plain", "> /dev/full")
    assert ended.code == 1
    assert "No space left on device" in ended.err


@pytest.mark.parametrize("redirected", ["<&-", "2>&-"])
async def test_console_without_a_terminal_exits_with_2(streamtop: Program, redirected: str) -> None:
    assert (await run_shell(streamtop, "--url http://127.0.0.1:9", redirected)).code == 2


async def test_import_of_closed_input_is_an_empty_file(streamtop: Program, tmp_path: Path) -> None:
    async with PlainManager() as manager:
        streamtop.environment["STREAMTOP_URL"] = manager.url
        ended = await run_shell(streamtop, "import -", "<&-")
    assert (ended.code, manager.requests) == (2, [])
    assert ended.err == "streamtop: <stdin> is empty, nothing was imported\n"
