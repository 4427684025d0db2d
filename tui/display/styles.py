"""Styles of cells, parsed from SGR sequences, and the shortest sequence from one style to another. Pure."""

from functools import lru_cache
from typing import NamedTuple

_ON = (1, 2, 3, 4, 5, 6, 7, 8, 9, 21, 51, 52, 53)
"""The attributes of SGR, each by its code."""
_OFF = {1: 22, 2: 22, 3: 23, 4: 24, 21: 24, 5: 25, 6: 25, 7: 27, 8: 28, 9: 29, 51: 54, 52: 54, 53: 55}
_ENDED_BY = {off: frozenset(on for on in _ON if _OFF[on] == off) for off in _OFF.values()}
_SEEN_ON_BLANKS = frozenset({4, 7, 9, 21, 51, 52, 53})
"""Attributes that are visible where there is no character."""
_DOUBTFUL_END = frozenset({21, 51, 52, 53})
"""Attributes that some terminals end by another code, or read as another attribute: left by a reset only."""


class UnknownSequenceError(ValueError):
    """A sequence that the stage does not know: what it does to the screen is unknown."""


class Style(NamedTuple):
    """The look of a cell: attributes by their SGR codes, colours as SGR parameters, and the link."""

    attributes: frozenset[int] = frozenset()
    foreground: str = ""
    """Parameters such as `31` or `38;2;1;2;3`; empty for the terminal's own colour."""
    background: str = ""
    link: str = ""
    """Parameters and address of OSC 8 with the semicolon between them; empty without a link."""


PLAIN = Style()


@lru_cache(8192)
def blank_style(style: Style) -> Style:
    """Return what is visible of a style on a blank: the background, unless the blank is decorated."""
    if style.attributes & _SEEN_ON_BLANKS:
        return style
    return Style(background=style.background, link=style.link)


@lru_cache(8192)
def is_erasable(style: Style) -> bool:
    """Return whether erasing leaves blanks of this style, apart from the background."""
    return not style.link and not style.attributes & _SEEN_ON_BLANKS


@lru_cache(8192)
def apply_sgr(style: Style, parameters: str) -> Style:
    """Return the style after an SGR sequence. Raises `UnknownSequenceError`."""
    attributes, foreground, background = style.attributes, style.foreground, style.background
    codes = iter(parameters.split(";"))
    for text in codes:
        code = int(text or 0)
        if code == 0:
            attributes, foreground, background = frozenset(), "", ""
        elif code in _OFF:
            attributes |= {code}
        elif code in _ENDED_BY:
            attributes -= _ENDED_BY[code]
        elif 30 <= code <= 37 or 90 <= code <= 97:
            foreground = text
        elif 40 <= code <= 47 or 100 <= code <= 107:
            background = text
        elif code == 39:
            foreground = ""
        elif code == 49:
            background = ""
        elif code in (38, 48):
            kind = next(codes, "")
            rest = [next(codes, "") for _ in range({"5": 1, "2": 3}.get(kind, 0))]
            if not rest or not all(rest):
                raise UnknownSequenceError(f"colour {parameters}")
            colour = ";".join((text, kind, *rest))
            foreground, background = (colour, background) if code == 38 else (foreground, colour)
        else:
            raise UnknownSequenceError(f"SGR {parameters}")
    return Style(attributes, foreground, background, style.link)


@lru_cache(65536)
def transition(before: Style | None, after: Style) -> str:
    """Return the shortest sequence that changes the terminal's style; `before` of `None` is unknown, but no link."""
    if before == after:
        return ""
    link = _link("" if before is None else before.link, after.link)
    if before is not None and before[:3] == after[:3]:
        return link
    afresh = _afresh(after)
    if before is None or before.attributes & _DOUBTFUL_END:
        return link + afresh
    return link + min(_changed(before, after), afresh, key=len)


def _link(before: str, after: str) -> str:
    return "" if before == after else f"\x1b]8;{after or ';'}\x1b\\"


def _afresh(after: Style) -> str:
    codes = [*map(str, sorted(after.attributes)), *filter(None, (after.foreground, after.background))]
    return f"\x1b[{';'.join(['', *codes])}m"  # an empty parameter is a reset


def _changed(before: Style, after: Style) -> str:
    ended = {_OFF[code] for code in before.attributes - after.attributes}
    left = before.attributes - {on for off in ended for on in _ENDED_BY[off]}
    codes = [*map(str, sorted(ended)), *map(str, sorted(after.attributes - left))]
    if before.foreground != after.foreground:
        codes.append(after.foreground or "39")
    if before.background != after.background:
        codes.append(after.background or "49")
    return f"\x1b[{';'.join(codes)}m"


@lru_cache(65536)
def style_for_blank(before: Style | None, blank: Style) -> Style:
    """Return the style to write a blank in that costs least: what is not visible on it stays as it is."""
    if before is None or blank.attributes:
        return blank
    return Style(before.attributes - _SEEN_ON_BLANKS, before.foreground, blank.background, blank.link)
