"""A program in a real terminal of a given size: tmux holds it, keys go in, the drawn screen comes out."""

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

REPOSITORY = Path(__file__).parents[3]


class Terminal:
    """One pane. Its server listens on a socket of its own, so that it meets no other tmux."""

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
        """Presses keys by tmux's names of them, as fast as a person: Escape and a key at once are another key."""
        for key in keys:
            await self.tmux("send-keys", "-t", "console", key)
            await asyncio.sleep(0.15)

    async def lines(self) -> list[str]:
        return (await self.tmux("capture-pane", "-p", "-t", "console")).split("\n")

    async def coloured(self) -> str:
        """The screen with the escape sequences of its colours."""
        return await self.tmux("capture-pane", "-e", "-p", "-t", "console")

    async def until(self, what: str, seen: Callable[[list[str]], object]) -> list[str]:
        """Waits until the screen satisfies `seen`, and gives it."""
        give_up = time.monotonic() + LONGEST_WAIT_S
        lines: list[str] = []
        while time.monotonic() < give_up:
            lines = await self.lines()
            if seen(lines):
                return lines
            await asyncio.sleep(0.1)
        raise AssertionError(f"never seen: {what}\n" + "\n".join(lines))


def holds(text: str) -> Callable[[list[str]], bool]:
    return lambda lines: any(text in line for line in lines)


_SOCKETS = itertools.count()
STREAMTOP = (sys.executable, "-m", "tui")


def command_line(directory: Path, program: Sequence[str], **environment: str) -> str:
    """A command for a shell that runs a program as a user whose home is `home` in this folder."""
    home = directory / "home"
    home.mkdir(exist_ok=True)
    settings = {"HOME": str(home), "PYTHONPATH": str(REPOSITORY), "LC_ALL": "C.UTF-8", "TZ": "UTC"} | environment
    clean = ["env", *(f"-u{name}" for name in os.environ if name.startswith(("STREAMTOP_", "XDG_", "NO_COLOR")))]
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
    """`streamtop` with these arguments in a terminal. When it ends the pane says with which code."""
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
