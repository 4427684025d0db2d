"""How the console ends: by a key, a signal, a lost terminal or a fault, the terminal is left as it was found.

A signal or a lost terminal ends the app as a key does, and Textual restores the terminal. `Endings` restores it where
the app cannot: it is stuck, its output is blocked, or the fault is in the restoring itself.
"""

import asyncio
import contextlib
import os
import signal
import stat
import sys
import termios
import threading
import time
from types import FrameType, TracebackType
from typing import Any, Self

from textual.app import App
from textual.driver import Driver

from streamusage.core.exit_codes import ExitCode

GRACE_SECONDS = 10.0
"""How long an app may take to end after a signal; then the process ends without it."""
CHECK_SECONDS = 1.0
"""How often it is checked whether the terminal is still there."""
_RESTORING_SECONDS = 2.0
"""How long it is tried to restore a terminal that is full."""
_SIGNALS = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGQUIT)

_MOUSE_PIXELS_OFF = "\x1b[?1016l"
"""Textual sets this mode and leaves it set."""
_KEYBOARD_PROTOCOL_OFF = "\x1b[<u"
"""Ends what was begun last: it is written once."""
RESTORING = (
    "\x18\x1b\\"  # ends a sequence and a string that were cut
    "\x1b[?2026l\x1b[?2004l\x1b[?7h\x1b[?2048l"
    f"\x1b[?1000l\x1b[?1003l\x1b[?1015l\x1b[?1006l{_MOUSE_PIXELS_OFF}"
    f"\x1b[m{_KEYBOARD_PROTOCOL_OFF}\x1b[?1049l\x1b[?25h\x1b[?1004l"
)
"""Ends every mode that Textual's driver sets: in its order, the alternate screen after the keyboard protocol."""


