"""The colours of every theme, on every screen as it is drawn, have the contrast of WCAG 2.2."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tui.styles.contrast import FOR_MARKS, FOR_TEXT, contrast, mixed, readable

SCREENS = Path(__file__).parents[1] / "screens" / "__snapshots__"
"""Every screen in every size and look, with the colours of its cells; `test_pictures.py` draws them."""
MARKS = set("─│┌┐└┘├┤┬┴┼╭╮╰╯▔▁▂▃▄▅▆▇█▌▐▊▎▒░·×▸▾▴▲●") | set(map(chr, range(0x2800, 0x2900)))
"""Frames, bars, charts and glyphs of provenance, beside which a word says the same."""

_STYLE = re.compile(r"^([^\s])  (?:bold |dim )*(\S+) on (\S+)(.*)$")
_COLOUR = re.compile(r"#([0-9a-f]{2})([0-9a-f]{2})([0-9a-f]{2})")
colours = st.tuples(*[st.integers(0, 255)] * 3)


def rgb(text: str) -> tuple[int, int, int] | None:
    found = _COLOUR.fullmatch(text)
    return None if found is None else (int(found[1], 16), int(found[2], 16), int(found[3], 16))


def drawn_styles(path: Path) -> dict[str, set[str]]:
    """Return the characters that a screen draws in each style."""
    text, _, rest = path.read_text(encoding="utf-8").partition("\n\nstyles\n")
    runs, _, legend = rest.partition("\n\n")
    styles = {line[0]: line[3:] for line in legend.splitlines() if line[1:3] == "  "}
    lines = text.split("\n")
    found: dict[str, set[str]] = {}
    for entry in runs.splitlines():
        numbers, _, described = entry.partition(": ")
        first, _, last = numbers.partition("-")
        for number in range(int(first), int(last or first) + 1):
            line, at = lines[number - 1] if number <= len(lines) else "", 0
            for run in described.split():
                cells = int(run[1:])
                found.setdefault(styles[run[0]], set()).update(line[at : at + cells].replace(" ", ""))
                at += cells
    return found


def colour_pairs() -> dict[tuple[str, str, bool, bool], tuple[str, set[str]]]:
    """Return each pair of ink and ground, whether it is dim or reversed, with a screen and the characters."""
    pairs: dict[tuple[str, str, bool, bool], tuple[str, set[str]]] = {}
    for path in sorted(SCREENS.rglob("*.txt")):
        for style, characters in drawn_styles(path).items():
            ink, _, ground, *attributes = style.split()
            key = (ink, ground, "dim" in attributes, "reverse" in attributes)
            pairs.setdefault(key, (path.name, set()))[1].update(characters)
    return pairs


def test_every_drawn_text_and_mark_has_its_contrast() -> None:
    pairs = colour_pairs()
    assert len(pairs) > 60, "the pairs of many screens"
    faint = []
    for (ink, ground, is_dim, _), (screen, characters) in pairs.items():
        first, second = rgb(ink), rgb(ground)
        if first is None or second is None or not characters:
            continue  # the terminal's own colours, and blanks
        seen = mixed(first, second, 0.5) if is_dim else first
        least = FOR_MARKS if characters <= MARKS else FOR_TEXT
        if contrast(seen, second) < least:
            text = "".join(sorted(characters))[:40]
            faint.append(
                f"{contrast(seen, second):.2f} < {least}: {ink} on {ground}{' dim' * is_dim} {text!r} {screen}"
            )
    assert faint == []


@pytest.mark.parametrize(
    ("ink", "ground", "ratio"),
    [
        ((0, 0, 0), (255, 255, 255), 21.0),
        ((255, 255, 255), (255, 255, 255), 1.0),
        ((119, 119, 119), (255, 255, 255), 4.48),
    ],
)
def test_contrast_is_that_of_wcag(ink: tuple[int, int, int], ground: tuple[int, int, int], ratio: float) -> None:
    assert contrast(ink, ground) == pytest.approx(ratio, abs=0.005)
    assert contrast(ground, ink) == contrast(ink, ground)


@given(colours, colours, st.sampled_from([FOR_MARKS, FOR_TEXT]))
def test_readable_colour_is_the_ink_or_a_mixture_that_is_readable(
    ink: tuple[int, int, int], ground: tuple[int, int, int], least: float
) -> None:
    found = readable(ink, ground, least)
    assert contrast(found, ground) >= least
    if contrast(ink, ground) >= least:
        assert found == ink
