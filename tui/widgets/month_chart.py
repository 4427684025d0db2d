"""A month's traffic as bars, drawn by plotext. Days that are not complete are drawn by the glyph of their state."""

from collections.abc import Sequence
from datetime import date

from streamusage.core.coverage import Provenance
from tui.model import formats
from tui.model.daily.months import DailyTotals, last_of
from tui.model.gaps.grid import GLYPHS
from tui.model.text import padded_left
from tui.widgets.lines import Part
from tui.widgets.plot import bars

_GUTTER = 9
_COMPLETE = "█"


def month_chart(first: date, rows: Sequence[tuple[date, DailyTotals]], cells: int, lines: int) -> list[list[Part]]:
    """Return the bytes out a day: `lines` lines of bars, a line with each day's coverage, and the days' numbers."""
    days = last_of(first).day
    day_cells = max(1, min(4, (cells - _GUTTER) // days))
    highest = max((figures.bytes_out for _, figures in rows), default=0)
    inks = {day.day: "live" if figures.is_complete else figures.worst.value for day, figures in rows}
    drawn = _bars(rows, days, day_cells, lines, max(1, highest))
    chart_lines = []
    for number, line in enumerate(drawn):
        label = formats.traffic(highest) if number == 0 else "0 B" if number == lines - 1 else ""
        chart_lines.append([(padded_left(label, _GUTTER - 2) + " ┤", "quiet"), *_ink_line(line, inks, day_cells)])
    covered: list[Part] = [(" " * _GUTTER, "")]
    numbers = ""
    known = dict(rows)
    for number in range(1, days + 1):
        figures = known.get(first.replace(day=number))
        glyph = " " if figures is None else "▔" if figures.is_complete else GLYPHS[figures.worst]
        covered.append((glyph * max(1, day_cells - 1) + " " * (day_cells > 1), inks.get(number, "")))
        if (number % 5 == 1 or day_cells > 2) and (number - 1) * day_cells + len(str(number)) <= days * day_cells:
            numbers = numbers.ljust((number - 1) * day_cells) + str(number)
    chart_lines.append(covered)
    chart_lines.append([(" " * _GUTTER + numbers, "quiet")])
    return chart_lines


def _bars(rows: Sequence[tuple[date, DailyTotals]], days: int, day_cells: int, lines: int, highest: int) -> list[str]:
    drawn = []
    for day, figures in rows:
        glyph = _COMPLETE if figures.is_complete else GLYPHS[figures.worst]
        first = (day.day - 1) * day_cells
        drawn += [(place, figures.bytes_out, glyph) for place in range(first, first + max(1, day_cells - 1))]
    return bars(drawn, highest, days * day_cells, lines)


def _ink_line(line: str, inks: dict[int, str], day_cells: int) -> list[Part]:
    parts: list[Part] = []
    for place, character in enumerate(line):
        ink = inks.get(place // day_cells + 1, "") if character != " " else ""
        if parts and parts[-1][1] == ink:
            parts[-1] = (parts[-1][0] + character, ink)
        else:
            parts.append((character, ink))
    return parts


LEGEND: list[Part] = [
    ("█ complete  ", "live"),
    *((f"{GLYPHS[state]} {state.value}  ", state.value) for state in (Provenance.PARTIAL, Provenance.MISSING)),
    *((f"{GLYPHS[state]} {state.value}  ", state.value) for state in (Provenance.LOST, Provenance.HELD)),
]
