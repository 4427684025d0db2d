"""Runs a program in a real terminal of a given size: tmux receives the keys and returns the screen."""

import asyncio
import itertools
import os
import shlex
import sys
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from tests.support.waiting import LONGEST_WAIT_S

REPOSITORY = Path(__file__).parents[4]


class Terminal:
    """One pane of a tmux server with its own socket, separate from any other tmux."""

    def __init__(self, socket: Path) -> None:
        self._socket = socket

    async def tmux(self, *arguments: str) -> str:
        process = await asyncio.create_subprocess_exec(
            "tmux", "-f", "/dev/null", "-S", str(self._socket), *arguments,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        out, err = await asyncio.wait_for(process.communicate(), LONGEST_WAIT_S)
        assert process.returncode == 0, err.decode()
        return out.decode()

    async def keys(self, *keys: str) -> None:
        """Press keys by tmux's names, at the speed of a person: a terminal reads Escape and a quick key as one key."""
        for key in keys:
            await self.tmux("send-keys", "-t", "console", key)
            await asyncio.sleep(0.15)

    async def lines(self) -> list[str]:
        """Return the lines of the screen."""
        return (await self.tmux("capture-pane", "-p", "-t", "console")).split("\n")

    async def coloured(self) -> str:
        """Return the screen with the escape sequences of its colours."""
        return await self.tmux("capture-pane", "-e", "-p", "-t", "console")

    async def wait_for_screen(self, description: str, condition: Callable[[list[str]], object]) -> list[str]:
        """Wait until the lines of the screen satisfy a condition, and return them."""
        ends_at = time.monotonic() + LONGEST_WAIT_S
        lines: list[str] = []
        while time.monotonic() < ends_at:
            lines = await self.lines()
            if condition(lines):
                return lines
            await asyncio.sleep(0.1)
        raise AssertionError(f"never shown: {description}\n" + "\n".join(lines))


def contains(text: str) -> Callable[[list[str]], bool]:
    """Return the condition that a line contains a text."""
    return lambda lines: any(text in line for line in lines)


_SOCKETS = itertools.count()
STREAMTOP = (sys.executable, "-m", "tui")


def command_line(directory: Path, program: Sequence[str], **environment: str) -> str:
    """Return a shell command that runs a program as a user whose home is `home` in this folder."""
    home = directory / "home"
    home.mkdir(exist_ok=True)
    settings = {"HOME": str(home), "PYTHONPATH": str(REPOSITORY), "LC_ALL": "C.UTF-8", "TZ": "UTC"} | environment
    other = ("STREAMTOP_", "XDG_", "NO_COLOR")
    # The library readline sets the size in the environment of the process, which `os.environ` does not show.
    clean = ["env", "-uCOLUMNS", "-uLINES", *(f"-u{name}" for name in os.environ if name.startswith(other))]
    return shlex.join([*clean, *(f"{name}={value}" for name, value in settings.items()), *program])


@asynccontextmanager
async def terminal(
    directory: Path,
    columns: int,
    rows: int,
    *arguments: str,
    term: str = "",
    program: Sequence[str] = STREAMTOP,
    **environment: str,
) -> AsyncIterator[Terminal]:
    """Run `streamtop` with these arguments in a terminal. At its end the pane shows `left with` and the exit code."""
    if term:
        environment["TERM"] = term
    command = command_line(directory, [*program, *arguments], **environment)
    inside = Terminal(directory / f"tmux{next(_SOCKETS)}")
    size = ("-x", str(columns), "-y", str(rows))
    await inside.tmux("new-session", "-d", "-s", "console", *size, f"{command}; echo left with $?; exec sleep 120")
    try:
        yield inside
    finally:
        await inside.tmux("kill-server")
