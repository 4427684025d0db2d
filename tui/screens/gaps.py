"""The gap view: which time of which server or stream was seen live, filled in, is still owed, or is lost."""

from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.widgets import Input

from streamusage.core.coverage import Interval, Provenance
from tui.app import gc_tuning
from tui.app.actions import Context, bindings
from tui.app.messages import CoveragePolled, DayPolled
from tui.model import formats
from tui.model.gaps.accounts import CoverageTimeline
from tui.model.gaps.coverage_book import CoverageBook
from tui.model.gaps.grid import CELL_LENGTHS_MS, grid, period, turned, window_edges
from tui.model.gaps.recovery import Recovery
from tui.model.text import safe
from tui.screens.base import ConsoleScreen
from tui.screens.gap import GapScreen
from tui.screens.gap_cell import CellDescriber
from tui.widgets.filter_prompt import FilterPrompt
from tui.widgets.gap_foot import LEAST_LINES, Lines
from tui.widgets.gap_grid import GapGridView, cells_within
from tui.widgets.gap_parts import legend, legend_lines
from tui.widgets.lines import Line, Part
from tui.widgets.page import PageView

_TURNED_FOR_MS = 4_000
"""How long cells stand out that were filled just now."""
_JUST_NOW_MS = 15_000
"""How long that is said."""


