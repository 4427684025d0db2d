"""`streamtop docs` as a process: piped, in a terminal with a pager, and with wrong names."""

import asyncio
import os
import pty
import sys

import pytest

from streamusage.core.exit_codes import ExitCode
from tests.support.program import REPOSITORY, Program
from tests.support.waiting import LONGEST_WAIT_S


async def test_topics_are_listed_with_one_line_each(streamtop: Program) -> None:
    ended = await streamtop("docs")
    lines = ended.out.splitlines()
    assert (ended.code, ended.err) == (0, "")
    assert max(map(len, lines)) <= 80
    assert len([line for line in lines if line.startswith("  operating ")]) == 1
    assert any(line.startswith("  sources/hls ") for line in lines)
    assert not any("decisions/" in line for line in lines)


async def test_page_is_plain_text_if_it_is_piped(streamtop: Program) -> None:
    ended = await streamtop("docs", "statistics", PAGER="false")
    assert ended.code == 0
    assert ended.out.startswith("# Daily statistics: definition of each figure\n")
    assert "\x1b" not in ended.out
    assert max(map(len, ended.out.splitlines())) <= 80


async def test_section_and_its_source_are_printed(streamtop: Program) -> None:
    ended = await streamtop("docs", "operating#backups")
    assert ended.out.startswith("## Backups\n")
    written = (REPOSITORY / "docs" / "statistics.md").read_text()
    assert (await streamtop("docs", "statistics", "--markdown")).out == written


async def test_search_lists_sections_that_can_be_opened(streamtop: Program) -> None:
    ended = await streamtop("docs", "--search", "restore backup")
    topics = [line for line in ended.out.splitlines() if not line.startswith(" ")]
    assert "operating#backups" in topics
    assert (await streamtop("docs", topics[0])).code == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["operatng"], "no documentation page 'operatng'; did you mean operating"),
        (["hsl"], "no documentation page 'hsl'; did you mean hls"),
        (["xyzzy\x1b[2J"], "streamtop docs lists all topics"),
        (["operating#bakups"], "page operating has no section 'bakups'; did you mean backups"),
        (["--search", "xyzzy"], "no section has 'xyzzy'"),
    ],
)
async def test_wrong_name_is_an_error_that_helps(streamtop: Program, arguments: list[str], message: str) -> None:
    ended = await streamtop("docs", *arguments)
    assert (ended.code, ended.out) == (ExitCode.NOT_FOUND, "")
    assert message in ended.err
    assert "\x1b" not in ended.err


async def test_search_with_a_topic_is_wrong_usage(streamtop: Program) -> None:
    assert (await streamtop("docs", "operating", "--search", "x")).code == ExitCode.USAGE


async def shown_in_a_terminal(streamtop: Program, pager: str, **environment: str) -> str:
    """What `streamtop docs statistics` sends to a pager of this name, after the pager's variable LESS."""
    seen, program = streamtop.home / "seen", streamtop.home / pager
    program.write_text(f'#!/bin/sh\n(echo "LESS=$LESS"; cat) >"{seen}"\n')
    program.chmod(0o700)
    inherited = {name: value for name, value in streamtop.environment.items() if name not in ("LESS", "NO_COLOR")}
    ours, its = pty.openpty()
    try:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tui", "docs", "statistics"),
            stdin=its,
            stdout=its,
            stderr=its,
            env=inherited | {"PAGER": str(program), "TERM": "xterm-256color", "COLUMNS": "80"} | environment,
            cwd=streamtop.home,
        )
        assert await asyncio.wait_for(process.wait(), LONGEST_WAIT_S) == 0
    finally:
        os.close(ours)
        os.close(its)
    return seen.read_text()


async def test_page_opens_in_the_users_pager_on_a_terminal(streamtop: Program) -> None:
    shown = await shown_in_a_terminal(streamtop, "most")
    assert shown.startswith("LESS=\n# Daily statistics: definition of each figure\n")
    assert "\x1b" not in shown  # nobody knows whether this pager shows colours


async def test_less_receives_colours_and_is_told_to_show_them(streamtop: Program) -> None:
    shown = await shown_in_a_terminal(streamtop, "less")
    assert shown.startswith("LESS=-R\n")
    assert "\x1b[" in shown


async def test_less_receives_no_colours_where_the_user_wants_none(streamtop: Program) -> None:
    assert "\x1b" not in await shown_in_a_terminal(streamtop, "less", NO_COLOR="1")
    assert "\x1b" not in await shown_in_a_terminal(streamtop, "less", LESS="-S")


async def test_command_needs_no_network_console_or_store(streamtop: Program) -> None:
    code = (
        "import sys; sys.argv = ['streamtop', 'docs', 'concepts']\n"
        "from tui.cli import streamtop; streamtop.main(standalone_mode=False)\n"
        "heavy = {'textual', 'sqlalchemy', 'httpx', 'pydantic', 'socket'} & set(sys.modules)\n"
        "sys.exit(repr(heavy) if heavy else 0)"
    )
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", code, env=streamtop.environment, stdout=asyncio.subprocess.DEVNULL
    )
    assert await asyncio.wait_for(process.wait(), LONGEST_WAIT_S) == 0
