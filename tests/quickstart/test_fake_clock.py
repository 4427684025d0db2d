"""Clocks of tests end no program: what libfaketime left of earlier programs with the same id is removed."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.real.fake_clock import FakeClock

pytestmark = pytest.mark.real_clocks
SHARED_MEMORY = Path("/dev/shm")

REPLACED = "import os, sys; print(os.getpid(), flush=True); os.execv(sys.executable, [sys.executable, '-c', ''])"
"""A program that is replaced by another one of the same id, as `exec` in a shell does."""


def left_behind(program_id: int) -> list[Path]:
    return sorted(SHARED_MEMORY.glob(f"*faketime_s*_{program_id}"))


def test_new_clock_removes_what_an_ended_program_left(tmp_path: Path) -> None:
    clock = FakeClock(tmp_path / "clock")
    output = subprocess.run(
        [sys.executable, "-c", REPLACED], env=clock.environment, check=True, capture_output=True, text=True
    ).stdout
    assert left_behind(int(output)), "libfaketime removes it by now: this test and the removal are not needed"
    FakeClock(tmp_path / "clock")
    assert not left_behind(int(output))


def test_new_clock_keeps_what_a_program_uses(tmp_path: Path) -> None:
    clock = FakeClock(tmp_path / "clock")
    waits = "import sys; print(flush=True); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", waits], env=clock.environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as program:
        assert program.stdin is not None
        assert program.stdout is not None
        program.stdout.readline()
        FakeClock(tmp_path / "clock")
        kept = left_behind(program.pid)
        program.stdin.close()
    assert len(kept) == 2
