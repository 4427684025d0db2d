"""Line numbers of keys in a TOML text, for error messages: `tomllib` does not report them. Pure."""

import re
from typing import NamedTuple


class _KeyLocation(NamedTuple):
    table: tuple[str, ...]
    key: str
    """Empty for the line of a table's own header."""
    line: int


class TomlLines:
    """Line numbers of the keys of a well-formed TOML text.

    Keys of an inline table have the line of the table's key. A table of an array is addressed by its index:
    `("source", "0", "kind")`.
    """

    _TABLE = re.compile(r"\s*\[\s*([^\[\]]+?)\s*\]\s*(?:#.*)?$")
    _TABLE_OF_ARRAY = re.compile(r"\s*\[\[\s*([^\[\]]+?)\s*\]\]\s*(?:#.*)?$")
    _KEY = re.compile(r"\s*([A-Za-z0-9_.\-\"' ]+?)\s*=")

    def __init__(self, text: str) -> None:
        self._locations: list[_KeyLocation] = []
        table: tuple[str, ...] = ()
        last_indexes: dict[tuple[str, ...], int] = {}
        for line_number, line in enumerate(text.splitlines(), 1):
            if match := self._TABLE_OF_ARRAY.match(line):
                name = _split_dotted_key(match[1])
                last_indexes[name] = last_indexes.get(name, -1) + 1
                table = (*name, str(last_indexes[name]))
                self._locations.append(_KeyLocation(table, "", line_number))
            elif match := self._TABLE.match(line):
                table = _split_dotted_key(match[1])
                self._locations.append(_KeyLocation(table, "", line_number))
            elif match := self._KEY.match(line):
                *inner, key = _split_dotted_key(match[1])
                self._locations.append(_KeyLocation((*table, *inner), key, line_number))

    def find_line(self, keys: tuple[str, ...]) -> int | None:
        """Return the line of a key, or of its nearest enclosing table; None if neither is in the text."""
        for length in range(len(keys), 0, -1):
            prefix = keys[:length]
            for location in self._locations:
                is_key = (*location.table, location.key) == prefix
                is_table = location.table == prefix and not location.key
                if is_key or is_table:
                    return location.line
        return None


def _split_dotted_key(dotted: str) -> tuple[str, ...]:
    return tuple(part.strip().strip("\"'") for part in dotted.split("."))
