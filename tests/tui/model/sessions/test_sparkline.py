"""Sparklines: blocks by height, and glyphs of time without a figure."""

from hypothesis import given
from hypothesis import strategies as st

from tui.model.sessions.sparkline import BLOCKS, NoFigure, block, merge_points, sparkline


def test_zero_small_and_large_figures_have_different_blocks() -> None:
    assert sparkline([0, 1, 4, 7], 7) == "▁▂▅▇"
    assert sparkline([0, 0], 0) == "▁▁"
    assert sparkline([NoFigure.NOT_SEEN, NoFigure.MISSING, NoFigure.BACKFILLED], 9) == " ·▒"


@given(st.integers(0, 10**9), st.integers(0, 10**9))
def test_block_height_grows_with_its_figure(figure: int, highest: int) -> None:
    assert block(figure, highest) in BLOCKS
    assert BLOCKS.index(block(figure, highest)) <= BLOCKS.index(block(figure + 1, highest))
    assert (block(figure, highest) == BLOCKS[0]) == (figure == 0)


def test_merged_point_shows_missing_before_any_figure() -> None:
    assert merge_points([1, NoFigure.MISSING, 5]) is NoFigure.MISSING
    assert merge_points([1, NoFigure.BACKFILLED]) is NoFigure.BACKFILLED
    assert merge_points([NoFigure.NOT_SEEN, 5, 3]) == 5
    assert merge_points([NoFigure.NOT_SEEN]) is NoFigure.NOT_SEEN
