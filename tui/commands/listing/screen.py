"""The terminal of `--watch`: its second screen without a cursor, redrawn in one write, and restored at every end."""

import contextlib
import os
import select
import signal
import sys
import termios
import time
from collections.abc import Sequence
from enum import Enum, auto
from types import FrameType, TracebackType
from typing import Any, Self

from streamusage.core.exit_codes import ExitCode
from tui.display.suspension import stop_job

_ENTER = "\x1b[?1049h\x1b[?25l"
_LEAVE = "\x1b[?25h\x1b[?1049l"
_BEGIN_FRAME, _END_FRAME = "\x1b[?2026h", "\x1b[?2026l"
"""A terminal that knows them shows what is written between them at once; others ignore them."""


class Key(Enum):
    """What ended a wait."""

    NONE = auto()
    """The time is over, or the operator wants new rows now."""
    QUIT = auto()
    REDRAW = auto()
    """The terminal has another size, or the job was continued."""


class WatchScreen:
    """The second screen of the terminal from `with` to its end. Typed keys are not shown; ctrl+c works as always."""

    def __init__(self) -> None:
        self._input = sys.stdin.fileno()
        self._before: list[Any] = []
        self._handlers: dict[int, Any] = {}
        self._woken, self._wake = os.pipe()
        os.set_blocking(self._wake, False)
        self._lines: Sequence[str] = ()
        """What is drawn."""
        self._is_writing = self._is_stopping = False

    def __enter__(self) -> Self:
        self._handlers = {
            signal.SIGWINCH: signal.signal(signal.SIGWINCH, self._note_size),
            signal.SIGTSTP: signal.signal(signal.SIGTSTP, self._note_stop),
            signal.SIGCONT: signal.signal(signal.SIGCONT, self._note_continued),
            signal.SIGTERM: signal.signal(signal.SIGTERM, _end),
            signal.SIGHUP: signal.signal(signal.SIGHUP, _end),
        }
        self._take_terminal()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._give_terminal_back()
        for number, handler in self._handlers.items():
            signal.signal(number, handler)
        os.close(self._woken)
        os.close(self._wake)

    def draw(self, lines: Sequence[str]) -> None:
        """Replace what the screen shows. Cells that stay are written again, never erased first."""
        self._lines = lines
        body = "\x1b[K\r\n".join(lines)
        self._is_writing = True
        try:
            _write(f"{_BEGIN_FRAME}\x1b[H{body}\x1b[K\x1b[J{_END_FRAME}")
        finally:
            self._is_writing = False
        if self._is_stopping:
            self._stop()

    def wait(self, seconds: float) -> Key:
        """Wait until the time is over, a key is typed or the terminal changes."""
        until = time.monotonic() + max(0.0, seconds)
        while True:
            rest = until - time.monotonic()
            ready = select.select([self._input, self._woken], [], [], max(0.0, rest))[0]
            if self._woken in ready:
                os.read(self._woken, 512)
                return Key.REDRAW
            if self._input in ready:
                typed = os.read(self._input, 512)
                if not typed or typed[:1] in (b"q", b"Q"):
                    return Key.QUIT
                if typed[:1] in (b" ", b"r", b"\r", b"\n"):
                    return Key.NONE
            elif rest <= 0:
                return Key.NONE

    def _take_terminal(self) -> None:
        self._before = termios.tcgetattr(self._input)
        self._set_modes()

    def _set_modes(self) -> None:
        changed = termios.tcgetattr(self._input)
        changed[3] &= ~(termios.ECHO | termios.ICANON)
        termios.tcsetattr(self._input, termios.TCSADRAIN, changed)
        _write(_ENTER)

    def _give_terminal_back(self) -> None:
        with contextlib.suppress(OSError):
            _write(_LEAVE)
        with contextlib.suppress(termios.error):
            termios.tcsetattr(self._input, termios.TCSADRAIN, self._before)

    def _stop(self) -> None:
        """Leave the terminal to the shell until it continues the job."""
        self._is_stopping = False
        self._give_terminal_back()
        stop_job()
        self._take_terminal()
        self.draw(self._lines)

    def _note_size(self, number: int, frame: FrameType | None) -> None:
        with contextlib.suppress(BlockingIOError):
            os.write(self._wake, b"w")

    def _note_stop(self, number: int, frame: FrameType | None) -> None:
        """Stop at once, also during a request, but not within a frame."""
        self._is_stopping = True
        if not self._is_writing:
            self._stop()
        self._note_size(number, frame)

    def _note_continued(self, number: int, frame: FrameType | None) -> None:
        """Take the terminal again after a stop that could not be noticed (SIGSTOP)."""
        with contextlib.suppress(termios.error):
            self._set_modes()
        self._note_size(number, frame)


def _end(number: int, frame: FrameType | None) -> None:
    raise SystemExit(ExitCode.HANGUP if number == signal.SIGHUP else ExitCode.TERMINATED)


def _write(text: str) -> None:
    sys.stdout.buffer.write(text.encode(sys.stdout.encoding, "replace"))
    sys.stdout.buffer.flush()
