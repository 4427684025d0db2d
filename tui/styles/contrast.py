"""The contrast of text and its background by WCAG 2.2, and colours that are adjusted until they have it. Pure."""

from functools import lru_cache

Rgb = tuple[int, int, int]

FOR_TEXT = 4.5
"""Smallest contrast of text, success criterion 1.4.3."""
FOR_MARKS = 3.0
"""Smallest contrast of glyphs, frames and other marks that are no text, success criterion 1.4.11."""
_STEPS = 20


def contrast(ink: Rgb, ground: Rgb) -> float:
    """Return the contrast ratio of two colours, from 1 to 21."""
    lighter, darker = sorted((_luminance(ink), _luminance(ground)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def mixed(ink: Rgb, other: Rgb, share: float) -> Rgb:
    """Return the first colour with a share of the other one, from 0 to 1."""
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(ink, other, strict=True))
    return red, green, blue


@lru_cache(maxsize=4096)
def readable(ink: Rgb, ground: Rgb, least: float = FOR_TEXT) -> Rgb:
    """Return the ink itself if it is readable on the ground, else the first mixture with white or black that is."""
    if contrast(ink, ground) >= least:
        return ink
    ends: tuple[Rgb, Rgb] = ((255, 255, 255), (0, 0, 0))
    first, second = ends if _luminance(ink) >= _luminance(ground) else ends[::-1]
    end = first if contrast(first, ground) >= least else second
    for step in range(1, _STEPS):
        lifted = mixed(ink, end, step / _STEPS)
        if contrast(lifted, ground) >= least:
            return lifted
    return end


def _luminance(colour: Rgb) -> float:
    red, green, blue = (
        part / 255 / 12.92 if part / 255 <= 0.04045 else ((part / 255 + 0.055) / 1.055) ** 2.4 for part in colour
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
