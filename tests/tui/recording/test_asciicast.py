"""An asciicast: its form by the specification, and its screens as a terminal shows them."""

import json

import pyte

from tui.display.cells import Line, split_cells
from tui.display.styles import PLAIN, Style
from tui.recording.asciicast import CastEncoder, CastEvent, encode_cast

COLUMNS, LINES = 14, 2


def line(text: str, style: Style = PLAIN) -> Line:
    cells = split_cells(text, style)[1]
    return cells + [(" ", PLAIN)] * (COLUMNS - len(cells))


def test_file_has_a_header_and_events_in_their_order() -> None:
    encoder = CastEncoder(COLUMNS, LINES)
    screens = [
        [line("live 1"), line("日本")],
        [line("live 1"), line("日本")],
        [line("live 2"), line("日中", Style(foreground="31"))],
    ]
    assert [encoder.add(10_000 + 500 * number, screen) for number, screen in enumerate(screens)] == [True, False, True]
    marks = [CastEvent(11_000, "m", 'missing edge-"1"')]
    content = encode_cast(encoder, 10_000, 13_250, title="t", ink="#ffffff", ground="#000000", marks=marks)
    header, *events = map(json.loads, content.decode().splitlines())
    theme = header.pop("theme")
    assert (theme["fg"], theme["bg"], theme["palette"].count(":")) == ("#ffffff", "#000000", 15)
    assert header == {
        "version": 2,
        "width": COLUMNS,
        "height": LINES,
        "timestamp": 10,
        "title": "t",
        "env": {"TERM": "xterm-256color"},
    }
    assert [(at, kind) for at, kind, _ in events] == [(0.0, "o"), (1.0, "o"), (1.0, "m"), (3.25, "o")]
    assert events[2][2] == 'missing edge-"1"'

    terminal = pyte.Screen(COLUMNS, LINES)
    stream = pyte.Stream(terminal)
    terminal.draw("what was there before")
    stream.feed(events[0][2])
    assert [shown.rstrip() for shown in terminal.display] == ["live 1", "日本"]
    stream.feed(events[1][2])
    assert [shown.rstrip() for shown in terminal.display] == ["live 2", "日中"]
    assert terminal.buffer[1][0].fg == "red"
    assert terminal.cursor.hidden
