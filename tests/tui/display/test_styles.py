import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tui.display.styles import (
    PLAIN,
    Style,
    UnknownSequenceError,
    apply_sgr,
    blank_style,
    style_for_blank,
    transition,
)

COLOURS = ["", "31", "97", "38;5;200", "38;2;1;22;233"]
BACKGROUNDS = ["", "44", "103", "48;5;17", "48;2;9;8;7"]
STYLES = st.builds(
    Style,
    st.frozensets(st.sampled_from([1, 2, 3, 4, 5, 6, 7, 8, 9, 21, 51, 52, 53])),
    st.sampled_from(COLOURS),
    st.sampled_from(BACKGROUNDS),
    st.sampled_from(["", "id=1;https://example.net/;a"]),
)
SGR = re.compile(r"\x1b\[([\d;]*)m")


def applied(style: Style, sequence: str) -> Style:
    """Return the style after a sequence of SGR and links."""
    for parameters in SGR.findall(sequence):
        style = apply_sgr(style, parameters)
    for link in re.findall(r"\x1b\]8;([^\x1b]*)\x1b\\", sequence):
        style = style._replace(link=link if link.partition(";")[2] else "")
    return style


@given(STYLES, STYLES)
def test_transition_leads_from_any_style_to_any_other(before: Style, after: Style) -> None:
    assert applied(before, transition(before, after)) == after


@given(STYLES)
def test_transition_from_an_unknown_style_resets_it(after: Style) -> None:
    unknown = Style(frozenset({1, 4, 7}), "35", "45")
    assert applied(unknown, transition(None, after)) == after


@given(STYLES, STYLES)
def test_blank_keeps_what_is_visible_on_it(before: Style, style: Style) -> None:
    blank = blank_style(style)
    assert blank_style(style_for_blank(before, blank)) == blank


@pytest.mark.parametrize(
    ("before", "after", "sequence"),
    [
        (PLAIN, PLAIN, ""),
        (Style(frozenset({1}), "31"), Style(frozenset(), "31"), "\x1b[22m"),
        (Style(frozenset({1, 2}), "31"), Style(frozenset({2}), "31"), "\x1b[22;2m"),
        (Style(frozenset({4}), "31", "44"), PLAIN, "\x1b[m"),
        (Style(foreground="31", background="44"), Style(foreground="32", background="44"), "\x1b[32m"),
        (Style(frozenset({21}), "31"), Style(foreground="31"), "\x1b[;31m"),
        (None, Style(frozenset({1})), "\x1b[;1m"),
        (PLAIN, Style(link="id=1;https://a"), "\x1b]8;id=1;https://a\x1b\\"),
        (Style(link="id=1;https://a"), PLAIN, "\x1b]8;;\x1b\\"),
    ],
)
def test_transition_is_short(before: Style | None, after: Style, sequence: str) -> None:
    assert transition(before, after) == sequence


@pytest.mark.parametrize("parameters", ["58;2;1;2;3", "38", "38;2;1;2", "48;7;1", "10"])
def test_unknown_sgr_is_refused(parameters: str) -> None:
    with pytest.raises(UnknownSequenceError):
        apply_sgr(PLAIN, parameters)
