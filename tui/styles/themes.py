"""The themes of the console, and which of them a terminal can show.

Provenance has a glyph and a word as well: no theme carries meaning by colour alone.
"""

import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import NamedTuple

from textual.theme import BUILTIN_THEMES, Theme

from tui.display import terminfo

DARK = Theme(
    name="dark",
    primary="#3a7bd5",
    accent="#4fb3d9",
    success="#7fbf7f",
    warning="#e0a940",
    error="#e06c60",
    foreground="#d6d9dc",
    background="#111417",
    surface="#1b2026",
    panel="#232a32",
    dark=True,
)
LIGHT = Theme(
    name="light",
    primary="#2a62b8",
    accent="#0b6e99",
    success="#2f7d32",
    warning="#8a5a00",
    error="#b3261e",
    foreground="#1d2329",
    background="#fbfbf9",
    surface="#eeeeea",
    panel="#e3e4df",
    dark=False,
)
HIGH_CONTRAST = Theme(
    name="high-contrast",
    primary="#0050ff",
    accent="#00e5ff",
    success="#00ff66",
    warning="#ffd400",
    error="#ff6e6e",
    foreground="#ffffff",
    background="#000000",
    surface="#000000",
    panel="#101010",
    dark=True,
)
# After Okabe and Ito: distinguishable with any kind of colour vision.
DEUTERANOPIA_SAFE = replace(
    DARK,
    name="deuteranopia-safe",
    primary="#0072b2",
    accent="#56b4e9",
    success="#f0e442",
    warning="#e69f00",
    error="#d55e00",
)
ANSI_16 = Theme(
    name="ansi-16",
    primary="ansi_blue",
    secondary="ansi_cyan",
    accent="ansi_cyan",
    success="ansi_green",
    warning="ansi_yellow",
    error="ansi_red",
    foreground="ansi_default",
    background="ansi_default",
    surface="ansi_default",
    panel="ansi_default",
    boost="ansi_default",
    dark=True,
    ansi=True,
    variables=BUILTIN_THEMES["ansi-dark"].variables
    | {"input-cursor-text-style": "reverse", "input-cursor-background": "ansi_default"},
)
"""The terminal's own sixteen colours, as its owner has set them."""

THEMES = {theme.name: theme for theme in (DARK, LIGHT, HIGH_CONTRAST, DEUTERANOPIA_SAFE, ANSI_16)}


class Abilities(NamedTuple):
    """What a terminal can display."""

    colours: bool
    many_colours: bool
    braille: bool
    unicode: bool = True
    """Whether it displays more than ASCII."""


def abilities(
    environment: Mapping[str, str] = os.environ,
    number_of_colours: Callable[[], int | None] = terminfo.number_of_colours,
    *,
    is_python_in_utf8_mode: bool = sys.flags.utf8_mode == 1,
) -> Abilities:
    """Return the abilities by `TERM`, `COLORTERM`, `NO_COLOR`, terminfo and the locale.

    The Linux console's font has no braille.
    """
    term = environment.get("TERM", "").lower()
    many = environment.get("COLORTERM", "").lower() in ("truecolor", "24bit") or "256" in term or "kitty" in term
    unicode = _is_utf8(environment, is_python_in_utf8_mode)
    return Abilities(
        "NO_COLOR" not in environment and not _is_mono(term, number_of_colours),
        many,
        unicode and term.partition("-")[0] not in ("linux", "vt100", "vt220"),
        unicode,
    )


def _is_mono(term: str, number_of_colours: Callable[[], int | None]) -> bool:
    if term in ("", "dumb", "unknown"):
        return False  # no terminal is known
    colours = number_of_colours()
    if colours is None:
        return term.startswith(("vt1", "vt2", "vt3", "vt5")) or term.endswith(("-m", "-mono"))
    return colours == 0


def _is_utf8(environment: Mapping[str, str], is_python_in_utf8_mode: bool) -> bool:
    """Return whether the locale is one of UTF-8; so it is taken to be where none is set, as in containers."""
    for name in ("LC_ALL", "LC_CTYPE", "LANG"):
        locale = environment.get(name, "").lower()
        if name == "LC_CTYPE" and locale == "c.utf-8" and is_python_in_utf8_mode:
            continue  # set by Python itself, in place of a locale without a character set
        if locale:
            return "utf-8" in locale or "utf8" in locale
    return True


def theme_for(chosen: str, able: Abilities) -> str:
    """Return the chosen theme, or the terminal's own colours where it displays no others."""
    return chosen if able.colours and able.many_colours else ANSI_16.name
