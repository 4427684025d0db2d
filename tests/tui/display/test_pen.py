from hypothesis import given
from hypothesis import strategies as st

from tests.support.console.terminals.terminal_model import TerminalModel
from tui.display.pen import Pen, move
from tui.display.styles import PLAIN, Style

ROWS, COLUMNS = st.integers(0, 29), st.integers(0, 119)


@given(ROWS, COLUMNS, ROWS, COLUMNS)
def test_move_arrives_and_is_never_longer_than_an_absolute_one(y_before: int, x_before: int, y: int, x: int) -> None:
    terminal = TerminalModel(120, 30)
    terminal.write(move(None, None, y_before, x_before))
    sequence = move(y_before, x_before, y, x)
    terminal.write(sequence)
    assert (terminal.screen.cursor.y, terminal.screen.cursor.x) == (y, x)
    assert len(sequence) <= len(f"\x1b[{y + 1};{x + 1}H")


def test_moves_use_what_every_terminal_has() -> None:
    assert move(3, 10, 3, 11) == "\x1b[C"
    assert move(3, 10, 3, 8) == "\b\b"
    assert move(3, 10, 3, 0) == "\r"
    assert move(3, 10, 4, 10) == "\x1b[B"
    assert move(3, 10, 0, 0) == "\x1b[H"
    assert move(None, None, 0, 7) == "\x1b[;8H"


def test_place_behind_the_last_column_is_unknown() -> None:
    pen = Pen(4)
    pen.move(0, 2)
    pen.write([("a", PLAIN), ("b", PLAIN)])
    assert (pen.y, pen.x) == (None, None)


def test_blank_takes_the_style_of_the_next_character() -> None:
    inked, line = Style(foreground="31", background="44"), Style(background="44")
    pen = Pen(9)
    pen.style = PLAIN
    pen.write([(" ", line), (" ", line), ("a", inked), (" ", line)])
    assert pen.take() == "\x1b[31;44m  a "
