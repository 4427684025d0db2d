"""The chart of a month: bars, and the coverage of its days."""

from tests.support.console.daily_statistics import MONTH, NOVEMBER
from tui.widgets.month_chart import month_chart


def chart_lines() -> list[str]:
    return ["".join(text for text, _ in line) for line in month_chart(NOVEMBER, MONTH.days, 80, 6)]


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
