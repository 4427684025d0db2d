"""The detail of the session under the cursor: when it opens, beside the table or over it, and what it follows."""

from typing import TYPE_CHECKING

from tui.model.sessions.store import Session
from tui.screens.delete_dialogs import no_session_reason
from tui.screens.session_exports import SessionExports

if TYPE_CHECKING:
    from tui.widgets.detail import DetailView

WIDE_FROM_CELLS = 110
"""From this width on the detail is beside the table, below it over the table."""
VERY_WIDE_FROM_CELLS = 160
"""From this width on the detail opens by itself: all columns of 80 cells and longer names fit beside it."""


class SessionDetail(SessionExports):
    """A session table with a detail."""

    opens_beside = True
    """Whether the detail opens by itself on a very wide terminal. Closed by a key there, it stays closed."""
    _opened_beside = False
    """Whether the detail was opened on a very wide terminal: it closes on a smaller one."""

    _detail: "DetailView | None" = None

    @property
    def detail(self) -> "DetailView":
        """The detail, which is made when it is opened first."""
        if self._detail is None:
            from tui.widgets.detail import DetailView

            self._detail = DetailView(self.state, id="detail")
            self.query_one("#body").mount(self._detail)
        return self._detail

    @property
    def detail_is_open(self) -> bool:
        """Whether the detail is shown."""
        return self.has_class("detail-open")

    @property
    def is_very_wide(self) -> bool:
        """Whether the detail opens by itself."""
        return self.size.width >= VERY_WIDE_FROM_CELLS

    def action_detail(self) -> None:
        """Open or close the detail."""
        if self.table.cursor_key is not None or (self.detail_is_open and self.is_very_wide):
            self._open_detail(not self.detail_is_open or not self.has_class("wide"))
        else:
            self.show_notice(f"no detail here: {no_session_reason(self.state)}", "warn")

    def _open_detail(self, is_open: bool) -> None:
        """Open or close the detail by a key. The choice is kept on a very wide terminal."""
        self._opened_beside = is_open and self.is_very_wide
        if self.is_very_wide:
            self.opens_beside = is_open
        self.set_class(is_open, "detail-open")
        self._show_detail()

    def _fit_detail(self) -> None:
        """Place the detail by the size of the screen."""
        self.set_class(self.size.width >= WIDE_FROM_CELLS, "wide")
        self.set_class(self.is_very_wide, "very-wide")
        if self.is_drawn:
            self._open_by_itself()

    def _follow_cursor(self) -> None:
        """Show the session under the cursor."""
        self._open_by_itself()
        if self.detail_is_open:
            self._show_detail()

    def _open_by_itself(self) -> None:
        """Open the detail beside the first session, and close it where it would take the table's room."""
        is_open = self.is_very_wide
        if is_open:
            is_due = self.opens_beside and not self.detail_is_open and self.table.cursor_key is not None
        else:
            is_due = self._opened_beside
        if is_due:
            self._opened_beside = is_open
            self.set_class(is_open, "detail-open")
            self._show_detail()

    def _show_detail(self) -> None:
        session = self.table.cursor_session if self.detail_is_open else None
        self._watch_history(session)
        if session is not None or (self.detail_is_open and self.is_very_wide):
            self.detail.show(None if session is None else session.key)

    def _watch_history(self, session: Session | None) -> None:
        if session is None:
            self.port.poller.subscribe(history_of=None)
            return
        from tui.model.sessions.chart import look_at

        self.port.poller.subscribe(history_of=look_at(session, self.state.now_ms()))
