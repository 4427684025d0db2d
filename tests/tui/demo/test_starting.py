"""The start of the demo: progress, no echo of what is typed, and a terminal as it was, however the start ends."""

import os
import re
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.console.terminals.pty_session import PtySession, left_modes
from tests.support.console.terminals.terminal import STREAMTOP
from tests.support.program import Program
from tests.support.waiting import wait_until_blocking
from tui.demo.starting import describe_progress

PROGRESS = b"starting the demo"


@contextmanager
def starting(streamtop: Program, *arguments: str) -> Iterator[tuple[PtySession, Path]]:
    """The demo in a terminal, at its first line of progress, and the folder of its temporary files."""
    scratch = streamtop.home / "scratch"
    scratch.mkdir()
    environment = streamtop.environment | {"TERM": "xterm-256color", "TMPDIR": str(scratch)}
    with PtySession([*STREAMTOP, "demo", *arguments], environment, streamtop.home) as session:
        session.read_until(PROGRESS)
        yield session, scratch


def assert_as_before(session: PtySession, scratch: Path) -> None:
    assert left_modes(bytes(session.written)) == set()
    session.assert_attributes()
    wait_until_blocking(lambda: not list(scratch.iterdir()), "the demo's files removed")


@pytest.mark.parametrize(
    ("done", "columns", "shown"),
    [
        (0.0, 80, "starting the demo  ························  services"),
        (0.5, 80, "starting the demo  ████████████············  services"),
        (2.0, 80, "starting the demo  ████████████████████████  services"),
        (0.5, 20, "starting the demo  "),
    ],
)
def test_progress_fits_the_terminal(done: float, columns: int, shown: str) -> None:
    assert describe_progress(done, "services", columns) == shown


def test_progress_without_unicode_is_ascii() -> None:
    assert describe_progress(0.5, "x", 80, unicode=False).isascii()


def test_typed_keys_are_neither_echoed_nor_kept(streamtop: Program) -> None:
    """A kept q would quit the console with its first frame, a kept g would open the gaps."""
    with starting(streamtop) as (session, scratch):
        session.press(b"echoed? gq")
        session.read_until(b"stage-1")
        assert b"echoed" not in session.written
        before = len(session.written)
        session.press(b"?")
        session.read_until(b"filter", after=before)
        assert session.process.poll() is None
        session.press(b"q")
        session.press(b"q")
        assert session.wait_for_end() == 0
        assert_as_before(session, scratch)


def test_ctrl_c_ends_the_start(streamtop: Program) -> None:
    with starting(streamtop) as (session, scratch):
        session.press(b"\x03")
        assert session.wait_for_end() == 130
        assert b"Traceback" not in session.written
        assert_as_before(session, scratch)


def test_termination_signal_ends_the_start(streamtop: Program) -> None:
    with starting(streamtop) as (session, scratch):
        os.kill(session.process.pid, signal.SIGTERM)
        assert session.wait_for_end() == 143
        assert b"Traceback" not in session.written
        assert_as_before(session, scratch)


def test_port_in_use_ends_the_start_with_its_reason(streamtop: Program) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with starting(streamtop, "--port", str(taken.getsockname()[1])) as (session, scratch):
            assert session.wait_for_end() == 3
            # The line of progress is erased before the reason.
            assert re.search(rb"\x1b\[K[^\r\n]*cannot listen on", session.written)
            assert_as_before(session, scratch)