class Endings:
    """Ends apps in good order from `with` to its end. Signals that are ignored stay ignored."""

    def __init__(self) -> None:
        self.code: int | None = None
        """Exit code of the signal that ends the process; `None` without one."""
        self.has_terminal_modes = False
        """Whether the terminal is in the modes of an app."""
        self.terminal_is_gone = False
        """Whether nothing can be written to the terminal any more."""
        self._ends_at: float | None = None
        self._end_app: list[Any] = []
        """The running app's way to end, called from any thread."""
        self._handlers: dict[signal.Signals, Any] = {}
        self._left = threading.Event()
        self._parent = os.getppid()
        self._attributes = _attributes(sys.__stdin__.fileno()) if sys.__stdin__ is not None else None

    def __enter__(self) -> Self:
        for number in _SIGNALS:
            if signal.getsignal(number) is not signal.SIG_IGN:
                self._handlers[number] = signal.signal(number, self._signalled)
        threading.Thread(target=self._watch, name="endings", daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._left.set()
        if self.has_terminal_modes:
            self._restore()
        if not _is_terminal():
            _discard_output()
        for number, handler in self._handlers.items():
            signal.signal(number, handler)

    async def run(self, app: App[int]) -> int:
        """Run an app until it ends; return its exit code, or that of the signal which ended it."""
        if self.code is not None:
            return self.code
        loop = asyncio.get_running_loop()

        def end_app() -> None:
            signal.signal(signal.SIGTTOU, signal.SIG_IGN)  # in the background, it would stop the restoring
            app.exit(self.code)

        app.driver_class = _reporting(app.driver_class, self)
        self._end_app.append(lambda: loop.call_soon_threadsafe(end_app))
        try:
            code = await app.run_async()
        finally:
            self._end_app.clear()
        if self.code is not None:
            return self.code
        return ExitCode.FAILURE if code is None else code

    def end(self, code: int) -> None:
        """End the running app, and soon the process. A second call ends the process at once."""
        if self.code is not None:
            self._ends_at = time.monotonic()
            return
        self.code, self._ends_at = code, time.monotonic() + GRACE_SECONDS
        for end_app in self._end_app:
            with contextlib.suppress(RuntimeError):  # the loop has just been closed
                end_app()

    def lose_terminal(self) -> None:
        """End the running app because its terminal cannot be read."""
        self.terminal_is_gone = self.terminal_is_gone or not _is_terminal()
        if self.code is None:
            self.end(ExitCode.HANGUP)

    def _signalled(self, number: int, _frame: FrameType | None) -> None:
        self.terminal_is_gone = self.terminal_is_gone or not _is_terminal()
        self.end(128 + number)

    def _watch(self) -> None:
        """End the app when the terminal or the parent process is gone, and the process when the app does not end."""
        follows_parent = signal.SIGHUP in self._handlers
        while not self._left.wait(self._seconds_to_wait()):
            if self.code is None and (not _is_terminal() or (follows_parent and os.getppid() != self._parent)):
                self.lose_terminal()
            if self._ends_at is not None and time.monotonic() >= self._ends_at:
                self._restore()
                os._exit(self.code or ExitCode.FAILURE)

    def _seconds_to_wait(self) -> float:
        if self._ends_at is None:
            return CHECK_SECONDS
        return max(0.0, min(CHECK_SECONDS, self._ends_at - time.monotonic()))

    def _restore(self) -> None:
        """Restore the terminal without the app, whatever its output waits for."""
        if self.terminal_is_gone or not self.has_terminal_modes or sys.__stderr__ is None:
            return
        self.terminal_is_gone = True  # the app writes no more
        with contextlib.suppress(OSError, termios.error):
            descriptor = os.open(os.ttyname(sys.__stderr__.fileno()), os.O_WRONLY | os.O_NOCTTY | os.O_NONBLOCK)
            ends_at = time.monotonic() + _RESTORING_SECONDS
            while time.monotonic() < ends_at:
                # A write of the app that waits for room has the terminal's lock. Discarding output makes room, but
                # only the end of a stop wakes the write.
                termios.tcflush(descriptor, termios.TCOFLUSH)
                termios.tcflow(descriptor, termios.TCOOFF)
                termios.tcflow(descriptor, termios.TCOON)
                with contextlib.suppress(BlockingIOError):
                    if os.write(descriptor, RESTORING.encode()) == len(RESTORING):
                        break
                time.sleep(0.001)
            time.sleep(0.005)  # the rest of the app's write may have arrived after that
            with contextlib.suppress(BlockingIOError):
                os.write(descriptor, RESTORING.replace(_KEYBOARD_PROTOCOL_OFF, "").encode())
            if self._attributes is not None:
                termios.tcsetattr(descriptor, termios.TCSANOW, self._attributes)
            os.close(descriptor)


def _discard_output() -> None:
    """Discard what is still written to a closed terminal: it would change the exit code."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.__stdout__, sys.__stderr__):
        if stream is not None and stat.S_ISCHR(os.fstat(stream.fileno()).st_mode) and not os.isatty(stream.fileno()):
            os.dup2(nowhere, stream.fileno())
    os.close(nowhere)


def _attributes(descriptor: int) -> list[Any] | None:
    try:
        return termios.tcgetattr(descriptor)
    except termios.error:
        return None


def _is_terminal() -> bool:
    """Return whether standard input is a terminal: a closed one is none any more."""
    return sys.__stdin__ is not None and _attributes(sys.__stdin__.fileno()) is not None


def _reporting(base: type[Driver], endings: Endings) -> type[Driver]:
    """Return the driver class that reports to `endings`; `base` itself where it draws on no terminal."""
    try:
        from textual.drivers.linux_driver import LinuxDriver
    except ImportError:
        return base
    if not issubclass(base, LinuxDriver):
        return base

    class Reporting(base):  # type: ignore[misc, valid-type]
        def start_application_mode(self) -> None:
            endings.has_terminal_modes = True
            super().start_application_mode()

        def stop_application_mode(self) -> None:
            self.write(_MOUSE_PIXELS_OFF)
            super().stop_application_mode()

        def close(self) -> None:
            super().close()  # returns when everything is written
            endings.has_terminal_modes = False

        def write(self, data: str) -> None:
            if not endings.terminal_is_gone:
                super().write(data)

        def run_input_thread(self) -> None:
            try:
                super().run_input_thread()
            except OSError:
                endings.lose_terminal()

    return Reporting
