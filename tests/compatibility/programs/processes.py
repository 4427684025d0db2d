"""Processes of the program: each with a home folder of its own and a wall clock that the test sets."""

import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.compatibility.programs import clocked

REPOSITORY = Path(__file__).parents[3]
FIXTURES = Path(__file__).parents[1] / "fixtures"
PATIENCE_SECONDS = 180.0
"""How long a condition may take. Generous, since the machine may be busy with something else."""

_ADDRESS = re.compile(r"http://127\.0\.0\.1:(\d+)")


class Clock:
    """The wall clock of the processes that are started with it."""

    def __init__(self, path: Path, at_ms: int) -> None:
        self.path = path
        path.write_bytes(bytes(clocked.CLOCK_FORMAT.size))
        self.set(at_ms)

    def set(self, at_ms: int) -> None:
        """Let the clock stand at that time."""
        self.now_ms = at_ms
        self._write(at_ms, 0)

    def run_from(self, at_ms: int) -> None:
        """Let the clock run, from that time on."""
        self.now_ms = at_ms
        self._write(at_ms, time.monotonic_ns())

    def read_ms(self) -> int:
        """Return the time as the processes see it."""
        at_ms, since_ns = clocked.CLOCK_FORMAT.unpack(self.path.read_bytes())
        return at_ms + ((time.monotonic_ns() - since_ns) // 1_000_000 if since_ns else 0)

    def _write(self, at_ms: int, since_ns: int) -> None:
        file = os.open(self.path, os.O_WRONLY)
        try:
            os.pwrite(file, clocked.CLOCK_FORMAT.pack(at_ms, since_ns), 0)
        finally:
            os.close(file)


@dataclass(frozen=True)
class Ended:
    """The result of a command."""

    code: int
    out: str
    err: str


def clean_environment(home: Path, **more: str) -> dict[str, str]:
    """Return the environment of a user whose files are all below `home`."""
    home.mkdir(parents=True, exist_ok=True)
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("STREAMTOP_", "XDG_", "PYTHON")) and not name.lower().endswith("_proxy")
    }
    own = {"HOME": str(home), "PYTHONPATH": str(REPOSITORY), "LC_ALL": "C.UTF-8", "NO_COLOR": "1", "COLUMNS": "200"}
    return kept | own | more


def command_line(module: str, *arguments: str, clock: Clock | None = None) -> list[str]:
    """Return the command that runs a module of the program."""
    if clock is None:
        return [sys.executable, "-m", module, *arguments]
    return [sys.executable, clocked.__file__, str(clock.path), module, *arguments]


def run(
    *arguments: str,
    home: Path,
    module: str = "tui",
    clock: Clock | None = None,
    environment: Mapping[str, str] | None = None,
) -> Ended:
    """Run a command to its end, away from any terminal."""
    ended = subprocess.run(
        command_line(module, *arguments, clock=clock),
        env=clean_environment(home, **(environment or {})),
        cwd=home,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )
    return Ended(ended.returncode, ended.stdout.decode(), ended.stderr.decode())


def wait_until(condition: Callable[[], object], what: str) -> None:
    """Return once the condition holds; fail where it does not in a generous time."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {PATIENCE_SECONDS:.0f} s in vain: {what}")
        time.sleep(0.05)


@contextmanager
def started(
    command: Sequence[str], home: Path, log: Path, environment: Mapping[str, str]
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a process in the background; end it, and it alone, at the end of the block."""
    env = clean_environment(home, **environment)
    with log.open("wb") as err:
        process = subprocess.Popen(command, env=env, cwd=home, stdin=subprocess.DEVNULL, stdout=err, stderr=err)
    try:
        yield process
    finally:
        stop(process)


def stop(process: subprocess.Popen[bytes]) -> None:
    """End a process in good order and wait for its end."""
    if process.poll() is None:
        process.terminate()
    try:
        process.wait(PATIENCE_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        raise


TOKENS = {
    "admin": "compat-admin-token",
    "viewer": "compat-viewer-token",
    "origin-1": "compat-origin-1-token",
    "edge-1": "compat-edge-1-token",
    "solo-1": "compat-solo-1-token",
    "late-1": "compat-late-1-token",
    "spare-1": "compat-spare-1-token",
    "spare-2": "compat-spare-2-token",
    "media-1": "compat-media-1-token",
}
"""The tokens of `fixtures/tokens.toml`: by role, or by the server whose agent has it."""

TOKEN_ENVIRONMENT = {"COMPAT_VIEWER": TOKENS["viewer"]}


@contextmanager
def service(store: Path, clock: Clock) -> Iterator[int]:
    """Run `streamtop serve` on a SQLite store; yields its port. It discards nothing and closes days of two zones."""
    home = store.parent / "service-home"
    log = store.with_suffix(".log")
    command = command_line(
        "tui", "serve", "--listen", "127.0.0.1:0", "--store", f"sqlite:///{store}",
        "--tokens", str(FIXTURES / "tokens.toml"), "--account-zone", "UTC", "--account-zone", "Europe/Berlin",
        "--close-settle", "2m", "--close-grace", "10m", "--edge-timeout", "7200",
        "--usage-stats-discard-threshold-days", "36500", "--daily-statistics-days", "36500",
        clock=clock,
    )  # fmt: skip
    with started(command, home, log, TOKEN_ENVIRONMENT | {"COMPAT_SHORT_SLEEPS": "1"}) as process:

        def port() -> int | None:
            if process.poll() is not None:
                raise RuntimeError(f"the service ended early: {log.read_text()}")
            found = _ADDRESS.search(log.read_text())
            return int(found[1]) if found else None

        wait_until(port, "the service prints its address")
        found = port()
        assert found is not None
        yield found
