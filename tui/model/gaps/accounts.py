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
from tui.model.gaps.timeline_cells import TimelineCells, codes_between

WHOLE = (Provenance.LIVE, Provenance.BACKFILLED)
"""States of fully covered time."""
OPEN = (Provenance.MISSING, Provenance.HELD)
"""States that can still change."""

_RANK = {state: rank for rank, state in enumerate(WORST_FIRST)}
_WHOLE_RANKS = frozenset(_RANK[state] for state in WHOLE)
_MISSING_RANK, _LIVE_RANK = _RANK[Provenance.MISSING], _RANK[Provenance.LIVE]
_COUNTS_AS = [(state in WHOLE, state is Provenance.MISSING) for state in WORST_FIRST]
"""By rank: whether time is complete, and whether it is owed."""
_OPEN_RANKS = frozenset(_RANK[state] for state in OPEN)


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


class CoverageTimeline:
    """The spans of one row: sorted and without overlap."""

    def __init__(self, spans: Sequence[CoverageSpan], known: "CoverageTimeline | None" = None, kept: int = 0) -> None:
        """Index the spans. The first `kept` ones are those of a timeline that is known; its index is used for them."""
        self.spans = spans
        added = spans[kept:]
        ranks = [_RANK[span.state] for span in added]
        lengths = [span.to_ms - span.from_ms for span in added]
        whole = [length if rank in _WHOLE_RANKS else 0 for rank, length in zip(ranks, lengths, strict=True)]
        missing = [length if rank == _MISSING_RANK else 0 for rank, length in zip(ranks, lengths, strict=True)]
        self._from: list[int] = [*(known._from[:kept] if known else ()), *(span.from_ms for span in added)]
        self._to: list[int] = [*(known._to[:kept] if known else ()), *(span.to_ms for span in added)]
        self._ranks: list[int] = [*(known._ranks[:kept] if known else ()), *ranks]
        self._due: list[int] = _extend_sums(known._due if known else [0], kept, lengths)
        self._complete: list[int] = _extend_sums(known._complete if known else [0], kept, whole)
        self._owed: list[int] = _extend_sums(known._owed if known else [0], kept, missing)
        gaps = bisect_left(known._gap_places, kept) if known else 0
        self._gap_places: list[int] = [
            *(known._gap_places[:gaps] if known else ()),
            *(kept + place for place, rank in enumerate(ranks) if rank != _LIVE_RANK),
        ]
        self._gaps: list[int] = [
            *(known._gaps[:gaps] if known else ()),
            *(span.from_ms for span, rank in zip(added, ranks, strict=True) if rank != _LIVE_RANK),
        ]
        self._last_totals: tuple[int, int, CoverageTotals] | None = None
        self._last_cells: tuple[Sequence[int], TimelineCells] | None = None

    def between(self, from_ms: int, to_ms: int) -> Sequence[CoverageSpan]:
        """Return the spans that overlap a window, oldest first."""
        return self.spans[bisect_right(self._to, from_ms) : bisect_left(self._from, to_ms)]

    def totals(self, from_ms: int, to_ms: int) -> CoverageTotals:
        """Return the totals of a window. The last window is kept: spans never change."""
        last = self._last_totals
        if last is None or last[0] != from_ms or last[1] != to_ms:
            last = self._last_totals = (from_ms, to_ms, self._sum(from_ms, to_ms))
        return last[2]

    def _sum(self, from_ms: int, to_ms: int) -> CoverageTotals:
        first, end = bisect_right(self._to, from_ms), bisect_left(self._from, to_ms)
        if first >= end:
            return NOTHING
        due_ms = self._due[end] - self._due[first]
        complete_ms = self._complete[end] - self._complete[first]
        owed_ms = self._owed[end] - self._owed[first]
        if (outside_ms := from_ms - self._from[first]) > 0:
            is_complete, is_owed = _COUNTS_AS[self._ranks[first]]
            due_ms -= outside_ms
            complete_ms -= outside_ms * is_complete
            owed_ms -= outside_ms * is_owed
        if (outside_ms := self._to[end - 1] - to_ms) > 0:
            is_complete, is_owed = _COUNTS_AS[self._ranks[end - 1]]
            due_ms -= outside_ms
            complete_ms -= outside_ms * is_complete
            owed_ms -= outside_ms * is_owed
        return CoverageTotals(due_ms, complete_ms, owed_ms)

    def cells(self, edges: Sequence[int]) -> TimelineCells:
        """Return the cells between neighbouring edges, each with its worst state; `None` where nothing is due.

        The last edges are kept: spans never change, and a key that reorders rows asks for the same cells.
        """
        last = self._last_cells
        if last is None or last[0] != edges:
            first, end = bisect_right(self._to, edges[0]), bisect_left(self._from, edges[-1])
            spans = zip(self._from[first:end], self._to[first:end], self._ranks[first:end], strict=True)
            last = self._last_cells = (edges, TimelineCells(codes_between(edges, spans), edges, self.spans))
        return last[1]

    def next_gap(self, after_ms: int) -> int | None:
        """Return the start of the first gap at or after an instant."""
        place = bisect_left(self._gaps, after_ms)
        return self._gaps[place] if place < len(self._gaps) else None

    def gap_before(self, before_ms: int) -> int | None:
        """Return the start of the last gap before an instant."""
        place = bisect_left(self._gaps, before_ms)
        return self._gaps[place - 1] if place else None

    def settled_before(self, default_ms: int) -> int:
        """Return the start of the time that can still change: of the run of gaps with the first open gap.

        The last run, if it lasts, is still growing.
        """
        if not self.spans:
            return default_ms
        last = len(self.spans) - 1
        changing = next((place for place in self._gap_places if self._ranks[place] in _OPEN_RANKS), None)
        if changing is None and self._ranks[last] != _LIVE_RANK:
            changing = last
        if changing is None:
            return self._to[last]
        while changing and self._ranks[changing - 1] != _LIVE_RANK:
            changing -= 1
        return self._from[changing]

    def missing(self) -> list[CoverageSpan]:
        """Return the spans that are not reported yet."""
        if _MISSING_RANK not in self._ranks:
            return []
        return [self.spans[place] for place in self._gap_places if self._ranks[place] == _MISSING_RANK]

    def spliced(self, from_ms: int, newer: Sequence[CoverageSpan]) -> "CoverageTimeline":
        """Return this timeline with everything from an instant on replaced by a newer response.

        A gap that lasted beyond the instant and ended is kept whole: the response has only a part of it.
        """
        kept = bisect_left(self._from, from_ms)
        added: list[CoverageSpan] = []
        if kept and self._to[kept - 1] > from_ms:
            end = self._end_of_settled_run(kept - 1)
            if end is None:
                kept -= 1
                added.append(msgspec.structs.replace(self.spans[kept], to_ms=from_ms))
            else:
                kept, from_ms = end + 1, self._to[end]
                newer = [
                    span if span.from_ms >= from_ms else msgspec.structs.replace(span, from_ms=from_ms)
                    for span in newer
                    if span.to_ms > from_ms
                ]
        if newer and newer[0].state is Provenance.LIVE and (added or kept):
            last = added[-1] if added else self.spans[kept - 1]
            if last.state is Provenance.LIVE and last.to_ms == newer[0].from_ms:
                newer = [msgspec.structs.replace(newer[0], from_ms=last.from_ms), *newer[1:]]
                if not added:
                    kept -= 1
                added = []
        return CoverageTimeline([*self.spans[:kept], *added, *newer], self, kept)

    def _end_of_settled_run(self, place: int) -> int | None:
        """Return the last span of the run of gaps at a place; `None` for live time, and for a run that can change."""
        last = len(self.spans) - 1
        if self._ranks[place] == _LIVE_RANK:
            return None
        while place < last and self._to[place] == self._from[place + 1] and self._ranks[place + 1] != _LIVE_RANK:
            place += 1
        if place == last or self.settled_before(0) < self._to[place]:
            return None
        return place


def _extend_sums(known: list[int], kept: int, numbers: Iterable[int]) -> list[int]:
    """Return running sums: those of the first `kept` numbers, and more from there."""
    return known[:kept] + list(accumulate(numbers, initial=known[kept]))


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
