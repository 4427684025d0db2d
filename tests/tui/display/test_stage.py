import pytest

from tui.display.cells import Terminal
from tui.display.stage import AMBIGUOUS, SYNC_END, SYNC_START, WIDTH_PROBE, Stage
from tui.display.styles import UnknownSequenceError

KNOWN = Terminal(erases_in_colour=True, ambiguous_is_narrow=True)
HOME = "\x1b[1;1H"


def frame(*lines: str) -> str:
    """Return a full frame."""
    return "\n".join(f"\x1b[{y + 1};1H{line}" for y, line in enumerate(lines)) + HOME


def stage_with(*lines: str) -> Stage:
    """Return a stage whose terminal shows these lines."""
    stage = Stage(len(lines[0]), len(lines), KNOWN)
    stage.receive(frame(*lines))
    return stage


def test_frame_without_a_difference_sends_nothing() -> None:
    stage = stage_with("abc", "def")
    assert stage.receive(frame("abc", "def")) == ""
    assert [stage.receive(part) for part in (SYNC_START, frame("abc", "def"), SYNC_END)] == ["", "", ""]


def test_only_what_differs_is_sent_and_the_cursor_returns() -> None:
    stage = stage_with("abc", "def")
    assert stage.receive(frame("abc", "dxf")) == "\x1b[B\x1b[Cx\x1b[H"


def test_difference_is_sent_inside_synchronized_output_where_textual_uses_it() -> None:
    stage = stage_with("abc")
    sent = [stage.receive(part) for part in (SYNC_START, frame("abx"), SYNC_END)]
    assert sent == ["", f"{SYNC_START}abx\x1b[H{SYNC_END}", ""]


def test_style_lasts_until_another_one_is_needed() -> None:
    stage = stage_with("abc", "def")
    assert stage.receive(frame("a\x1b[1mx\x1b[0mc", "def")) == "a\x1b[1mx\r"
    assert stage.receive(frame("a\x1b[1my\x1b[0mc", "def")) == "\x1b[Cy\r"


def test_lines_that_differ_are_sent_in_the_order_of_the_fewest_styles() -> None:
    stage = stage_with("ab", "cd", "ef")
    stage.receive(frame("ab", "\x1b[38;2;1;2;3mxd\x1b[0m", "ef"))
    sent = stage.receive(frame("1b", "\x1b[38;2;1;2;3m2d\x1b[0m", "3f"))
    assert sent.count("m") == 2, "a change of style for both plain lines, and one for the coloured line"


@pytest.mark.parametrize(
    "harmless", ["\x07", "\x1b]52;c;aGk=\x07", "\x1b]2;title\x1b\\", "\x1b]777;notify;a;b\x07", "\x1b[?1003h\x1b[?25l"]
)
def test_bell_title_clipboard_and_modes_leave_the_shadow_valid(harmless: str) -> None:
    stage = stage_with("abc")
    assert stage.receive(harmless) == harmless
    assert stage.receive(frame("abc")) == ""


@pytest.mark.parametrize("unknown", ["\x1b[?1049h", "\x1bc", "\x1b[2J", "\x1b[6n\x1b[5C"])
def test_anything_else_invalidates_it(unknown: str) -> None:
    stage = stage_with("abc", "def")
    assert stage.receive(unknown) == unknown
    assert "def" in stage.receive(f"\x1b[1;1Habc{HOME}"), "also lines that the next frame leaves out"


def test_style_is_reset_before_the_screen_is_left() -> None:
    stage = stage_with("\x1b[31mabc\x1b[0m")
    assert stage.receive("\x1b[?1049l") == "\x1b[m\x1b[?1049l"
    assert stage.receive("\x1b[?25h") == "\x1b[?25h"


def test_link_is_closed_before_the_screen_is_left_or_lost() -> None:
    linked = "\x1b]8;id=1;https://a/;b\x1b\\abc\x1b]8;;\x1b\\"
    assert stage_with(linked).receive("\x1b[?1049l").startswith("\x1b]8;;\x1b\\")
    stage = Stage(3, 1, KNOWN)
    stage.receive(frame(linked))
    stage.forget()
    assert stage.receive(frame("abc")).startswith("\x1b]8;;\x1b\\")


def test_new_size_sends_everything() -> None:
    stage = stage_with("abc", "def")
    stage.resize(4, 2)
    assert "abcd" in stage.receive(frame("abcd", "efgh"))
    stage.resize(4, 2)
    assert stage.receive(frame("abcd", "efgh")) == ""


def test_lines_that_moved_are_scrolled() -> None:
    rows = [f"a line of text {number * 7919}" for number in range(10)]
    width = max(map(len, rows))
    rows = [row.ljust(width) for row in rows]
    stage = stage_with("head".ljust(width), *rows[:6], "foot".ljust(width))
    sent = stage.receive(frame("head".ljust(width), *rows[1:7], "foot".ljust(width)))
    assert sent.startswith("\x1b[2;7r\x1b[2H\x1b[M\x1b[r")
    assert len(sent) < 60
    sent = stage.receive(frame("head".ljust(width), *rows[:6], "foot".ljust(width)))
    assert sent.startswith("\x1b[2;7r\x1b[2H\x1b[L\x1b[r")


def test_frame_that_cannot_be_parsed_is_refused() -> None:
    for bad in ("\x1b[1;1Ha\x1b[3qb", "\x1b[1;1Ha\x08b", "\x1b[1;1H\x1b[58;5;1ma"):
        with pytest.raises(UnknownSequenceError):
            stage_with("abc").receive(bad)


def test_terminal_reports_the_width_of_ambiguous_characters() -> None:
    assert AMBIGUOUS in WIDTH_PROBE
    stage = Stage(9, 1)
    stage.learn_widths(2 * len(AMBIGUOUS))
    assert not stage.terminal.ambiguous_is_narrow
    stage.learn_widths(len(AMBIGUOUS))
    assert stage.terminal.ambiguous_is_narrow
