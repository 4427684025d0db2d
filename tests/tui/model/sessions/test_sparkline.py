"""Sparklines: blocks by height, and glyphs of time without a figure."""

from hypothesis import given
from hypothesis import strategies as st

from tui.model.sessions.sparkline import (
    BLOCKS,
    Mark,
    MarkedFigure,
    NoFigure,
    Point,
    Scale,
    block,
    merge_points,
    scale_of,
    sparkline,
    sparkline_parts,
)


def test_zero_small_and_large_figures_have_different_blocks() -> None:
    assert sparkline([0, 1, 4, 7], Scale(0, 7)) == "▁▂▅█"
    assert sparkline([0, 1, 2, 3, 4, 5, 6, 7], Scale(0, 7)) == BLOCKS, "eight steps"
    assert sparkline([0, 0], Scale(0, 0)) == "▁▁"
    assert sparkline([NoFigure.NOT_SEEN, NoFigure.MISSING, NoFigure.BACKFILLED], Scale(0, 9)) == " ·▒"


def drawn(*points: Point) -> list[tuple[str, str]]:
    return sparkline_parts(points, scale_of(points))


def test_marked_figures_keep_their_height_and_have_inks() -> None:
    filled, seen = MarkedFigure(7, Mark.BACKFILLED), MarkedFigure(3, Mark.LOWER_BOUND)
    assert drawn(7, filled, seen, seen, NoFigure.MISSING, 1) == [
        ("█", "good"), ("█", "refilled"), ("▄▄", "quiet"), ("·", "missing"), ("▂", "good"),
    ]  # fmt: skip


def test_swings_of_a_large_audience_are_shown_on_a_raised_scale() -> None:
    assert drawn(1000, 1000, 1030, 1060) == [("≈", "quiet"), ("▂▅█", "good")]
    assert drawn(1000, 1001, 1000, 1001) == [("████", "good")], "no swing worth a scale of its own"
    assert drawn(1000, 1000) == [("██", "good")]
    assert drawn(400, 1000, 700) == [("▄█▆", "good")], "from zero where that shows the swing"
    assert drawn(5, 0, 5) == [("█▁█", "good")]


@given(st.lists(st.integers(0, 10**9), min_size=1, max_size=24))
def test_scale_never_draws_zero_as_a_figure_nor_a_figure_as_zero(figures: list[int]) -> None:
    scale = scale_of(figures)
    assert scale.highest == max(figures)
    assert [glyph == BLOCKS[0] for glyph in sparkline(figures, scale)] == [figure == 0 for figure in figures]
    assert not scale.is_raised or (sparkline([min(figures)], scale) == BLOCKS[1] and 0 not in figures)
    ordered = sorted(figures)
    heights = [BLOCKS.index(glyph) for glyph in sparkline(ordered, scale)]
    assert heights == sorted(heights)
    assert sum(len(text) for text, _ in sparkline_parts(figures, scale)) == len(figures)


def test_merged_point_of_marked_figures_is_the_weakest() -> None:
    filled, seen = MarkedFigure(7, Mark.BACKFILLED), MarkedFigure(3, Mark.LOWER_BOUND)
    assert merge_points([9, filled]) == MarkedFigure(9, Mark.BACKFILLED)
    assert merge_points([9, filled, seen]) == MarkedFigure(9, Mark.LOWER_BOUND)
    assert merge_points([NoFigure.MISSING, seen]) is NoFigure.MISSING


@given(st.integers(0, 10**9), st.integers(0, 10**9))
def test_block_height_grows_with_its_figure(figure: int, highest: int) -> None:
    assert block(figure, highest) in BLOCKS
    assert BLOCKS.index(block(figure, highest)) <= BLOCKS.index(block(figure + 1, highest))
    assert (block(figure, highest) == BLOCKS[0]) == (figure == 0)


def test_merged_point_shows_missing_before_any_figure() -> None:
    assert merge_points([1, NoFigure.MISSING, 5]) is NoFigure.MISSING
    assert merge_points([1, NoFigure.BACKFILLED]) is NoFigure.BACKFILLED
    assert merge_points([1, NoFigure.LOST, NoFigure.BACKFILLED]) is NoFigure.LOST
    assert merge_points([NoFigure.NOT_SEEN, 5, 3]) == 5
    assert merge_points([NoFigure.NOT_SEEN]) is NoFigure.NOT_SEEN
