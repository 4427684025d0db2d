"""Coverage of one row of the gap view, indexed for queries of any window. Pure.

Windows are looked up, not scanned: a month of 500 servers is drawn as fast as an hour of three.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from itertools import accumulate
from typing import NamedTuple

import msgspec

from streamusage.api.extension import CoverageSpan
from streamusage.core.coverage import WORST_FIRST, Provenance

WHOLE = (Provenance.LIVE, Provenance.BACKFILLED)
"""States of fully covered time."""
OPEN = (Provenance.MISSING, Provenance.HELD)
"""States that can still change."""

_RANK = {state: rank for rank, state in enumerate(WORST_FIRST)}


class CoverageTotals(NamedTuple):
    """Milliseconds of a window: due, complete, missing so far and lost."""

    due_ms: int
    complete_ms: int
    owed_ms: int

    @property
    def lacking_ms(self) -> int:
        """Due time that is not complete."""
        return self.due_ms - self.complete_ms


NOTHING = CoverageTotals(0, 0, 0)


class TimelineCell(NamedTuple):
    """A cell of the grid: its worst state, the time in that state, and the due time of the cell."""

    state: Provenance
    in_state_ms: int
    due_ms: int


class CoverageTimeline:
    """The spans of one row: sorted and without overlap."""

    def __init__(self, spans: Sequence[CoverageSpan]) -> None:
        self.spans = spans
        self._from = [span.from_ms for span in spans]
        self._to = [span.to_ms for span in spans]
        lengths = [span.to_ms - span.from_ms for span in spans]
        self._due = _sums(lengths)
        self._complete = _sums(
            length if span.state in WHOLE else 0 for span, length in zip(spans, lengths, strict=True)
        )
        self._owed = _sums(
            length if span.state is Provenance.MISSING else 0 for span, length in zip(spans, lengths, strict=True)
        )
        self._settled: int | None = None
        self._gaps = [span.from_ms for span in spans if span.state is not Provenance.LIVE]

    def between(self, from_ms: int, to_ms: int) -> Sequence[CoverageSpan]:
        """Return the spans that overlap a window, oldest first."""
        return self.spans[bisect_right(self._to, from_ms) : bisect_left(self._from, to_ms)]

    def totals(self, from_ms: int, to_ms: int) -> CoverageTotals:
        """Return the totals of a window."""
        first, last = bisect_right(self._to, from_ms), bisect_left(self._from, to_ms)
        if first >= last:
            return NOTHING
        found = CoverageTotals(
            self._due[last] - self._due[first],
            self._complete[last] - self._complete[first],
            self._owed[last] - self._owed[first],
        )
        for span, outside_ms in (
            (self.spans[first], from_ms - self._from[first]),
            (self.spans[last - 1], self._to[last - 1] - to_ms),
        ):
            if outside_ms > 0:
                found = CoverageTotals(
                    found.due_ms - outside_ms,
                    found.complete_ms - (outside_ms if span.state in WHOLE else 0),
                    found.owed_ms - (outside_ms if span.state is Provenance.MISSING else 0),
                )
        return found

    def cells(self, edges: Sequence[int]) -> list[TimelineCell | None]:
        """Return the cells between neighbouring edges, each with its worst state; `None` where nothing is due."""
        cells: list[TimelineCell | None] = [None] * (len(edges) - 1)
        for span in self.between(edges[0], edges[-1]):
            first = max(0, bisect_right(edges, span.from_ms) - 1)
            last = min(len(cells), bisect_left(edges, span.to_ms))
            for number in range(first, last):
                inside_ms = min(span.to_ms, edges[number + 1]) - max(span.from_ms, edges[number])
                cells[number] = _with(cells[number], span.state, inside_ms)
        return cells

    def next_gap(self, after_ms: int) -> int | None:
        """Return the start of the first gap at or after an instant."""
        place = bisect_left(self._gaps, after_ms)
        return self._gaps[place] if place < len(self._gaps) else None

    def gap_before(self, before_ms: int) -> int | None:
        """Return the start of the last gap before an instant."""
        place = bisect_left(self._gaps, before_ms)
        return self._gaps[place - 1] if place else None

    def settled_before(self, default_ms: int) -> int:
        """Return the start of the time that can still change: of the run of gaps with the first open gap."""
        if self._settled is not None:
            return self._settled
        if not self.spans:
            return default_ms
        found = next((place for place, span in enumerate(self.spans) if span.state in OPEN), len(self.spans))
        while found and self.spans[found - 1].state is not Provenance.LIVE:
            found -= 1
        self._settled = self._from[found] if found < len(self.spans) else self._to[-1]
        return self._settled

    def run_that_holds(self, at_ms: int) -> int:
        """Return the start of the run of gaps that covers an instant, or the instant itself."""
        place = bisect_right(self._to, at_ms)
        if place == len(self.spans) or self._from[place] >= at_ms or self.spans[place].state is Provenance.LIVE:
            return at_ms
        while place and self._to[place - 1] == self._from[place] and self.spans[place - 1].state is not Provenance.LIVE:
            place -= 1
        return self._from[place]

    def spliced(self, from_ms: int, newer: Sequence[CoverageSpan]) -> "CoverageTimeline":
        """Return this timeline with everything from an instant on replaced by a newer response."""
        kept = [
            span if span.to_ms <= from_ms else msgspec.structs.replace(span, to_ms=from_ms)
            for span in self.spans[: bisect_left(self._from, from_ms)]
        ]
        newer = list(newer)
        meet = kept and newer and kept[-1].to_ms == newer[0].from_ms
        if meet and kept[-1].state is newer[0].state is Provenance.LIVE:
            newer[0] = msgspec.structs.replace(newer[0], from_ms=kept.pop().from_ms)
        return CoverageTimeline([*kept, *newer])


def _sums(numbers: Iterable[int]) -> list[int]:
    return [0, *accumulate(numbers)]


def _with(cell: TimelineCell | None, state: Provenance, inside_ms: int) -> TimelineCell:
    if cell is None:
        return TimelineCell(state, inside_ms, inside_ms)
    due_ms = cell.due_ms + inside_ms
    if state is cell.state:
        return TimelineCell(state, cell.in_state_ms + inside_ms, due_ms)
    worse = _RANK[state] < _RANK[cell.state]
    return TimelineCell(state, inside_ms, due_ms) if worse else cell._replace(due_ms=due_ms)


def overlaid(timelines: Iterable[Sequence[CoverageSpan]]) -> list[CoverageSpan]:
    """Return the spans of several timelines as one: the worst state at each instant, without deltas."""
    turns: list[tuple[int, int, int, CoverageSpan]] = []
    for spans in timelines:
        for span in spans:
            if span.to_ms > span.from_ms:
                turns.append((span.from_ms, 1, _RANK[span.state], span))
                turns.append((span.to_ms, -1, _RANK[span.state], span))
    turns.sort(key=lambda turn: turn[:2])
    result: list[CoverageSpan] = []
    open_by_rank = [0] * len(WORST_FIRST)
    newest: dict[int, CoverageSpan] = {}
    at_ms = 0
    for turn_ms, way, rank, span in turns:
        worst = next((number for number, count in enumerate(open_by_rank) if count), None)
        if worst is not None and turn_ms > at_ms:
            last = result[-1] if result else None
            source = newest[worst]
            if last and last.to_ms == at_ms and last.state is WORST_FIRST[worst] and last.reason == source.reason:
                result[-1] = msgspec.structs.replace(last, to_ms=turn_ms)
            else:
                result.append(
                    msgspec.structs.replace(source, from_ms=at_ms, to_ms=turn_ms, state=WORST_FIRST[worst], delta=None)
                )
        at_ms = turn_ms
        open_by_rank[rank] += way
        if way > 0:
            newest[rank] = span
    return result
