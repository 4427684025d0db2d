"""Row numbers by the key of a session. Pure."""

from collections.abc import Iterable
from typing import cast

from streamusage.core.usage import SessionKey

Key = SessionKey | tuple[str, str, int]

_PARTS = 64


class KeyMap:
    """A map in parts: one that grows is copied, and the copy of a part takes no time.

    Keys are kept as plain tuples, which equal a `SessionKey` and are nothing for the garbage collector to walk over.
    """

    __slots__ = ("_parts",)

    def __init__(self) -> None:
        self._parts: list[dict[Key, int]] = [{} for _ in range(_PARTS)]

    def __len__(self) -> int:
        return sum(map(len, self._parts))

    def __contains__(self, key: Key) -> bool:
        return key in self._parts[hash(key[1]) % _PARTS]

    def get(self, key: Key) -> int | None:
        """Return the row of a key, or `None`."""
        return self._parts[hash(key[1]) % _PARTS].get(key)

    def put(self, key: Key, row: int) -> None:
        """Set the row of a key."""
        self._parts[hash(key[1]) % _PARTS][cast("Key", tuple(key))] = row

    def pop(self, key: Key) -> int | None:
        """Remove a key and return its row, or `None`."""
        return self._parts[hash(key[1]) % _PARTS].pop(key, None)

    def add_new(self, keys: Iterable[tuple[str, str, int]], first: int) -> list[int]:
        """Add keys, the first one with the row `first`. Returns the rows of keys that are known already."""
        parts, known = self._parts, list[int]()
        for row, key in enumerate(keys, first):
            part = parts[hash(key[1]) % _PARTS]
            if key in part:
                known.append(row)
            else:
                part[key] = row
        return known
