"""Screens as differences: what is decoded is what was encoded."""

from collections.abc import Iterator, Sequence

from hypothesis import given
from hypothesis import strategies as some

from tui.display.cells import Cell, Line, split_cells
from tui.display.styles import PLAIN, Style
from tui.recording.page.encoding import EncodedFrame, FrameEncoder
from tui.recording.page.palette import Palette

COLUMNS, LINES = 12, 3
RED = Style(foreground="31")
WORDS = ["a", "bc ", "日本", "👩\u200d👩\u200d👧", "e\u0301", "</script>", "    "]


def line(text: str, style: Style = PLAIN) -> Line:
    cells = split_cells(text, style)[1][:COLUMNS]
    if cells and cells[-1] and len(cells) == COLUMNS and len(split_cells(text, style)[1]) > COLUMNS:
        cells[-1] = (" ", PLAIN)
    return cells + [(" ", PLAIN)] * (COLUMNS - len(cells))


def decoded(frames: Sequence[EncodedFrame], palette: Palette) -> Iterator[list[list[tuple[str, str, str]]]]:
    """Yield the screens as texts with their colours, by the documented format alone."""
    screen = [[(" ", 0)] * COLUMNS for _ in range(LINES)]
    for _, *changes in frames:
        for change in changes:
            assert isinstance(change, list)
            y, x, *runs = change
            assert isinstance(y, int)
            assert isinstance(x, int)
            for style, texts in zip(runs[::2], runs[1::2], strict=True):
                assert isinstance(style, int)
                assert not isinstance(texts, int)
                for text in texts:
                    screen[y][x] = (text, style)
                    x += 1
        yield [[(text, *palette.styles[style][:2]) for text, style in row] for row in screen]


def shown(cell: Cell, palette: Palette) -> tuple[str, str, str]:
    return (cell[0], *palette.styles[palette.number(cell[1])][:2])


rows = some.builds(
    lambda words, style: line("".join(words), style),
    some.lists(some.sampled_from(WORDS), max_size=6),
    some.sampled_from([PLAIN, RED]),
)
screens = some.lists(some.lists(rows, min_size=LINES, max_size=LINES), min_size=1, max_size=6)


@given(screens)
def test_decoded_screens_are_the_encoded_ones(screens: list[list[Line]]) -> None:
    palette = Palette("#ffffff", "#000000")
    encoder = FrameEncoder(COLUMNS, LINES, palette)
    added = [screen for at_ms, screen in enumerate(screens) if encoder.add(at_ms, screen)]
    expected = [[[shown(cell, palette) for cell in row] for row in screen] for screen in added]
    assert list(decoded(encoder.frames, palette)) == expected


def test_frame_has_the_changed_cells_only() -> None:
    encoder = FrameEncoder(COLUMNS, LINES, Palette("#ffffff", "#000000"))
    encoder.add(1_000, [line("live 1,204"), line("日本"), line("")])
    encoder.add(3_500, [line("live 1,209"), line("日中"), line("", RED)])
    assert encoder.frames == [
        [1_000, [0, 0, 0, "live 1,204"], [1, 0, 0, ["日", "", "本", ""]]],
        [2_500, [0, 9, 0, "9"], [1, 2, 0, "中"]],
    ]


def test_equal_screen_is_no_frame_but_the_first_one_is() -> None:
    encoder = FrameEncoder(COLUMNS, LINES, Palette("#ffffff", "#000000"))
    blank = [line("")] * LINES
    assert [encoder.add(at_ms, blank) for at_ms in (5, 6)] == [True, False]
    assert encoder.frames == [[5]]
