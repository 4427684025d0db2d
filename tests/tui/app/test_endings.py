"""Every way in which the console ends, in a real terminal, which it leaves as it was."""

import os
import shutil
import signal
import sys
from pathlib import Path

import pytest

from streamusage.core.clock import SystemClock
from tests.support.console.records import session
from tests.support.console.terminals.pty_session import PtySession, is_running, left_modes
from tests.support.program import Program
from tests.support.waiting import wait_until_blocking
from tui.app.messages import SessionsPolled
from tui.recording.recording import Recording

NO_SERVICE = ("--url", "http://127.0.0.1:9")
DRAWN = b"nothing answers there"
SIGNALS = {signal.SIGTERM: 143, signal.SIGHUP: 129, signal.SIGINT: 130, signal.SIGQUIT: 131}


def console(streamtop: Program, *arguments: str, **environment: str) -> PtySession:
    command = [sys.executable, "-m", "tui", *(arguments or NO_SERVICE)]
    return run(streamtop, command, **environment)


def run(streamtop: Program, command: list[str], **environment: str) -> PtySession:
    return PtySession(command, streamtop.environment | {"TERM": "xterm-256color"} | environment, streamtop.home)


def program(streamtop: Program, text: str) -> list[str]:
    """Return a command that runs `streamtop` after these lines."""
    script = streamtop.home / "program.py"
    script.write_text(f"from tui.cli import main\n{text}\nmain()\n")
    return [sys.executable, str(script), *NO_SERVICE]


@pytest.mark.parametrize("stage", ["--display-stage", "--no-display-stage"])
@pytest.mark.parametrize("number", SIGNALS)
def test_signal_ends_the_console_with_the_usual_code(streamtop: Program, number: signal.Signals, stage: str) -> None:
    with console(streamtop, *NO_SERVICE, stage) as terminal:
        terminal.read_until(DRAWN)
        terminal.process.send_signal(number)
        assert terminal.wait_for_end() == SIGNALS[number]
        terminal.assert_restored()


@pytest.mark.parametrize(("keys", "code"), [(b"q", 0), (b"\x03", 130), (b"/cam\x03", 130), (b"?\x03", 130)])
def test_key_ends_the_console(streamtop: Program, keys: bytes, code: int) -> None:
    with console(streamtop) as terminal:
        terminal.read_until(DRAWN)
        for key in keys:
            terminal.press(bytes([key]))
        assert terminal.wait_for_end() == code
        terminal.assert_restored()


@pytest.mark.parametrize("error", ["RuntimeError", "SystemExit", "KeyboardInterrupt", "MemoryError"])
def test_exception_restores_the_terminal_before_its_traceback(streamtop: Program, error: str) -> None:
    fault = f"""
from tui.app.state import ConsoleState
def fail(self, polled):
    raise {error}('a fault')
ConsoleState.record_failure = fail
"""
    with run(streamtop, program(streamtop, fault)) as terminal:
        assert terminal.wait_for_end() in {1, 130}
        terminal.assert_restored()
        if b"Traceback" in terminal.written:
            assert terminal.written.index(b"\x1b[?1049l") < terminal.written.index(b"Traceback")


def test_second_signal_ends_a_console_that_is_stuck(streamtop: Program) -> None:
    stuck = """
import time
from tui.app.state import ConsoleState
ConsoleState.record_failure = lambda self, polled: (print("stuck", file=open("stuck", "w")), time.sleep(3600))
"""
    with run(streamtop, program(streamtop, stuck)) as terminal:
        wait_until_blocking((streamtop.home / "stuck").exists, "the console is stuck")
        terminal.process.terminate()
        terminal.process.terminate()
        assert terminal.wait_for_end() == 143
        terminal.assert_restored()


def test_signal_ends_a_console_whose_output_nobody_reads(streamtop: Program) -> None:
    with console(streamtop) as terminal:
        terminal.read_until(DRAWN)
        for _ in range(400):
            terminal.press(b"?\x1b")
        wait_until_blocking(terminal.is_full, "the terminal takes no more")
        terminal.process.terminate()
        assert terminal.wait_for_end_unread() == 143
        terminal.assert_restored(more_than_once=True)


