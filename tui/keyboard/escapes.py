"""Keeps the key Escape apart from the start of an escape sequence.

Terminals send Escape as the byte with which the sequences of other keys begin. If the next key follows at once, as it
does over a slow link, the two bytes look like one key with Alt: curses and vim solve that as it is done here. Textual's
parser takes Escape and `q` for `alt+q`, and loses the Escape of Escape and `/`.
"""

from collections.abc import Collection

ESCAPE = "\x1b"
ESCAPE_KEY = "\x1b[27u"
"""Escape without ambiguity, in the form of the kitty keyboard protocol."""
_SEQUENCE_STARTS = "[O\t\x7f"
"""After Escape: CSI, SS3, and what terminals send for shift+tab and alt+backspace."""
_PASTE_BEGINS = "\x1b[200~"
_PASTE_ENDS = "\x1b[201~"


class EscapeFinder:
    """Rewrites each Escape that begins no sequence as `ESCAPE_KEY`.

    `alt_characters` are characters whose keys with Alt have a meaning: Escape before them is left alone.
    """

    def __init__(self, alt_characters: Collection[str] = ()) -> None:
        self._starts = {*_SEQUENCE_STARTS, *alt_characters}
        self._pending = ""
        self._in_paste = False

    @property
    def is_waiting(self) -> bool:
        """Whether a sequence is incomplete: it is settled by more text, or by `time_out`."""
        return bool(self._pending)

    def feed(self, text: str) -> str:
        """Return the text so far, without an incomplete sequence at its end."""
        return "".join(map(self._next, text))

    def time_out(self) -> str:
        """Return the incomplete sequence: no more of it arrived in time, so that its characters were keys."""
        pending, self._pending = self._pending, ""
        return ESCAPE_KEY + pending[1:] if pending in (ESCAPE, "\x1b[") and not self._in_paste else pending

    def _next(self, character: str) -> str:
        pending = self._pending
        if character == ESCAPE:
            self._pending = ESCAPE
            return ESCAPE_KEY if pending == ESCAPE and not self._in_paste else pending
        if not pending:
            return character
        if pending == ESCAPE and character != "[":
            self._pending = ""
            is_key = character not in self._starts and not self._in_paste
            return (ESCAPE_KEY if is_key else ESCAPE) + character
        sequence = pending + character
        if pending == ESCAPE or not "@" <= character <= "~":
            self._pending = sequence
            return ""
        self._pending = ""
        if sequence in (_PASTE_BEGINS, _PASTE_ENDS):
            self._in_paste = sequence == _PASTE_BEGINS
        return sequence
