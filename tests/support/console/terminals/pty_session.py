"""A program whose controlling terminal is a pseudo-terminal: what it wrote, its signals, and what it left behind."""

import contextlib
import fcntl
import os
import re
import select
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.support.console.terminals.terminal_model import TerminalModel
from tests.support.waiting import LONGEST_WAIT_S

COLUMNS, LINES = 100, 24
_MODES = re.compile(rb"\x1b\[\?([\d;]+)([hl])")
_SET_AT_FIRST = {7, 25}
"""Private modes that a terminal has set before any program: line wrap and the cursor."""


def left_modes(written: bytes) -> set[int]:
    """Return the private modes that differ from those of a new terminal after these bytes."""
    modes = set(_SET_AT_FIRST)
    for numbers, action in _MODES.findall(written):
        for number in map(int, numbers.split(b";")):
            if action == b"h":
                modes.add(number)
            else:
                modes.discard(number)
    return modes ^ _SET_AT_FIRST


class PtySession:
    """Runs a program from `with` to its end, which kills the program's session."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str], folder: Path) -> None:
        self.written = bytearray()
        """What the program has written so far."""
        self._main, self._terminal = os.openpty()
        fcntl.ioctl(self._terminal, termios.TIOCSWINSZ, struct.pack("HHHH", LINES, COLUMNS, 0, 0))
        self._attributes = termios.tcgetattr(self._terminal)
        self.process = subprocess.Popen(
            command,
            stdin=self._terminal,
            stdout=self._terminal,
            stderr=self._terminal,
            # A parallel run sets the size of its own terminal for its workers.
            env={name: value for name, value in environment.items() if name not in ("COLUMNS", "LINES")},
            cwd=folder,
            preexec_fn=self._become_session,
        )

    def _become_session(self) -> None:
        os.setsid()
        fcntl.ioctl(self._terminal, termios.TIOCSCTTY, 0)
        for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM, signal.SIGQUIT):
            signal.signal(number, signal.SIG_DFL)  # the workers of the test runner ignore some of them

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self.close()

    def close(self) -> None:
        """Close the terminal, as a window that is closed."""
        for descriptor in (self._main, self._terminal):
            with contextlib.suppress(OSError):
                os.close(descriptor)

    def press(self, keys: bytes) -> None:
        """Type keys."""
        os.write(self._main, keys)

    def resize(self, columns: int, lines: int) -> None:
        """Change the size of the terminal, as a window that is dragged."""
        fcntl.ioctl(self._main, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    def read_written(self) -> None:
        """Read what is written by now, without waiting."""
        while self._read(0):
            pass

    def read_until(self, marker: bytes, *, after: int = 0) -> None:
        """Read until a text was written, `after` so many bytes."""
        ends_at = time.monotonic() + LONGEST_WAIT_S
        while marker not in self.written[after:]:
            assert time.monotonic() < ends_at, f"not written: {marker!r}; at the end: {bytes(self.written[-3000:])!r}"
            self._read(0.1)

    def wait_for_end(self) -> int:
        """Read until the program has ended; return its exit code."""
        ends_at = time.monotonic() + LONGEST_WAIT_S
        while self.process.poll() is None:
            assert time.monotonic() < ends_at, f"still running; at the end: {bytes(self.written[-3000:])!r}"
            self._read(0.1)
        while self._read(0):
            pass
        return self.process.returncode

    def wait_for_end_of(self, pid: int) -> None:
        """Read until a process that is no child of the test has ended."""
        ends_at = time.monotonic() + LONGEST_WAIT_S
        while is_running(pid):
            assert time.monotonic() < ends_at, f"still running; at the end: {bytes(self.written[-3000:])!r}"
            self._read(0.1)
        while self._read(0):
            pass

    def is_full(self) -> bool:
        """Return whether what was written and not read yet has stopped growing: the program waits to write more."""
        unread = self._unread()
        time.sleep(0.5)
        return unread > 0 and unread == self._unread()

    def _unread(self) -> int:
        return int(struct.unpack("I", fcntl.ioctl(self._main, termios.FIONREAD, b"\0\0\0\0"))[0])

    def wait_for_end_unread(self) -> int:
        """Wait until the program has ended while nobody reads what it writes; return its exit code."""
        self.process.wait(LONGEST_WAIT_S)
        return self.wait_for_end()

    def _read(self, seconds: float) -> bool:
        if not select.select([self._main], [], [], seconds)[0]:
            return False
        with contextlib.suppress(OSError):
            self.written += os.read(self._main, 65_536)
            return True
        return False

    @property
    def screen(self) -> list[str]:
        """The lines of the screen."""
        model = TerminalModel(COLUMNS, LINES)
        model.write(bytes(self.written).decode("utf-8", "replace"))
        return list(model.lines)

    def assert_restored(self, *, more_than_once: bool = False) -> None:
        """Assert that the terminal is as it was: its private modes, its keyboard protocol, its attributes.

        `more_than_once` allows what cannot be excluded where output is blocked: that the app's own end arrives, too.
        """
        written = bytes(self.written)
        assert b"\x1b[?1049h" in written, "the console was never drawn"
        assert left_modes(written) == set()
        begun, ended = len(re.findall(rb"\x1b\[>\d*u", written)), written.count(b"\x1b[<u")
        assert begun == ended or (more_than_once and begun < ended)
        self.assert_attributes()

    def assert_attributes(self) -> None:
        """Assert that echo, line editing and signals of the terminal are as they were."""
        assert termios.tcgetattr(self._terminal) == self._attributes


def is_running(pid: int) -> bool:
    """Return whether a process runs; one that has ended and was not waited for does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
