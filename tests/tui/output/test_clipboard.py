"""The escape sequence that copies to the clipboard."""

from itertools import repeat

import pytest

from tui.output.clipboard import MOST_BYTES, ClipboardError, join_for_clipboard, sequence


def test_text_too_long_for_the_clipboard_is_refused() -> None:
    with pytest.raises(ClipboardError, match="export"):
        sequence("x" * (MOST_BYTES + 1), {})


def test_text_of_any_length_is_joined_only_until_no_clipboard_takes_it() -> None:
    assert join_for_clipboard(["a", "b"]) == "ab"
    text = join_for_clipboard(repeat("a line of a table\n"))
    with pytest.raises(ClipboardError, match=r"more than 74,994 bytes"):
        sequence(text, {})
