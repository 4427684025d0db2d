"""A log that is relied on only as far as it is understood, also if it is too long for one reading."""

import os
from pathlib import Path

import pytest

from streamusage.agent.sources.common.logs import follower as log_follower
from streamusage.agent.sources.common.logs.line_form import LineForms
from streamusage.agent.sources.common.logs.reader import MISSING_AFTER_MS, LogReader
from streamusage.agent.sources.common.logs.understood import UNREADABLE_FOR_MS, LogRead, UnderstoodLog
from streamusage.core.coverage import SLOT_MS
from streamusage.core.reasons import LOG_NOT_OPENED, LOG_NOT_UNDERSTOOD, NGINX_NO_LOG
from tests.support.agent.manual_clock import HandClock

MINUTE = SLOT_MS


def parse_numbers(lines: list[bytes], forms: LineForms) -> list[int]:
    """Lines are times in minutes; any other line is unreadable."""
    values = []
    for line in lines:
        if line.isdigit():
            forms.add_readable(int(line) * MINUTE)
            values.append(int(line))
        else:
            forms.add_unreadable()
    return values


@pytest.fixture
def clock() -> HandClock:
    return HandClock(0)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    log = tmp_path / "access.log"
    log.write_bytes(b"1\n")
    return log


def open_log(path: Path, clock: HandClock) -> UnderstoodLog[int]:
    return UnderstoodLog(LogReader(path, clock), clock, parse_numbers, "numbers", NGINX_NO_LOG)


def append(path: Path, *lines: str) -> None:
    with path.open("a") as file:
        file.writelines(f"{line}\n" for line in lines)


def rewrite(path: Path, text: str) -> None:
    path.write_text(text)


def remove(path: Path) -> None:
    path.unlink()


def minutes(read: LogRead[int]) -> list[tuple[int, int]]:
    return [((line.ended_at - line.duration_ms) // MINUTE, line.ended_at // MINUTE) for line in read.unreadable]


async def test_long_log_marks_all_its_unreadable_lines_with_the_first_reading_and_only_once(
    path: Path, clock: HandClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_follower, "BATCH_BYTES", 10)
    log = open_log(path, clock)
    position = await log.start(None)
    append(path, *(str(minute) for minute in range(2, 40)), "x", *(str(minute) for minute in range(40, 60)))
    values, marks = [], []
    for turn in range(60):
        read = await log.read(position)
        position = read.position
        values += read.values
        marks.append(minutes(read))
        if turn == 3:
            append(path, "60", "y", "61")
    assert values == [*range(2, 62)]
    assert marks[0] == [(39, 40)]
    assert [mark for mark in marks[1:] if mark] == [[(60, 61)]]


async def test_reading_that_was_not_recorded_marks_again(
    path: Path, clock: HandClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_follower, "BATCH_BYTES", 10)
    log = open_log(path, clock)
    position = await log.start(None)
    append(path, "2", "x", *(str(minute) for minute in range(3, 30)))
    first = await log.read(position)
    assert minutes(await log.read(position)) == minutes(first) == [(2, 3)]


async def test_log_without_a_readable_line_is_not_understood_until_it_has_one(path: Path, clock: HandClock) -> None:
    rewrite(path, "x\n")
    log = open_log(path, clock)
    position = await log.start(None)
    append(path, "y")
    read = await log.read(position)
    assert (read.logs_ends, read.misses, log.has_lines) == (False, LOG_NOT_UNDERSTOOD, False)
    assert "expected: numbers" in read.problem
    append(path, "5")
    read = await log.read(read.position)
    assert (read.logs_ends, read.misses, read.problem, read.values) == (True, "", "", [5])


async def test_empty_log_is_relied_on_until_an_unreadable_line_is_its_first(path: Path, clock: HandClock) -> None:
    rewrite(path, "")
    log = open_log(path, clock)
    read = await log.read(await log.start(None))
    assert (read.logs_ends, read.misses) == (True, "")
    append(path, "x")
    assert (await log.read(read.position)).misses == LOG_NOT_UNDERSTOOD


async def test_strangers_line_alone_does_not_give_up_a_log(path: Path, clock: HandClock) -> None:
    log = open_log(path, clock)
    read = await log.read(await log.start(None))
    for _ in range(5):
        append(path, "x", "x")
        read = await log.read(read.position)
        assert (read.logs_ends, read.misses) == (True, "")
        clock.now += UNREADABLE_FOR_MS - 1
        append(path, "7")
        read = await log.read(read.position)
    append(path, "x")
    read = await log.read(read.position)
    clock.now += UNREADABLE_FOR_MS
    append(path, "x")
    assert (await log.read(read.position)).misses == LOG_NOT_UNDERSTOOD


async def test_log_that_does_not_exist_is_a_problem_with_the_way_out(path: Path, clock: HandClock) -> None:
    remove(path)
    log = open_log(path, clock)
    read = await log.read(await log.start(None))
    assert (read.position, read.logs_ends, read.misses) == (None, False, LOG_NOT_OPENED)
    assert "not found" in read.problem
    rewrite(path, "3\n")
    read = await log.read(await log.start(None))
    assert (read.values, read.logs_ends, read.misses, read.problem) == ([], True, "", "")


async def test_log_that_is_not_recreated_is_given_up_after_a_minute(path: Path, clock: HandClock) -> None:
    log = open_log(path, clock)
    read = await log.read(await log.start(None))
    remove(path)
    read = await log.read(await log.start(read.position))
    assert read.misses == ""
    clock.now += MISSING_AFTER_MS
    read = await log.read(await log.start(read.position))
    assert (read.logs_ends, read.misses) == (False, NGINX_NO_LOG)
    assert "reopen its logs" in read.problem


async def test_bridge_has_unreadable_lines_between_its_neighbours(path: Path, clock: HandClock) -> None:
    log = open_log(path, clock)
    start = await log.start(None)
    append(path, "5", "x", "6")
    end = await log.start(None)
    values, unreadable = await log.read_between(start, end)
    assert (values, [(line.ended_at - line.duration_ms, line.ended_at) for line in unreadable]) == (
        [5, 6],
        [(5 * MINUTE, 6 * MINUTE)],
    )


async def test_rest_of_a_minute_with_an_unreadable_line_is_marked_too(path: Path, clock: HandClock) -> None:
    clock.now = 100 * MINUTE
    log = open_log(path, clock)
    position = await log.start(None)
    marks = []
    for second in range(0, 150, 10):
        clock.now = 100 * MINUTE + second * 1_000
        append(path, "x" if second == 20 else str(100 + second // 60))
        os.utime(path, ns=(0, clock.now * 1_000_000))
        read = await log.read(position)
        position = read.position
        marks.append(minutes(read))
    assert marks == [[], [], *[[(100, 100)]] * 4, *[[]] * 9]
