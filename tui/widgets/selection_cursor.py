"""Where the terminal's own cursor is after each frame: at the selection, so that screen readers and magnifiers follow.

The cursor stays hidden; programs that read a terminal know its place all the same.
"""

from textual.app import App, ScreenStackError
from textual.geometry import Offset
from textual.widgets import Input

from tui.widgets.headed_table import HeadedTable
from tui.widgets.page import PageView

_TOP_LEFT = Offset(0, 0)


class SelectionCursor(App[int]):
    """An app whose cursor is in the field that is typed into, at the selected row of a table or page, or at the
    focused button.

    Textual writes it at the end of each frame: a move costs a few bytes, and no frame is written for it alone.
    """

    _typed_at = _TOP_LEFT

    @property
    def cursor_position(self) -> Offset:
        """The place of the cursor on the screen."""
        try:
            focused = self.screen.focused
        except ScreenStackError:
            return _TOP_LEFT
        if isinstance(focused, Input):
            return self._typed_at
        if isinstance(focused, HeadedTable):
            return focused.selection_place or _TOP_LEFT
        if isinstance(focused, PageView) and focused.selection_place is not None:
            return focused.selection_place
        return _TOP_LEFT if focused is None else focused.region.offset

    @cursor_position.setter
    def cursor_position(self, place: Offset) -> None:
        self._typed_at = place
