"""The time that the spans of a report add to coverage. Pure.

Spans overlap where the time line of a journal is behind what its predecessor reported. A *mark* (`partial`, `lost`)
wins then: its units are missing, wherever clocks file the time in which they are. Of two marks, one that says that
units are missing wins over one that says only that their time is uncertain.
"""

from collections.abc import Iterable, Sequence

from msgspec.structs import replace

from streamusage.api.report import SpanRow
from streamusage.core.reasons import UNITS_COMPLETE, canonical_reason


def lay_out_spans(spans: Iterable[SpanRow], watermark: int) -> list[SpanRow]:
    """Return the spans after the watermark, oldest first, without overlap."""
    ordered = sorted((span for span in spans if span.from_ms < span.to_ms), key=lambda span: span.from_ms)
    laid_out: list[SpanRow] = []
    for weight in (2, 1, 0):
        layer = [span for span in ordered if _weight(span) == weight]
        laid_out += _lay_out_between(layer, watermark, laid_out)
        laid_out.sort(key=lambda span: span.from_ms)
    return laid_out


def find_hidden_mark(spans: Iterable[SpanRow], watermark: int, applied_to: int) -> SpanRow | None:
    """Return a mark whose time is covered already and that was not applied before; `None` if there is none.

    A mark was applied before if its revision is not above `applied_to`. A mark at the watermark shows the others, too,
    if none of them weighs more.
    """
    marks = [span for span in spans if span.from_ms < span.to_ms and _weight(span)]
    at_watermark = max((_weight(mark) for mark in marks if mark.from_ms <= watermark < mark.to_ms), default=0)
    hidden = [mark for mark in marks if mark.to_ms <= watermark and mark.revision > applied_to]
    found = min(hidden, key=lambda mark: (-_weight(mark), mark.from_ms), default=None)
    return found if found is not None and _weight(found) > at_watermark else None


def place_mark(spans: Iterable[SpanRow], hidden: SpanRow, watermark: int) -> tuple[SpanRow, ...]:
    """Return the spans of a report with a hidden mark: it marks the last millisecond that the report covers."""
    kept = tuple(span for span in spans if span.from_ms < span.to_ms)
    end = max([watermark + 1, *(span.to_ms for span in kept)])
    return (*kept, replace(hidden, from_ms=end - 1, to_ms=end))


def _weight(span: SpanRow) -> int:
    """Return 0 for counted time, 1 for a mark of time whose units are complete, 2 for one of missing units."""
    if span.state == "counted":
        return 0
    return 1 if span.state == "partial" and canonical_reason(span.reason) in UNITS_COMPLETE else 2


def _lay_out_between(spans: Iterable[SpanRow], position: int, marks: Sequence[SpanRow]) -> list[SpanRow]:
    """Return what the marks, which are in order and do not overlap, leave of the spans. Of two spans, the earlier one
    has the time of both.
    """
    laid_out = []
    next_mark = 0
    for span in spans:
        position = max(position, span.from_ms)
        while position < span.to_ms:
            while next_mark < len(marks) and marks[next_mark].to_ms <= position:
                next_mark += 1
            mark = marks[next_mark] if next_mark < len(marks) else None
            to_ms = span.to_ms if mark is None else min(span.to_ms, mark.from_ms)
            if position < to_ms:
                laid_out.append(replace(span, from_ms=position, to_ms=to_ms))
            position = span.to_ms if mark is None or to_ms == span.to_ms else mark.to_ms
    return laid_out
