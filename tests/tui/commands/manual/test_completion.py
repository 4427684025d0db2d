"""Completion in real shells."""

import asyncio
import os
import shutil
import stat
import sys
from pathlib import Path

import pytest

from tests.streamusage.service.conftest import Estate
from tests.support.needs import need
from tests.support.program import Program
from tests.support.waiting import LONGEST_WAIT_S

BASH = """
source <(streamtop completion bash)
COMP_WORDS=({words})
COMP_CWORD=$(( ${{#COMP_WORDS[@]}} - 1 ))
_streamtop_completion streamtop 2>&1
printf '%s\\n' "${{COMPREPLY[@]}}"
"""
ZSH = """
autoload -Uz compinit && compinit -u -D
compadd() {{ local -a found; found=("${{(@P)@[-1]}}"); print -l -- $found }}
_describe() {{ local -a found; found=("${{(@P)@[-2]}}"); print -l -- "${{(@)found%%:*}}" }}
compdef() {{ : }}
source <(streamtop completion zsh)
words=({words})
CURRENT=${{#words}}
_streamtop_completion
"""
FISH = """
streamtop completion fish | source
complete --do-complete '{line}' | string replace -r '\\t.*' ''
"""


@pytest.fixture
def installed(streamtop: Program) -> Program:
    """The program as a command `streamtop` of the search path."""
    folder = streamtop.home / "bin"
    folder.mkdir()
    script = folder / "streamtop"
    script.write_text(f'#!/bin/sh\nexec {sys.executable} -m tui "$@"\n')
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    streamtop.environment["PATH"] = f"{folder}{os.pathsep}{streamtop.environment['PATH']}"
    return streamtop


async def completed(program: Program, shell: str, line: str, **environment: str) -> list[str]:
    """Return what the shell offers at the end of a line."""
    need(shell)
    words = " ".join(f"'{word}'" for word in line.split(" "))
    script = {"bash": BASH, "zsh": ZSH, "fish": FISH}[shell].format(words=words, line=line)
    path = shutil.which(shell)
    assert path is not None
    flags = {"bash": ["--norc", "-c"], "zsh": ["-f", "-c"], "fish": ["--no-config", "-c"]}[shell]
    process = await asyncio.create_subprocess_exec(
        path,
        *flags,
        script,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env=program.environment | {"STREAMTOP_COMPLETION_SECONDS": str(LONGEST_WAIT_S)} | environment,
        cwd=program.home,
    )
    out, _ = await asyncio.wait_for(process.communicate(), LONGEST_WAIT_S)
    return out.decode().split()


SHELLS = ["bash", "zsh", "fish"]
PROFILES = '[profiles.prod]\nurl = "http://a:1"\n[profiles.preview]\nurl = "http://b:1"\n[profiles."$(id) x"]\n'


@pytest.mark.parametrize("shell", SHELLS)
async def test_shell_completes_commands_options_choices_columns_and_names(
    installed: Program, estate: Estate, shell: str
) -> None:
    installed.configure(PROFILES)
    service = {"STREAMTOP_URL": estate.running.url, "STREAMTOP_TOKEN": "viewer-token"}
    for line, expected in (
        ("streamtop re", ["replay", "reconcile"]),
        ("streamtop servers rm edge", ["edge-1"]),
        ("streamtop ls --columns stream,act", ["stream,active"]),
        ("streamtop ls --profile pr", ["prod", "preview"]),
    ):
        found = await completed(installed, shell, line, **service)
        assert sorted(found) == sorted(expected), line


async def test_names_of_the_service_and_choices_are_completed(installed: Program, estate: Estate) -> None:
    service = {"STREAMTOP_URL": estate.running.url, "STREAMTOP_TOKEN": "viewer-token"}
    for line, expected in (
        ("streamtop ls --format nd", ["ndjson"]),
        ("streamtop gaps --server or", ["origin-1"]),
        ("streamtop rm live/str", ["live/stream1"]),
        ("streamtop ls live/", ["live/stream1"]),
        ("streamtop daily --tz Europe/Berl", ["Europe/Berlin"]),
        ("streamtop ls --sort stream,-tot", ["stream,-total"]),
        ("streamtop daily corr", ["corrections", "correct"]),
        ("streamtop ls --no-h", ["--no-headers"]),
        ("streamtop --profile prod,", []),
    ):
        assert sorted(await completed(installed, "bash", line, **service)) == sorted(expected), line


@pytest.mark.parametrize("url", ["http://127.0.0.1:9", "nonsense"])
async def test_unreachable_service_and_damaged_configuration_complete_nothing_and_print_nothing(
    installed: Program, url: str
) -> None:
    installed.configure("[profiles.")
    for line in ("streamtop gaps --server e", "streamtop ls --profile p"):
        assert await completed(installed, "bash", line, STREAMTOP_URL=url) == []


async def test_completing_a_command_imports_no_command(installed: Program) -> None:
    process = await installed.start(
        *(), stdin=asyncio.subprocess.DEVNULL, _STREAMTOP_COMPLETE="bash_complete", COMP_WORDS="streamtop s",
        COMP_CWORD="1", PYTHONPROFILEIMPORTTIME="1",
    )  # fmt: skip
    out, err = await asyncio.wait_for(process.communicate(), LONGEST_WAIT_S)
    assert out.split() == [b"plain,serve", b"plain,store", b"plain,servers"]
    imported = err.decode()
    assert "click.shell_completion" in imported, "the report of the imports is complete"
    for module in ("sqlalchemy", "textual", "httpx", "streamusage.service", "tui.commands.servers"):
        assert f" {module}\n" not in imported, module


async def test_help_names_how_to_install_it_in_each_shell(streamtop: Program) -> None:
    shown = (await streamtop("completion", "--help")).out
    for path in ("bash-completion/completions/streamtop", "~/.zfunc/_streamtop", "fish/completions/streamtop.fish"):
        assert path in shown
    refused = await streamtop("completion", "bsh")
    assert (refused.code, "did you mean bash" in refused.err) == (2, True)


def test_page_of_commands_names_how_to_install_it() -> None:
    text = (Path(__file__).parents[4] / "docs" / "commands.md").read_text()
    for shell in SHELLS:
        assert f"streamtop completion {shell}" in text
