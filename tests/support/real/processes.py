"""Programs that a test starts: each is stopped by its process id, and none outlives the test."""

import itertools
import os
import random
import signal
import socket
import subprocess
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from types import TracebackType

from tests.support.waiting import LONGEST_WAIT_S, wait_until

_PORTS_OF_A_PROCESS = 1_000
_number = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % 12
_ports = itertools.cycle(range(20_000 + _number * _PORTS_OF_A_PROCESS, 20_000 + (_number + 1) * _PORTS_OF_A_PROCESS))
for _ in range(random.randrange(_PORTS_OF_A_PROCESS)):  # another test run on this machine starts at another port
    next(_ports)


def free_port() -> int:
    """Return a TCP port on loopback that is not in use and that no outgoing connection can get.

    A port must stay free until its server is started or restarted. Therefore each port is returned only once, and each
    process of a test run has its own range.
    """
    while True:
        port = next(_ports)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port


async def until(condition: Callable[[], bool | Awaitable[bool]], description: str, *, every: float = 0.05) -> None:
    """Wait for a condition, which may be a coroutine function. After `LONGEST_WAIT_S`, fail with its description."""
    await wait_until(condition, description, every_seconds=every)


class RunningProgram:
    """A running program, with its output in a file."""

    def __init__(self, arguments: Sequence[str], log: Path, env: dict[str, str] | None = None) -> None:
        self.arguments = list(arguments)
        self.log = log
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                self.arguments,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=os.environ | (env or {}),
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def running(self) -> bool:
        return self._process.poll() is None

    def output(self) -> str:
        return self.log.read_text("utf-8", "replace")

    def send(self, number: signal.Signals) -> None:
        if self.running:
            self._process.send_signal(number)

    def stop(self, number: signal.Signals = signal.SIGTERM, seconds: float = LONGEST_WAIT_S) -> int:
        """Send a signal and wait; after `seconds`, kill the program. Returns the exit code."""
        self.send(number)
        try:
            return self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            self._process.kill()
            return self._process.wait()

    def wait(self, seconds: float) -> int:
        """Wait for the end of the program, and kill it after `seconds`. Returns the exit code."""
        try:
            return self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return self.stop(signal.SIGKILL)

    def kill(self) -> None:
        """Send SIGKILL, as a crash."""
        self.stop(signal.SIGKILL)


class DaemonProgram:
    """A program that a test's program started as a daemon. It is known by its process id only."""

    def __init__(self, pid: int) -> None:
        self.pid = pid

    @property
    def running(self) -> bool:
        try:
            return ") Z " not in Path(f"/proc/{self.pid}/stat").read_text()
        except OSError:
            return False

    def output(self) -> str:
        """Return nothing: a daemon has no output of its own."""
        return ""

    def send(self, number: signal.Signals) -> None:
        if self.running:
            os.kill(self.pid, number)

    def stop(self, number: signal.Signals = signal.SIGTERM, seconds: float = LONGEST_WAIT_S) -> int:
        """Send a signal and wait; after `seconds`, kill the program. Returns 0: its exit code is its parent's."""
        self.send(number)
        gives_up_at = time.monotonic() + seconds
        while self.running and time.monotonic() < gives_up_at:
            time.sleep(0.05)
        self.send(signal.SIGKILL)
        return 0


class Programs:
    """All programs of a test. They are stopped in reverse order at its end."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._programs: list[RunningProgram | DaemonProgram] = []

    def start(self, name: str, arguments: Sequence[str], env: dict[str, str] | None = None) -> RunningProgram:
        program = RunningProgram(arguments, self.directory / f"{name}.{len(self._programs)}.out", env)
        self._programs.append(program)
        return program

    def adopt(self, pid: int) -> DaemonProgram:
        """Take over a daemon, so that it ends with the test."""
        daemon = DaemonProgram(pid)
        self._programs.append(daemon)
        return daemon

    def __enter__(self) -> "Programs":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for program in reversed(self._programs):
            program.stop(seconds=20.0)
