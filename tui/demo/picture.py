"""A terminal's screen as an SVG that looks the same everywhere: no font is fetched, and no byte depends on a machine.

Text is text, laid out cell by cell, so any monospaced font will do. Blocks, braille and lines are drawn as shapes, as
good terminals do, because fonts differ most in those.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from html import escape
from typing import NamedTuple

from rich.cells import cell_len, get_character_cell_size
from rich.color import Color
from rich.color_triplet import ColorTriplet
from rich.segment import Segment
from rich.style import Style

CELL_WIDTH = 9
CELL_HEIGHT = 20
FONT_SIZE = 15
BASELINE = 15
MARGIN = 10
FONTS = "'DejaVu Sans Mono', 'Cascadia Mono', Menlo, Consolas, 'VL Gothic', monospace"

_LINE = 1.4
_MIDDLE_X, _MIDDLE_Y = CELL_WIDTH / 2, CELL_HEIGHT / 2
_UP, _DOWN, _LEFT, _RIGHT = 1, 2, 4, 8
_BOX = {
    "─": _LEFT | _RIGHT,
    "│": _UP | _DOWN,
    "┤": _UP | _DOWN | _LEFT,
    "├": _UP | _DOWN | _RIGHT,
    "┬": _DOWN | _LEFT | _RIGHT,
    "┴": _UP | _LEFT | _RIGHT,
    "┼": _UP | _DOWN | _LEFT | _RIGHT,
    "┌": _DOWN | _RIGHT,
    "┐": _DOWN | _LEFT,
    "└": _UP | _RIGHT,
    "┘": _UP | _LEFT,
}
_ARCS = {"╭": (1, 1), "╮": (-1, 1), "╰": (1, -1), "╯": (-1, -1)}
_BRAILLE_DOTS = ((0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2), (0, 3), (1, 3))
"""Column and row of each of a braille character's dots, from its lowest bit on."""


class CellStyle(NamedTuple):
    """The style of a run of cells."""

    ink: str
    ground: str
    bold: bool = False
    italic: bool = False
    underline: bool = False


class ScreenCell(NamedTuple):
    """A character at its place; a wide one takes two columns."""

    column: int
    text: str
    look: CellStyle


def picture(lines: Sequence[Iterable[Segment]], columns: int, *, ink: str, ground: str) -> str:
    """Return the lines of a screen as an SVG file. `ink` and `ground` are the default colours."""
    width, height = size_of(columns, len(lines))
    size = f'width="{width}" height="{height}"'
    shades: dict[str, str] = {}
    body = [shape for row, line in enumerate(lines) for shape in draw_line(line, row, shades, ink=ink, ground=ground)]
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" {size} viewBox="0 0 {width} {height}">',
            *shade_patterns(shades),
            f'<rect {size} rx="6" fill="{ground}"/>',
            f'<g font-family="{FONTS}" font-size="{FONT_SIZE}" xml:space="preserve">',
            *body,
            "</g>",
            "</svg>",
            "",
        ]
    )


def size_of(columns: int, rows: int) -> tuple[int, int]:
    """Return width and height of the picture of a screen, in pixels."""
    return columns * CELL_WIDTH + 2 * MARGIN, rows * CELL_HEIGHT + 2 * MARGIN


def draw_line(line: Iterable[Segment], row: int, shades: dict[str, str], *, ink: str, ground: str) -> list[str]:
    """Return the elements of a line of a screen. `shades` receives the patterns that they use: name by colour."""
    cells = list(_cells(line, CellStyle(ink, ground)))
    top = MARGIN + row * CELL_HEIGHT
    return [*_grounds(cells, top, ground), *_shapes(cells, top, shades), *_texts(cells, top)]


def shade_patterns(shades: dict[str, str]) -> list[str]:
    """Return the definitions of the patterns in `shades`."""
    patterns = [
        f'<pattern id="{name}" width="3" height="4" patternUnits="userSpaceOnUse">'
        f'<path d="M0 0h1.5v2h-1.5zM1.5 2h1.5v2h-1.5z" fill="{colour}"/></pattern>'
        for colour, name in shades.items()
    ]
    return ["<defs>", *patterns, "</defs>"] if patterns else []


# Cells


def _cells(line: Iterable[Segment], plain: CellStyle) -> Iterator[ScreenCell]:
    column = 0
    for segment in line:
        if segment.control:
            continue
        look = _look(segment.style, plain)
        for character in segment.text:
            size = get_character_cell_size(character)
            if size:
                yield ScreenCell(column, character, look)
            column += size


def _look(style: Style | None, plain: CellStyle) -> CellStyle:
    if style is None:
        return plain
    ink, ground = _colour(style.color, plain.ink), _colour(style.bgcolor, plain.ground)
    if style.reverse:
        ink, ground = ground, ink
    if style.dim:
        ink = _between(ink, ground)
    return CellStyle(ink, ground, bool(style.bold), bool(style.italic), bool(style.underline))


def _colour(colour: Color | None, default: str) -> str:
    return default if colour is None or colour.is_default else colour.get_truecolor().hex


