"""Lines of plain segments, from which every widget of the console is drawn. No markup anywhere.

A part is a text and the name of its ink; inks are component classes `ink--…`, so themes, NO_COLOR and 16 colours work.
"""

from collections.abc import Iterable, Iterator, Sequence

from rich.cells import split_graphemes
from rich.segment import Segment
from rich.style import Style
from textual.color import Color
from textual.geometry import Region
from textual.strip import Strip
from textual.widget import Widget

from tui.model.text import clipped, width

INKS = (
    "quiet",
    "strong",
    "accent",
    "good",
    "warn",
    "bad",
    "live",
    "backfilled",
    "refilled",
    "partial",
    "missing",
    "lost",
    "held",
    "cursor",
    "faded",
    "mostly",
    "filled",
    "turned",
    "reversed",
    "matched",
    "marked",
)

Part = tuple[str, str]
"""(text, ink); an empty ink is the widget's own."""


INK_CLASSES = {f"ink--{ink}" for ink in INKS}
"""The `COMPONENT_CLASSES` of a screen whose widgets draw with inks.

A stylesheet is matched with every component of every node that declares it: twenty inks of ten widgets were half of
the time from the start of the event loop to the first frame.
"""


class Inked(Widget):
    """Mixin of a widget that draws parts. Its screen declares `INK_CLASSES`."""

    _mixed: dict[str, Style] | None = None
    """The inks used so far, until the widget's style changes."""

    def ink(self, name: str) -> Style:
        """Return the style of an ink over the widget's own. Of several inks (`live cursor`) the last one wins."""
        if self._mixed is None:
            self._mixed = {}
        style = self._mixed.get(name)
        if style is None:
            style = self.rich_style
            for ink in name.split():
                style += self._component_style(f"ink--{ink}")
            self._mixed[name] = style
        return style

    def notify_style_update(self) -> None:
        """Drop what depends on the style, and redraw where an ink is another one now."""
        super().notify_style_update()
        before, self._mixed = self._mixed, None
        if before and self.is_attached and any(self.ink(name) != style for name, style in before.items()):
            self.refresh()

    def _component_style(self, component: str) -> Style:
        """Return the component's own style, its translucent colours blended with the widget's background."""
        styles = self.screen.get_component_styles(component)
        style = self.screen.get_component_rich_style(component, partial=True)
        if styles.has_rule("color") and 0 < styles.color.a < 1:
            style += Style(color=(self._background + styles.color).rich_color)
        if styles.has_rule("background") and 0 < styles.background.a < 1:
            style += Style(bgcolor=(self._background + styles.background).rich_color)
        return style

    @property
    def _background(self) -> Color:
        return self.background_colors[1]

    @property
    def cells(self) -> int:
        """How many cells a line has, without a scrollbar."""
        return self.scrollable_content_region.width

    def strip(self, parts: Iterable[Part], cells: int, over: str = "") -> Strip:
        """Return the parts as one line of exactly `cells` cells, with the ink `over` on top of all of it."""
        segments: list[Segment] = []
        left = cells
        for text, ink in _merge_parts(parts):
            if left <= 0:
                break
            size = width(text)
            if size > left:
                text = clipped(text, left)
                size = width(text)
            if text:
                segments.append(Segment(text, self.ink(f"{ink} {over}" if over else ink)))
            left -= size
        if left > 0:
            segments.append(Segment(" " * left, self.ink(over)))
        return Strip(segments, cells)


def different_cells(before: Strip | None, after: Strip) -> tuple[int, int] | None:
    """Return the first cell in which two lines differ, and the one after the last; `None` if they look the same.

    Both lines are compared from their start and from their end, as far as they are the same.
    """
    if before is after:
        return None
    cells = after.cell_length
    if before is None or before.cell_length != cells:
        return 0, cells
    at_start = _count_same(_forward(before), _forward(after))
    if at_start >= cells:
        return None
    return at_start, cells - _count_same(_backward(before), _backward(after))


_Piece = tuple[Sequence[str], Style | None]
"""A part of a line with an item for each cell, and its style; both cells of a wide character have it."""


def _forward(strip: Strip) -> Iterator[_Piece]:
    for text, style, _ in strip:
        if text:
            yield _by_cell(text), style


def _backward(strip: Strip) -> Iterator[_Piece]:
    for text, style, _ in reversed(list(strip)):
        if text:
            yield _by_cell(text)[::-1], style


def _by_cell(text: str) -> Sequence[str]:
    if text.isascii() or _ONE_CELL.issuperset(text):
        return text
    return [text[start:end] for start, end, size in split_graphemes(text)[0] for _ in range(size)]


_ONE_CELL = frozenset("█▒▄·×?▸▾▴–…▁▂▃▄▅▆▇▔┤≈≥") | frozenset(map(chr, range(128)))
"""Characters that have a cell of their own, whatever follows them: those that the console draws itself."""


def _count_same(old: Iterator[_Piece], new: Iterator[_Piece]) -> int:
    """Return how many cells two lines begin with in common. They are read up to the first difference."""
    nothing: _Piece = ("", None)
    (text, style), (other, other_style) = next(old, nothing), next(new, nothing)
    count = at = other_at = 0
    while text and other and style == other_style:
        size = min(len(text) - at, len(other) - other_at)
        here, there = text[at : at + size], other[other_at : other_at + size]
        if here != there:
            differ = next((cell for cell in range(size) if here[cell] != there[cell]), None)
            if differ is not None:
                return count + differ
        count, at, other_at = count + size, at + size, other_at + size
        if at == len(text):
            (text, style), at = next(old, nothing), 0
        if other_at == len(other):
            (other, other_style), other_at = next(new, nothing), 0
    return count


def _merge_parts(parts: Iterable[Part]) -> list[Part]:
    """Merge neighbours of the same ink: over a slow line every change of style counts."""
    merged: list[Part] = []
    ink_before: str | None = None
    for text, ink in parts:
        if ink == ink_before:
            merged[-1] = (merged[-1][0] + text, ink)
        else:
            merged.append((text, ink))
            ink_before = ink
    return merged


class Line(Inked):
    """One line: parts from the left, and parts at the right as long as they fit.

    Only the cells that differ are sent to the terminal: over a slow line every byte counts.
    """

    DEFAULT_CSS = "Line { height: 1; }"

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._left: Sequence[Part] = ()
        self._right: Sequence[Part] = ()

    def show(self, left: Sequence[Part], right: Sequence[Part] = ()) -> None:
        """Redraw the line if it differs."""
        if (left, right) != (self._left, self._right):
            before = self.render_line(0) if self.size.width else None
            self._left, self._right = left, right
            if before is not None and (cells := different_cells(before, self.render_line(0))):
                self.refresh(Region(cells[0], 0, cells[1] - cells[0], 1))

    def render_line(self, y: int) -> Strip:
        """Return a line of the widget."""
        cells = self.size.width
        right_cells = sum(width(text) for text, _ in self._right)
        left_cells = sum(width(text) for text, _ in self._left)
        if not self._right or right_cells + 2 > cells:
            return self.strip(self._left, cells)
        room = cells - right_cells
        left = list(self._left)
        if left_cells > room - 1:
            return Strip.join([self.strip(left, room - 1), self.strip([(" ", ""), *self._right], right_cells + 1)])
        return self.strip([*left, (" " * (room - left_cells), ""), *self._right], cells)
