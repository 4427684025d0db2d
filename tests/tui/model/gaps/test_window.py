"""The window of the gap view and its moves."""

from datetime import UTC

from tui.model.gaps.grid import CELL_LENGTHS_MS
from tui.model.gaps.window import GapWindow

NOW_MS, MINUTE = 1_795_262_400_000, 60_000


def test_window_ends_now_and_shifts_back_but_not_beyond_now() -> None:
    window = GapWindow()
    assert window.ends_now
    assert window.edges(NOW_MS, 60, UTC)[-1] == NOW_MS + MINUTE
    window.shift(-10)
    assert (window.cells_back, window.ends_now) == (10, False)
    assert window.edges(NOW_MS, 60, UTC)[-1] == NOW_MS - 9 * MINUTE
    window.shift(25)
    assert window.ends_now


def test_shown_instant_has_the_requested_cells_after_it() -> None:
    window = GapWindow()
    window.show(NOW_MS - 300 * MINUTE, NOW_MS, 30)
    edges = window.edges(NOW_MS, 60, UTC)
    assert edges[-1] == NOW_MS - 300 * MINUTE + 31 * MINUTE
    window.show(NOW_MS, NOW_MS, 30)
    assert window.ends_now


def test_zoom_passes_every_length_and_ends_at_the_last_one() -> None:
    window = GapWindow()
    assert not window.zoom(-1)
    lengths = [window.cell_ms]
    while window.zoom(1):
        lengths.append(window.cell_ms)
    assert tuple(lengths) == CELL_LENGTHS_MS
    assert window.zoom(-1)
