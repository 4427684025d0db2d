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
    """Bytes out a day: `lines` lines of bars, one that says how each day is covered, and the days' numbers."""
    days = last_of(first).day
    each = max(1, min(4, (cells - _GUTTER) // days))
    highest = max((figures.bytes_out for _, figures in rows), default=0)
    inks = {day.day: "live" if figures.is_complete else figures.worst.value for day, figures in rows}
    drawn = _bars(rows, days, each, lines, max(1, highest))
    made = []
    for number, line in enumerate(drawn):
        label = formats.traffic(highest) if number == 0 else "0 B" if number == lines - 1 else ""
        made.append([(padded_left(label, _GUTTER - 2) + " ┤", "quiet"), *_inked(line, inks, each)])
    covered: list[Part] = [(" " * _GUTTER, "")]
    numbers = ""
    known = dict(rows)
    for number in range(1, days + 1):
        figures = known.get(first.replace(day=number))
        glyph = " " if figures is None else "▔" if figures.is_complete else GLYPHS[figures.worst]
        covered.append((glyph * max(1, each - 1) + " " * (each > 1), inks.get(number, "")))
        numbers += (
            str(number).ljust(each)
            if number % 5 == 1 or each > 2
            else " " * each
            if len(numbers) < number * each
            else ""
        )
    made.append(covered)
    made.append([(" " * _GUTTER + numbers[: days * each], "quiet")])
    return made


def _bars(rows: Sequence[tuple[date, DailyTotals]], days: int, each: int, lines: int, highest: int) -> list[str]:
    drawn = []
    for day, figures in rows:
        glyph = _COMPLETE if figures.is_complete else GLYPHS[figures.worst]
        first = (day.day - 1) * each
        drawn += [(place, figures.bytes_out, glyph) for place in range(first, first + max(1, each - 1))]
    return bars(drawn, highest, days * each, lines)


def _inked(line: str, inks: dict[int, str], each: int) -> list[Part]:
    parts: list[Part] = []
    for place, character in enumerate(line):
        ink = inks.get(place // each + 1, "") if character != " " else ""
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
