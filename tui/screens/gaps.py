"""The gap view: which time of which server was seen live, filled in, is still owed, or is lost."""

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType

from streamusage.coverage import SLOT_MS
from tui.actions import Context, available, bindings
from tui.model import formats
from tui.model.gaps import GLYPHS, GapGrid, in_words
from tui.model.text import safe, width
from tui.screens.base import ConsoleScreen
from tui.screens.help import HelpScreen
from tui.widgets import bars
from tui.widgets.gap_grid import GapGridView, cells_within
from tui.widgets.lines import Line, Part

_WORD_LINES = 3


class GapsScreen(ConsoleScreen):
    BINDINGS: ClassVar[list[BindingType]] = [*bindings(Context.GAPS)]

    PLACE: ClassVar[Context] = Context.GAPS

    def __init__(self, server: str | None = None) -> None:
        super().__init__()
        self._server = server
        """The server at which the cursor stands first."""
        self._cells_back = 0
        self._notice = ""

    def compose(self) -> ComposeResult:
        yield Line(id="header")
        yield Line(id="summary")
        yield GapGridView(self.state.tz, id="grid")
        for number in range(_WORD_LINES):
            yield Line(id=f"words-{number}")
        yield Line(id="legend")
        yield Line(id="keys")

    def on_mount(self) -> None:
        self.grid_view.focus()
        self.call_after_refresh(self._ask)

    def on_resize(self) -> None:
        if self.is_mounted:
            self.call_after_refresh(self._ask)

    @property
    def grid_view(self) -> GapGridView:
        return self.query_one(GapGridView)

    def _ask(self) -> None:
        self.console_app.look_at_coverage(cells_within(self.grid_view.size.width), SLOT_MS, self._cells_back)
        self.state_changed(polled=False)

    def coverage_polled(self, made: GapGrid) -> None:
        """Draws a window that the service told of."""
        if self._server is not None:
            self.grid_view.stand_at(self._server)
            self._server = None
        self.grid_view.show(made)
        self.state_changed(polled=True)

    def state_changed(self, *, polled: bool) -> None:
        if not self.is_mounted:
            return
        state = self.state
        self.query_one("#header", Line).show(*bars.header(state, "gaps"))
        self.query_one("#summary", Line).show(*self._summary())
        for number, parts in enumerate(self._words()):
            self.query_one(f"#words-{number}", Line).show(parts)
        legend: list[Part] = [(" ", "")]
        for provenance, glyph in GLYPHS.items():
            if provenance is not None:
                legend += [(f"{glyph} ", provenance.value), (f"{provenance.value}  ", "quiet")]
        self.query_one("#legend", Line).show(legend)
        actions = available(Context.GAPS, read_only=state.is_read_only(), keymap=state.keymap)
        self.query_one("#keys", Line).show(bars.keys(actions, self.size.width))

    def _summary(self) -> tuple[list[Part], list[Part]]:
        made = self.grid_view.grid
        if made is None:
            return [(" asking …", "quiet")] if not self.state.cannot_show else [], []
        tz = self.state.tz
        span = f" {formats.clock_time(made.from_ms, tz)} ─ {formats.clock_time(made.to_ms, tz)}"
        left: list[Part] = [(span, "strong"), ("   complete ", "quiet"), (made.complete(), "strong")]
        if owed := made.owed():
            left.append((f"   {safe(owed)}", "missing"))
        back = f"{formats.duration_in_words(self._cells_back * made.cell_ms)} back " if self._cells_back else ""
        return left, [(back, "accent")] if back else []

    def _words(self) -> list[list[Part]]:
        lines: list[list[Part]] = [[] for _ in range(_WORD_LINES)]
        if self.state.cannot_show:
            lines[0] = [
                (
                    f" {safe(self.state.host)} is a plain Stream Manager: it does not say which server reported when,",
                    "warn",
                )
            ]
            lines[1] = [(" so what was seen live, filled in or is missing cannot be shown. Its figures are", "warn")]
            lines[2] = [(" taken as they come. An agent with our usage service keeps that account.", "warn")]
            return lines
        if self.state.why_failed:
            lines[0] = [(f" {safe(self.state.why_failed)}", "bad")]
            return lines
        if self._notice:
            lines[2] = [(f" {self._notice}", "quiet")]
        view = self.grid_view
        made, row = view.grid, view.gap_row
        if made is None or row is None:
            return lines
        cells = max(20, self.size.width - 2)
        wrapped: list[Part] = []
        state = row.cells[view.cell]
        for number, told in enumerate(in_words(made, row, view.cell, self.state.tz)):
            ink = (state.value if state else "quiet") if number == 0 else "quiet"
            wrapped += [(f" {part}", ink) for part in _wrapped(safe(told), cells)]
        for number, part in enumerate(wrapped[:_WORD_LINES]):
            lines[number] = [part]
        return lines

    # Moving

    def _put(self, row: int, cell: int) -> None:
        self._notice = ""
        self.grid_view.put(row, cell)
        self.state_changed(polled=False)

    def action_move(self, rows: int) -> None:
        self._put(self.grid_view.row + rows, self.grid_view.cell)

    def action_move_page(self, pages: int) -> None:
        self.action_move(pages * max(1, self.grid_view.size.height - 1))

    def action_first(self) -> None:
        self._put(0, self.grid_view.cell)

    def action_last(self) -> None:
        made = self.grid_view.grid
        self._put(len(made.rows) - 1 if made else 0, self.grid_view.cell)

    def action_pan(self, cells: int) -> None:
        view = self.grid_view
        if view.grid is None:
            return
        wanted = view.cell + cells
        if 0 <= wanted < view.grid.cells:
            self._put(view.row, wanted)
        else:
            self._shift(10 * cells)
            view.at_ms = None if view.at_ms is None else view.at_ms + cells * view.grid.cell_ms

    def action_page(self, pages: int) -> None:
        made = self.grid_view.grid
        if made is not None:
            if self.grid_view.at_ms is not None:
                self.grid_view.at_ms += pages * made.cells * made.cell_ms
            self._shift(pages * made.cells)

    def _shift(self, cells: int) -> None:
        back = max(0, self._cells_back - cells)
        if back != self._cells_back:
            self._cells_back = back
            self._ask()

    def action_next_gap(self) -> None:
        self._to_gap(forward=True)

    def action_previous_gap(self) -> None:
        self._to_gap(forward=False)

    def _to_gap(self, *, forward: bool) -> None:
        view = self.grid_view
        if view.grid is None:
            return
        found = view.grid.next_gap(view.row, view.cell, forward=forward)
        if found is None:
            self._notice = "no gap in this window; H goes a window back"
            self.state_changed(polled=False)
        else:
            self._put(*found)

    # Elsewhere

    def action_back(self) -> None:
        self.console_app.close_gaps()

    def action_servers(self) -> None:
        self.console_app.open_servers()

    def action_help(self) -> None:
        self.app.push_screen(HelpScreen(Context.GAPS, read_only=self.state.is_read_only(), keymap=self.state.keymap))


def _wrapped(text: str, cells: int) -> list[str]:
    """The text broken between its facts (` · `) into lines of at most `cells` cells."""
    lines: list[str] = []
    for fact in text.split(" · "):
        if lines and width(lines[-1]) + 3 + width(fact) <= cells:
            lines[-1] += f" · {fact}"
        else:
            lines.append(fact)
    return lines
