"""The time that the spans of a report add to coverage. Pure.

Spans overlap where the time line of a journal is behind what its predecessor reported. A *mark* (`partial`, `lost`)
wins then: its units are missing, wherever clocks file the time in which they are.
"""

from collections.abc import Iterable, Sequence

from msgspec.structs import replace

from streamusage.api.report import SpanRow


def lay_out_spans(spans: Iterable[SpanRow], watermark: int) -> list[SpanRow]:
    """Return the spans after the watermark, oldest first, without overlap."""
    ordered = sorted((span for span in spans if span.from_ms < span.to_ms), key=lambda span: span.from_ms)
    marks = _lay_out_marks([span for span in ordered if span.state != "counted"], watermark)
    counted = _lay_out_counted([span for span in ordered if span.state == "counted"], watermark, marks)
    return sorted([*marks, *counted], key=lambda span: span.from_ms)


def find_hidden_mark(spans: Iterable[SpanRow], watermark: int, applied_to: int) -> SpanRow | None:
    """Return a mark whose time is covered already and that was not applied before; `None` if there is none.

    A mark was applied before if its revision is not above `applied_to`. A mark at the watermark shows the others, too.
    """
    marks = [span for span in spans if span.from_ms < span.to_ms and span.state != "counted"]
    if any(mark.from_ms <= watermark < mark.to_ms for mark in marks):
        return None
    hidden = [mark for mark in marks if mark.to_ms <= watermark and mark.revision > applied_to]
    return min(hidden, key=lambda mark: mark.from_ms, default=None)


def place_mark(spans: Iterable[SpanRow], hidden: SpanRow, watermark: int) -> tuple[SpanRow, ...]:
    """Return the spans of a report with a hidden mark: it marks the last millisecond that the report covers."""
    kept = tuple(span for span in spans if span.from_ms < span.to_ms)
    end = max([watermark + 1, *(span.to_ms for span in kept)])
    return (*kept, replace(hidden, from_ms=end - 1, to_ms=end))


def _lay_out_marks(marks: Sequence[SpanRow], watermark: int) -> list[SpanRow]:
    laid_out: list[SpanRow] = []
    position = watermark
    for mark in marks:
        if mark.to_ms > position:
            laid_out.append(replace(mark, from_ms=max(mark.from_ms, position)))
            position = mark.to_ms
    return laid_out


def _lay_out_counted(spans: Sequence[SpanRow], position: int, marks: Sequence[SpanRow]) -> list[SpanRow]:
    """Return what the marks leave of the counted time. `marks` do not overlap."""
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
