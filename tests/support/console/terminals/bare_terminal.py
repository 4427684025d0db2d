"""A program in a terminal of 24 lines that interprets nothing: what it wrote, as bytes, while it writes."""

import contextlib
import fcntl
import os
import pty
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

from tests.support.waiting import LONGEST_WAIT_S


class BareTerminal:
    """Runs a program from `with` to its end, which kills it."""

    def __init__(
        self,
        command: Sequence[str],
        environment: Mapping[str, str],
        *,
        folder: Path | None = None,
        longest_s: float = LONGEST_WAIT_S,
    ) -> None:
        self.drawn = bytearray()
        """What the program has written so far."""
        self._longest_s = longest_s
        self._main, terminal = pty.openpty()
        fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        self.began = time.monotonic()
        self._process = subprocess.Popen(
            command,
            stdin=terminal,
            stdout=terminal,
            stderr=terminal,
            env=dict(environment),
            cwd=folder,
            start_new_session=True,
        )
        os.close(terminal)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._process.pid, signal.SIGKILL)
        self._process.wait()
        os.close(self._main)

    def press(self, keys: bytes) -> None:
        """Type keys, whether the program reads them already or not."""
        os.write(self._main, keys)

    def read_until(self, marker: bytes) -> bytes:
        """Return what was written up to a text, as soon as it is complete."""
        while marker not in self.drawn:
            rest_s = self._longest_s - (time.monotonic() - self.began)
            if rest_s <= 0 or not select.select([self._main], [], [], rest_s)[0]:
                raise TimeoutError(f"not written: {marker!r}; at the end: {bytes(self.drawn[-2000:])!r}")
            self.drawn += os.read(self._main, 65_536)
        return bytes(self.drawn[: self.drawn.index(marker)])

    def processor_s(self) -> float:
        """Return the processor time of the program so far: of its threads that have not ended."""
        threads = Path(f"/proc/{self._process.pid}/task").glob("*/schedstat")
        return sum(int(thread.read_text().split()[0]) for thread in threads) / 1e9
