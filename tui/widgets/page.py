"""A page of lines that scrolls, for full-screen details."""

from collections.abc import Sequence

from textual.geometry import Offset, Region, Size
from textual.scroll_view import ScrollView
from textual.strip import Strip

from tui.widgets.lines import Inked, Part, different_cells


class PageView(ScrollView, Inked, can_focus=True, inherit_bindings=False):
    """Draws lines, and redraws the cells that differ."""

    DEFAULT_CSS = "PageView { scrollbar-size: 1 1; overflow-x: hidden; overflow-y: auto; height: 1fr; }"

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._lines: Sequence[Sequence[Part]] = ()
        self.selected_line: int | None = None
        """The line that has the cursor, on a page that has one."""

    @property
    def selection_place(self) -> Offset | None:
        """The place of the selected line on the screen; `None` where it is not visible."""
        if self.selected_line is None:
            return None
        line = self.selected_line - self.scroll_offset.y
        return self.region.offset + Offset(0, line) if 0 <= line < self.size.height else None

    def show(self, lines: Sequence[Sequence[Part]]) -> None:
        """Show other lines."""
        if lines != self._lines:
            before, self._lines = self._lines, lines
            top = self.scroll_offset.y
            for y in range(self.size.height):
                old, new = (self._line(known, top + y) for known in (before, lines))
                if old != new and (cells := different_cells(self.strip(old, self.cells), self.strip(new, self.cells))):
                    self.refresh(Region(cells[0], y, cells[1] - cells[0], 1))
            self.virtual_size = Size(self.cells, len(lines))  # last: it may add a scrollbar and redraw

    def render_line(self, y: int) -> Strip:
        """Return a line of the widget."""
        return self.strip(self._line(self._lines, self.scroll_offset.y + y), self.cells)

    @staticmethod
    def _line(lines: Sequence[Sequence[Part]], number: int) -> Sequence[Part]:
        return lines[number] if number < len(lines) else ()
