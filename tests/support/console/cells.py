"""A drawn screen as text: its characters, and below them the styles of its cells, so that a review can read both.

The style part has a line for each line of the screen: runs of cells as a letter and a length (`a12 b3`), equal lines
in a row collapsed to one (`3-7`), and at the end a legend of the letters.
"""

from itertools import groupby
from string import ascii_letters, digits
from typing import Any, ClassVar

from rich.segment import Segment
from rich.style import Style
from syrupy.extensions.single_file import SingleFileSnapshotExtension, WriteMode
from textual.app import App

_LETTERS = ascii_letters + digits


class CellSnapshotExtension(SingleFileSnapshotExtension):
    """Keeps each snapshot as a text file of its own."""

    _write_mode = WriteMode.TEXT
    file_extension = "txt"
    _file_extension: ClassVar[str] = "txt"


def drawn_segments(app: App[Any]) -> list[list[Segment]]:
    """Return the segments of each line of the screen as the terminal receives them, dialogs included."""
    update = app.screen._compositor.render_update(full=True, screen_stack=app._background_screens)
    return [[segment for strip in line for segment in strip] for line in update.strips]  # type: ignore[union-attr]


def format_screen(lines: list[list[Segment]]) -> str:
    """Return the text and the styles of a screen."""
    letters: dict[str, str] = {}
    texts, styles = [], []
    for line in lines:
        texts.append("".join(segment.text for segment in line).rstrip())
        runs = [
            (style, sum(segment.cell_length for segment in segments))
            for style, segments in groupby(line, lambda segment: _format_style(segment.style))
        ]
        for style, _ in runs:
            letters.setdefault(style, _LETTERS[len(letters)])
        styles.append(" ".join(f"{letters[style]}{cells}" for style, cells in runs if cells))
    collapsed, first = [], 1
    for style_line, group in groupby(styles):
        last = first + len(list(group)) - 1
        collapsed.append(f"{first}-{last}: {style_line}" if last > first else f"{first}: {style_line}")
        first = last + 1
    legend = [f"{letter}  {style}" for style, letter in letters.items()]
    return "\n".join([*texts, "", "styles", *collapsed, "", *legend, ""])


def _format_style(style: Style | None) -> str:
    """Return colours and attributes; nothing of links and metadata, which differ from run to run."""
    style = style or Style()
    ink, ground = (
        "default" if colour is None or colour.is_default else colour.name for colour in (style.color, style.bgcolor)
    )
    names = ("bold", "dim", "italic", "underline", "reverse", "strike")
    return " ".join([ink, "on", ground, *(name for name in names if getattr(style, name))])
