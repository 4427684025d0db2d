"""Runs the commands of a page of the documentation as they are printed, in a scratch directory.

`page_blocks.py` has the comments that say how. Nothing of the text is replaced but addresses: a host of `example.net`,
which a reader replaces as well, is this machine, and a port is a free one, so that several tests can run at once.
"""

import os
import re
import shlex
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.support.program import REPOSITORY
from tests.support.real.fake_clock import FakeClock, remove_left_behind
from tests.support.real.page_blocks import Block, Kind, read_page
from tests.support.real.processes import DaemonProgram, RunningProgram, free_port
from tests.support.waiting import LONGEST_WAIT_S

_EXAMPLE = re.compile(r"(?P<scheme>https?)://[a-z.]+\.example\.net(?P<port>:\d+)?")
_DEFAULT_PORTS = {"http": ":80", "https": ":443"}
_LONGEST_RUN_S = 4 * LONGEST_WAIT_S
"""A page is a chain of programs, each with waits of its own."""


class PageRun:
    """The commands of one page, with their own home directory, clock and ports."""

    def __init__(self, page: Path, scratch: Path, ports: tuple[int, ...], clock: FakeClock | None = None) -> None:
        """`ports` are the numbers in the page and in its hosts' schemes that are replaced by free ones.

        Without a `clock`, its commands have the machine's.
        """
        self.scratch = scratch
        self.log = scratch / "page.log"
        self._blocks = read_page(page).blocks
        self._clock = clock.environment if clock else {}
        self._ports = {str(port): str(free_port()) for port in ports}

    def run(self, steps: Mapping[str, str]) -> None:
        """Run the page to its end. `steps` are shell commands of the test by their names in the page."""
        assert {block.step for block in self._blocks if block.step} == set(steps)
        script = self.scratch / "page.sh"
        script.write_text(self._script(steps))
        program = RunningProgram(["bash", str(script)], self.log, self._environment())
        try:
            code = program.wait(_LONGEST_RUN_S)
            assert code == 0, f"the page's commands failed:\n{self.log.read_text('utf-8', 'replace')}"
        finally:
            self._end(program)

    def _script(self, steps: Mapping[str, str]) -> str:
        lines = [f"cd {self.scratch}", "set -euo pipefail"]
        for number, block in enumerate(self._blocks):
            if block.step:
                lines.append(self._on_this_machine(steps[block.step]))
            lines += self._lines(block, f"background.{number}")
        return "\n".join(lines)

    def _lines(self, block: Block, output: str) -> list[str]:
        text = self._on_this_machine(block.text)
        match block.kind:
            case Kind.RUN:
                return [text]
            case Kind.TERMINAL:
                return [shlex.join([sys.executable, "-m", "tests.support.real.in_terminal", text, *block.until])]
            case Kind.BACKGROUND:
                (until,) = block.until
                start = f"{{ {text}}} 2>&1 | tee {output} &"
                return [start, f"until grep -q -- {shlex.quote(until)} {output}; do kill -0 $!; sleep 0.1; done"]
            case Kind.FILE:
                (self.scratch / block.name).write_text(text)
        return []

    def _on_this_machine(self, text: str) -> str:
        """Return the text with the addresses of the test."""
        text = _EXAMPLE.sub(lambda url: f"{url[1]}://127.0.0.1{url['port'] or _DEFAULT_PORTS[url['scheme']]}", text)
        return re.sub(r"(?<![\d.])\d{3,5}\b", lambda number: self._ports.get(number[0], number[0]), text)

    def _environment(self) -> dict[str, str]:
        programs = self.scratch / "bin"
        programs.mkdir()
        self._add_program(programs, "streamtop", f'exec {sys.executable} -m tui "$@"')
        # nginx gives its workers no other variables than these.
        variables = " ".join(f"env {name};" for name in self._clock)
        nginx = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")
        self._add_program(programs, "nginx", f'exec {nginx} -g "{variables}" "$@"')
        icecast = "icecast2"
        if os.geteuid() == 0:  # as root, Icecast refuses to run
            icecast = "setpriv --reuid=icecast2 --regid=icecast --clear-groups icecast2"
        self._add_program(programs, "icecast2", f'PATH=${{PATH#*:}}; umask 022; exec {icecast} "$@"')
        return self._clock | {
            "PATH": f"{programs}:{os.environ['PATH']}",
            "HOME": str(self.scratch),
            "PYTHONPATH": str(REPOSITORY),
            "LC_ALL": "C.UTF-8",
            "TERM": "xterm-256color",
        }

    @staticmethod
    def _add_program(folder: Path, name: str, command: str) -> None:
        (folder / name).write_text(f"#!/bin/sh\n{command}\n")
        (folder / name).chmod(0o755)

    def _end(self, program: RunningProgram) -> None:
        for number in (signal.SIGTERM, signal.SIGKILL):
            with suppress(ProcessLookupError):
                os.killpg(program.pid, number)
            program.stop(signal.SIGKILL)
        for file in self.scratch.glob("*.pid"):
            DaemonProgram(int(file.read_text())).stop(signal.SIGTERM)
        remove_left_behind()


@contextmanager
def scratch_for_everyone() -> Iterator[Path]:
    """Yield a directory in which every user may write: started as root, media servers switch to another user."""
    with tempfile.TemporaryDirectory(prefix="streamtop-page-", ignore_cleanup_errors=True) as name:
        Path(name).chmod(0o1777)
        yield Path(name)
