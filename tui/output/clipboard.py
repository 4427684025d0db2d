"""Text for the clipboard of the terminal that is looked at, over any number of hops, by the sequence OSC 52. Pure."""

import base64
from collections.abc import Mapping

MOST_BYTES = 74_994
"""What terminals are known to take: 100,000 characters of base64, sequence and all."""


class ClipboardError(ValueError):
    """The text would be cut by the terminal, so it is not sent at all."""


def sequence(text: str, environment: Mapping[str, str]) -> str:
    """What to write to the terminal. Within tmux it is wrapped, so that it reaches the terminal outside.

    The text travels as base64: nothing in it is obeyed on the way. Raises `ClipboardError`.
    """
    content = text.encode("utf-8", "replace")
    if len(content) > MOST_BYTES:
        raise ClipboardError(f"{len(content):,} bytes are more than terminals take ({MOST_BYTES:,}); use export")
    osc = f"\x1b]52;c;{base64.b64encode(content).decode('ascii')}\x07"
    if environment.get("TMUX"):
        return f"\x1bPtmux;{osc.replace(chr(27), chr(27) * 2)}\x1b\\"
    if environment.get("TERM", "").startswith("screen"):
        return f"\x1bP{osc}\x1b\\"
    return osc
