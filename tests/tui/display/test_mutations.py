"""The encoder is broken on purpose: the random screens must notice each fault."""

from typing import Any

import pytest

from tests.support.console.terminals.random_frames import Kind, run_frames
from tui.display import cells, lines, pen, scrolling, stage, styles

SEEDS = 30
USUAL, OLD, NOT_IN_COLOUR = Kind("as Textual", True), Kind("old tables", True), Kind("as Textual", False)


def _move_one_too_far(before: int, x: int) -> str:
    return pen_sideways(before, x + 1) if x > before else pen_sideways(before, x)


def _bold_never_ends(before: styles.Style, after: styles.Style) -> str:
    return changed(before, after).replace("22", "")


def _scroll_leaves_a_line_out(scroll: scrolling.Scroll) -> str:
    return sequence(scroll._replace(bottom=scroll.bottom - 1))


def _forgets_nothing(self: stage.Stage) -> None:
    if not hasattr(self, "_shown"):
        forget(self)


def _knows_the_last_column(self: pen.Pen, written: Any) -> None:
    y, x = self.y, self.x
    write(self, written)
    if x is not None:
        self.y, self.x = y, x + len(written)


pen_sideways, changed, sequence = pen._sideways, styles._changed, stage.scroll_sequence
forget, write = stage.Stage.forget, pen.Pen.write

MUTATIONS: list[tuple[str, Kind, object, str, object]] = [
    ("a move arrives one column too far", USUAL, pen, "_sideways", _move_one_too_far),
    ("bold never ends", USUAL, styles, "_changed", _bold_never_ends),
    ("underlined blanks are plain", USUAL, styles, "_SEEN_ON_BLANKS", frozenset[int]()),
    ("a scroll leaves a line out", USUAL, stage, "scroll_sequence", _scroll_leaves_a_line_out),
    ("no width is doubtful", OLD, lines, "first_doubtful", lambda line, terminal: len(line)),
    ("a lost screen is believed to be there", USUAL, stage.Stage, "forget", _forgets_nothing),
    (
        "every terminal erases in colour",
        NOT_IN_COLOUR,
        lines,
        "_may_erase",
        lambda cell, terminal: cell[0] == " ",
    ),
    ("the cursor is behind the last column", USUAL, pen.Pen, "write", _knows_the_last_column),
    ("links are not ended", USUAL, styles, "_link", lambda before, after: ""),
    ("the end of a line is not erased", OLD, pen.Pen, "erase", lambda self, blank: None),
]


@pytest.fixture(autouse=True)
def _no_caches() -> Any:
    cached = (styles.blank_style, styles.is_erasable, styles.transition, styles.style_for_blank, cells.is_doubtful)
    for function in cached:
        function.cache_clear()
    yield
    for function in cached:
        function.cache_clear()


@pytest.mark.parametrize("mutation", MUTATIONS, ids=[mutation[0] for mutation in MUTATIONS])
def test_fault_is_noticed(mutation: tuple[str, Kind, Any, str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    _, kind, owner, name, fault = mutation
    monkeypatch.setattr(owner, name, fault)
    assert any(_is_noticed(seed, kind) for seed in range(SEEDS))


def _is_noticed(seed: int, kind: Kind) -> bool:
    try:
        run_frames(seed, kind, frames=30)
    except Exception:  # an assertion, or an error of the broken encoder
        return True
    return False


def test_whole_encoder_passes_the_same_screens() -> None:
    assert not any(_is_noticed(seed, kind) for kind in (USUAL, OLD, NOT_IN_COLOUR) for seed in range(5))
