"""Screens as one animated SVG: CSS keyframes show each line for its time, without scripts. Pure.

A viewer that plays nothing, and one who prefers reduced motion, sees one still screen.
"""

from collections.abc import Sequence
from typing import NamedTuple

from rich.segment import Segment

from tui.demo.picture import FONT_SIZE, FONTS, draw_line, shade_patterns, size_of

Spans = tuple[tuple[int, int], ...]
"""Half-open ranges of screens in which a drawing of a line is shown."""


class Screen(NamedTuple):
    """The whole screen of a terminal at a time."""

    at_ms: int
    """Milliseconds since the start of the film; never less than those of the screen before."""
    lines: Sequence[Sequence[Segment]]
    """From top to bottom; what a line leaves out is blank."""


def moving_picture(
    screens: Sequence[Screen], columns: int, *, length_ms: int, still: int, ink: str, ground: str
) -> str:
    """Return the screens as an SVG file that repeats after `length_ms`.

    `still` is the number of the screen that is shown without motion. All screens have the same number of lines.
    """
    rows = len(screens[0].lines)
    width, height = size_of(columns, rows)
    shades: dict[str, str] = {}
    classes: dict[Spans, str] = {}
    body: list[str] = []
    for row in range(rows):
        for drawing, spans in _drawings_of_line(screens, row, shades, ink, ground).items():
            if not drawing:
                continue
            if spans == ((0, len(screens)),):
                body.append(drawing)
                continue
            name = classes.setdefault(spans, f"f{len(classes)}")
            is_still = any(first <= still < end for first, end in spans)
            body.append(f'<g class="f {name}{" still" if is_still else ""}">\n{drawing}\n</g>')
    starts = [screen.at_ms / length_ms for screen in screens] + [1.0]
    size = f'width="{width}" height="{height}"'
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" {size} viewBox="0 0 {width} {height}">',
            "<style>",
            f".f{{visibility:hidden;animation:{length_ms / 1000:g}s step-end infinite}}",
            ".still{visibility:visible}",
            *(_keyframes(name, spans, starts) for spans, name in classes.items()),
            "@media (prefers-reduced-motion:reduce){.f{animation:none!important}}",
            "</style>",
            *shade_patterns(shades),
            f'<rect {size} rx="6" fill="{ground}"/>',
            f'<g font-family="{FONTS}" font-size="{FONT_SIZE}" xml:space="preserve">',
            *body,
            "</g>",
            "</svg>",
            "",
        ]
    )


def _drawings_of_line(
    screens: Sequence[Screen], row: int, shades: dict[str, str], ink: str, ground: str
) -> dict[str, Spans]:
    """Return every drawing of a line and the screens in which it is shown."""
    spans_of: dict[str, list[tuple[int, int]]] = {}
    for number, screen in enumerate(screens):
        drawing = "\n".join(draw_line(screen.lines[row], row, shades, ink=ink, ground=ground))
        spans = spans_of.setdefault(drawing, [])
        if spans and spans[-1][1] == number:
            spans[-1] = (spans[-1][0], number + 1)
        else:
            spans.append((number, number + 1))
    return {drawing: tuple(spans) for drawing, spans in spans_of.items()}


def _keyframes(name: str, spans: Spans, starts: Sequence[float]) -> str:
    changes = {0.0: "hidden"}
    for first, end in spans:
        changes[starts[first]] = "visible"
        changes[starts[end]] = "hidden"
    if spans[-1][1] == len(starts) - 1:  # up to the end: the last change would be seen as a flicker there
        changes[1.0] = "visible"
    steps = "".join(f"{100 * at:.4g}%{{visibility:{state}}}" for at, state in sorted(changes.items()))
    return f".{name}{{animation-name:{name}}}@keyframes {name}{{{steps}}}"
