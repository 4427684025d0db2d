"""The escape sequence that copies to the clipboard."""

import pytest

from tui.output.clipboard import MOST_BYTES, ClipboardError, sequence


def test_text_too_long_for_the_clipboard_is_refused() -> None:
    with pytest.raises(ClipboardError, match="export"):
        sequence("x" * (MOST_BYTES + 1), {})
