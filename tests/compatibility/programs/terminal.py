"""The program in a terminal: a pseudo-terminal of 120 by 40 and what stands on its screen."""

import codecs
import fcntl
import os
import pty
import select
import struct
import subprocess
import termios
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.compatibility.programs.processes import PATIENCE_SECONDS, clean_environment
from tests.support.console.terminals.terminal_model import TerminalModel

COLUMNS, LINES = 120, 40


class Terminal:
    """One running program and its screen."""

    def __init__(self, process: subprocess.Popen[bytes], master: int) -> None:
        self._process, self._master = process, master
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._screen = TerminalModel(COLUMNS, LINES)

    @property
    def rows(self) -> list[str]:
        return [line.rstrip() for line in self._screen.lines]

    def wait_for(self, condition: Callable[[list[str]], object], what: str) -> None:
        """Read what the program draws until the condition holds for the screen's rows."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not condition(self.rows):
            if time.monotonic() > deadline or not self._read():
                raise AssertionError(f"{what} did not come about on this screen:\n" + "\n".join(self.rows))

    def press(self, keys: str) -> None:
        os.write(self._master, keys.encode())

    def wait_for_end(self) -> int:
        """Return the exit code, once the program has ended."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while self._process.poll() is None and time.monotonic() < deadline:
            self._read()
        return self._process.wait(1)

    def _read(self) -> bool:
        """Read what there is; whether there may be more."""
        ready, _, _ = select.select([self._master], [], [], 0.1)
        if not ready:
            return self._process.poll() is None
        try:
            data = os.read(self._master, 65_536)
        except OSError:  # the program has ended
            return False
        self._screen.write(self._decoder.decode(data))
        return bool(data)


@contextmanager
def terminal(command: Sequence[str], home: Path, **environment: str) -> Iterator[Terminal]:
    """Run a command in a terminal; end it, and it alone, at the end of the block."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", LINES, COLUMNS, 0, 0))
    env = clean_environment(home, TERM="xterm-256color", **environment)
    for name in ("COLUMNS", "NO_COLOR"):
        env.pop(name, None)
    process = subprocess.Popen(
        command, env=env, cwd=home, stdin=slave, stdout=slave, stderr=slave, start_new_session=True
    )
    os.close(slave)
    try:
        yield Terminal(process, master)
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()
        os.close(master)
