"""The first screen: the session table, with the detail of a stream beside it where there is room, else over it."""

from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal
from textual.widgets import Input

from tui.actions import Context, available, bindings
from tui.model.filter import FilterError, parse
from tui.model.text import safe
from tui.model.view import DESCENDING_FIRST, Column
from tui.screens.base import ConsoleScreen
from tui.screens.help import HelpScreen
from tui.widgets import bars
from tui.widgets.detail import HISTORY_CELLS, HISTORY_STEP_MS, DetailView
from tui.widgets.filter_prompt import INDENT, FilterPrompt
from tui.widgets.lines import Line, Part
from tui.widgets.session_table import SessionTable

WIDE_FROM_CELLS = 110


class SessionsScreen(ConsoleScreen):
    BINDINGS: ClassVar[list[BindingType]] = [*bindings(Context.SESSIONS)]

    def __init__(self) -> None:
        super().__init__()
        self.notice: Part | None = None

    def compose(self) -> ComposeResult:
        yield Line(id="header")
        yield Line(id="summary")
        with Horizontal(id="body"):
            yield SessionTable(self.state, id="table")
            yield DetailView(self.state, id="detail")
        yield FilterPrompt(id="prompt")
        yield Line(id="caret")
        yield Line(id="wrong")
        yield Line(id="status")
        yield Line(id="keys")

    def on_mount(self) -> None:
        self.table.focus()
        self.state_changed(polled=True)

    @property
    def table(self) -> SessionTable:
        return self.query_one(SessionTable)

    @property
    def detail(self) -> DetailView:
        return self.query_one(DetailView)

    @property
    def detail_is_open(self) -> bool:
        return self.has_class("detail-open")

    def on_resize(self) -> None:
        self.set_class(self.size.width >= WIDE_FROM_CELLS, "wide")
        self._draw_lines()

    def state_changed(self, *, polled: bool) -> None:
        if not self.is_mounted:
            return
        if polled:
            self.table.rows_changed()
        else:
            self.table.repaint()
        self.detail.update()
        self._draw_lines()

    def say(self, text: str, ink: str = "strong") -> None:
        """Puts a notice into the status line, until the cursor is moved or another one comes."""
        self.notice = (text, ink)
        self._draw_lines()

    def _draw_lines(self) -> None:
        state = self.state
        self.query_one("#header", Line).show(*bars.header(state))
        self.query_one("#summary", Line).show(*bars.summary(state))
        self.query_one("#status", Line).show(*bars.status(state, self.notice, self.table.cursor_row))
        can_go_back = self.detail_is_open or bool(state.view.filter)
        actions = [
            action
            for action in available(Context.SESSIONS, read_only=state.read_only)
            if action.name != "back" or can_go_back
        ]
        self.query_one("#keys", Line).show(bars.keys(actions, self.size.width))

    # Moving

    def action_move(self, rows: int) -> None:
        self.notice = None
        self.table.move_by(rows)

    def action_move_page(self, pages: int) -> None:
        if self.detail_is_open and not self.has_class("wide"):
            self.detail.scroll_relative(y=pages * self.detail.size.height, animate=False)
        else:
            self.table.move_by(pages * self.table.page_rows)

    def action_first(self) -> None:
        self.table.move_to(0)

    def action_last(self) -> None:
        self.table.move_to(len(self.state.view) - 1)

    @on(SessionTable.CursorMoved)
    def _cursor_moved(self) -> None:
        if self.detail_is_open:
            self._show_detail()
        self._draw_lines()

    # Detail

    def action_detail(self) -> None:
        if self.table.cursor_key is None:
            return
        self.set_class(not self.detail_is_open or not self.has_class("wide"), "detail-open")
        self._show_detail()

    def _show_detail(self) -> None:
        session = self.table.cursor_session if self.detail_is_open else None
        self.console_app.look_at(session.stream if session else None, HISTORY_CELLS, HISTORY_STEP_MS)
        if session is not None:
            self.detail.show(session.key)

    def action_back(self) -> None:
        if self.detail_is_open:
            self.remove_class("detail-open")
            self._show_detail()
            self.table.focus()
        elif self.state.view.filter:
            self._filter("")
            self.query_one(FilterPrompt).value = ""
        self.notice = None
        self._draw_lines()

    # Filter and order

    def action_filter(self) -> None:
        self.add_class("filtering")
        prompt = self.query_one(FilterPrompt)
        prompt.open(self.state.view.filter.text)
        prompt.focus()

    def _filter(self, text: str) -> bool:
        """Shows what the text picks. What cannot be read is pointed at, and changes nothing."""
        try:
            chosen = parse(text)
        except FilterError as error:
            self.query_one("#caret", Line).show([(error.caret(INDENT), "bad")])
            self.query_one("#wrong", Line).show([(f" {safe(str(error))}", "bad")])
            self.add_class("wrong-filter")
            return False
        self.remove_class("wrong-filter")
        if chosen.text != self.state.view.filter.text:
            self.state.view.show(chosen)
            self.table.rows_changed()
        self._draw_lines()
        return True

    @on(Input.Changed, "#prompt")
    def _filter_typed(self, event: Input.Changed) -> None:
        if self.has_class("filtering"):
            self._filter(event.value)

    @on(Input.Submitted, "#prompt")
    def _filter_chosen(self, event: Input.Submitted) -> None:
        if self._filter(event.value):
            self.query_one(FilterPrompt).remember(event.value)
            self._close_prompt()

    @on(FilterPrompt.GivenUp)
    def _filter_given_up(self) -> None:
        self._filter("")
        self._close_prompt()

    def _close_prompt(self) -> None:
        self.remove_class("filtering")
        self.table.focus()

    def action_sort(self) -> None:
        columns = list(Column)
        column = columns[(columns.index(self.state.view.column) + 1) % len(columns)]
        self._sort(column, descending=column in DESCENDING_FIRST)

    def action_reverse(self) -> None:
        self._sort(self.state.view.column, descending=not self.state.view.descending)

    def _sort(self, column: Column, *, descending: bool) -> None:
        self.state.view.sort(column, descending=descending)
        self.table.rows_changed()
        way = "largest first" if descending else "smallest first"
        if column is Column.STREAM:
            way = "Z to A" if descending else "A to Z"
        elif column is Column.STARTED:
            way = "newest first" if descending else "oldest first"
        self.say(f"sorted by {column.value}, {way}; live sessions come first", "quiet")

    # Elsewhere

    def action_gaps(self) -> None:
        self.console_app.open_gaps()

    def action_help(self) -> None:
        self.app.push_screen(HelpScreen(Context.SESSIONS, read_only=self.state.read_only))

    def action_delete_session(self) -> None:
        session = self.table.cursor_session
        if session is not None:
            self.console_app.ask_to_delete([session], session.stream, whole_stream=False)

    def action_delete_stream(self) -> None:
        session = self.table.cursor_session
        if session is not None:
            sessions = self.state.store.of_stream(session.stream)
            self.console_app.ask_to_delete(sessions, session.stream, whole_stream=True)
