"""Styles of a terminal's cells as the colours and attributes of a page. Pure."""

from typing import NamedTuple

from tui.display.styles import Style

ANSI_COLOURS = (
    *("#000000", "#cd3131", "#0dbc79", "#e5e510", "#2472c8", "#bc3fbc", "#11a8cd", "#e5e5e5"),
    *("#666666", "#f14c4c", "#23d18b", "#f5f543", "#3b8eea", "#d670d6", "#29b8db", "#ffffff"),
)
"""The sixteen colours that a terminal's owner sets, as a common terminal has them."""
_CUBE = (0, 95, 135, 175, 215, 255)

BOLD, ITALIC, UNDERLINE, STRIKE = 1, 2, 4, 8
_BITS = {1: BOLD, 3: ITALIC, 4: UNDERLINE, 9: STRIKE, 21: UNDERLINE}
_DIM, _REVERSE, _HIDDEN = 2, 7, 8


class PageStyle(NamedTuple):
    """The look of a cell in a page: colours as `#rrggbb`, and the sum of the attributes' bits."""

    ink: str
    ground: str
    attributes: int = 0


def page_style(style: Style, ink: str, ground: str) -> PageStyle:
    """Return the look of a terminal's style. `ink` and `ground` are the terminal's own colours."""
    front, back = _colour(style.foreground, ink), _colour(style.background, ground)
    if _REVERSE in style.attributes:
        front, back = back, front
    if _DIM in style.attributes:
        front = _between(front, back)
    if _HIDDEN in style.attributes:
        front = back
    return PageStyle(front, back, sum({_BITS[code] for code in style.attributes if code in _BITS}))


def _colour(parameters: str, default: str) -> str:
    """Return the colour of SGR parameters such as `31`, `48;5;200` or `38;2;1;2;3`; `default` without any."""
    match list(map(int, parameters.split(";"))) if parameters else []:
        case [_, 2, red, green, blue]:
            return f"#{red:02x}{green:02x}{blue:02x}"
        case [_, 5, number] if number < 16:
            return ANSI_COLOURS[number]
        case [_, 5, number] if number < 232:
            red, green, blue = (_CUBE[(number - 16) // step % 6] for step in (36, 6, 1))
            return f"#{red:02x}{green:02x}{blue:02x}"
        case [_, 5, number]:
            return "#" + f"{8 + 10 * (number - 232):02x}" * 3
        case [code] if code >= 90:
            return ANSI_COLOURS[8 + code % 10]
        case [code]:
            return ANSI_COLOURS[code % 10]
        case _:
            return default


def _between(one: str, other: str) -> str:
    pairs = zip(bytes.fromhex(one[1:]), bytes.fromhex(other[1:]), strict=True)
    return "#" + "".join(f"{(a + b) // 2:02x}" for a, b in pairs)


class Palette:
    """The styles of a page by number, in the order of their first use."""

    def __init__(self, ink: str, ground: str) -> None:
        self.ink, self.ground = ink, ground
        self._numbers: dict[Style, int] = {}
        self._styles: dict[PageStyle, int] = {}

    def number(self, style: Style) -> int:
        """Return the number of a style."""
        number = self._numbers.get(style)
        if number is None:
            look = page_style(style, self.ink, self.ground)
            number = self._numbers[style] = self._styles.setdefault(look, len(self._styles))
        return number

    @property
    def styles(self) -> list[PageStyle]:
        """The styles; the place of each is its number."""
        return list(self._styles)
