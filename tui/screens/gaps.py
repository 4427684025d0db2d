"""The gap view: which time of which server or stream was reported live, backfilled, is missing, or is lost."""

from functools import cached_property
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.widgets import Input

from streamusage.core.coverage import Provenance
from tui import gc_tuning
from tui.app.actions import Context, bindings
from tui.app.messages.views import CoveragePolled, DayPolled
from tui.model import formats
from tui.model.accounting_start import accounting_start, describe_start
from tui.model.gaps.backfills import Backfills
from tui.model.gaps.coverage_book import CoverageBook
from tui.model.gaps.grid import GapGrid, grid, period
from tui.model.gaps.window import GapWindow
from tui.model.text import sanitize, width
from tui.screens.base import ConsoleScreen
from tui.screens.cell_description import CellDescriber
from tui.screens.gap import GapScreen
from tui.widgets.audience import AudienceStrip
from tui.widgets.filter_prompt import FilterPrompt
from tui.widgets.gap_grid import GapGridView, cells_within
from tui.widgets.gap_lines import LEAST_LINES, Lines, legend, legend_lines
from tui.widgets.lines import Line, Part
from tui.widgets.page import PageView


class GapsScreen(ConsoleScreen):
    """The grid of gaps, and the description of the cell under the cursor.

    The cursor begins at the newest open gap, of `server` if it is given, else at that server.
    """

    BINDINGS: ClassVar[list[BindingType]] = [*bindings(Context.GAPS)]

    CONTEXT: ClassVar[Context] = Context.GAPS

    def __init__(self, server: str | None = None) -> None:
        super().__init__()
        self._server = server
        """The server at which the cursor begins; `None` for any."""
        self._describer = CellDescriber(lambda server, day: self.port.fetcher.fetch_day(server, day))
        self.window = GapWindow()
        self._description_lines = LEAST_LINES
        self._is_opening = True
        self._of_streams = False
        self._most_missing_first = False
        self._name_filter = ""
        self._notice: Part | None = None
        self._backfills = Backfills()

    @cached_property
    def book(self) -> CoverageBook:
        """The coverage that is known: of all services, where there are several."""
        if not self.state.parts:
            return CoverageBook()
        from tui.model.services.coverage import CoverageOfServices

        return CoverageOfServices(self.state.parts, lambda: self.state.unseen.services)

    def compose(self) -> ComposeResult:
        """Return the widgets."""
        yield Line(id="header")
        yield AudienceStrip(self.state, id="audience")
        yield Line(id="summary")
        yield GapGridView(self.state.tz, id="grid")
        yield FilterPrompt(id="prompt")
        description = PageView(id="description")
        description.can_focus = False
        yield description
        yield Line(id="legend")
        yield Line(id="keys")

    def prepare(self) -> None:
        """Prepare the widgets."""
        self.subscribe(self.port.feeds.coverage, self.show_coverage)
        self.subscribe(self.port.feeds.day, self._show_day)
        # A gap view below may have the same subscription: this view needs an answer of its own.
        self.port.poller.subscribe(coverage_from_ms=None, at_once=False)
        self.grid_view.focus()
        self.call_after_refresh(self._window_changed)

    def on_resize(self) -> None:
        """Draw for the new size."""
        if self.is_drawn:
            self.call_after_refresh(self._window_changed)

    def on_screen_resume(self) -> None:
        """Subscribe again: a gap view over this one has ended the subscription."""
        self.call_after_refresh(self._window_changed)

    @property
    def grid_view(self) -> GapGridView:
        """The grid."""
        return self.query_one(GapGridView)

    @property
    def columns(self) -> int:
        """How many cells of time fit into the grid."""
        return cells_within(self.grid_view.size.width)

    @property
    def service_under_cursor(self) -> str:
        """The service of the row under the cursor, where there are several; else empty."""
        row = self.grid_view.gap_row
        return "" if row is None else self.book.service_of(row.name)

    def _edges(self) -> list[int]:
        return self.window.edges(self._now_ms(), self.columns, self.state.tz)

    def _now_ms(self) -> int:
        return self.book.now_ms or self.state.now_ms()

    # Data

    def _window_changed(self, *, at_once: bool = True, cursor: tuple[int, int] | None = None) -> None:
        """Subscribe to what the window lacks, or else to what may have changed; draw what is known.

        With `cursor`, a row and an instant, the cursor moves there.
        """
        if not self.is_drawn:
            return
        edges = self._edges()
        window_from = max(0, edges[0] - (edges[-1] - edges[0]))  # one window more, ready for panning
        known = self.book.from_ms is not None and self.book.from_ms <= edges[0]
        from_ms = self.book.changes_from() if known else window_from
        book_from = self.book.from_ms if known and self.book.from_ms is not None else window_from
        self.port.poller.subscribe(
            coverage_from_ms=from_ms,
            coverage_from_of=self.book.changes_from_of(edges[0], window_from),
            carriers_from_ms=book_from if self._of_streams else None,
            at_once=at_once and not known,
        )
        self._draw_grid(edges, cursor)

    def show_coverage(self, polled: CoveragePolled) -> None:
        """Apply a poll of the coverage, and draw it."""
        before = self.book.servers
        replaced = self.book.apply(polled.coverage, polled.service)
        if polled.carriers is not None:
            self.book.apply_placements(polled.carriers.carriers, polled.service)
        if replaced:
            gc_tuning.freeze_after_large_coverage(sum(len(server.spans) for server in polled.coverage.servers))
        self._describer.forget_today(self._now_ms(), self.state)
        self._backfills.add(
            before, self.book.servers, until_ms=self.book.now_ms, elapsed_ms=self.state.clock.elapsed_ms()
        )
        self.port.feeds.gaps.publish(self.book)
        cursor = self._place_of_opening() if self._is_opening else None
        self._is_opening = self._is_opening and bool(self.book.without)
        self._window_changed(at_once=False, cursor=cursor)

    def _place_of_opening(self) -> tuple[int, int] | None:
        """Return row and instant of the newest open gap, in the window; `None` if nothing is missing."""
        if self._server is not None:
            self.grid_view.select_row(self._server)
        found = self.book.newest_missing(self._server)
        if found is None:
            return None
        name, span = found
        if span.to_ms <= self._edges()[0]:
            self.window.show(span.from_ms, self._now_ms(), self.columns // 2)
        return sorted(self.book.servers).index(name), max(span.from_ms, self._edges()[0])

    def _show_day(self, polled: DayPolled) -> None:
        """Apply a server's day."""
        self._describer.add_day(polled.server, polled.day, polled.statistics)
        self.state_changed(polled=False)

    # Drawing

    def _draw_grid(self, edges: list[int] | None = None, cursor: tuple[int, int] | None = None) -> None:
        if self.book.from_ms is None:
            self.state_changed(polled=False)
            return
        timelines = self.book.streams if self._of_streams else self.book.servers
        highlighted = self._backfills.highlighted(self.state.clock.elapsed_ms())
        made = grid(
            timelines,
            edges or self._edges(),
            self.window.cell_ms,
            wanted=self._name_filter,
            most_lacking_first=self._most_missing_first,
        )
        self._share_room(len(made.rows))
        self.grid_view.show(made, {} if self._of_streams else highlighted, cursor)
        self._draw_lines()

    def _share_room(self, rows: int) -> None:
        """Give the grid the lines that its rows need, and the rest to the description."""
        lines = self.grid_view.size.height + self.query_one("#description", PageView).size.height
        self.grid_view.styles.height = max(2, min(rows + 1, lines - LEAST_LINES))
        self._description_lines = max(LEAST_LINES, lines - (rows + 1))

    def state_changed(self, *, polled: bool) -> None:
        """Draw what is different."""
        if not self.is_drawn:
            return
        if self._backfills.are_highlighted and self.book.from_ms is not None:
            self._draw_grid()
        self._draw_lines()

    def _draw_lines(self) -> None:
        self._draw_header("gaps of streams" if self._of_streams else "gaps")
        self.query_one("#summary", Line).show(*self._summary())
        lines = self._description()
        self.query_one("#description", PageView).show(lines)
        # Where the meanings of the states are shown, a line of their names would repeat them.
        self.query_one("#legend", Line).show([] if lines[-1:] == legend_lines()[-1:] else legend())
        self._draw_keys()

    def _accounting_start(self, made: GapGrid) -> int | None:
        shown = {row.name for row in made.rows} if not self._of_streams else None
        servers = [server for server in self.state.servers or () if shown is None or server.server in shown]
        return accounting_start(servers, made.from_ms, min(made.to_ms, self._now_ms()))

    def _summary(self) -> tuple[list[Part], list[Part]]:
        made = self.grid_view.grid
        if made is None:
            text = self.port.poller.no_service_reason or ("" if self.state.failure else "loading …")
            return [(f" {text}", "quiet")] if not self.state.cannot_show else [], []
        now_ms = self._now_ms()
        left: list[Part] = [
            (f" {period(made.from_ms, made.to_ms, self.state.tz, now_ms)}", "strong"),
            ("   complete ", "quiet"),
            (made.complete(), "strong"),
        ]
        since = (describe_start(self._accounting_start(made), now_ms, self.state.tz), "quiet")
        if owed := made.owed():
            left.append((f"   {sanitize(owed)}", "missing"))
        if self.book.without:
            left.append((f"   without {sanitize(', '.join(self.book.without))}", "missing"))
        right: list[Part] = []
        if self._name_filter:
            right.append((f"{sanitize(self._name_filter)} ({formats.count(made.hidden)} hidden)  ", "accent"))
        if self._most_missing_first:
            right.append(("most missing first  ", "accent"))
        if made.from_ms < (self.book.from_ms or 0) and not self.port.poller.no_service_reason:
            right.append(("loading …  ", "quiet"))
        length = (f"{formats.duration(self.window.cell_ms)} a cell ", "quiet")
        # Who owes is not cut: the axis shows the length of cells, and "since" matters less below 100 %.
        room = self.size.width - sum(width(text) for text, _ in [*left, *right]) - 2
        if width(since[0]) + width(length[0]) <= room:
            left.insert(3, since)
            right.append(length)
        elif width(since[0]) <= room or not made.owed():
            left.insert(3, since)
        elif width(length[0]) <= room:
            right.append(length)
        return left, right

    def _description(self) -> Lines:
        notice = self._notice
        if notice is None and (recovered := self._backfills.notice(self.state.clock.elapsed_ms())):
            notice = (recovered, Provenance.BACKFILLED.value)
        return self._describer.lines(
            self.state, self.grid_view, self.book, notice, self._description_lines, of_streams=self._of_streams
        )

    # The cursor

    def _note_move(self) -> None:
        """The operator moves: the notice is read, and the cursor no longer goes to the newest gap by itself."""
        self._notice, self._is_opening = None, False

    def _put(self, row: int, cell: int) -> None:
        self._note_move()
        self.grid_view.put_cell(row, cell)
        self._draw_lines()

    @on(GapGridView.CursorMoved)
    def _clicked(self) -> None:
        self._note_move()
        self._draw_lines()

    def action_move(self, rows: int) -> None:
        """Move down, or up (below zero)."""
        self._put(self.grid_view.row + rows, self.grid_view.cell)

    def action_move_page(self, pages: int) -> None:
        """Move pages down, or up (below zero)."""
        self.action_move(pages * max(1, self.grid_view.size.height - 1))

    def action_first(self) -> None:
        """Move to the first row."""
        self._put(0, self.grid_view.cell)

    def action_last(self) -> None:
        """Move to the last row."""
        made = self.grid_view.grid
        self._put(len(made.rows) - 1 if made else 0, self.grid_view.cell)

    def action_pan(self, cells: int) -> None:
        """Move the cursor in time; the window follows."""
        view = self.grid_view
        if view.grid is None:
            return
        target = view.cell + cells
        if 0 <= target < view.grid.cells:
            self._put(view.row, target)
        elif cells < 0 or not self.window.ends_now:
            self._shift(10 * cells, view.grid.edges[view.cell] + cells * self.window.cell_ms)

    def action_page(self, pages: int) -> None:
        """Move the window by whole windows."""
        made = self.grid_view.grid
        if made is not None:
            at_ms = made.edges[self.grid_view.cell]
            self._shift(pages * made.cells, at_ms + pages * made.cells * self.window.cell_ms)

    def _shift(self, cells: int, at_ms: int) -> None:
        """Move the window, and the cursor to an instant of it."""
        self._note_move()
        self.window.shift(cells)
        self._window_changed(cursor=(self.grid_view.row, at_ms))

    def action_next_gap(self) -> None:
        """Move to the next gap."""
        self._to_gap(forward=True)

    def action_previous_gap(self) -> None:
        """Move to the previous gap."""
        self._to_gap(forward=False)

    def _to_gap(self, *, forward: bool) -> None:
        view = self.grid_view
        made = view.grid
        if made is None:
            return
        found = made.next_gap(view.row, view.cell, forward=forward)
        if found is None:
            self._notice = ("no gap is known; H: one window back, -: more time", "quiet")
            self._draw_lines()
            return
        row, at_ms = found
        self._note_move()
        if made.from_ms <= at_ms < made.to_ms:
            view.put(row, at_ms)
            self._draw_lines()
        else:
            self.window.show(at_ms, self._now_ms(), made.cells // 2)
            self._window_changed(cursor=(row, at_ms))

    # The window

    def action_zoom(self, steps: int) -> None:
        """Show finer or coarser cells around the cursor."""
        made, view = self.grid_view.grid, self.grid_view
        if made is None:
            return
        at_ms, part = view.at_ms, view.cell / made.cells
        if not self.window.zoom(steps):
            self.show_notice("no coarser cells" if steps > 0 else "no finer cells", "quiet")
            return
        self._note_move()
        if at_ms is None:
            self.window.cells_back = 0
            self._window_changed()
        else:
            self.window.show(at_ms, self._now_ms(), round((1 - part) * self.columns))
            self._window_changed(cursor=(view.row, at_ms))

    def action_other_rows(self) -> None:
        """Switch between servers and streams."""
        self._of_streams = not self._of_streams
        self._notice = None
        self._window_changed()
        if self._of_streams and not self.book.streams:
            self.port.refresh_now()

    def action_order(self) -> None:
        """Order by name, or most missing first."""
        self._most_missing_first = not self._most_missing_first
        self._draw_grid()

    def action_filter(self) -> None:
        """Open the filter prompt."""
        self.add_class("filtering")
        prompt = self.query_one(FilterPrompt)
        prompt.value = self._name_filter
        prompt.focus()
        self._draw_keys()

    @on(Input.Changed, "#prompt")
    def _filter_typed(self, event: Input.Changed) -> None:
        if self.has_class("filtering"):
            self._name_filter = event.value
            self._draw_grid()

    @on(Input.Submitted, "#prompt")
    def _filter_chosen(self) -> None:
        self.remove_class("filtering")
        self.grid_view.focus()
        self._draw_keys()

    @on(FilterPrompt.GivenUp)
    def _filter_given_up(self) -> None:
        self._name_filter = ""
        self._draw_grid()
        self._filter_chosen()

    # Other views

    def action_open(self) -> None:
        """Open the gap under the cursor."""
        row = self.grid_view.gap_row
        gaps = [] if row is None else self.grid_view.gaps_here()
        if row is None or not gaps:
            self._notice = ("there is no gap here; n: next gap", "quiet")
            self._draw_lines()
            return
        outages = () if self._of_streams else self.book.outages.get(row.name, ())
        self.app.push_screen(GapScreen(row.name, gaps, outages, of_stream=self._of_streams))

    def action_refresh(self) -> None:
        """Poll now, and fetch everything again."""
        self.__dict__.pop("book", None)
        self._window_changed()
        super().action_refresh()

    def action_back(self) -> None:
        """Close the innermost thing that is open."""
        if self._name_filter:
            self._filter_given_up()
        else:
            self.port.poller.subscribe(coverage_from_ms=None, carriers_from_ms=None)
            self.app.pop_screen()
