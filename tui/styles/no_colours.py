"""The filter for terminals without colours."""

from rich.segment import Segment
from textual.color import Color
from textual.filter import LineFilter


class NoColours(LineFilter):
    """Leaves only attributes such as bold and reverse: not even the terminal's default colours are named."""

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        """Return the segments without colours."""
        return [
            Segment(text, None if style is None else style.without_color, control) for text, style, control in segments
        ]
