"""Lines that occur twice: copies, or equal requests of one client in one second."""

from tests.support.outside_accounts import FIRST_MS, HOUR_MS
from tui.reconcile.repeated_lines import RepeatedLines

MINUTE_MS = 60_000


def add_hour(lines: RepeatedLines, *, group: str = "", every: int = 1) -> None:
    for second in range(0, 3600, 10 * every):
        lines.add(FIRST_MS + second * 1000, second, group, 5)


def test_lines_that_occur_once_are_not_repeated() -> None:
    lines = RepeatedLines()
    add_hour(lines)
    assert lines.sums() == []


def test_copied_hour_is_summed_by_group() -> None:
    lines = RepeatedLines()
    for _ in range(3):
        add_hour(lines, group="a")
    (found,) = lines.sums()
    assert (found.hour, found.group, found.lines, found.value, found.is_copied) == (FIRST_MS, "a", 720, 3600, True)


def test_a_few_equal_lines_prove_nothing() -> None:
    lines = RepeatedLines()
    add_hour(lines)
    add_hour(lines, every=30)
    (found,) = lines.sums()
    assert (found.lines, found.is_copied) == (12, False)


def test_few_lines_that_all_occur_twice_prove_nothing() -> None:
    lines = RepeatedLines()
    for _ in range(2):
        for minute in range(9):
            lines.add(FIRST_MS + minute * MINUTE_MS, minute, "", 5)
    (found,) = lines.sums()
    assert (found.lines, found.is_copied) == (9, False)


def test_equal_hashes_in_different_minutes_are_different_lines() -> None:
    lines = RepeatedLines()
    lines.add(FIRST_MS, 1, "", 5)
    lines.add(FIRST_MS + HOUR_MS, 1, "", 5)
    assert lines.sums() == []
