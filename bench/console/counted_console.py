"""The console in a pseudo-terminal whose output is counted, for `bench.console.wire`."""

import asyncio
import contextlib
import fcntl
import os
import pty
import signal
import struct
import sys
import termios
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from tests.support.console.scripted_service import ADMIN
from tests.support.console.terminals.terminal_model import TerminalModel
from tui.display.stage import AMBIGUOUS

ANSWERS = {b"\x1b[?2026$p": b"\x1b[?2026;2$y", b"\x1b[6n": f"\x1b[1;{len(AMBIGUOUS) + 1}R".encode()}
"""What current terminals answer to what a program asks."""
QUIET_S = 1.0
LONGEST_WAIT_S = 60.0


class Console:
    """The console in a pseudo-terminal, whose output is counted."""

    def __init__(self, width: int, height: int, bytes_of: Callable[[], int] | None = None) -> None:
        self.model = TerminalModel(width, height)
        self._received = 0
        self._bytes_of = bytes_of or (lambda: self._received)
        self._master = self._pid = -1
        self._changed_at = time.monotonic()
        self._tail = b""

    @property
    def received(self) -> int:
        """Bytes so far."""
        return self._bytes_of()

    async def start(self, command: Sequence[str], environment: dict[str, str]) -> None:
        pid, master = pty.fork()
        if pid == 0:
            os.execvpe(command[0], list(command), environment)
        self._pid, self._master = pid, master
        size = struct.pack("HHHH", self.model.screen.lines, self.model.screen.columns, 0, 0)
        fcntl.ioctl(master, termios.TIOCSWINSZ, size)
        os.set_blocking(master, False)
        asyncio.get_running_loop().add_reader(master, self._read)

    def _read(self) -> None:
        try:
            data = os.read(self._master, 65536)
        except OSError:
            data = b""
        if not data:
            asyncio.get_running_loop().remove_reader(self._master)
            return
        for question, answer in ANSWERS.items():
            if question in self._tail + data:
                os.write(self._master, answer)
        self._received += len(data)
        self._changed_at = time.monotonic()
        data = self._tail + data
        text = data.decode("utf-8", "ignore")
        cut = text.rfind("\x1b") if "\x1b" in text[-40:] else len(text)
        self._tail = text[cut:].encode()
        if self._tail and self._tail[-1:].isalpha():
            cut, self._tail = len(text), b""
        self.model.write(text[:cut].replace("\r\n", "\n"))

    def press(self, keys: str) -> None:
        os.write(self._master, keys.encode())

    async def quiet(self, seconds: float = QUIET_S) -> None:
        """Wait until nothing was received for a while."""
        while time.monotonic() - self._changed_at < seconds:  # noqa: ASYNC110 - the terminal is read by a callback
            await asyncio.sleep(0.05)

    async def until(self, text: str) -> None:
        """Wait until a text is on the screen."""
        ends_at = time.monotonic() + LONGEST_WAIT_S
        while not any(text in line for line in self.model.lines):
            if time.monotonic() > ends_at:
                raise SystemExit(f"never shown: {text}\n" + "\n".join(self.model.lines))
            await asyncio.sleep(0.05)

    async def stop(self) -> None:
        """Quit, and wait for the end."""
        with contextlib.suppress(OSError):
            os.kill(self._pid, signal.SIGKILL)
        await asyncio.to_thread(os.waitpid, self._pid, 0)
        with contextlib.suppress(ValueError, OSError):
            asyncio.get_running_loop().remove_reader(self._master)
        os.close(self._master)


@asynccontextmanager
async def console(url: str, directory: Path, size: tuple[int, int], *, stage: bool) -> AsyncIterator[Console]:
    """Run the console at a size until the end of the block."""
    shown = Console(*size)
    await shown.start(command_of(url, directory), environment_of(directory, stage=stage))
    try:
        yield shown
    finally:
        await shown.stop()


def command_of(url: str, directory: Path) -> list[str]:
    """Return the command line of the console."""
    token = directory / "token"
    token.write_text(ADMIN + "\n")
    token.chmod(0o600)
    return [sys.executable, "-m", "tui", "--url", url, "--token-file", str(token)]


def environment_of(directory: Path, *, stage: bool) -> dict[str, str]:
    """Return the environment of a new user in a terminal of true colour."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("STREAMTOP_", "XDG_"))}
    environment |= {"HOME": str(directory), "TERM": "xterm-256color", "COLORTERM": "truecolor", "TZ": "UTC"}
    environment |= {"STREAMTOP_DISPLAY_STAGE": str(stage).lower(), "LC_ALL": "C.UTF-8"}
    for name in ("COLUMNS", "LINES", "NO_COLOR"):
        environment.pop(name, None)
    return environment