class GapsScreen(ConsoleScreen):
    BINDINGS: ClassVar[list[BindingType]] = [*bindings(Context.GAPS)]

    PLACE: ClassVar[Context] = Context.GAPS

    def __init__(self, server: str | None = None) -> None:
        super().__init__()
        self.book = CoverageBook()
        self._cell = CellDescriber(lambda server, day: self.console_app.reads.day(server, day))
        self._cell_ms = CELL_LENGTHS_MS[0]
        self._word_lines = LEAST_LINES
        self._server = server
        """The server at which the cursor stands first."""
        self._cells_back = 0
        self._of_streams = False
        self._most_lacking_first = False
        self._wanted = ""
        self._notice: Part | None = None
        self._turned: dict[str, list[Interval]] = {}
        self._turned_at_ms = 0
        self._healing = Recovery()
        self._healed = ""
        """What came in last."""

    def compose(self) -> ComposeResult:
        yield Line(id="header")
        yield Line(id="summary")
        yield GapGridView(self.state.tz, id="grid")
        yield FilterPrompt(id="prompt")
        words = PageView(id="words")
        words.can_focus = False
        yield words
        yield Line(id="legend")
        yield Line(id="keys")

    def on_mount(self) -> None:
        self.grid_view.focus()
        self.call_after_refresh(self._window_changed)

    def on_resize(self) -> None:
        if self.is_drawn:
            self.call_after_refresh(self._window_changed)

    def on_screen_resume(self) -> None:
        """A gap view that was opened above this one wished for its own window, and then for none."""
        self.call_after_refresh(self._window_changed)

    @property
    def grid_view(self) -> GapGridView:
        return self.query_one(GapGridView)

    @property
    def columns(self) -> int:
        """How many cells of time fit."""
        return cells_within(self.grid_view.size.width)

    def _edges(self) -> list[int]:
        return window_edges(self._now_ms(), self.columns, self._cell_ms, self._cells_back, self.state.tz)

    def _now_ms(self) -> int:
        return self.book.now_ms or self.state.now_ms()

    # What is asked, and what is drawn of what is known

    def _window_changed(self, *, at_once: bool = True) -> None:
        """Asks for what the window needs and is not known, or else for what may have changed; draws what there is."""
        if not self.is_drawn:
            return
        edges = self._edges()
        wanted_from = max(0, edges[0] - (edges[-1] - edges[0]))  # a window more, so that panning finds it there
        known = self.book.from_ms is not None and self.book.from_ms <= edges[0]
        from_ms = self.book.changes_from() if known else wanted_from
        book_from = self.book.from_ms if known and self.book.from_ms is not None else wanted_from
        self.console_app.look_at_coverage(
            from_ms, book_from if self._of_streams else None, at_once=at_once and not known
        )
        self._show()

    def coverage_polled(self, polled: CoveragePolled) -> None:
        """Takes in what the service told, and draws it."""
        if self._server is not None:
            self.grid_view.stand_at(self._server)
            self._server = None
        before = self.book.servers
        replaced = self.book.heard(polled.coverage)
        if polled.carriers is not None:
            self.book.heard_carriers(polled.carriers.carriers)
        if replaced:
            gc_tuning.set_aside()
        self._cell.time_went_on(self._now_ms(), self.state)
        self._note_turned(before)
        self._tell_open_gap()
        self._window_changed(at_once=False)

    def day_polled(self, polled: DayPolled) -> None:
        """Takes in a server's day."""
        self._cell.heard_day(polled.server, polled.day, polled.statistics)
        self.state_changed(polled=False)

    def _note_turned(self, before: dict[str, CoverageTimeline]) -> None:
        found = {name: pieces for name, one in self.book.servers.items() if (pieces := turned(before.get(name), one))}
        owed_ms = sum(one.totals(0, self.book.now_ms).owed_ms for one in self.book.servers.values())
        self._healing.heard((piece for pieces in found.values() for piece in pieces), owed_ms)
        if found:
            self._turned, self._turned_at_ms = found, self.state.clock.elapsed_ms()
            name, pieces = next(iter(found.items()))
            filled = formats.duration_in_words(sum(piece.length_ms for piece in pieces))
            more = f", and {len(found) - 1} more servers" if len(found) > 1 else ""
            self._healed = f"{safe(name)} healed just now: {filled} filled{more}"

    def _tell_open_gap(self) -> None:
        for screen in self.app.screen_stack:
            if isinstance(screen, GapScreen) and not screen.of_stream and screen.row in self.book.servers:
                screen.gaps_changed(self.book.servers[screen.row].spans, self.book.outages.get(screen.row, ()))

    def _show(self) -> None:
        if self.book.from_ms is None:
            self.state_changed(polled=False)
            return
        timelines = self.book.streams if self._of_streams else self.book.servers
        if self._since_turned_ms() > _TURNED_FOR_MS:
            self._turned = {}
        made = grid(
            timelines, self._edges(), self._cell_ms, wanted=self._wanted, most_lacking_first=self._most_lacking_first
        )
        self._share_room(len(made.rows))
        self.grid_view.show(made, {} if self._of_streams else self._turned)
        self._draw_lines()

    def _since_turned_ms(self) -> int:
        return self.state.clock.elapsed_ms() - self._turned_at_ms

    def _share_room(self, rows: int) -> None:
        """Gives the grid the lines that its rows need, and the rest to the words under it."""
        lines = self.grid_view.size.height + self.query_one("#words", PageView).size.height
        self.grid_view.styles.height = max(2, min(rows + 1, lines - LEAST_LINES))
        self._word_lines = max(LEAST_LINES, lines - (rows + 1))

    def state_changed(self, *, polled: bool) -> None:
        if not self.is_drawn:
            return
        if self._turned and self.book.from_ms is not None:
            self._show()
        self._draw_lines()

    def _draw_lines(self) -> None:
        self._draw_header("gaps of streams" if self._of_streams else "gaps")
        self.query_one("#summary", Line).show(*self._summary())
        lines = self._words()
        self.query_one("#words", PageView).show(lines)
        # Where there is room for what the states mean, their names alone would say it twice.
        self.query_one("#legend", Line).show([] if lines[-1:] == legend_lines()[-1:] else legend())
        self._draw_keys()

    def _summary(self) -> tuple[list[Part], list[Part]]:
        made = self.grid_view.grid
        if made is None:
            why = self.console_app.poller.nobody_to_ask or "asking …"
            return [(f" {why}", "quiet")] if not self.state.cannot_show else [], []
        now_ms = self._now_ms()
        left: list[Part] = [
            (f" {period(made.from_ms, made.to_ms, self.state.tz, now_ms)}", "strong"),
            ("   complete ", "quiet"),
            (made.complete(), "strong"),
        ]
        if owed := made.owed():
            left.append((f"   {safe(owed)}", "missing"))
        right: list[Part] = []
        if self._wanted:
            right.append((f"{safe(self._wanted)} ({formats.count(made.hidden)} hidden)  ", "accent"))
        if self._most_lacking_first:
            right.append(("most missing first  ", "accent"))
        if made.from_ms < (self.book.from_ms or 0):
            right.append(("asking …  ", "quiet"))
        right.append((f"{formats.duration_in_words(self._cell_ms)} a cell ", "quiet"))
        return left, right

    def _words(self) -> Lines:
        notice, ink = self._notice, Provenance.BACKFILLED.value
        if notice is None and self._healed and self._since_turned_ms() <= _JUST_NOW_MS:
            notice = (self._healed, ink)
        elif notice is None and self._healing.is_under_way:
            notice = (self._healing.in_words(), ink)
        return self._cell.lines(
            self.state, self.grid_view, self.book, notice, self._word_lines, of_streams=self._of_streams
        )

    # Moving

    def _put(self, row: int, cell: int) -> None:
        self._notice = None
        self.grid_view.put_cell(row, cell)
        self._draw_lines()

    @on(GapGridView.CursorMoved)
    def _clicked(self) -> None:
        self._notice = None
        self._draw_lines()

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
        elif cells < 0 or self._cells_back:
            self._shift(10 * cells, view.grid.edges[view.cell] + cells * self._cell_ms)

    def action_page(self, pages: int) -> None:
        made = self.grid_view.grid
        if made is not None:
            at_ms = made.edges[self.grid_view.cell]
            self._shift(pages * made.cells, at_ms + pages * made.cells * self._cell_ms)

    def _shift(self, cells: int, at_ms: int) -> None:
        """Moves the window; the cursor goes to an instant of the new one."""
        self._notice = None
        self._cells_back = max(0, self._cells_back - cells)
        self._window_changed()
        self._put_at(self.grid_view.row, at_ms)

    def _put_at(self, row: int, at_ms: int) -> None:
        made = self.grid_view.grid
        if made is not None:
            self.grid_view.put(row, min(max(at_ms, made.from_ms), made.to_ms - 1))
            self._draw_lines()

    def action_next_gap(self) -> None:
        self._to_gap(forward=True)

    def action_previous_gap(self) -> None:
        self._to_gap(forward=False)

    def _to_gap(self, *, forward: bool) -> None:
        view = self.grid_view
        made = view.grid
        if made is None:
            return
        found = made.next_gap(view.row, view.cell, forward=forward)
        if found is None:
            self._notice = ("no gap is known; H goes a window back, - shows more time", "quiet")
            self._draw_lines()
            return
        row, at_ms = found
        self._notice = None
        if not made.from_ms <= at_ms < made.to_ms:
            self._cells_back = max(0, (self._now_ms() - at_ms) // self._cell_ms - made.cells // 2)
            self._window_changed()
        self._put_at(row, at_ms)

    # What the window shows

    def action_zoom(self, steps: int) -> None:
        """Finer or coarser cells around the cursor."""
        made, view = self.grid_view.grid, self.grid_view
        place = CELL_LENGTHS_MS.index(self._cell_ms) + steps
        if made is None or not 0 <= place < len(CELL_LENGTHS_MS):
            return
        at_ms = view.at_ms
        part = view.cell / made.cells
        self._cell_ms = CELL_LENGTHS_MS[place]
        if at_ms is None:
            self._cells_back = 0
        else:
            cells_after = round((1 - part) * self.columns)
            self._cells_back = max(0, (self._now_ms() - at_ms) // self._cell_ms - cells_after)
        self._notice = None
        self._window_changed()
        if at_ms is not None:
            self._put_at(view.row, at_ms)

    def action_other_rows(self) -> None:
        """Servers or streams."""
        self._of_streams = not self._of_streams
        self._notice = None
        self._window_changed()
        if self._of_streams and not self.book.streams:
            self.console_app.refresh_now()

    def action_order(self) -> None:
        self._most_lacking_first = not self._most_lacking_first
        self._show()

    def action_filter(self) -> None:
        self.add_class("filtering")
        prompt = self.query_one(FilterPrompt)
        prompt.value = self._wanted
        prompt.focus()

    @on(Input.Changed, "#prompt")
    def _filter_typed(self, event: Input.Changed) -> None:
        if self.has_class("filtering"):
            self._wanted = event.value
            self._show()

    @on(Input.Submitted, "#prompt")
    def _filter_chosen(self) -> None:
        self.remove_class("filtering")
        self.grid_view.focus()

    @on(FilterPrompt.GivenUp)
    def _filter_given_up(self) -> None:
        self._wanted = ""
        self._show()
        self._filter_chosen()

    # Elsewhere

    def action_open(self) -> None:
        """Opens the gap under the cursor."""
        row = self.grid_view.gap_row
        if row is None:
            return
        gaps = self.grid_view.gaps_here()
        if not gaps:
            self._notice = ("there is no gap here; n goes to the next", "quiet")
            self._draw_lines()
            return
        outages = () if self._of_streams else self.book.outages.get(row.name, ())
        self.app.push_screen(GapScreen(row.name, gaps, outages, of_stream=self._of_streams))

    def action_refresh(self) -> None:
        self.book = CoverageBook()
        self._window_changed()
        super().action_refresh()

    def action_back(self) -> None:
        if self._wanted:
            self._filter_given_up()
        else:
            self.console_app.close_gaps()

    def action_servers(self) -> None:
        self.console_app.open_servers()
