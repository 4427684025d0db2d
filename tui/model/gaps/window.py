"""The window of the gap view: how long its cells are, and how far back it ends. Pure."""

from datetime import tzinfo

from tui.model.gaps.grid import CELL_LENGTHS_MS, window_edges


class GapWindow:
    """A window that ends now or some cells back, and the moves of it."""

    def __init__(self) -> None:
        self.cell_ms = CELL_LENGTHS_MS[0]
        self.cells_back = 0

    def edges(self, now_ms: int, cells: int, tz: tzinfo | None) -> list[int]:
        """Return the edges of that many cells."""
        return window_edges(now_ms, cells, self.cell_ms, self.cells_back, tz)

    @property
    def ends_now(self) -> bool:
        """Whether its last cell holds now."""
        return not self.cells_back

    def shift(self, cells: int) -> None:
        """Move it by cells: later, or earlier (below zero), at most up to now."""
        self.cells_back = max(0, self.cells_back - cells)

    def show(self, at_ms: int, now_ms: int, cells_after: int) -> None:
        """Move it so that about that many cells follow an instant."""
        self.cells_back = max(0, (now_ms - at_ms) // self.cell_ms - cells_after)

    def zoom(self, steps: int) -> bool:
        """Make the cells longer, or shorter (below zero). Returns whether there are such cells."""
        place = CELL_LENGTHS_MS.index(self.cell_ms) + steps
        if not 0 <= place < len(CELL_LENGTHS_MS):
            return False
        self.cell_ms = CELL_LENGTHS_MS[place]
        return True
