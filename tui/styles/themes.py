"""The themes of the console, and which of them a terminal can show.

Provenance has a glyph and a word as well: no theme carries meaning by colour alone.
"""

import os
from collections.abc import Mapping
from dataclasses import replace
from typing import NamedTuple

from textual.theme import BUILTIN_THEMES, Theme

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


def abilities(environment: Mapping[str, str] = os.environ) -> Abilities:
    """Return the abilities by `TERM`, `COLORTERM` and `NO_COLOR`. The Linux console's font has no braille."""
    term = environment.get("TERM", "").lower()
    many = environment.get("COLORTERM", "").lower() in ("truecolor", "24bit") or "256" in term or "kitty" in term
    return Abilities("NO_COLOR" not in environment, many, term.partition("-")[0] not in ("linux", "vt100", "vt220"))


def theme_for(chosen: str, able: Abilities) -> str:
    """Return the chosen theme, or the terminal's own colours where it displays no others."""
    return chosen if able.colours and able.many_colours else ANSI_16.name