@pytest.mark.parametrize("leads", [True, False], ids=["session leader", "wrapper"])
def test_killed_parent_ends_the_console(streamtop: Program, leads: bool) -> None:
    child = [sys.executable, "-m", "tui", *NO_SERVICE]
    parent = f"import subprocess; p = subprocess.Popen({child!r}); print(p.pid, file=open('child', 'w')); p.wait()"
    command = [sys.executable, "-c", parent]
    if not leads:
        leader = f"import subprocess, time; p = subprocess.Popen({command!r}); print(p.pid, file=open('parent', 'w'))"
        command = [sys.executable, "-c", f"{leader}; p.wait(); time.sleep(3600)"]
    with run(streamtop, command) as terminal:
        terminal.read_until(DRAWN)
        pid = int((streamtop.home / "child").read_text())
        killed = terminal.process.pid if leads else int((streamtop.home / "parent").read_text())
        os.kill(killed, signal.SIGKILL)
        terminal.wait_for_end_of(pid)
        terminal.assert_restored()


@pytest.mark.parametrize("ignores", [False, True], ids=["SIGHUP", "SIGHUP ignored"])
def test_closed_terminal_ends_the_console(streamtop: Program, ignores: bool) -> None:
    shell = ["sh", "-c", f'{"trap " + repr("") + " HUP;" if ignores else ""} exec "$@"', "sh"]
    with run(streamtop, [*shell, sys.executable, "-m", "tui", *NO_SERVICE]) as terminal:
        terminal.read_until(DRAWN)
        pid = terminal.process.pid
        terminal.close()
        wait_until_blocking(lambda: not is_running(pid), "the console has ended")
        assert terminal.process.wait() == 129


def test_replay_and_demo_end_by_a_signal(streamtop: Program, tmp_path: Path) -> None:
    tape = Recording(streamtop.home / "night.tape", SystemClock())
    tape.write_message(SessionsPolled([session("cam", 1_795_003_200_000)], [], True, 1_795_003_200_000, [], ""))
    tape.close()
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    for arguments, drawn in ((("replay", "night.tape"), b"live/cam"), (("demo",), b"live/stage-1")):
        with console(streamtop, *arguments, TMPDIR=str(scratch)) as terminal:
            terminal.read_until(drawn)
            terminal.process.terminate()
            assert terminal.wait_for_end() == 143
            terminal.assert_restored()
    assert not list(scratch.iterdir())


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
@pytest.mark.parametrize(
    ("key", "shown"), [(b"", DRAWN), (b"/", b"state=live"), (b"?", b"Keys in the")], ids=["table", "prompt", "page"]
)
def test_ctrl_z_suspends_and_fg_resumes(streamtop: Program, key: bytes, shown: bytes) -> None:
    with run(streamtop, ["bash", "--norc", "--noprofile", "-i"], PS1="ready> ") as terminal:
        terminal.read_until(b"ready> ")
        terminal.press(f"{sys.executable} -m tui {' '.join(NO_SERVICE)}\r".encode())
        terminal.read_until(DRAWN)
        terminal.press(key)
        terminal.read_until(shown)
        drawn = len(terminal.written)
        terminal.press(b"\x1a")
        terminal.read_until(b"Stopped", after=drawn)
        terminal.read_until(b"ready> ", after=terminal.written.index(b"Stopped", drawn))
        assert not left_modes(bytes(terminal.written)) - {2004}, "bash itself uses bracketed paste"
        drawn = len(terminal.written)
        terminal.press(b"fg; echo left with $?\r")
        terminal.read_until(shown, after=drawn)
        terminal.press(b"\x03")
        terminal.read_until(b"left with 130", after=drawn)


def test_ctrl_z_without_a_shell_leaves_the_console_running(streamtop: Program) -> None:
    with console(streamtop) as terminal:
        terminal.read_until(DRAWN)
        terminal.press(b"\x1a")
        terminal.read_until(b"not suspended")
        terminal.press(b"q")
        assert terminal.wait_for_end() == 0
        terminal.assert_restored()
