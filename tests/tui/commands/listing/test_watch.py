"""`--watch` in a real terminal, and without one."""

import asyncio
import json
import shutil
import signal
import sys
import termios

import pytest

from tests.support.canned_answers import CannedServer, ReceivedRequest, reply
from tests.support.commands.hostile import TOKEN
from tests.support.console.terminals.pty_session import PtySession, left_modes
from tests.support.plain_manager import PlainManager, wire
from tests.support.program import Program
from tests.support.waiting import LONGEST_WAIT_S

ENTERED, LEFT = b"\x1b[?1049h", b"\x1b[?1049l"


def watched(streamtop: Program, url: str, *arguments: str) -> PtySession:
    command = [sys.executable, "-m", "tui", "ls", "--url", url, *arguments]
    return PtySession(command, streamtop.environment | TOKEN | {"TERM": "xterm-256color"}, streamtop.home)


def is_restored(session: PtySession) -> bool:
    attributes = termios.tcgetattr(session._terminal)
    return left_modes(bytes(session.written)) == set() and bool(attributes[3] & termios.ECHO)


@pytest.mark.parametrize(
    ("end", "code"), [(b"\x03", 130), (b"q", 0), (signal.SIGTERM, 143), (signal.SIGHUP, 129)], ids=str
)
async def test_watch_redraws_in_place_until_it_is_stopped_and_restores_the_terminal(
    streamtop: Program, end: bytes | int, code: int
) -> None:
    async with PlainManager(wire("keynote")) as manager:

        def run() -> int:
            with watched(streamtop, manager.url, "--watch", "500ms", "keynote") as session:
                session.read_until(b"live/keynote")
                first = len(session.written)
                session.read_until(b"live/keynote", after=first)
                if isinstance(end, bytes):
                    session.press(end)
                else:
                    session.process.send_signal(end)
                ended = session.wait_for_end()
                frames = bytes(session.written).split(b"\x1b[?2026h")[1:]
                assert all(b"\x1b[2J" not in frame for frame in frames), "nothing is erased before it is drawn"
                assert is_restored(session)
                return ended

        assert await asyncio.to_thread(run) == code


async def test_failed_request_keeps_the_rows_and_is_tried_again(streamtop: Program) -> None:
    answers = 0

    async def answer(request: ReceivedRequest) -> bytes:
        nonlocal answers
        if request.path.startswith("/api/"):
            return reply(404, "<html>", "text/html")
        answers += 1
        return reply(500, "{}") if 2 <= answers <= 4 else reply(200, json.dumps([wire(f"answer-{answers}")]))

    async with CannedServer(answer) as service:

        def run() -> None:
            with watched(streamtop, service.url, "--watch=500ms") as session:
                session.read_until(b"answer-1")
                session.read_until("▲".encode())
                session.read_until(b"trying again")
                session.read_until(b"answer-5")
                session.press(b"q")
                assert session.wait_for_end() == 0

        await asyncio.to_thread(run)


async def test_long_list_fits_the_terminal_and_counts_the_rest(streamtop: Program) -> None:
    async with PlainManager(*(wire(f"cam-{number:03}", start=number + 1) for number in range(60))) as manager:

        def run() -> None:
            with watched(streamtop, manager.url, "--watch", "--sort", "stream") as session:
                session.read_until("… 41 more".encode())
                assert b"cam-018" in session.written
                assert b"cam-019" not in session.written
                session.resize(70, 40)
                session.read_until("… 26 more".encode())
                session.read_until(b"too narrow for DATA, STARTED")
                session.press(b"q")
                session.wait_for_end()

        await asyncio.to_thread(run)


async def test_without_a_terminal_rows_are_appended_and_json_is_refused(streamtop: Program) -> None:
    async with PlainManager(wire("keynote")) as manager:
        options = ("--url", manager.url, "--watch", "500ms")
        refused = await streamtop("ls", *options, "--format", "json", **TOKEN)
        assert (refused.code, refused.out) == (2, "")
        assert "give --format ndjson" in refused.err
        process = await streamtop.start(
            "ls", *options, "--format", "csv", "--columns", "stream", stdin=asyncio.subprocess.DEVNULL, **TOKEN
        )
        assert process.stdout is not None
        lines = [await asyncio.wait_for(process.stdout.readline(), LONGEST_WAIT_S) for _ in range(3)]
        process.send_signal(signal.SIGINT)
        _, err = await asyncio.wait_for(process.communicate(), LONGEST_WAIT_S)
    assert lines == [b"stream\n", b"live/keynote\n", b"live/keynote\n"]
    assert (process.returncode, b"Traceback" in err) == (130, False)


async def test_what_follows_watch_is_its_interval_only_if_it_is_one(streamtop: Program) -> None:
    refused = await streamtop("ls", "--watch=keynote")
    assert (refused.code, "--watch: " in refused.err) == (2, True), refused.err
    too_short = await streamtop("ls", "--watch", "0.1")
    assert (too_short.code, "500ms" in too_short.err) == (2, True), too_short.err


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
@pytest.mark.parametrize("during_request", [False, True])
async def test_ctrl_z_gives_the_terminal_to_the_shell_and_fg_redraws(streamtop: Program, during_request: bool) -> None:
    answers, is_asked, may_answer = 0, asyncio.Event(), asyncio.Event()

    async def answer(request: ReceivedRequest) -> bytes:
        nonlocal answers
        if request.path.startswith("/api/"):
            return reply(404, "<html>", "text/html")
        answers += 1
        if during_request and answers > 1:
            is_asked.set()
            await may_answer.wait()
        return reply(200, json.dumps([wire("keynote")]))

    async with CannedServer(answer) as service:
        loop = asyncio.get_running_loop()

        def run() -> None:
            environment = streamtop.environment | TOKEN | {"TERM": "xterm-256color", "PS1": "ready> "}
            shell = ["bash", "--norc", "--noprofile", "-i"]
            command = f"{sys.executable} -m tui ls --url {service.url} --watch=500ms; echo left with $?\r"
            with PtySession(shell, environment, streamtop.home) as session:
                session.read_until(b"ready> ")
                session.press(command.encode())
                session.read_until(b"live/keynote")
                if during_request:
                    asyncio.run_coroutine_threadsafe(is_asked.wait(), loop).result(LONGEST_WAIT_S)
                stopped = len(session.written)
                session.press(b"\x1a")
                session.read_until(b"Stopped", after=stopped)
                session.read_until(b"ready> ", after=session.written.index(b"Stopped", stopped))
                assert not left_modes(bytes(session.written)) - {2004}, "bash itself uses bracketed paste"
                assert "▲".encode() not in session.written, "it does not wait for the end of a request"
                continued = len(session.written)
                session.press(b"fg; echo le''ft again with $?\r")
                session.read_until(ENTERED, after=continued)
                session.read_until(b"live/keynote", after=session.written.index(ENTERED, continued))
                assert not termios.tcgetattr(session._terminal)[3] & termios.ECHO
                loop.call_soon_threadsafe(may_answer.set)
                session.press(b"q")
                session.read_until(b"left again with 0", after=continued)
                assert not left_modes(bytes(session.written)) - {2004}

        await asyncio.to_thread(run)
