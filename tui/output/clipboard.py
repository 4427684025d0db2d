"""Copies text to the clipboard of the operator's terminal, across SSH, by the OSC 52 sequence. Pure."""

import base64
from collections.abc import Iterable, Mapping

MOST_BYTES = 74_994
"""Limit of known terminals: 100,000 characters of base64 including the sequence."""


class ClipboardError(ValueError):
    """The terminal would cut the text, so it is not sent."""


def join_for_clipboard(lines: Iterable[str]) -> str:
    """Return the lines as one text, or as much of them as `sequence` refuses: the rest need not be made."""
    joined, characters = list[str](), 0
    for line in lines:
        joined.append(line)
        characters += len(line)
        if characters > MOST_BYTES:
            break
    return "".join(joined)


def sequence(text: str, environment: Mapping[str, str]) -> str:
    """Return the sequence to write. Within tmux it is wrapped, so that it reaches the outer terminal.

    The text is base64, so that no terminal interprets it. Raises `ClipboardError`.
    """
    content = text.encode("utf-8", "replace")
    if len(content) > MOST_BYTES:
        raise ClipboardError(f"it has more than {MOST_BYTES:,} bytes, the clipboard limit of terminals; use export")
    osc = f"\x1b]52;c;{base64.b64encode(content).decode('ascii')}\x07"
    if environment.get("TMUX"):
        return f"\x1bPtmux;{osc.replace(chr(27), chr(27) * 2)}\x1b\\"
    if environment.get("TERM", "").startswith("screen"):
        return f"\x1bP{osc}\x1b\\"
    return osc
