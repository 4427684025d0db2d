"""The start of the demo in a terminal: a line of progress, while nothing that is typed is echoed or kept."""

import contextlib
import json
import os
import queue
import signal
import subprocess
import sys
import termios
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import IO, Any

_BAR = 24
_NAME = "starting the demo"
_ERASE = "\r\x1b[K"
CLEAN_UP_SECONDS = 60
"""How long the estate may take to remove its files; a busy machine needs time."""

Attach = dict[str, Any]
"""How to connect, as `streamtop demo --headless` prints it; or `error`, and its exit code as `code`."""


def describe_progress(done: float, doing: str, columns: int, *, unicode: bool = True) -> str:
    """Return a line of progress that fits the columns."""
    full, empty = ("█", "·") if unicode else ("#", ".")
    filled = round(min(max(done, 0.0), 1.0) * _BAR)
    return f"{_NAME}  {full * filled}{empty * (_BAR - filled)}  {doing}"[: max(0, columns - 1)]


class ProgressLine:
    """A line of standard error that is drawn again, and erased at its end. Without a terminal it draws nothing."""

    def __init__(self) -> None:
        self._stream = sys.stderr
        self._is_drawn = self._stream.isatty()
        self._lock = threading.Lock()

    def show(self, done: float, doing: str) -> None:
        """Draw the progress, unless the line has ended."""
        with self._lock:
            if not self._is_drawn:
                return
            try:
                columns = os.get_terminal_size(self._stream.fileno()).columns
            except OSError:
                columns = 80
            unicode = (self._stream.encoding or "").lower().replace("-", "") == "utf8"
            text = describe_progress(done, doing, columns or 80, unicode=unicode)
            with contextlib.suppress(OSError):  # a closed terminal
                self._stream.write(f"{_ERASE}{text}")
                self._stream.flush()

    def end(self) -> None:
        """Erase the line. Nothing is drawn afterwards."""
        with self._lock:
            if self._is_drawn:
                self._is_drawn = False
                with contextlib.suppress(OSError):
                    self._stream.write(_ERASE)
                    self._stream.flush()


@contextmanager
def quiet_keyboard() -> Iterator[None]:
    """Neither echo nor keep what is typed in the block; however it ends, the terminal is as it was.

    ctrl+c and the other keys that send signals work. A termination signal ends the block with its usual exit code.
    """
    if not sys.stdin.isatty():
        yield
        return
    terminal = sys.stdin.fileno()
    before = termios.tcgetattr(terminal)
    quiet = termios.tcgetattr(terminal)
    quiet[3] &= ~(termios.ECHO | termios.ECHONL | termios.ICANON)
    handler = signal.signal(signal.SIGTERM, _end)
    try:
        termios.tcsetattr(terminal, termios.TCSADRAIN, quiet)
        yield
    finally:
        # Also drops what was typed: it was meant for no view.
        with contextlib.suppress(termios.error):
            termios.tcsetattr(terminal, termios.TCSAFLUSH, before)
        signal.signal(signal.SIGTERM, handler)


def _end(number: int, frame: FrameType | None) -> None:
    sys.exit(128 + number)


class EstateProcess:
    """The headless demo as a child process, which ends with this one."""

    def __init__(self, arguments: list[str]) -> None:
        command = [sys.executable, "-m", "tui", "demo", "--headless", "--until-stdin-ends", *arguments]
        # In its own session: a closed terminal ends this process, and the child cleans up after both.
        self._child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True)
        assert self._child.stdin is not None
        self._commands: IO[bytes] = self._child.stdin

    def attach(self, show: Callable[[float, str], None], meanwhile: Callable[[], None]) -> Attach:
        """Wait until the estate answers, and return how to connect, or why it ended.

        `show` receives the progress, in another thread; `meanwhile` is called at once.
        """
        attached: queue.SimpleQueue[Attach | None] = queue.SimpleQueue()

        def read() -> None:
            assert self._child.stdout is not None
            for line in self._child.stdout:
                told = json.loads(line)
                if "progress" not in told:
                    attached.put(told)
                    return
                show(told["progress"], told["doing"])
            attached.put(None)

        threading.Thread(target=read, daemon=True, name="demo-progress").start()
        meanwhile()
        found = attached.get()
        if found is None:
            code = self._child.wait()
            return {"error": f"the services of the demo ended with {code}; no file is left", "code": 1}
        return found

    def send(self, command: str) -> None:
        """Send the estate a command."""
        with contextlib.suppress(OSError):
            self._commands.write(f"{command}\n".encode())
            self._commands.flush()

    def close(self) -> None:
        """End the estate, and wait until its files are removed."""
        with contextlib.suppress(OSError):
            self._commands.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._child.wait(timeout=CLEAN_UP_SECONDS)  # a killed child leaves its files
        if self._child.poll() is None:
            self._child.kill()
            self._child.wait()
