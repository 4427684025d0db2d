"""Sanitized text has no control characters, and its computed width is its width on the terminal."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from tui.model.text import clipped, padded, padded_left, sanitize, shortened

any_text = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)
hostile_text = st.text(
    st.sampled_from("a\x1b[2J\r\n\t\x9b\u202e\u200b\u200d\ufe0f\u0301日🇩🇪👩\u00ad\u2066\ue000 "), max_size=40
)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("live/stage-1", "live/stage-1"),
        ("[red]x[/]", "[red]x[/]"),
        ("\x1b[2J", "␛[2J"),
        ("a\r\nb\t\x7f", "a␍␊b␉␡"),
        ("\x9b31m", "�31m"),
        ("\u202eabc\u202c", "�abc�"),
        ("a\u200bb\ufeff", "a�b�"),
        ("日本語", "日本語"),
        ("e\u0301", "e\u0301"),
        ("\u0301x", "◌\u0301x"),
        ("z" + "\u0301" * 9, "z" + "\u0301" * 3 + "�" * 6),
        ("a\u00a0b\u3000", "a␣b␣"),
        ("👨\u200d👩", "👨�👩"),
    ],
)
def test_sanitize_replaces_control_characters(text: str, shown: str) -> None:
    assert sanitize(text) == shown


@given(any_text | hostile_text)
def test_sanitized_text_has_no_control_characters(text: str) -> None:
    shown = sanitize(text)
    assert all(unicodedata.category(character)[0] not in "C" for character in shown)
    assert sanitize(shown) == shown
    assert bool(shown) == bool(text)


@given(any_text | hostile_text, st.integers(0, 30))
def test_shortened_and_padded_texts_fit_their_cells(text: str, cells: int) -> None:
    shown = sanitize(text)
    assert cell_len(shortened(shown, cells)) <= cells
    assert cell_len(padded(shown, cells)) == cells
    assert cell_len(padded_left(shown, cells)) == cells


def test_shortened_text_keeps_its_end() -> None:
    assert shortened("event/2026/day2/cam-4", 12) == "eve…y2/cam-4"
    assert shortened("日本語日本語", 6) == "…本語"
    assert shortened("abc", 1) == "…"


def test_clipped_text_keeps_its_start() -> None:
    assert clipped("could not read", 8) == "could n…"
    assert clipped("日本語", 4) == "日…"
    assert clipped("abc", 3) == "abc"
    assert clipped("abc", 0) == ""
