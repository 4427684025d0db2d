"""Split the bytes of a JSON list of objects into its rows without decoding them. Pure.

A row is the text between the braces of one object. The body arrives in blocks of any size; a row that is not complete
yet waits for the next block.

`feed` cuts at the separator of the list, such as `},{`, and returns rows only if every brace of the block belongs to a
separator. It can be wrong in one way: a name that contains the separator is cut. Then a cut row is no JSON object, or
fewer objects are decoded than there are rows, and `recut` returns the rows of the same block exactly, at ten times the
cost.
"""

import re

_HEAD = re.compile(rb"(?:\xef\xbb\xbf)?[ \t\r\n]*\[[ \t\r\n]*\{")
_SEPARATOR = re.compile(rb"\}[ \t\r\n]*,[ \t\r\n]*\{")
_TOKEN = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"|["{}\[\]]', re.DOTALL)
_COMMA = re.compile(rb"[ \t\r\n]*,[ \t\r\n]*")


class RowSplitter:
    """Splits one body."""

    def __init__(self) -> None:
        self.is_list = False
        """Whether the body began as a list of objects."""
        self.tail = b""
        """What was fed and is no complete row yet: the whole body, before it began as a list of objects."""
        self.tail_at = 0
        """The position of `tail` in the body."""
        self.separator = b""
        self._waiting: list[bytes] = []
        self._waiting_bytes = 0
        self._data = b""
        self._data_at = 0

    @property
    def held_bytes(self) -> int:
        """Size of what is no complete row yet."""
        return len(self.tail) + self._waiting_bytes

    def resume(self, tail: bytes, tail_at: int, separator: bytes) -> None:
        """Continue a body where another splitter stopped."""
        self.is_list, self.tail, self.tail_at, self.separator = True, tail, tail_at, separator

    def feed(self, block: bytes) -> list[bytes]:
        """Return the rows that the block completes."""
        self._waiting.append(block)
        self._waiting_bytes += len(block)
        if self._waiting_bytes < len(self.tail):
            return []  # within a very long row: its bytes are searched a few times, not once a block
        data = b"".join((self.tail, *self._waiting))
        self._waiting, self._waiting_bytes = [], 0
        at = self.tail_at
        if not self.is_list:
            head = _HEAD.match(data)
            if head is None:
                self.tail = data
                return []
            self.is_list = True
            data, at = data[head.end() :], head.end()
        self._data, self._data_at = data, at
        if not self.separator:
            found = _SEPARATOR.search(data)
            if found is None:
                self.tail, self.tail_at = data, at
                return []
            self.separator = found[0]
        rows = data.split(self.separator)
        if data.count(b"{") != len(rows) - 1:
            return self.recut()
        self.tail = rows.pop()
        self.tail_at = at + len(data) - len(self.tail)
        return rows

    def recut(self) -> list[bytes]:
        """Return the rows of the last `feed` exactly."""
        data, rows = self._data, list[bytes]()
        start, end, depth = 0, 0, 1
        for token in _TOKEN.finditer(data):
            kind = token[0]
            if kind == b'"':
                break  # a text that is not complete
            if kind in b"{[":
                if depth == 0:
                    if kind == b"[" or not _COMMA.fullmatch(data, end, token.start()):
                        break
                    rows.append(data[start : end - 1])
                    self.separator = data[end - 1 : token.end()]
                    start = token.end()
                depth += 1
            elif kind in b"}]":
                if depth == 0:
                    break  # the end of the list
                depth -= 1
                end = token.end()
        self.tail = data[start:]
        self.tail_at = self._data_at + start
        return rows

    def flush(self) -> list[bytes]:
        """Return the rows that are complete at the end of the body, all but the last one, exactly."""
        if not self.is_list:
            return self.feed(b"") and self.recut()
        self._data, self._data_at = self.rest(), self.tail_at
        self._waiting, self._waiting_bytes = [], 0
        return self.recut()

    def rest(self) -> bytes:
        """Return what is no complete row yet; at the end of the body, the last row with the end of the list."""
        return b"".join((self.tail, *self._waiting)) if self._waiting else self.tail

    def position(self, rows: list[bytes], number: int) -> int:
        """Return the position in the body of one of the rows of the last `feed` or `recut`."""
        at = 0
        for row in rows[:number]:
            at = self._data.find(row, at) + len(row)
        return self._data_at + self._data.find(rows[number], at)
