from hypothesis import given
from hypothesis import strategies as st

from tests.support.console.terminals.random_screens import DOUBTFUL_TEXT, PLAIN_TEXT, STYLES, WIDE_TEXT
from tests.support.console.terminals.terminal_model import TerminalModel, as_textual
from tui.display.cells import BLANK, Cell, Line, Terminal, split_cells
from tui.display.lines import write_difference
from tui.display.pen import Pen
from tui.display.styles import PLAIN, apply_sgr

WIDTH = 24
RUNS = st.lists(
    st.tuples(
        st.lists(st.sampled_from([*PLAIN_TEXT, *WIDE_TEXT, *DOUBTFUL_TEXT]), max_size=9).map("".join),
        st.sampled_from(STYLES),
    ),
    max_size=5,
)


def line_of(runs: list[tuple[str, str]]) -> Line:
    line: Line = []
    for text, parameters in runs:
        _, cells = split_cells(text, apply_sgr(PLAIN, parameters))
        if len(line) + len(cells) <= WIDTH:
            line += cells
    return line + [BLANK] * (WIDTH - len(line))


def written(shown: Line | None, meant: Line, known: Terminal) -> str:
    pen = Pen(WIDTH)
    write_difference(pen, 0, shown, meant, known)
    return pen.take()


@given(RUNS, RUNS, st.booleans(), st.booleans())
def test_difference_makes_one_line_the_other(
    before: list[tuple[str, str]], after: list[tuple[str, str]], erases_in_colour: bool, narrow: bool
) -> None:
    known = Terminal(erases_in_colour, narrow)
    terminal = TerminalModel(WIDTH, 1, as_textual, erases_in_colour=erases_in_colour)
    alone = TerminalModel(WIDTH, 1, as_textual, erases_in_colour=erases_in_colour)
    shown, meant = line_of(before), line_of(after)
    terminal.write(written(None, shown, known))
    change = written(shown, meant, known)
    terminal.write(change)
    alone.write(written(None, meant, known))
    assert list(terminal.seen_line(0)) == list(alone.seen_line(0))
    assert (change == "") == (shown == meant)
    assert len(change.encode()) <= len(written(None, meant, known).encode()) + len("\x1b[1;24H\x1b[m\x1b[1;24H")


def cells(text: str) -> Line:
    return split_cells(text, PLAIN)[1]


KNOWN = Terminal(erases_in_colour=True, ambiguous_is_narrow=True)
DOUBTING = Terminal(erases_in_colour=True)


def test_only_the_cells_that_differ_are_written() -> None:
    assert written(cells("cam-1   1,204  9"), cells("cam-1   1,209  9"), KNOWN) == "\x1b[;13H\x1b[m9"


def test_short_distances_are_written_again() -> None:
    assert written(cells("a 1 2 3 4       "), cells("a 5 6 3 4       "), KNOWN) == "\x1b[;3H\x1b[m5 6"


def test_blank_end_is_erased() -> None:
    assert written(cells("cam-1 and more  "), cells("cam             "), KNOWN) == "\x1b[;4H\x1b[m\x1b[K"


def test_blank_end_in_colour_is_erased_only_where_the_terminal_erases_in_it() -> None:
    coloured: list[Cell] = split_cells("x" + " " * 11, apply_sgr(PLAIN, "44"))[1]
    assert written(cells("x" * 12), coloured, Terminal(True)).endswith("\x1b[K")
    assert "\x1b[K" not in written(cells("x" * 12), coloured, Terminal(False))


def test_line_is_written_whole_from_its_first_doubtful_cell() -> None:
    before, after = cells("cam 👍 1 and more"), cells("cam 👍 2 and more")
    assert written(before, after, KNOWN) == "\x1b[;5H\x1b[m\x1b[K👍 2 and more"


def test_cells_before_a_doubtful_one_are_written_alone() -> None:
    assert written(cells("cam-1 👍 9"), cells("cam-2 👍 9"), KNOWN) == "\x1b[;5H\x1b[m2"


def test_ambiguous_width_is_doubtful_until_the_terminal_is_known() -> None:
    before, after = cells("● 1 2"), cells("● 1 3")
    assert written(before, after, DOUBTING) == "\x1b[H\x1b[m\x1b[K● 1 3"
    assert written(before, after, KNOWN) == "\x1b[;5H\x1b[m3"


def test_both_halves_of_a_wide_character_are_written() -> None:
    assert written(cells("日 x"), cells("本 x"), KNOWN) == "\x1b[H\x1b[m本"
    between = "x" * 16
    assert written(cells(f"日{between}1"), cells(f"本{between}2"), KNOWN) == "\x1b[H\x1b[m本\x1b[16C2"


def test_trend_that_moves_by_a_minute_is_shifted() -> None:
    before, after = "12m   ▁▂▃▄▅▆▇█▇▆▅▄  <1m", "13m   ▂▃▄▅▆▇█▇▆▅▄▃  <1m"
    assert written(cells(before), cells(after), KNOWN) == "\x1b[;2H\x1b[m3\x1b[4C\x1b[P\x1b[11C\x1b[@▃"


def test_shift_at_the_end_of_a_line_inserts_nothing() -> None:
    before, after = "12m   ▁▂▃▄▅▆▇█▇▆▅▄", "12m   ▂▃▄▅▆▇█▇▆▅▄▃"
    assert written(cells(before), cells(after), KNOWN) == "\x1b[;7H\x1b[P\x1b[11C\x1b[m▃"
