"""Rows in the order of a key, kept in chunks: building, changing and reading cost what is touched. Pure.

A chunk holds the rows between two bounds and is sorted only when a row of it is read. A change is therefore a look-up
of its chunk, not a sort, and the order of a million rows is built by distributing them, in steps of a few milliseconds.
"""

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import accumulate
from typing import Any, NamedTuple

Key = tuple[Any, ...]

CHUNK_ROWS = 512
"""Rows of a new chunk. Sorting that many takes less than a millisecond."""
_STEP_ROWS = 1_000
"""Rows that are handled in one step."""
_SAMPLES_A_CHUNK = 4
_FREQUENT_SHARE = 4
"""A value is separated from the others if it is more than one in this many of a sample."""


class Order(NamedTuple):
    """A total order of rows."""

    key: Callable[[int], Key]
    """The whole key of a row."""
    parts: tuple[Callable[[int], Any], ...]
    """The parts of the key, each by itself."""


class _Above:
    """Sorts above every value."""

    def __lt__(self, other: object) -> bool:
        return False

    def __gt__(self, other: object) -> bool:
        return other is not self


_ABOVE = _Above()


class _Chunk:
    """Rows whose keys are at or above `bound` and below that of the next chunk."""

    __slots__ = ("bound", "is_sorted", "number", "rows")

    def __init__(self, bound: Key, rows: "array[int]", *, is_sorted: bool = False) -> None:
        self.bound = bound
        self.rows = rows
        self.is_sorted = is_sorted
        self.number = 0
        """Place among the chunks, once `_places` was computed."""


