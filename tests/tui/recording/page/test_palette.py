"""Styles of a terminal's cells as colours of a page."""

import pytest

from tui.display.styles import PLAIN, Style
from tui.recording.page.palette import BOLD, STRIKE, UNDERLINE, PageStyle, Palette, page_style


@pytest.mark.parametrize(
    ("parameters", "colour"),
    [
        ("", "#d6d9dc"),
        ("31", "#cd3131"),
        ("97", "#ffffff"),
        ("38;5;9", "#f14c4c"),
        ("38;5;16", "#000000"),
        ("38;5;110", "#87afd7"),
        ("38;5;231", "#ffffff"),
        ("38;5;232", "#080808"),
        ("38;5;255", "#eeeeee"),
        ("38;2;1;22;255", "#0116ff"),
    ],
)
def test_colour_of_sgr_parameters(parameters: str, colour: str) -> None:
    assert page_style(Style(foreground=parameters), "#d6d9dc", "#111417") == PageStyle(colour, "#111417")


def test_reverse_dim_and_hidden_become_colours() -> None:
    def look(*attributes: int) -> PageStyle:
        return page_style(Style(frozenset(attributes), background="41"), "#ffffff", "#000000")

    assert look(7) == PageStyle("#cd3131", "#ffffff")
    assert look(2) == PageStyle("#e69898", "#cd3131")
    assert look(8) == PageStyle("#cd3131", "#cd3131")
    assert look(1, 4, 9, 21).attributes == BOLD + UNDERLINE + STRIKE


def test_styles_of_the_same_look_have_one_number() -> None:
    palette = Palette("#ffffff", "#000000")
    numbers = [palette.number(style) for style in (PLAIN, Style(foreground="31"), Style(background="48;2;0;0;0"))]
    assert numbers == [0, 1, 0]
    assert palette.styles == [PageStyle("#ffffff", "#000000"), PageStyle("#cd3131", "#000000")]
