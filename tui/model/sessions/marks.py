"""Sessions that were marked to be acted on together. They are kept by key: what moves, moves with its mark. Pure."""

from collections.abc import Iterable, Iterator

from streamusage.core.usage import SessionKey


class Marks:
    """A set of session keys in the order in which they were marked."""

    def __init__(self) -> None:
        self._keys: dict[SessionKey, None] = {}
        self._range: dict[SessionKey, None] = {}

    def __len__(self) -> int:
        return len(self._keys)

    def __contains__(self, key: SessionKey) -> bool:
        return key in self._keys

    def __iter__(self) -> Iterator[SessionKey]:
        return iter(self._keys)

    def toggle(self, key: SessionKey) -> None:
        """Marks a session, or takes its mark away."""
        self._range.clear()
        if key in self._keys:
            del self._keys[key]
        else:
            self._keys[key] = None

    def stretch(self, keys: Iterable[SessionKey]) -> None:
        """Marks a range that is being drawn. What it marked before and no longer holds loses its mark again."""
        wanted = dict.fromkeys(keys)
        for key in self._range:
            if key not in wanted:
                self._keys.pop(key, None)
        self._range = {key: None for key in wanted if key in self._range or key not in self._keys}
        self._keys.update(self._range)

    def end_range(self) -> None:
        """What the range marked stays."""
        self._range.clear()

    def forget(self, keys: Iterable[SessionKey]) -> None:
        """Sessions that are gone are not marked any more."""
        for key in keys:
            self._keys.pop(key, None)
            self._range.pop(key, None)

    def clear(self) -> None:
        self._keys.clear()
        self._range.clear()
