"""Tables that draw only their visible rows, under a heading that does not scroll.

Only the cells that differ from the screen are drawn again: over a slow line every cell counts.
"""

from collections.abc import Callable, Iterable, Sequence

from textual.geometry import Offset, Region, Size
from textual.scroll_view import ScrollView
from textual.strip import Strip

from tui.widgets.lines import Inked, Part, different_cells


class HeadedTable(ScrollView, Inked, can_focus=True, inherit_bindings=False):
    """A table whose lines `draw_line` returns: line 0 is the heading, the rows scroll below it."""

    DEFAULT_CSS = "HeadedTable { scrollbar-size: 1 1; overflow-x: hidden; overflow-y: auto; }"

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._drawn: dict[int, Strip] = {}

    def draw_line(self, y: int) -> Strip:
        """Return a line of the widget as it must look now."""
        raise NotImplementedError

    @property
    def selection(self) -> tuple[int, int] | None:
        """The selected row and the cell in it; `None` without a selection."""
        return None

    @property
    def selection_place(self) -> Offset | None:
        """The place of the selection on the screen; `None` where it is not visible."""
        if self.selection is None:
            return None
        row, cell = self.selection
        line = row - self.scroll_offset.y + 1
        return self.region.offset + Offset(cell, line) if 1 <= line < self.size.height else None

    @property
    def page_rows(self) -> int:
        """How many rows are visible."""
        return max(1, self.size.height - 1)

    def keep_visible(self, row: int) -> None:
        """Scroll as little as makes a row visible."""
        top = self.scroll_offset.y
        if not top <= row < top + self.page_rows:
            to = row if row < top else row - self.page_rows + 1
            self.scroll_to(y=to, animate=False, immediate=True)

    def repaint(self) -> None:
        """Redraw the cells that differ from the screen, and no others."""
        self._repaint_lines(range(self.size.height))

    def repaint_cursor(self, before: int, after: int) -> None:
        """Redraw what a move of the cursor from a row to another one changes: the heading and two rows."""
        self._repaint_lines((0, *self._lines_of(before, after)))

    def repaint_rows(self, *rows: int) -> None:
        """Redraw the cells of some rows that differ from the screen."""
        self._repaint_lines(self._lines_of(*rows))

    def _lines_of(self, *rows: int) -> set[int]:
        """Return the visible lines of rows."""
        top = self.scroll_offset.y - 1
        return {row - top for row in rows if 1 <= row - top < self.size.height}

    def _repaint_lines(self, lines: Iterable[int]) -> None:
        """Draw lines, and mark the cells that differ from the screen: all at once, since each mark drops caches."""
        changed = []
        for y in lines:
            strip = self.draw_line(y)
            if cells := different_cells(self._drawn.get(y), strip):
                changed.append(Region(cells[0], y, cells[1] - cells[0], 1))
            self._drawn[y] = strip
        if changed:
            self.refresh(*changed)

    def set_row_count(self, rows: int) -> None:
        """Set how many rows there are."""
        # As wide as the widget with its scrollbar: a bar that appears or disappears changes nothing then.
        size = Size(self.size.width, rows + 1)
        if size != self.virtual_size:
            self.virtual_size = size

    def forget_drawn(self) -> None:
        """Draw every line again when it is needed next."""
        self._drawn = {}

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        """Forget the drawn lines when the table scrolls."""
        super().watch_scroll_y(old_value, new_value)
        self._drawn = {}

    def watch_show_vertical_scrollbar(self) -> None:
        """Redraw when the scrollbar appears or disappears."""
        self.forget_drawn()

    def notify_style_update(self) -> None:
        """Drop what depends on the style."""
        super().notify_style_update()
        self.forget_drawn()

    def render_line(self, y: int) -> Strip:
        """Return a line of the widget."""
        strip = self._drawn.get(y)
        if strip is None:
            strip = self._drawn[y] = self.draw_line(y)
        return strip

    def render_lines(self, crop: Region) -> list[Strip]:
        """Return some lines of the widget, with the colours that this terminal shows.

        Textual's own way copies each line for borders, padding, tints and opacity, which a table does not have. One
        with a border takes that way.
        """
        if self.styles.gutter.totals != (0, 0):
            return super().render_lines(crop)
        background, filters = self.background_colors[1], self.get_line_filters()
        lines = []
        for y in crop.line_range:
            line = self.render_line(y)
            for colours in filters:
                line = line.apply_filter(colours, background)
            lines.append(line.crop(*crop.column_span))
        return lines


class LineTable(HeadedTable):
    """A table whose rows a function draws, when they become visible. Its cursor is a row of the caller."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._heading: Sequence[Part] = ()
        self._rows = 0
        self._draw_row: Callable[[int], Sequence[Part]] = lambda _: ()
        self._selected = 0

    @property
    def selection(self) -> tuple[int, int] | None:
        """The selected row."""
        return (self._selected, 0) if self._selected < self._rows else None

    @property
    def row_count(self) -> int:
        """How many rows there are."""
        return self._rows

    def show(
        self, heading: Sequence[Part], rows: int, draw_row: Callable[[int], Sequence[Part]], *, visible: Iterable[int]
    ) -> None:
        """Show other rows. `draw_row` returns a row by its number; the rows in `visible` are scrolled to, in order, and
        the last of them is the selected one.
        """
        self._heading, self._rows, self._draw_row = heading, rows, draw_row
        self.set_row_count(rows)
        for row in visible:
            self.keep_visible(row)
            self._selected = row
        self.repaint()

    def move_cursor(self, before: int, after: int, *, visible: Iterable[int]) -> None:
        """Redraw the two rows that a move of the cursor changes; the rows in `visible` are scrolled to."""
        for row in visible:
            self.keep_visible(row)
        self._selected = after
        self.repaint_cursor(before, after)

    def on_resize(self) -> None:
        """Draw for the new size."""
        self.forget_drawn()

    def draw_line(self, y: int) -> Strip:
        """Return a line of the widget as it must look now."""
        if y == 0:
            return self.strip(self._heading, self.cells)
        row = self.scroll_offset.y + y - 1
        return self.strip(self._draw_row(row) if row < self._rows else (), self.cells)
