"""Following a log through rotation: each whole line is read once, whatever happens to the file between two reads."""

import os
import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamusage.agent.sources.common.logs import follower as log_follower
from streamusage.agent.sources.common.logs.follower import LogFollower, LogPosition


class WrittenLog:
    """A log with all lines that were ever written to it."""

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
def log(tmp_path: Path) -> WrittenLog:
    return WrittenLog(tmp_path)


def test_reading_starts_at_the_end_and_returns_each_line_once(log: WrittenLog) -> None:
    log.write(3)
    follower = LogFollower(log.path)
    position = follower.end_position()
    assert follower.read_lines(position).lines == []
    log.write(2)
    batch = follower.read_lines(position)
    assert batch.lines == log.written[3:]
    assert follower.read_lines(batch.position).lines == []
    assert LogPosition.parse(str(batch.position)) == batch.position


def test_unfinished_line_is_returned_once_it_has_its_end(log: WrittenLog) -> None:
    log.write(1)
    with log.path.open("ab", buffering=0) as file:
        file.write(b"half")
        follower = LogFollower(log.path)
        position = follower.end_position()
        assert follower.read_lines(position).lines == []
        file.write(b" and half\n")
        assert follower.read_lines(position).lines == [b"half and half"]


def test_renamed_log_is_read_to_its_end_before_the_new_log(log: WrittenLog) -> None:
    follower = LogFollower(log.path)
    log.write(2)
    position = follower.read_lines(follower.end_position()).position
    log.rename()
    log.write(1)
    batch = follower.read_lines(position)
    assert (batch.lines, batch.found) == (log.written[2:], True)
    log.write(1)
    log.reopen()
    log.write(2)
    assert follower.read_lines(batch.position).lines == log.written[3:]


def test_renamed_log_is_followed_while_the_new_log_is_empty(log: WrittenLog) -> None:
    log.write(1)
    follower = LogFollower(log.path)
    position = follower.end_position()
    log.rename()
    log.path.touch()
    log.write(1)
    batch = follower.read_lines(position)
    assert batch.lines == log.written[1:]
    log.write(1)
    assert follower.read_lines(batch.position).lines == log.written[2:]


def test_several_rotations_between_two_reads(log: WrittenLog) -> None:
    log.write(1)
    follower = LogFollower(log.path)
    start = follower.end_position()
    for _ in range(3):
        log.write(2)
        log.rename()
        log.reopen()
        log.write(1)
    batch = follower.read_lines(start)
    assert batch.lines == log.written[1:]
    assert follower.lines_between(start, batch.position) == log.written[1:]


def test_copied_and_truncated_log_loses_no_line(log: WrittenLog) -> None:
    log.write(3)
    follower = LogFollower(log.path)
    position = follower.end_position()
    log.write(2)
    log.copy_and_truncate()
    log.write(20)
    assert follower.read_lines(position).lines == log.written[3:]


def test_truncated_log_is_read_from_its_start_and_lost_lines_are_logged(
    log: WrittenLog, caplog: pytest.LogCaptureFixture
) -> None:
    log.write(3)
    follower = LogFollower(log.path)
    position = follower.end_position()
    os.truncate(log.path, 0)
    log.write(1)
    assert follower.read_lines(position).lines == log.written[3:]
    assert "log_lines_lost" in caplog.text


def test_longer_log_that_replaces_another_is_read_from_its_start(log: WrittenLog, tmp_path: Path) -> None:
    log.write(3)
    follower = LogFollower(log.path)
    position = follower.end_position()
    log.path.unlink()
    log.reopen()
    log.write(10)
    assert follower.read_lines(position).lines == log.written[3:]


def test_manual_copies_of_a_log_are_not_read(log: WrittenLog) -> None:
    log.write(1)
    follower = LogFollower(log.path)
    start = follower.end_position()
    log.write(1)
    log.rename()
    log.reopen()
    log.write(1)
    shutil.copy(log.path, log.path.with_name("access.log.copy"))
    shutil.copy(log.path.with_name("access.log.1"), log.path.with_name("access.log.other"))
    log.write(1)
    assert follower.read_lines(start).lines == log.written[1:]


def test_reading_continues_when_a_missing_log_is_recreated(log: WrittenLog) -> None:
    log.write(1)
    follower = LogFollower(log.path)
    position = follower.end_position()
    log.path.unlink()
    batch = follower.read_lines(position)
    assert (batch.lines, batch.position, batch.found) == ([], position, False)
    log.reopen()
    log.write(1)
    assert follower.read_lines(position).lines == log.written[1:]


def test_long_log_is_returned_in_batches(log: WrittenLog, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_follower, "BATCH_BYTES", 200)
    follower = LogFollower(log.path)
    position = follower.end_position()
    log.write(20)
    log.rename()
    log.reopen()
    log.write(20)
    lines: list[bytes] = []
    for _ in range(30):
        batch = follower.read_lines(position)
        lines += batch.lines
        position = batch.position
    assert lines == log.written


def test_lines_between_positions_are_none_if_a_file_is_gone(log: WrittenLog) -> None:
    log.write(2)
    follower = LogFollower(log.path)
    start = follower.end_position()
    log.path.unlink()
    log.reopen()
    log.write(1)
    assert follower.lines_between(start, follower.end_position()) is None


@given(st.text(max_size=60))
def test_any_text_is_parsed_as_a_position_or_none(text: str) -> None:
    position = LogPosition.parse(text)
    assert position is None or min(position) >= 0


@settings(max_examples=60)
@given(
    st.lists(
        st.sampled_from(["write", "write", "write", "rename", "reopen", "rotate", "copytruncate", "read", "read"]),
        max_size=25,
    )
)
def test_each_line_is_returned_once_and_in_order(steps: list[str]) -> None:
    with tempfile.TemporaryDirectory() as directory:
        log = WrittenLog(Path(directory))
        log.write()
        follower = LogFollower(log.path)
        start = position = follower.end_position()
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
                batch = follower.read_lines(position)
                lines += batch.lines
                position = batch.position
                assert not batch.lost
        assert lines == log.written[1:]
        assert follower.lines_between(start, position) == log.written[1:]
        log.close()


def test_batch_has_the_time_at_which_its_last_line_was_written(tmp_path: Path) -> None:
    log = tmp_path / "access.log"
    log.write_bytes(b"a\n")
    os.utime(log, ns=(0, 5_000_000_000_000))
    follower = LogFollower(log)
    batch = follower.read_lines(LogPosition(log.stat().st_ino, 0, 0))
    assert (batch.lines, batch.written_at_ms, batch.more) == ([b"a"], 5_000_000, False)
    log.write_bytes(b"a\nunfinished")
    assert follower.read_lines(batch.position).written_at_ms is None
