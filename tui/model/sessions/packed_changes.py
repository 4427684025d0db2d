"""Changes of a poll as columns: a third of the memory of the objects. Pure."""

from array import array
from collections.abc import Iterable, Iterator, Sequence
from typing import overload

from tui.model.sessions.session_columns import SessionColumns
from tui.model.sessions.store import Change

_NONE = -1


class PackedChanges(Sequence[Change]):
    """A sequence of changes that makes each of them when it is read."""

    __slots__ = ("_after", "_before", "_sessions")

    def __init__(self, changes: Iterable[Change] = ()) -> None:
        self._sessions = SessionColumns()
        self._before = array("i")
        self._after = array("i")
        self.extend(changes)

    def extend(self, changes: Iterable[Change]) -> None:
        """Add changes."""
        append = self._sessions.append
        for _, before, after in changes:
            self._before.append(_NONE if before is None else append(before))
            self._after.append(_NONE if after is None else append(after))
            if before is not None and after is not None:
                self._sessions.share_name(self._after[-1], self._before[-1])

    def __len__(self) -> int:
        return len(self._before)

    @overload
    def __getitem__(self, number: int) -> Change: ...
    @overload
    def __getitem__(self, number: slice) -> list[Change]: ...
    def __getitem__(self, number: int | slice) -> Change | list[Change]:
        if isinstance(number, slice):
            return [self._change(one) for one in range(*number.indices(len(self)))]
        return self._change(range(len(self))[number])

    def __iter__(self) -> Iterator[Change]:
        return map(self._change, range(len(self)))

    def _change(self, number: int) -> Change:
        before, after = self._before[number], self._after[number]
        key = self._sessions.key(after if before == _NONE else before)
        return Change(
            key,
            None if before == _NONE else self._sessions.session(before),
            None if after == _NONE else self._sessions.session(after),
        )
