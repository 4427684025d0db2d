"""What the console and a command import before they draw and print, and what happens to keys that are typed meanwhile.

No test asserts a duration: `python -m bench.console.start` measures them.
"""

import asyncio
import json
import re
import sys

import pytest

from tests.support.canned_answers import CannedServer, ReceivedRequest, reply
from tests.support.console.terminals.bare_terminal import BareTerminal
from tests.support.plain_manager import wire
from tests.support.program import Program

FIRST_FRAME = b"polling "
"""Written into the empty table by the first frame."""
NO_SERVICE = "http://127.0.0.1:9"
CONFIG = """
default_profile = "prod"

[profiles.prod]
url = "http://127.0.0.1:9"
token_file = "token"
api_version = "4.0"
read_only = true
poll_interval = "5s"
tz = "Europe/Berlin"
theme = "light"

[profiles.prod.alerts]
after = "5m"
bell = true
notify = "osc9"
command = ["page-me", "now"]

[keys]
gaps = "w"
"""
COMMAND_LINE_OF_HTTPX = ("pygments", "rich.progress")
"""What it imports; the report names the module itself, whose import is refused."""
ALWAYS_LATER = (*COMMAND_LINE_OF_HTTPX, "trio._core", "plotext", "pydantic", "pydantic_core", "sqlalchemy")
ONLY_FOR_A_PLAIN_STREAM_MANAGER = (
    *("json", "tui.app.plain_lists"),
    *(f"streamusage.client.{module}" for module in ("faulty.json_repair", "lenient_live_list", "listed_records")),
)
AFTER_THE_FIRST_FRAME = (
    *ALWAYS_LATER,
    *ONLY_FOR_A_PLAIN_STREAM_MANAGER,
    *("anyio", "email.utils", "httpcore", "httpx", "rich.syntax", "rich.traceback"),
    *(f"tui.app.{module}" for module in ("exporter", "fetcher", "line_mode", "messages.views")),
    *("tui.deletion.flow", "tui.model.sessions.chart", "tui.output", "tui.widgets.detail", "tui.widgets.plot"),
    *(f"tui.screens.{screen}" for screen in ("columns", "confirm_delete", "days", "gaps", "help", "picker", "servers")),
)
NEVER_BY_LS = (*ALWAYS_LATER, "textual", "rich.console", "rich.markup", "rich.table", "tui.screens")
_IMPORTED = re.compile(r"import time: +\d+ \| +\d+ \| +(\S+)")


def imported(written: bytes) -> set[str]:
    """Return the modules that `-X importtime` reported."""
    return set(_IMPORTED.findall(written.decode(errors="replace")))


def console(streamtop: Program, *arguments: str) -> BareTerminal:
    command = [sys.executable, "-X", "importtime", "-m", "tui", *arguments]
    return BareTerminal(command, streamtop.environment | {"TERM": "xterm-256color"}, folder=streamtop.home)


def test_first_frame_imports_neither_httpx_nor_pydantic_nor_other_screens(streamtop: Program) -> None:
    streamtop.configure(CONFIG)
    streamtop.secret("s3cret").rename(streamtop.config.parent / "token")
    with console(streamtop) as terminal:
        before = imported(terminal.read_until(FIRST_FRAME))
        assert {"textual.app", "tui.screens.sessions"} <= before, "the report of the imports is complete"
        assert sorted(before & set(AFTER_THE_FIRST_FRAME)) == []
        terminal.read_until(b"nothing answers there")
        after = imported(bytes(terminal.drawn))
        assert "httpx" in after
        assert sorted(after & set(ALWAYS_LATER)) == []


async def test_ls_imports_neither_pydantic_nor_textual_nor_the_command_line_of_httpx(streamtop: Program) -> None:
    streamtop.configure(CONFIG.replace('token_file = "token"\n', ""))
    ended = await streamtop("ls", PYTHONPROFILEIMPORTTIME="1")
    modules = imported(ended.err.encode())
    assert {"click", "msgspec", "httpx"} <= modules, ended.err[-2000:]
    assert sorted(modules & set(NEVER_BY_LS)) == []


@pytest.mark.parametrize(
    ("config", "message"),
    [('[profiles.a]\nurll = "http://h"', "urll: unknown setting"), ('[keys]\nfly = "w"', "unknown action 'fly'")],
)
def test_error_of_the_configuration_is_printed_before_the_console_appears(
    streamtop: Program, config: str, message: str
) -> None:
    streamtop.configure(config)
    with console(streamtop) as terminal:
        terminal.read_until(message.encode())
        assert b"\x1b[?1049h" not in terminal.drawn


def test_keys_typed_before_the_console_reads_them_are_not_lost(streamtop: Program) -> None:
    with console(streamtop, "--url", NO_SERVICE) as terminal:
        terminal.press(b"?")
        terminal.read_until(b"Keys in the sessions view")


async def test_keys_work_before_the_first_answer_has_arrived(streamtop: Program) -> None:
    typed = asyncio.Event()
    loop = asyncio.get_running_loop()
    records = json.dumps([wire(f"cam-{number}") for number in range(12)])

    async def answer(request: ReceivedRequest) -> bytes:
        await typed.wait()
        if request.path.startswith("/api/"):
            return reply(404, "<html>", "text/html")
        return reply(200, "[]" if request.path.endswith("/list/stats") else records)

    async with CannedServer(answer) as slow:

        def type_and_look() -> None:
            with console(streamtop, "--url", slow.url) as terminal:
                terminal.read_until(FIRST_FRAME)
                terminal.press(b"?")
                terminal.read_until(b"Keys in the sessions view")
                assert b"cam-" not in terminal.drawn
                loop.call_soon_threadsafe(typed.set)
                terminal.press(b"\x1b")
                terminal.read_until(b"live/cam-11")

        await asyncio.to_thread(type_and_look)
