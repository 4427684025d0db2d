"""A recording as an asciicast of version 2, the file that asciinema and its players read. Pure.

The first line is a header, each further one an event `[seconds since the start, kind, data]`: `o` is output of the
terminal, `m` a marker. https://docs.asciinema.org/manual/asciicast/v2/ is the specification.
"""

import json
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from tui.display.cells import Line, Terminal
from tui.display.lines import write_difference
from tui.display.pen import Pen
from tui.recording.page.palette import ANSI_COLOURS

_BEGIN = "\x1b[?25l\x1b[m\x1b[2J"
"""Hides the cursor and erases the screen."""
_PLAYER = Terminal(ambiguous_is_narrow=True)


class CastEvent(NamedTuple):
    """An event at an instant."""

    at_ms: int
    kind: str
    data: str


class CastEncoder:
    """Encodes the screens of one view, oldest first."""

    def __init__(self, columns: int, lines: int) -> None:
        self.columns, self.lines = columns, lines
        self._shown: list[Line] | None = None
        self._pen = Pen(columns)
        self.events: list[CastEvent] = []

    def add(self, at_ms: int, lines: Sequence[Line]) -> bool:
        """Add a screen, unless it is the same as before. Returns whether it was added."""
        for y, line in enumerate(lines):
            shown = None if self._shown is None else self._shown[y]
            if shown != line:
                write_difference(self._pen, y, shown, line, _PLAYER)
        written = self._pen.take()
        if self._shown is None:
            written = _BEGIN + written
        self._shown = [list(line) for line in lines]
        if written:
            self.events.append(CastEvent(at_ms, "o", written))
        return bool(written)


def encode_cast(
    encoder: CastEncoder, from_ms: int, to_ms: int, *, title: str, ink: str, ground: str, marks: Iterable[CastEvent]
) -> bytes:
    """Return the file. `marks` are markers; the recording ends at `to_ms`, even if the screen did not change then."""
    header = {
        "version": 2,
        "width": encoder.columns,
        "height": encoder.lines,
        "timestamp": from_ms // 1000,
        "title": title,
        "env": {"TERM": "xterm-256color"},
        "theme": {"fg": ink, "bg": ground, "palette": ":".join(ANSI_COLOURS)},
    }
    # Sorting is stable: a marker is behind the screen of its instant.
    events = sorted([*encoder.events, *marks], key=lambda event: event.at_ms)
    if events and events[-1].at_ms < to_ms:
        events.append(CastEvent(to_ms, "o", ""))
    lines = [header, *([(event.at_ms - from_ms) / 1000, event.kind, event.data] for event in events)]
    return "".join(f"{json.dumps(line, ensure_ascii=False)}\n" for line in lines).encode()
