import re
import sys

import pytest
from rich.cells import cell_len

from streamusage.core.clock import SystemClock
from tests.support.console.records import session
from tests.support.console.terminals.pty_session import PtySession
from tests.support.program import Program
from tui.app.messages import SessionsPolled
from tui.display.ascii import GLYPHS, key_name, to_ascii
from tui.model.gaps.grid import GLYPHS as PROVENANCE
from tui.recording.recording import Recording

HEIGHTS = "▁▂▃▄▅▆▇█"
AT = 1_795_003_200_000
NAME = "café 日本語 👍 e\u0301"


@pytest.mark.parametrize("text", [NAME, "●▲▸▾", "│ ▁▂▃ │", "👩\u200d👩\u200d👧", "e\u0301\u0302", "\x1b[1mé\x1b[m", ""])
def test_replacement_is_as_wide_as_the_text(text: str) -> None:
    assert to_ascii(text).isascii()
    assert cell_len(to_ascii(text)) == cell_len(text)


def test_names_stay_readable() -> None:
    assert to_ascii("café") == "cafe"
    assert to_ascii("日本") == "????"
    assert to_ascii("an unreadable peak (“many”), ‘x’") == "an unreadable peak (\"many\"), 'x'"
    assert key_name("⏎") == "enter"


def test_mark_of_a_raised_scale_is_no_unknown_character() -> None:
    assert to_ascii("≈▂█") == "^,#"


def test_no_two_provenances_and_no_two_heights_look_alike() -> None:
    glyphs = [glyph for state, glyph in PROVENANCE.items() if state is not None]
    for distinct in (glyphs, list(HEIGHTS), [*HEIGHTS, "▒", "·", "–"], [*HEIGHTS, "≈", "·", "×", "▒", "?"]):
        assert len({GLYPHS.get(glyph, glyph) for glyph in distinct}) == len(distinct)


def screen(streamtop: Program, **environment: str) -> tuple[list[str], bytes]:
    """Return the screen with a table and its detail, and all that was written for it."""
    path = streamtop.home / "night.tape"
    path.unlink(missing_ok=True)
    tape = Recording(path, SystemClock())
    for number, at_ms in enumerate(range(AT, AT + 12 * 60_000, 60_000)):
        changed = [session(name, AT, active=number + 1) for name in ("cam", NAME)]
        tape.write_message(SessionsPolled(changed, [], not number, at_ms, [], ""))
    tape.close()
    command = [sys.executable, "-m", "tui", "replay", str(path), "-t", "1s ago"]
    given = {"TERM": "xterm-256color"} | environment
    kept = {name: value for name, value in streamtop.environment.items() if not name.startswith(("LC_", "LANG"))}
    with PtySession(command, kept | given, streamtop.home) as terminal:
        terminal.read_until(b"1 of 2")
        lines = terminal.screen
        terminal.press(b"\r")
        terminal.read_until(b"reporting interval")
        terminal.press(b"q")
        assert terminal.wait_for_end() == 0
        return lines, bytes(terminal.written)


@pytest.mark.parametrize("locale", [{"LC_ALL": "de_DE.ISO-8859-1"}, {"LANG": "C"}, {"LC_ALL": "POSIX"}])
def test_terminal_without_utf8_receives_ascii_of_the_same_widths(streamtop: Program, locale: dict[str, str]) -> None:
    lines, written = screen(streamtop, **locale)
    assert written.isascii()
    unicode_lines, _ = screen(streamtop, LC_ALL="C.UTF-8")
    assert figures_and_columns(lines) == figures_and_columns(unicode_lines)
    assert any("enter" in line for line in lines)


def test_locale_that_is_not_set_is_taken_as_utf8(streamtop: Program) -> None:
    assert not screen(streamtop)[1].isascii()


@pytest.mark.parametrize("term", ["vt100", "vt220", "xterm-mono"])
def test_terminal_without_colours_receives_no_colour_codes(streamtop: Program, term: str) -> None:
    _, written = screen(streamtop, TERM=term, LC_ALL="C.UTF-8", COLORTERM="truecolor")
    assert colour_codes(written) == set()
    assert colour_codes(screen(streamtop, LC_ALL="C.UTF-8")[1])


def figures_and_columns(lines: list[str]) -> list[tuple[str, int]]:
    """Return the numbers of the table's rows and where they are on the screen."""
    rows = [line for line in lines if "live/ca" in line]
    assert len(rows) == 2
    return [(found[0], cell_len(row[: found.start()])) for row in rows for found in re.finditer(r"\d+", row)]


def colour_codes(written: bytes) -> set[str]:
    codes = {code for found in re.findall(rb"\x1b\[([\d;]*)m", written) for code in found.decode().split(";")}
    return {code for code in codes if code and int(code) >= 30}
