"""The audience strip under the header of every view: who watches the whole estate, now and over the last hour."""

from textual.geometry import Region
from textual.strip import Strip

from tui.app.state import ConsoleState
from tui.model import formats
from tui.model.area import draw_area
from tui.model.audience import MINUTES, round_up, steady_scale
from tui.model.sessions.sparkline import NoFigure, Point, figure_of, sparkline_parts
from tui.model.staleness import StalenessLevel
from tui.model.text import width
from tui.widgets.lines import Inked, Part, different_cells

LEAST_SCREEN_LINES = 20
"""Lower screens need the line for their rows."""
TALL_FROM_SCREEN_LINES = 36
"""From this height on the minutes are a filled area of several lines."""
_TALL_LINES = 4
_LABEL_CELLS = 12
_TEXT_CELLS = (25, 31, 41, 47, 53)
"""The minutes begin at one of these columns, so that a figure that grows does not move them."""
_LEAST_MINUTES = 20


class AudienceStrip(Inked, can_focus=False):
    """Text and minutes of the audience. Only cells that differ are sent to the terminal: it moves once a minute."""

    DEFAULT_CSS = "AudienceStrip { height: 1; }"

    def __init__(self, state: ConsoleState, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._state = state
        self._drawn: list[Strip] = []
        self._height = 1

    def update(self) -> None:
        """Redraw the cells that differ, or hide the strip."""
        shown = self._state.shows_audience and self.screen.size.height >= LEAST_SCREEN_LINES
        if shown != self.display:  # Textual lays the screen out again, even if nothing changes
            self.display = shown
        lines = _TALL_LINES if self.screen.size.height >= TALL_FROM_SCREEN_LINES else 1
        if lines != self._height:
            self._height = self.styles.height = lines
        if not self.display or not self.size.width:
            return
        before, self._drawn = self._drawn, [self.strip(parts, self.cells) for parts in self._lines()]
        for y, strip in enumerate(self._drawn):
            if cells := different_cells(before[y] if y < len(before) else None, strip):
                self.refresh(Region(cells[0], y, cells[1] - cells[0], 1))

    def on_resize(self) -> None:
        """Draw for the new size."""
        self._drawn = []
        self.update()

    def notify_style_update(self) -> None:
        """Draw in the new style."""
        super().notify_style_update()
        if self.is_attached and self._drawn:
            self._drawn = []
            self.update()

    def render_line(self, y: int) -> Strip:
        """Return a line of the widget."""
        return self._drawn[y] if y < len(self._drawn) else self.strip((), self.cells)

    def _lines(self) -> list[list[Part]]:
        if not self._state.has_figures:
            return []
        book, now_ms, cells = self._state.audience, self._state.now_ms(), self.cells
        texts = audience_texts(self._state)
        text_cells, text = _fitting_text(texts, cells)
        room = cells - 1 - text_cells
        if room < _LEAST_MINUTES:
            return [text]
        points = book.points(now_ms)
        shown = points[-min(room, MINUTES) :]
        if self._height > 1:
            return self._tall(texts, points, shown, max(text_cells, _TEXT_CELLS[2]))
        gap = " " * (text_cells - sum(width(part) for part, _ in text))
        return [[*text, (gap, ""), *sparkline_parts(shown, steady_scale(points))]]

    def _tall(
        self, texts: list[list[Part]], points: list[Point], shown: list[Point], text_cells: int
    ) -> list[list[Part]]:
        """Return the text in two lines, the scale, and the minutes as an area."""
        highest = round_up(steady_scale(points).highest)
        watching, longest = texts[-2], texts[0]
        texts_of_lines = [watching, [(" ", ""), *longest[len(watching) + 1 :]] if len(texts) > 2 else [], [], []]
        labels = {0: formats.count_within(highest, _LABEL_CELLS - 3), self._height - 1: "0"}
        area = draw_area(shown, highest, self._height, braille=self._state.braille)
        lines = []
        for number, (text, cells) in enumerate(zip(texts_of_lines, area, strict=True)):
            label = f"{labels.get(number, '')} ┤"
            room = text_cells - sum(width(part) for part, _ in text)
            lines.append([*text, (label.rjust(room), "quiet"), *cells])
        return lines


def _fitting_text(texts: list[list[Part]], cells: int) -> tuple[int, list[Part]]:
    """Return the longest of the texts beside which enough minutes fit, else the shortest, and its column's width."""
    for text in texts:
        needed = sum(width(part) for part, _ in text)
        columns = [column for column in _TEXT_CELLS if column > needed]
        if columns and columns[0] + _LEAST_MINUTES < cells:
            return columns[0], text
    return cells, next((text for text in texts[-2:] if sum(width(part) for part, _ in text) <= cells), texts[-1])


def audience_texts(state: ConsoleState) -> list[list[Part]]:
    """Return what the strip says, the longest text first: `watching 1,184 now · 1,342 peak 23:41`."""
    now_ms, book = state.now_ms(), state.audience
    newest = book.newest_poll(now_ms)
    at_ms, point = newest if newest else (now_ms, NoFigure.NOT_SEEN)
    is_now = state.freshness().step is StalenessLevel.LIVE and not state.is_paused
    when = "now" if is_now else f"at {formats.clock_time(at_ms, state.tz)}"
    shortest: list[Part] = [(" watching ", "quiet"), (_format_figure(point), "strong")]
    watching: list[Part] = [*shortest, (f" {when}", "quiet")]
    peak = book.peak(now_ms)
    if peak is None:
        return [watching, shortest]
    figure = formats.lower_bound(peak.figure) if peak.is_lower_bound else formats.count(peak.figure)
    short: list[Part] = [*watching, (" · ", "quiet"), (figure, "strong")]
    if book.is_polled:
        return [[*short, (" peak polled", "quiet")], watching, shortest]
    at = formats.clock_time(peak.at_ms, state.tz)
    return [[*short, (f" peak {at}", "quiet")], [*short, (" peak", "quiet")], watching, shortest]


def _format_figure(point: Point) -> str:
    figure = figure_of(point)
    return formats.count(figure) if isinstance(point, int) else formats.lower_bound(figure)
