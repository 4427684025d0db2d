"""Where keys stand in a TOML text, so that an error can name the line, which the parser does not tell. Pure."""

import re
from typing import NamedTuple


class _Place(NamedTuple):
    table: tuple[str, ...]
    key: str
    line: int


class TomlLines:
    """Where keys stand in a TOML text that is known to be well-formed. Inline tables count as their key's line.

    A table of an array has its number in it: `("source", "0", "kind")`.
    """

    _TABLE = re.compile(r"\s*\[\s*([^\[\]]+?)\s*\]\s*(?:#.*)?$")
    _TABLE_OF_ARRAY = re.compile(r"\s*\[\[\s*([^\[\]]+?)\s*\]\]\s*(?:#.*)?$")
    _KEY = re.compile(r"\s*([A-Za-z0-9_.\-\"' ]+?)\s*=")

    def __init__(self, text: str) -> None:
        self._places: list[_Place] = []
        table: tuple[str, ...] = ()
        numbers: dict[tuple[str, ...], int] = {}
        for number, line in enumerate(text.splitlines(), 1):
            if match := self._TABLE_OF_ARRAY.match(line):
                name = _parts(match[1])
                numbers[name] = numbers.get(name, -1) + 1
                table = (*name, str(numbers[name]))
                self._places.append(_Place(table, "", number))
            elif match := self._TABLE.match(line):
                table = _parts(match[1])
                self._places.append(_Place(table, "", number))
            elif match := self._KEY.match(line):
                *inner, key = _parts(match[1])
                self._places.append(_Place((*table, *inner), key, number))

    def of(self, keys: tuple[str, ...]) -> int | None:
        """The line of a key, or of the nearest table around it; `None` where neither is in the text."""
        for length in range(len(keys), 0, -1):
            wanted = keys[:length]
            for place in self._places:
                if (*place.table, place.key) == wanted or (place.table == wanted and not place.key):
                    return place.line
        return None


def _parts(dotted: str) -> tuple[str, ...]:
    return tuple(part.strip().strip("\"'") for part in dotted.split("."))
