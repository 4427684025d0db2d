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


NO_PLOTEXT = "no chart: plotext cannot be used (docs/installing.md)"


@cache
def _plotext() -> Any:
    """Return the library; `None` where it was built without a C++ compiler, or left out by a distribution."""
    try:
        import plotext
    except ImportError:
        return None

    plotext.terminal.limit(False, False)  # else a plot is cut to the terminal in which the program was started
    return plotext


def plot(chart: Chart, cells: int, lines: int, *, braille: bool = True) -> list[str]:
    """Return the plot area, `lines` lines of `cells` cells: filled with braille (else `█`), or `▒` where backfilled.

    Figures that leave a server out are filled with dots. Where there is no figure, nothing is drawn.
    """
    plotext = _plotext()
    if plotext is None:
        return [NO_PLOTEXT[:cells].ljust(cells), *([" " * cells] * (lines - 1))][:lines]
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
        marker = ("braille" if braille else LINE_MARK) if is_live else BACKFILLED_MARK
        figure.draw(figure.signal(*_area(chart, first, last, cells), marker=marker).lines(True))
    for first, last in chart.seen_runs():
        figure.draw(figure.signal(*_area(chart, first, last, cells), marker=SEEN_MARK).lines(True))
    drawn = plotext.uncolorize(figure.build().string()).split("\n")
    return [line[:cells].ljust(cells) for line in (drawn + [""] * lines)[:lines]]


def _area(chart: Chart, first: int, last: int, cells: int) -> tuple[list[float], list[float]]:
    """Return the points of one line that fills the area below a run: up at a half cell, along, and down at the next."""
    columns = max(1, round((last - first) / max(1, len(chart.steps) - 1) * 2 * cells))
    places, heights = list[float](), list[float]()
    for column in range(columns + 1):
        place = first + (last - first) * column / columns
        before, after = chart.steps[int(place)].figure or 0, chart.steps[min(last, int(place) + 1)].figure or 0
        height = before + (after - before) * (place - int(place))
        places += [place, place]
        heights += [0, height] if column % 2 == 0 else [height, 0]
    return places, heights


def bars(heights: Sequence[tuple[int, int, str]], highest: int, cells: int, lines: int) -> list[str]:
    """Return vertical bars of one cell's width. `heights` are (place, height, mark); a bar of height 0 is not drawn."""
    plotext = _plotext()
    if plotext is None:
        return [NO_PLOTEXT[:cells].ljust(cells), *([" " * cells] * (lines - 1))][:lines]
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
