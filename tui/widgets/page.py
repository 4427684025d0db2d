"""A page of lines that scrolls, for full-screen details."""

from collections.abc import Sequence

from textual.geometry import Size
from textual.scroll_view import ScrollView
from textual.strip import Strip

from tui.widgets.lines import Inked, Part


class PageView(ScrollView, Inked, can_focus=True, inherit_bindings=False):
    """Draws lines and redraws those that differ."""

    DEFAULT_CSS = "PageView { scrollbar-size: 1 1; overflow-x: hidden; overflow-y: auto; height: 1fr; }"

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._lines: Sequence[Sequence[Part]] = ()

    def show(self, lines: Sequence[Sequence[Part]]) -> None:
        """Show other lines."""
        if lines != self._lines:
            before, self._lines = self._lines, lines
            self.virtual_size = Size(self.cells, len(lines))
            for number in range(max(len(before), len(lines))):
                self.refresh_line(number)

    def render_line(self, y: int) -> Strip:
        """Return a line of the widget."""
        number = self.scroll_offset.y + y
        return self.strip(self._lines[number] if number < len(self._lines) else (), self.cells)
