"""Charts drawn by plotext into plain lines. plotext has one figure per process: draw on the UI thread only.

plotext is imported with the first chart: its import takes as long as half of Textual's.
"""

from collections.abc import Sequence
from functools import cache
from typing import Any

from tui.model.sessions.chart import Chart

BACKFILLED_MARK = "▒"
SEEN_MARK = "·"
"""Mark of figures that leave a server out: lower bounds."""
LINE_MARK = "█"


@cache
def _plotext() -> Any:
    import plotext

    plotext.terminal.limit(False, False)  # else a plot is cut to the terminal in which the program was started
    return plotext


def plot(chart: Chart, cells: int, lines: int, *, braille: bool = True) -> list[str]:
    """Return the plot area, `lines` lines of `cells` cells: braille (else `█`), `▒` where it was backfilled.

    Figures that leave a server out are dots.
    """
    plotext = _plotext()
    figure = plotext.figure
    figure.clear()
    figure.plot_size(cells, lines)
    figure.axes(False)
    for axis in ("x", "y"):
        figure.ruler(axis).frequency(0)
    figure.ruler("x").lim(0, max(1, len(chart.steps) - 1))
    figure.ruler("y").lim(0, top_of(chart))
    # Backfilled time is drawn last, over the ends of the lines beside it.
    for first, last, is_live in sorted(chart.runs(), key=lambda run: not run[2]):
        places = list(range(first, last + 1))
        figures = [chart.steps[place].figure for place in places]
        marker = ("braille" if braille else LINE_MARK) if is_live else BACKFILLED_MARK
        figure.draw(figure.signal(places, figures, marker=marker).lines(True))
    for first, last in chart.seen_runs():
        places = list(range(first, last + 1))
        figures = [chart.steps[place].figure for place in places]
        figure.draw(figure.signal(places, figures, marker=SEEN_MARK).lines(True))
    drawn = plotext.uncolorize(figure.build().string()).split("\n")
    return [line[:cells].ljust(cells) for line in (drawn + [""] * lines)[:lines]]


def bars(heights: Sequence[tuple[int, int, str]], highest: int, cells: int, lines: int) -> list[str]:
    """Return vertical bars of one cell's width. `heights` are (place, height, mark); a bar of height 0 is not drawn."""
    plotext = _plotext()
    figure = plotext.figure
    figure.clear()
    figure.plot_size(cells, lines)
    figure.axes(False)
    for axis in ("x", "y"):
        figure.ruler(axis).frequency(0)
    figure.ruler("x").lim(0, max(1, cells - 1))
    figure.ruler("y").lim(0, highest)
    for place, height, mark in heights:
        if height:
            figure.draw(figure.signal([place, place], [0, height], marker=mark).lines(True))
    drawn = plotext.uncolorize(figure.build().string()).split("\n")
    return [line[:cells].ljust(cells) for line in (drawn + [""] * lines)[:lines]]


def top_of(chart: Chart) -> int:
    """Return the end of the y axis: the round number at or above the highest figure."""
    highest = max(4, chart.highest)
    magnitude = 1
    while magnitude * 10 < highest:
        magnitude *= 10
    return next(step * magnitude for step in (1, 2, 4, 5, 6, 8, 10, 20) if step * magnitude >= highest)
