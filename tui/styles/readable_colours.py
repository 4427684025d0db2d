"""The filter that makes every drawn colour readable on its ground, in every theme, on every row and selection."""

from functools import lru_cache

from rich.color import Color as RichColor
from rich.segment import Segment
from rich.style import Style
from textual.color import Color
from textual.filter import LineFilter

from tui.styles.contrast import readable


class ReadableColours(LineFilter):
    """Lifts colours of text to the contrast of WCAG 2.2. The terminal's own sixteen colours are left as they are."""

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        """Return the segments with readable colours. Dim text is dimmed by a colour before."""
        ground = background.rgb
        found = []
        for segment in segments:
            style = segment.style
            if style is not None and not segment.control:
                lifted = _readable_style(style, ground)
                if lifted is not style:
                    segment = Segment(segment.text, lifted)
            found.append(segment)
        return found


@lru_cache(maxsize=4096)
def _readable_style(style: Style, background: tuple[int, int, int]) -> Style:
    ink = style.color
    if ink is None or ink.triplet is None or (style.bgcolor is not None and style.bgcolor.is_default):
        return style
    ground = background if style.bgcolor is None or style.bgcolor.triplet is None else tuple(style.bgcolor.triplet)
    lifted = readable(tuple(ink.triplet), ground)
    return style if lifted == tuple(ink.triplet) else style + Style(color=RichColor.from_rgb(*lifted))
