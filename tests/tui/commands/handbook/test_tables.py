"""Widths of a table's columns."""

from hypothesis import given
from hypothesis import strategies as st

from tui.commands.handbook.tables import GAP, MOST_LINES, column_widths, lines_of

WORDS = st.text("ab", min_size=1, max_size=12)
CELLS = st.lists(WORDS, max_size=12).map(" ".join)


def test_table_that_fits_has_its_natural_widths() -> None:
    assert column_widths([["NAME", "SIZE"], ["edge-1", "12"]], 80) == [6, 4]


def test_column_with_the_most_text_has_the_rest() -> None:
    assert column_widths([["a", "one two three four five"]], 20) == [1, 17]


def test_words_that_need_more_than_the_width_have_no_table() -> None:
    assert column_widths([["streamusage", "streamusage"]], 20) is None


def test_row_that_is_too_high_has_no_table() -> None:
    assert column_widths([["streamusage", "word " * 40]], 22) is None


def test_wide_characters_count_two_cells() -> None:
    assert column_widths([["日本", "x"]], 80) == [4, 1]


@given(st.integers(1, 4).flatmap(lambda n: st.lists(st.lists(CELLS, min_size=n, max_size=n), min_size=1, max_size=6)))
def test_no_word_is_divided_and_no_line_is_too_long(rows: list[list[str]]) -> None:
    widths = column_widths(rows, 60)
    if widths is None:
        return
    assert sum(widths) + GAP * (len(widths) - 1) <= 60
    for row in rows:
        for cell, width in zip(row, widths, strict=True):
            words = [len(word) for word in cell.split()]
            assert max(words, default=0) <= width
            assert lines_of(words, width) <= MOST_LINES
