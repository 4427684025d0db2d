"""The cells of a changed line that are sent to the terminal: only different ones, and whole characters."""

from hypothesis import given
from hypothesis import strategies as st
from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip

from tui.model.text import padded, sanitize
from tui.widgets.lines import different_cells

BOLD, PLAIN = Style(bold=True), Style()
CELLS = 24


def strip(*parts: tuple[str, Style]) -> Strip:
    return Strip([Segment(text, style) for text, style in parts], sum(Segment(text).cell_length for text, _ in parts))


def test_equal_lines_redraw_nothing_and_lines_of_another_width_everything() -> None:
    assert different_cells(strip(("abc", PLAIN)), strip(("ab", PLAIN), ("c", PLAIN))) is None
    assert different_cells(None, strip(("abc", PLAIN))) == (0, 3)
    assert different_cells(strip(("ab", PLAIN)), strip(("abc", PLAIN))) == (0, 3)


def test_styles_differ_and_wide_characters_change_as_a_whole() -> None:
    assert different_cells(strip(("abc", PLAIN)), strip(("a", PLAIN), ("b", BOLD), ("c", PLAIN))) == (1, 2)
    assert different_cells(strip(("a日c", PLAIN)), strip(("a本c", PLAIN))) == (1, 3)
    assert different_cells(strip(("a日c", PLAIN)), strip(("abbc", PLAIN))) == (1, 3)


texts = st.text(max_size=CELLS).map(lambda text: padded(sanitize(text), CELLS))


@given(texts, texts)
def test_cells_outside_the_redrawn_range_are_equal(before: str, after: str) -> None:
    old, new = strip((before, PLAIN)), strip((after, PLAIN))
    cells = different_cells(old, new)
    if cells is None:
        assert before == after
        return
    start, end = cells
    assert old.crop(0, start).text == new.crop(0, start).text
    assert old.crop(end, CELLS).text == new.crop(end, CELLS).text


def by_cell(line: Strip) -> list[tuple[str, Style | None]]:
    """Return text and style of each cell of a line without wide characters."""
    return [(character, style) for text, style, _ in line for character in text]


parts = st.lists(
    st.tuples(st.text("ab ·█▒–é", max_size=7), st.sampled_from([BOLD, PLAIN])), min_size=1, max_size=5
).map(lambda parts: strip(*parts).adjust_cell_length(CELLS, PLAIN))


@given(parts, parts)
def test_redrawn_range_is_the_shortest_one(old: Strip, new: Strip) -> None:
    differ = [cell for cell, pair in enumerate(zip(by_cell(old), by_cell(new), strict=True)) if pair[0] != pair[1]]
    assert different_cells(old, new) == ((differ[0], differ[-1] + 1) if differ else None)