def _between(ink: str, ground: str) -> str:
    one, other = (ColorTriplet(*bytes.fromhex(colour[1:])) for colour in (ink, ground))
    return ColorTriplet(*((a + b) // 2 for a, b in zip(one, other, strict=True))).hex


def _runs(cells: Sequence[ScreenCell], key: Callable[[ScreenCell], object]) -> Iterator[list[ScreenCell]]:
    """Yield runs of neighbouring cells that are equal under `key`."""
    run: list[ScreenCell] = []
    for cell in cells:
        if run and (key(run[-1]) != key(cell) or _end(run[-1]) != cell.column):
            yield run
            run = []
        run.append(cell)
    if run:
        yield run


def _end(cell: ScreenCell) -> int:
    return cell.column + cell_len(cell.text)


# Drawing


def _grounds(cells: Sequence[ScreenCell], top: int, plain: str) -> Iterator[str]:
    for run in _runs(cells, lambda cell: cell.look.ground):
        if run[0].look.ground != plain:
            yield _rect(run[0].column, _end(run[-1]) - run[0].column, top, CELL_HEIGHT, run[0].look.ground)


def _shapes(cells: Sequence[ScreenCell], top: int, shades: dict[str, str]) -> Iterator[str]:
    for run in _runs([cell for cell in cells if _is_shape(cell.text)], lambda cell: (cell.text, cell.look.ink)):
        character, ink = run[0].text, run[0].look.ink
        column, length = run[0].column, len(run)
        if character == "▒":
            yield _rect(column, length, top, CELL_HEIGHT, f"url(#{shades.setdefault(ink, f's{len(shades)}')})")
        elif "▁" <= character <= "█":
            tall = CELL_HEIGHT * (ord(character) - 0x2580) // 8
            yield _rect(column, length, top + CELL_HEIGHT - tall, tall, ink)
        elif character == "▀":
            yield _rect(column, length, top, CELL_HEIGHT // 2, ink)
        elif character == "▔":
            yield _rect(column, length, top, 3, ink)
        elif character in "▌▐▎▊":
            part = {"▌": 0.5, "▐": 0.5, "▎": 0.25, "▊": 0.75}[character]
            for cell in run:
                x = MARGIN + cell.column * CELL_WIDTH + (CELL_WIDTH * (1 - part) if character == "▐" else 0)
                yield f'<rect x="{x:g}" y="{top}" width="{CELL_WIDTH * part:g}" height="{CELL_HEIGHT}" fill="{ink}"/>'
        elif character in _BOX or character in _ARCS:
            path = "".join(_strokes(character, MARGIN + cell.column * CELL_WIDTH, top) for cell in run)
            yield f'<path d="{path}" fill="none" stroke="{ink}" stroke-width="{_LINE}"/>'
        else:
            path = "".join(_dots(character, MARGIN + cell.column * CELL_WIDTH, top) for cell in run)
            if path:
                yield f'<path d="{path}" fill="{ink}"/>'


def _is_shape(character: str) -> bool:
    return (
        "▁" <= character <= "█"
        or character in "▀▔▒▌▐▎▊"
        or character in _BOX
        or character in _ARCS
        or "\u2800" <= character <= "\u28ff"
    )


def _strokes(character: str, left: int, top: int) -> str:
    x, y = left + _MIDDLE_X, top + _MIDDLE_Y
    if character in _ARCS:
        right, down = _ARCS[character]
        return f"M{x + right * _MIDDLE_X:g} {y:g}Q{x:g} {y:g} {x:g} {y + down * _MIDDLE_Y:g}"
    ways = _BOX[character]
    path = ""
    if ways & (_LEFT | _RIGHT):
        path += f"M{left if ways & _LEFT else x:g} {y:g}H{left + CELL_WIDTH if ways & _RIGHT else x:g}"
    if ways & (_UP | _DOWN):
        path += f"M{x:g} {top if ways & _UP else y:g}V{top + CELL_HEIGHT if ways & _DOWN else y:g}"
    return path


def _dots(character: str, left: int, top: int) -> str:
    bits = ord(character) - 0x2800
    return "".join(
        f"M{left + 1.2 + 4.5 * column:g} {top + 1.4 + 5 * row:g}h2.2v2.2h-2.2z"
        for bit, (column, row) in enumerate(_BRAILLE_DOTS)
        if bits >> bit & 1
    )


def _texts(cells: Sequence[ScreenCell], top: int) -> Iterator[str]:
    words = [cell for cell in cells if not cell.text.isspace() and not _is_shape(cell.text)]
    for run in _runs(words, lambda cell: (cell.look._replace(ground=""), cell_len(cell.text), cell.text.isascii())):
        look, column = run[0].look, run[0].column
        length = (_end(run[-1]) - column) * CELL_WIDTH
        more = f' fill="{look.ink}"'
        more += ' font-weight="bold"' if look.bold else ""
        more += ' font-style="italic"' if look.italic else ""
        more += ' text-decoration="underline"' if look.underline else ""
        text = escape("".join(cell.text for cell in run), quote=False)
        x, y = MARGIN + column * CELL_WIDTH, top + BASELINE
        yield f'<text x="{x}" y="{y}" textLength="{length}"{more}>{text}</text>'


def _rect(column: int, columns: int, top: int, tall: int, fill: str) -> str:
    x, width = MARGIN + column * CELL_WIDTH, columns * CELL_WIDTH
    return f'<rect x="{x}" y="{top}" width="{width}" height="{tall}" fill="{fill}"/>'