class OrderedIndex:
    """Rows in an order. A row whose key changes is discarded and added again before other rows are read or added."""

    def __init__(self, order: Order, chunk_rows: int = CHUNK_ROWS) -> None:
        self.order = order
        self._chunk_rows = chunk_rows
        self._most_chunk_rows = 2 * chunk_rows
        self._count = 0
        self._chunks: list[_Chunk] = []
        self._bounds: list[Key] = []
        self._chunk_of: list[_Chunk | None] = []
        self._places: list[int] | None = None
        """The number of rows before each chunk; `None` after a change."""
        self._set_chunks([])

    def __len__(self) -> int:
        return self._count

    def __contains__(self, row: int) -> bool:
        return row < len(self._chunk_of) and self._chunk_of[row] is not None

    def freeze_members(self) -> Callable[[int], bool]:
        """Return the function of a row that returns whether it is in the index now, whatever changes later."""
        chunk_of = self._chunk_of.copy()
        return lambda row: row < len(chunk_of) and chunk_of[row] is not None

    def unordered(self) -> "array[int]":
        """Return the rows in no order: none is sorted for that."""
        rows = array("i")
        for chunk in self._chunks:
            rows.extend(chunk.rows)
        return rows

    def __iter__(self) -> Iterator[int]:
        for chunk in self._chunks:
            yield from self._sorted_rows(chunk)

    def chunks(self) -> "Iterator[array[int]]":
        """Return the rows chunk by chunk, in order."""
        return map(self._sorted_rows, self._chunks)

    # Reading

    def slice(self, first: int, last: int) -> list[int]:
        """Return the rows from place `first` up to, but without, `last`."""
        first, last = max(0, first), min(last, self._count)
        found: list[int] = []
        if first >= last:
            return found
        places = self._computed_places()
        number = bisect_right(places, first) - 1
        while first + len(found) < last:
            rows = self._sorted_rows(self._chunks[number])
            at = first + len(found) - places[number]
            found += rows[at : at + last - first - len(found)]
            number += 1
        return found

    def place(self, row: int) -> int | None:
        """Return the place of a row; `None` if it is not in the index."""
        chunk = self._chunk_of[row] if row < len(self._chunk_of) else None
        if chunk is None:
            return None
        places = self._computed_places()
        return places[chunk.number] + self._sorted_rows(chunk).index(row)

    def _sorted_rows(self, chunk: _Chunk) -> "array[int]":
        if not chunk.is_sorted:
            chunk.rows = array("i", sorted(chunk.rows, key=self.order.key))
            chunk.is_sorted = True
        return chunk.rows

    def _computed_places(self) -> list[int]:
        if self._places is None:
            for number, chunk in enumerate(self._chunks):
                chunk.number = number
            self._places = list(accumulate((len(chunk.rows) for chunk in self._chunks), initial=0))
            self._places.pop()
        return self._places

    # Changing

    def discard(self, rows: Iterable[int]) -> None:
        """Remove those of the rows that are in the index. Their keys may have changed by now."""
        gone: dict[_Chunk, list[int]] = {}
        for row in rows:
            chunk = self._chunk_of[row] if row < len(self._chunk_of) else None
            if chunk is not None:
                self._chunk_of[row] = None
                gone.setdefault(chunk, []).append(row)
        for chunk, left in gone.items():
            if len(left) == 1:
                chunk.rows.remove(left[0])
            else:
                absent = set(left)
                chunk.rows = array("i", [row for row in chunk.rows if row not in absent])
            self._count -= len(left)
        if gone:
            self._places = None
            if any(not chunk.rows for chunk in gone):
                self._set_chunks([chunk for chunk in self._chunks if chunk.rows])

    def add(self, rows: Iterable[int]) -> None:
        """Add rows that are not in the index."""
        key = self.order.key
        for row in rows:
            self._make_room(row)
            number = bisect_right(self._bounds, key(row)) - 1
            chunk = self._chunks[number]
            chunk.rows.append(row)
            chunk.is_sorted = False
            self._chunk_of[row] = chunk
            self._count += 1
            if len(chunk.rows) > self._most_chunk_rows:
                self._split(number)
        self._places = None

    def _make_room(self, row: int) -> None:
        if row >= len(self._chunk_of):
            self._chunk_of.extend([None] * (row + 1 - len(self._chunk_of)))

    def _split(self, number: int) -> None:
        chunk = self._chunks[number]
        rows = self._sorted_rows(chunk)
        middle = len(rows) // 2
        upper = _Chunk(self.order.key(rows[middle]), rows[middle:], is_sorted=True)
        chunk.rows = rows[:middle]
        for row in upper.rows:
            self._chunk_of[row] = upper
        self._chunks.insert(number + 1, upper)
        self._bounds.insert(number + 1, upper.bound)

    def _set_chunks(self, chunks: list[_Chunk]) -> None:
        self._chunks = chunks or [_Chunk((), array("i"))]
        self._chunks[0].bound = ()
        self._bounds = [chunk.bound for chunk in self._chunks]
        self._places = None

    # Building, in steps

    def build_from(self, other: "OrderedIndex", select: Callable[[Sequence[int]], list[int]]) -> Iterator[None]:
        """Take over the rows of another index that `select` keeps into an empty one, with a step after each yield.

        The other index may change meanwhile: its rows of the beginning are taken over.
        """
        self._chunk_of = [None] * len(other._chunk_of)
        present = [_Chunk(chunk.bound, chunk.rows[:], is_sorted=chunk.is_sorted) for chunk in other._chunks]
        chunks: list[_Chunk] = []
        for chunk in present:
            chunk.rows = array("i", select(chunk.rows))
            if chunk.rows:
                chunks.append(chunk)
                self._own(chunk)
            yield
        self._set_chunks(chunks)

    def _own(self, chunk: _Chunk) -> None:
        chunk_of = self._chunk_of
        for row in chunk.rows:
            chunk_of[row] = chunk
        self._count += len(chunk.rows)

    def build(self, groups: Iterable[tuple[Key, "array[int]"]], highest_row: int) -> Iterator[None]:
        """Distribute rows into an empty index, with a step after each yield.

        Each group has the first part of its keys and its rows; the groups are in order.
        """
        self._chunk_of = [None] * (highest_row + 1)
        chunks: list[_Chunk] = []
        waiting = [_Part(prefix, prefix, 1, rows) for prefix, rows in groups]
        waiting.reverse()
        while waiting:
            part = waiting.pop()
            if len(part.rows) <= self._most_chunk_rows or part.level >= len(self.order.parts):
                if part.rows:
                    chunks.append(_Chunk(part.bound, part.rows))
                    self._own(chunks[-1])
                yield
                continue
            smaller: list[_Part] = []
            yield from self._distribute(part, smaller)
            waiting += reversed(smaller)
        self._set_chunks(chunks)

    def _distribute(self, part: "_Part", smaller: "list[_Part]") -> Iterator[None]:
        rows, value_of = part.rows, self.order.parts[part.level]
        wanted = len(rows) // self._chunk_rows
        step = max(1, len(rows) // (wanted * _SAMPLES_A_CHUNK))
        sample: list[Any] = []
        for start in range(0, len(rows), step * _STEP_ROWS):
            sample += sorted(map(value_of, rows[start : start + step * _STEP_ROWS : step]))
            yield
        sample.sort()
        yield
        middle = sample[len(sample) // 2]
        if bisect_right(sample, middle) - bisect_left(sample, middle) > len(sample) // _FREQUENT_SHARE:
            yield from self._separate(part, middle, smaller)
            return
        chosen = sample[_SAMPLES_A_CHUNK::_SAMPLES_A_CHUNK]
        splitters = [value for before, value in zip([sample[0], *chosen], chosen, strict=False) if value > before]
        if not splitters:
            splitters = [next(value for value in sample if value > sample[0])]
        buckets = [array("i") for _ in range(len(splitters) + 1)]
        for start in range(0, len(rows), _STEP_ROWS):
            some = rows[start : start + _STEP_ROWS]
            for row, value in zip(some, map(value_of, some), strict=True):
                buckets[bisect_right(splitters, value)].append(row)
            yield
        bounds = [part.bound, *((*part.prefix, splitter) for splitter in splitters)]
        smaller += [
            _Part(bound, part.prefix, part.level, bucket) for bound, bucket in zip(bounds, buckets, strict=True)
        ]

    def _separate(self, part: "_Part", frequent: Any, smaller: "list[_Part]") -> Iterator[None]:
        """Separate the rows of a frequent value, which the next part of the key orders."""
        below, equal, above = array("i"), array("i"), array("i")
        value_of = self.order.parts[part.level]
        for start in range(0, len(part.rows), _STEP_ROWS):
            some = part.rows[start : start + _STEP_ROWS]
            for row, value in zip(some, map(value_of, some), strict=True):
                (equal if value == frequent else below if value < frequent else above).append(row)
            yield
        prefix = (*part.prefix, frequent)
        smaller += [
            _Part(part.bound, part.prefix, part.level, below),
            _Part(prefix, prefix, part.level + 1, equal),
            _Part((*prefix, _ABOVE), part.prefix, part.level, above),
        ]


class _Part(NamedTuple):
    """Rows that wait for their distribution: at or above `bound`, all with the key `prefix`."""

    bound: Key
    prefix: Key
    level: int
    """The part of the key by which they are distributed."""
    rows: "array[int]"
