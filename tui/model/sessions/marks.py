"""Marked sessions, for actions on several at once. Kept by key, so that a mark moves with its session. Pure."""

from collections.abc import Collection, Iterable, Iterator

Key = tuple[str, str, int]
"""A `SessionKey`, or a tuple that equals one: those of a hundred thousand sessions are made faster."""


class Marks:
    """Session keys in the order in which they were marked."""

    def __init__(self) -> None:
        self._keys: dict[Key, None] = {}
        self._range: dict[Key, None] = {}

    def __len__(self) -> int:
        return len(self._keys)

    def __contains__(self, key: Key) -> bool:
        return key in self._keys

    def __iter__(self) -> Iterator[Key]:
        return iter(self._keys)

    def freeze(self) -> Collection[Key]:
        """Return the marks as they are now."""
        return self._keys.copy()

    def toggle(self, key: Key) -> None:
        """Mark a session, or remove its mark."""
        self._range.clear()
        if key in self._keys:
            del self._keys[key]
        else:
            self._keys[key] = None

    def stretch(self, keys: Iterable[Key]) -> None:
        """Mark the range that is being selected. Sessions that left the range lose the mark that it gave them."""
        wanted = dict.fromkeys(keys)
        for key in self._range:
            if key not in wanted:
                self._keys.pop(key, None)
        self._range = {key: None for key in wanted if key in self._range or key not in self._keys}
        self._keys.update(self._range)

    def add(self, keys: Iterable[Key]) -> None:
        """Mark sessions; none loses its mark by that later."""
        self._range.clear()
        self._keys.update(dict.fromkeys(keys))

    def end_range(self) -> None:
        """End the selection; its marks stay."""
        self._range.clear()

    def forget(self, keys: Iterable[Key]) -> None:
        """Remove the marks of sessions that are gone."""
        for key in keys:
            self._keys.pop(key, None)
            self._range.pop(key, None)

    def clear(self) -> None:
        """Remove all marks."""
        self._keys.clear()
        self._range.clear()
