"""The real `streamtop` as a process with its own home directory."""

import asyncio
import os
import signal
import sys
from dataclasses import dataclass
from pathlib import Path

from tests.support.waiting import LONGEST_WAIT_S

REPOSITORY = Path(__file__).parents[2]


@dataclass(frozen=True)
class Ended:
    """Exit code and output of a run."""

    code: int
    out: str
    err: str


class Program:
    """The command line of one user, run from the user's home directory."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.config = home / ".config" / "streamtop" / "config.toml"
        self.journal = home / ".local" / "state" / "streamtop" / "deleted.ndjson"
        self.environment = {
            name: value for name, value in os.environ.items() if not name.startswith(("STREAMTOP_", "XDG_", "PYTHON"))
        } | {"HOME": str(home), "PYTHONPATH": str(REPOSITORY), "LC_ALL": "C.UTF-8"}

    async def __call__(self, *arguments: str, stdin: bytes = b"", **environment: str) -> Ended:
        """Run it to its end without a terminal."""
        process = await self.start(*arguments, stdin=asyncio.subprocess.PIPE, **environment)
        return await self._ended(process, stdin)

    async def typed_into(self, typed: bytes, *arguments: str, **environment: str) -> Ended:
        """Run it to its end with a terminal as its input, and type these bytes there."""
        ours, its = os.openpty()
        try:
            process = await self.start(*arguments, stdin=its, **environment)
            os.write(ours, typed)
            return await self._ended(process)
        finally:
            os.close(ours)
            os.close(its)

    async def start(
        self, *arguments: str, stdin: int, stderr: int = asyncio.subprocess.PIPE, **environment: str
    ) -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "tui",
            *arguments,
            stdin=stdin,
            stdout=asyncio.subprocess.PIPE,
            stderr=stderr,
            env=self.environment | environment,
            cwd=self.home,
            # The workers of the test runner ignore SIGINT, and their child processes inherit that.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )

    @staticmethod
    async def _ended(process: asyncio.subprocess.Process, stdin: bytes | None = None) -> Ended:
        out, err = await asyncio.wait_for(process.communicate(stdin), LONGEST_WAIT_S)
        assert process.returncode is not None
        return Ended(process.returncode, out.decode(), err.decode())

    def configure(self, text: str) -> None:
        self.config.parent.mkdir(parents=True, exist_ok=True)
        self.config.write_text(text)

    def secret(self, token: str, mode: int = 0o600) -> Path:
        path = self.home / "token"
        path.write_text(f"{token}\n")
        path.chmod(mode)
        return path
