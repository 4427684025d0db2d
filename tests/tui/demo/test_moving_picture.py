"""An animated SVG shows each screen for its time, and one still screen to those who prefer no motion."""

import re
from collections.abc import Iterable
from xml.etree import ElementTree

import pytest
from rich.segment import Segment
from rich.style import Style

from tui.demo.moving_picture import Screen, moving_picture
from tui.demo.picture import picture

LENGTH_MS = 4_000
STILL = 2
COLOURS = {"ink": "#ffffff", "ground": "#000000"}


def screen(at_ms: int, *lines: str) -> Screen:
    return Screen(at_ms, [[Segment(line.ljust(6), Style(color="#ff0000") if "▒" in line else None)] for line in lines])


SCREENS = [
    screen(0, "title", "one", "▒▒"),
    screen(1_000, "title", "two", ""),
    screen(1_700, "title", "one", "▒▒▒"),
    screen(3_100, "title", "three", "█"),
]
DRAWN = moving_picture(SCREENS, 6, length_ms=LENGTH_MS, still=STILL, **COLOURS)
SHAPES = ("text", "rect", "path")


def elements(svg: str, is_shown: Iterable[str] | None = None) -> set[str]:
    """Return what is drawn inside the text's group; of groups with classes only those with one of `is_shown`."""
    root = ElementTree.fromstring(svg)
    drawn = set()
    group = root[-1]
    for child in [*group, *(leaf for inner in group for leaf in inner)]:
        parent = next((inner for inner in group if child in list(inner)), None)
        if child.tag.endswith("}g") or (
            parent is not None and not set(parent.get("class", "").split()) & set(is_shown or ())
        ):
            continue
        drawn.add(ElementTree.tostring(child, encoding="unicode").strip())
    return drawn


def classes_at(svg: str, at_ms: int) -> set[str]:
    """Return the classes that the keyframes show at a time: each state holds until the next one."""
    shown = set()
    for name, steps in re.findall(r"@keyframes (\w+)\{((?:[\d.]+%\{[^}]*\})*)\}", svg):
        states = [(float(at), state) for at, state in re.findall(r"([\d.]+)%\{visibility:(\w+)\}", steps)]
        if [state for at, state in states if at <= 100 * at_ms / LENGTH_MS][-1] == "visible":
            shown.add(name)
    return shown


def as_picture(number: int) -> set[str]:
    return elements(picture(SCREENS[number].lines, 6, **COLOURS))


@pytest.mark.parametrize(
    ("at_ms", "number"), [(0, 0), (999, 0), (1_001, 1), (1_701, 2), (3_099, 2), (3_101, 3), (3_999, 3)]
)
def test_screen_is_shown_for_its_time(at_ms: int, number: int) -> None:
    assert elements(DRAWN, classes_at(DRAWN, at_ms)) == as_picture(number)


def test_still_screen_is_shown_without_motion() -> None:
    assert elements(DRAWN, {"still"}) == as_picture(STILL)
    assert ".f{visibility:hidden" in DRAWN
    assert ".still{visibility:visible}" in DRAWN
    assert "@media (prefers-reduced-motion:reduce){.f{animation:none!important}}" in DRAWN


def test_lines_that_stay_are_drawn_once() -> None:
    assert DRAWN.count("title") == 1
    assert DRAWN.count(">one<") == 1
