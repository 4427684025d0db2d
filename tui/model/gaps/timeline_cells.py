"""The cells of a row of the gap view: a code for the look of each, so that equal neighbours are drawn at once. Pure."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from typing import NamedTuple, overload

from streamusage.api.extension import CoverageSpan
from streamusage.core.coverage import WORST_FIRST, Provenance

NO_RANK = len(WORST_FIRST)
"""Rank of a cell in which nothing is due; other ranks are places in `WORST_FIRST`."""

LOOKS: tuple[tuple[Provenance | None, bool], ...] = tuple(
    (state, mostly_other) for state in (*WORST_FIRST, None) for mostly_other in (False, True)
)
"""By code: the worst state of a cell, and whether less than half of its due time is in it."""

_WHOLE = [bytes([2 * rank]) for rank in range(NO_RANK)]
"""By rank: the code of a cell that is in one state."""
_EMPTY = bytes([2 * NO_RANK])


class TimelineCell(NamedTuple):
    """A cell of the grid: its worst state, the time in that state, and the due time of the cell."""

    state: Provenance
    in_state_ms: int
    due_ms: int


class TimelineCells(Sequence[TimelineCell | None]):
    """The cells of a row, summed when they are read; `None` where nothing is due."""

    def __init__(self, codes: bytes, edges: Sequence[int], spans: Sequence[CoverageSpan]) -> None:
        self.codes = codes
        """Of each cell, its place in `LOOKS`."""
        self._edges = edges
        self._spans = spans

    def __len__(self) -> int:
        return len(self.codes)

    @overload
    def __getitem__(self, place: int) -> TimelineCell | None: ...

    @overload
    def __getitem__(self, place: slice) -> list[TimelineCell | None]: ...

    def __getitem__(self, place: int | slice) -> TimelineCell | list[TimelineCell | None] | None:
        if isinstance(place, slice):
            return [self[number] for number in range(len(self))[place]]
        state, _ = LOOKS[self.codes[place]]
        if state is None:
            return None
        begins, ends = self._edges[place], self._edges[place + 1]
        first = bisect_right(self._spans, begins, key=lambda span: span.to_ms)
        end = bisect_left(self._spans, ends, key=lambda span: span.from_ms)
        lengths = [(span.state, span.interval.clip(begins, ends).length_ms) for span in self._spans[first:end]]
        in_state_ms = sum(length for found, length in lengths if found is state)
        return TimelineCell(state, in_state_ms, sum(length for _, length in lengths))


def codes_between(edges: Sequence[int], spans: Iterable[tuple[int, int, int]]) -> bytes:
    """Return the codes of the cells between neighbouring edges.

    `spans` are start, end and rank of those that overlap them, sorted. Cells that a span fills are not summed.
    """
    count = len(edges) - 1
    codes = bytearray(_EMPTY * count)
    cell, worst = -1, NO_RANK
    ends = in_state_ms = due_ms = 0
    for from_ms, to_ms, rank in spans:
        if cell < 0 or from_ms >= ends:
            if cell >= 0:
                codes[cell] = 2 * worst + (2 * in_state_ms < due_ms)
            cell = max(0, bisect_right(edges, from_ms) - 1)
            ends, worst, in_state_ms, due_ms = edges[cell + 1], NO_RANK, 0, 0
        begins = edges[cell]
        inside_ms = (to_ms if to_ms < ends else ends) - (from_ms if from_ms > begins else begins)
        due_ms += inside_ms
        if rank < worst:
            worst, in_state_ms = rank, inside_ms
        elif rank == worst:
            in_state_ms += inside_ms
        if to_ms > ends and cell + 1 < count:
            codes[cell] = 2 * worst + (2 * in_state_ms < due_ms)
            last = min(count, bisect_left(edges, to_ms)) - 1
            codes[cell + 1 : last] = _WHOLE[rank] * (last - cell - 1)
            cell, begins, ends, worst = last, edges[last], edges[last + 1], rank
            in_state_ms = due_ms = (to_ms if to_ms < ends else ends) - begins
    if cell >= 0:
        codes[cell] = 2 * worst + (2 * in_state_ms < due_ms)
    return bytes(codes)
