"""The chart of a month: bars, and the coverage of its days."""

import re

import pytest

from tests.support.console.daily_statistics import MONTH, NOVEMBER
from tui.widgets.month_chart import month_chart


def chart_lines(cells: int = 80) -> list[str]:
    return ["".join(text for text, _ in line) for line in month_chart(NOVEMBER, MONTH.days, cells, 6)]


@pytest.mark.parametrize("cells", [50, 80, 120, 200])
def test_numbers_of_days_are_below_their_bars_and_never_cut(cells: int) -> None:
    numbers = chart_lines(cells)[-1]
    bar_cells = max(1, min(4, (cells - 9) // 30))
    for found in re.finditer(r"\d+", numbers):
        assert found.start() == 9 + (int(found[0]) - 1) * bar_cells
    assert len(numbers) <= 9 + 30 * bar_cells


def test_chart_draws_incomplete_days_by_state_and_zero_days_as_complete() -> None:
    bars = [line[9:] for line in chart_lines()]
    column = {number: "".join(line[(number - 1) * 2] for line in bars[:6]) for number in range(1, 31)}
    assert column[2] == "██████"
    assert set(column[1]) == {" ", "█"}
    assert set(column[3]) == {"·"}
    assert set(column[4]) == {" ", "×"}
    assert column[5].strip() == ""
    covered = bars[6]
    assert [covered[(number - 1) * 2] for number in range(1, 7)] == ["▔", "▔", "·", "×", "▔", " "]
    assert chart_lines()[0].split()[0] == "1.00"
