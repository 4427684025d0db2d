"""The first screen: the session table, with the detail of a stream beside it on wide terminals, else over it."""

from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal
from textual.widgets import Input

from streamusage.core.usage import SessionKey
from tui.app.actions import Context, bindings
from tui.app.feeds import Notice
from tui.app.state import GROWTH_MINUTES
from tui.model.sessions.columns import COLUMNS, STREAM, Density, sort_names, sorts_by_growth
from tui.model.sessions.filter import FilterError, parse
from tui.model.sessions.session_columns import SessionColumns
from tui.model.sessions.store import Session
from tui.model.text import sanitize
from tui.screens.delete_dialogs import DeleteDialogs, no_session_reason
from tui.screens.session_detail import SessionDetail
from tui.screens.session_time import SessionTime
from tui.widgets import bars
from tui.widgets.audience import AudienceStrip
from tui.widgets.filter_prompt import INDENT, FilterPrompt
from tui.widgets.key_hints import FILTER_HINTS, actions_in_detail, hint_parts
from tui.widgets.lines import Line
from tui.widgets.session_table import SessionTable

if TYPE_CHECKING:
    from tui.screens.picker import Picked


class SessionsScreen(SessionDetail, SessionTime, DeleteDialogs):
    """The session table and the detail. `filters` are those used before, the newest last."""

    BINDINGS: ClassVar[list[BindingType]] = [*bindings(Context.SESSIONS)]

    def __init__(self, filters: list[str] | None = None) -> None:
        super().__init__()
        self._filters = filters or []
        self.notice: Notice | None = None
        self._range_from: SessionKey | None = None
        self._range_to: SessionKey | None = None

    def compose(self) -> ComposeResult:
        """Return the widgets."""
        yield Line(id="header")
        yield AudienceStrip(self.state, id="audience")
        yield Line(id="summary")
        with Horizontal(id="body"):  # the detail is mounted here when it is opened
            yield SessionTable(self.state, id="table")
        yield FilterPrompt(id="prompt")
        yield Line(id="caret")
        yield Line(id="wrong")
        yield Line(id="status")
        yield Line(id="keys")

    def prepare(self) -> None:
        """Prepare the widgets."""
        self.subscribe(self.port.feeds.history, lambda _: self.state_changed(polled=False))
        self.query_one(FilterPrompt).history = list(self._filters)
        self.table.focus()

    @property
    def filters(self) -> list[str]:
        """The filters that were used, the newest last."""
        prompts = self.query(FilterPrompt).results()  # no prompt before the screen is mounted, nor while it closes
        return next((prompt.history for prompt in prompts), self._filters)

    def on_resize(self) -> None:
        """Draw for the new size."""
        self._fit_detail()
        self._draw_lines()

    def state_changed(self, *, polled: bool) -> None:
        """Draw what is different."""
        if not self.is_drawn:
            return
        if polled:
            self.table.rows_changed()
            if self.detail_is_open:
                self._watch_history(self.table.cursor_session)
        else:
            self.table.repaint()
        if self.detail_is_open:
            self.detail.update()
        self._draw_lines()

    def _receive_notice(self, notice: Notice) -> None:
        self._keep_notice(notice)  # also while another view is on top

    def show_notice(self, text: str, ink: str = "strong") -> None:
        """Show a notice in the status line, until the cursor moves or another notice arrives."""
        self._keep_notice(Notice(text, ink))

    def _keep_notice(self, notice: Notice) -> None:
        self.notice = notice
        self._draw_lines()

    def _draw_lines(self) -> None:
        if not self.is_drawn:
            return
        state = self.state
        self._draw_header()
        self.query_one("#summary", Line).show(*bars.summary(state, self.size.width))
        self._draw_status()
        can_go_back = self.detail_is_open or bool(state.marks) or bool(state.view.filter)
        actions = [action for action in self.available_actions() if action.name != "back" or can_go_back]
        if self.detail_is_open:
            actions = actions_in_detail(actions)
        hints = hint_parts(FILTER_HINTS, self.size.width, unicode=state.unicode)
        keys = hints if self.has_class("filtering") else bars.keys(actions, self.size.width)
        self.query_one("#keys", Line).show(keys)

    def _draw_status(self) -> None:
        self.notice = None if self.notice is None else self.notice.at_present()
        notice = None if self.notice is None else (self.notice.text, self.notice.ink)
        self.query_one("#status", Line).show(*bars.status(self.state, notice, self.table.cursor_row))

    def _settle(self) -> None:
        """Complete an order or a filter that was begun, before an action on what is shown."""
        if self.state.view.is_arranging:
            self.state.view.finish()
            self.table.rows_changed()

    # The cursor

    def action_move(self, rows: int) -> None:
        """Move down, or up (below zero)."""
        self.notice = None
        self._move_to(self.table.cursor_row + rows)

    def _move_to(self, row: int) -> None:
        """Move the cursor. The status line is drawn in the same frame."""
        self.table.move_to(row)
        self._draw_status()

    def action_move_page(self, pages: int) -> None:
        """Move pages down, or up (below zero)."""
        if self.detail_is_open and not self.has_class("wide"):
            self.detail.scroll_relative(y=pages * self.detail.size.height, animate=False, immediate=True)
        else:
            self._move_to(self.table.cursor_row + pages * self.table.page_rows)

    def action_first(self) -> None:
        """Move to the first row."""
        self._move_to(0)

    def action_last(self) -> None:
        """Move to the last row."""
        self._move_to(len(self.state.view) - 1)

    @on(SessionTable.CursorMoved)
    def _cursor_moved(self) -> None:
        self._follow_cursor()
        self._draw_lines()

    def action_back(self) -> None:
        """Close the innermost thing that is open."""
        is_inner = self.detail_is_open and not self.is_very_wide
        if self.state.marks and not is_inner:
            self.action_clear_marks()
        elif self.state.view.filter and not is_inner:
            self._filter("")
            self.query_one(FilterPrompt).value = ""
        elif self.detail_is_open:
            self._open_detail(False)
            self.table.focus()
        self.notice = None
        self._draw_lines()

    # Filter and order

    def action_filter(self) -> None:
        """Open the filter prompt."""
        self.add_class("filtering")
        if self.state.filter_before_prompt is None:
            self.state.filter_before_prompt = self.state.view.filter.text
        prompt = self.query_one(FilterPrompt)
        prompt.open(self.state.view.filter.text)
        prompt.focus()
        self._draw_lines()

    def _filter(self, text: str) -> bool:
        """Apply a filter. One that cannot be parsed is marked under the prompt and changes nothing."""
        try:
            chosen = parse(text, self.state.unknown_filter_fields)
        except FilterError as error:
            self.query_one("#caret", Line).show([(error.caret(INDENT), "bad")])
            self.query_one("#wrong", Line).show([(f" {sanitize(str(error))}", "bad")])
            self.add_class("wrong-filter")
            return False
        self.remove_class("wrong-filter")
        if chosen.text != self.state.view.filter.text:
            self.state.view.begin_show(chosen)
            self.port.arrange()
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
        self.state.filter_before_prompt = None
        self.table.focus()
        self._draw_lines()

    def action_sort_next(self) -> None:
        """Sort by the next column."""
        columns = sort_names(self.state.columns)
        here = columns.index(self.state.view.column) if self.state.view.column in columns else -1
        self._sort_by(columns[(here + 1) % len(columns)])

    def action_reverse(self) -> None:
        """Reverse the order."""
        self._sort(self.state.view.column, descending=not self.state.view.descending)

    def action_sort(self, name: str = "") -> None:
        """Sort by a column."""
        if name in sort_names():
            self._sort_by(name)
            return
        from tui.screens.picker import Choice, Picker

        choices = [Choice(column, column) for column in sort_names()]
        self.app.push_screen(Picker("Sort by", choices, name, current=self.state.view.column), self._sort_picked)

    def _sort_picked(self, picked: "Picked | None") -> None:
        if picked is not None:
            self._sort_by(picked.value)

    def _sort_by(self, column: str) -> None:
        self._sort(column, descending=column != STREAM and COLUMNS[column].descending_first)

    def _sort(self, column: str, *, descending: bool) -> None:
        self.state.view.begin_sort(column, descending=descending)
        self.port.arrange(by_growth=sorts_by_growth(column))
        self.table.rows_changed()
        orders = ("Z to A", "A to Z") if column == STREAM else COLUMNS[column].orders
        order = orders[0 if descending else 1].format(minutes=GROWTH_MINUTES)
        self.show_notice(f"sorted by {column}, {order}; on air first", "quiet")

    # The arrangement of the table

    def action_columns(self) -> None:
        """Open the dialog of the columns."""
        from tui.screens.columns import ColumnsScreen

        self.app.push_screen(ColumnsScreen(self.state.columns), self._columns_chosen)

    def _columns_chosen(self, names: list[str] | None) -> None:
        if names is not None:
            self.state.columns = names
            self.table.redraw()

    def action_density(self) -> None:
        """Switch to the next density."""
        densities = list(Density)
        self.state.density = densities[(densities.index(self.state.density) + 1) % len(densities)]
        self.table.redraw()
        self.show_notice(f"columns: {self.state.density.value}", "quiet")

    def action_group(self) -> None:
        """Group by scope, or ungroup."""
        self.state.view.group(not self.state.view.grouped)
        self.table.rows_changed()
        self.show_notice("grouped by scope" if self.state.view.grouped else "not grouped", "quiet")

    # Marks

    def action_mark(self) -> None:
        """Mark or unmark the session under the cursor."""
        self._settle()
        if self.table.cursor_key is not None:
            self.state.marks.toggle(self.table.cursor_key)
        else:
            self.show_notice(f"nothing to mark here: {no_session_reason(self.state)}", "warn")
        self._range_from = None
        self.table.move_by(1)
        self._draw_lines()

    def action_mark_range(self, rows: int) -> None:
        """Extend the range from the session at which it began, wherever that row is by now."""
        self._settle()
        view, table = self.state.view, self.table
        begun = self._range_from is not None and view.row_of(self._range_from) is not None
        if not begun or self._range_to != table.cursor_key:
            self.state.marks.end_range()
            self._range_from = table.cursor_key
        if self._range_from is None:
            self.show_notice(f"nothing to mark here: {no_session_reason(self.state)}", "warn")
            return
        first = view.row_of(self._range_from)
        table.move_by(rows)
        self._range_to = table.cursor_key
        if first is not None:
            low, high = sorted((first, table.cursor_row))
            self.state.marks.stretch(row.key for row in view.rows(low, high + 1) if isinstance(row, Session))
        table.repaint()
        self._draw_lines()

    def action_mark_shown(self) -> None:
        """Mark all shown sessions."""
        self._settle()
        self.state.marks.add(self.state.view.all_keys())
        self.table.repaint()
        self._draw_lines()

    def action_clear_marks(self) -> None:
        """Remove all marks."""
        self.state.marks.clear()
        self._range_from = None
        self.table.repaint()
        self._draw_lines()

    @property
    def service_under_cursor(self) -> str:
        """The service of the session under the cursor, where there are several; else empty."""
        session = self.table.cursor_session
        return "" if session is None else session.service

    # Deletes

    def action_delete_session(self) -> None:
        """Request the delete of the marked sessions, else of the one under the cursor."""
        from tui.deletion.plan import Radius
        from tui.deletion.selection import select_marked, select_session

        self._settle()
        state, session = self.state, self.table.cursor_session
        if any(key in state.store for key in state.marks):
            self.port.deletion.request(select_marked(state.store, state.view, state.marks.freeze()), Radius.MARKED)
        elif session is not None:
            self.port.deletion.request(select_session(SessionColumns.of([session])), Radius.SESSION)
        else:
            self.refuse_delete()

    def action_delete_stream(self) -> None:
        """Request the delete of all sessions of the stream under the cursor."""
        from tui.deletion.plan import Radius
        from tui.deletion.selection import select_stream

        self._settle()
        state, session = self.state, self.table.cursor_session
        if session is not None:
            chosen = select_stream(state.store, state.view, session.stream, session.service)
            self.port.deletion.request(chosen, Radius.STREAM)
        else:
            self.refuse_delete()

    def action_delete_everything(self) -> None:
        """Request the delete of all sessions."""
        from tui.deletion.plan import Radius
        from tui.deletion.selection import select_all

        self._settle()
        self.port.deletion.request(select_all(self.state.store, self.state.view), Radius.EVERYTHING)
