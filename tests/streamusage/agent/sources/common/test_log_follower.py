"""Following a log through rotation: every whole line once, whatever is done to the file between two looks."""

import os
import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamusage.agent.sources.common import log_follower
from streamusage.agent.sources.common.log_follower import LogFollower, LogPosition


class Log:
    """A log at work, with every line that was ever written to it."""

    def __init__(self, directory: Path) -> None:
        self.path = directory / "access.log"
        self.written: list[bytes] = []
        self._file = self.path.open("ab", buffering=0)

    def write(self, lines: int = 1) -> None:
        for _ in range(lines):
            line = b"%010d a line of the log" % len(self.written)
            self._file.write(line + b"\n")
            self.written.append(line)

    def rename(self) -> None:
        for number in range(8, 0, -1):
            older = self.path.with_name(f"access.log.{number}")
            if older.exists():
                older.rename(self.path.with_name(f"access.log.{number + 1}"))
        if self.path.exists():
            self.path.rename(self.path.with_name("access.log.1"))

    def reopen(self) -> None:
        self._file.close()
        self._file = self.path.open("ab", buffering=0)

    def copy_and_truncate(self) -> None:
        if self.path.exists():
            data = self.path.read_bytes()
            self.rename()
            shutil.copy(self.path.with_name("access.log.1"), self.path)
            self.reopen()
            assert self.path.read_bytes() == data
            os.truncate(self.path, 0)

    def close(self) -> None:
        self._file.close()


@pytest.fixture
def log(tmp_path: Path) -> Log:
    return Log(tmp_path)


def test_it_begins_at_the_end_and_gives_each_line_once(log: Log) -> None:
    log.write(3)
    follower = LogFollower(log.path)
    position = follower.end()
    assert follower.read(position).lines == []
    log.write(2)
    batch = follower.read(position)
    assert batch.lines == log.written[3:]
    assert follower.read(batch.position).lines == []
    assert LogPosition.parse(str(batch.position)) == batch.position


def test_an_unfinished_line_waits(log: Log) -> None:
    log.write(1)
    with log.path.open("ab", buffering=0) as file:
        file.write(b"half")
        follower = LogFollower(log.path)
        position = follower.end()
        assert follower.read(position).lines == []
        file.write(b" and half\n")
        assert follower.read(position).lines == [b"half and half"]


def test_a_renamed_log_is_read_to_its_end_before_the_new_one(log: Log) -> None:
    follower = LogFollower(log.path)
    log.write(2)
    position = follower.read(follower.end()).position
    log.rename()
    log.write(1)
    batch = follower.read(position)
    assert (batch.lines, batch.found) == (log.written[2:], True)
    log.write(1)
    log.reopen()
    log.write(2)
    assert follower.read(batch.position).lines == log.written[3:]


def test_an_old_file_that_was_read_is_followed_while_the_new_one_is_empty(log: Log) -> None:
    log.write(1)
    follower = LogFollower(log.path)
    position = follower.end()
    log.rename()
    log.path.touch()
    log.write(1)
    batch = follower.read(position)
    assert batch.lines == log.written[1:]
    log.write(1)
    assert follower.read(batch.position).lines == log.written[2:]


def test_several_rotations_in_one_absence(log: Log) -> None:
    log.write(1)
    follower = LogFollower(log.path)
    start = follower.end()
    for _ in range(3):
        log.write(2)
        log.rename()
        log.reopen()
        log.write(1)
    batch = follower.read(start)
    assert batch.lines == log.written[1:]
    assert follower.between(start, batch.position) == log.written[1:]


def test_a_copied_and_truncated_log(log: Log) -> None:
    log.write(3)
    follower = LogFollower(log.path)
    position = follower.end()
    log.write(2)
    log.copy_and_truncate()
    log.write(20)
    assert follower.read(position).lines == log.written[3:]


def test_a_truncated_log_begins_anew(log: Log, caplog: pytest.LogCaptureFixture) -> None:
    log.write(3)
    follower = LogFollower(log.path)
    position = follower.end()
    os.truncate(log.path, 0)
    log.write(1)
    assert follower.read(position).lines == log.written[3:]
    assert "log_lines_lost" in caplog.text


def test_a_grown_log_in_the_place_of_another_is_not_taken_for_it(log: Log, tmp_path: Path) -> None:
    log.write(3)
    follower = LogFollower(log.path)
    position = follower.end()
    log.path.unlink()
    log.reopen()
    log.write(10)
    assert follower.read(position).lines == log.written[3:]


def test_a_copy_that_someone_made_is_not_read_twice(log: Log) -> None:
    log.write(1)
    follower = LogFollower(log.path)
    start = follower.end()
    log.write(1)
    log.rename()
    log.reopen()
    log.write(1)
    shutil.copy(log.path, log.path.with_name("access.log.copy"))
    shutil.copy(log.path.with_name("access.log.1"), log.path.with_name("access.log.other"))
    log.write(1)
    assert follower.read(start).lines == log.written[1:]


def test_a_log_that_is_away_is_waited_for(log: Log) -> None:
    log.write(1)
    follower = LogFollower(log.path)
    position = follower.end()
    log.path.unlink()
    batch = follower.read(position)
    assert (batch.lines, batch.position, batch.found) == ([], position, False)
    log.reopen()
    log.write(1)
    assert follower.read(position).lines == log.written[1:]


def test_a_long_log_comes_in_batches(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_follower, "BATCH_BYTES", 200)
    follower = LogFollower(log.path)
    position = follower.end()
    log.write(20)
    log.rename()
    log.reopen()
    log.write(20)
    lines: list[bytes] = []
    for _ in range(30):
        batch = follower.read(position)
        lines += batch.lines
        position = batch.position
    assert lines == log.written


def test_what_was_between_is_none_where_a_file_is_gone(log: Log) -> None:
    log.write(2)
    follower = LogFollower(log.path)
    start = follower.end()
    log.path.unlink()
    log.reopen()
    log.write(1)
    assert follower.between(start, follower.end()) is None


@given(st.text(max_size=60))
def test_any_text_is_a_position_or_none(text: str) -> None:
    position = LogPosition.parse(text)
    assert position is None or min(position) >= 0


@settings(max_examples=60)
@given(
    st.lists(
        st.sampled_from(["write", "write", "write", "rename", "reopen", "rotate", "copytruncate", "read", "read"]),
        max_size=25,
    )
)
def test_every_line_comes_once_and_in_order(steps: list[str]) -> None:
    with tempfile.TemporaryDirectory() as directory:
        log = Log(Path(directory))
        log.write()
        follower = LogFollower(log.path)
        start = position = follower.end()
        lines: list[bytes] = []
        for step in [*steps, "reopen", "write", "read"]:
            if step == "write":
                log.write()
            elif step == "rename":
                log.rename()
            elif step == "reopen":
                log.reopen()
            elif step == "rotate":
                log.rename()
                log.reopen()
                log.write()
            elif step == "copytruncate":
                log.copy_and_truncate()
                log.write()
            else:
                batch = follower.read(position)
                lines += batch.lines
                position = batch.position
                assert not batch.lost
        assert lines == log.written[1:]
        assert follower.between(start, position) == log.written[1:]
        log.close()
