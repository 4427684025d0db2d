"""The page of the kept results of a day: figures, causes, files, and when it was compared. Pure; safe to draw."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, tzinfo
from textwrap import wrap

from streamusage.api.daily import DailyFigures
from streamusage.core.figures import Unit
from tui.model.daily.reconciled import (
    OUTDATED,
    ReconciledResult,
    amount_text,
    figure_now,
    share_of,
    signed_text,
)
from tui.model.text import sanitize
from tui.reconcile.entries import Measure
from tui.reconcile.kept import MILLION, KeptCause, KeptFile

_HEAD_CELLS = 14
_AMOUNT_CELLS = 11
_EXACT = {Unit.BYTES: "bytes", Unit.MILLISECONDS: "ms", Unit.COUNT: ""}
_NAMES = {
    Measure.BYTES_OUT: "traffic out",
    Measure.BYTES_IN: "traffic in",
    Measure.VIEW_TIME: "view time",
    Measure.CONNECTIONS: "connections",
}


def reconciled_page(
    title: str, results: Sequence[ReconciledResult], name: str, figures: DailyFigures, cells: int, tz: tzinfo | None
) -> list[str]:
    """Return the lines of the page of a row with its figures, each of at most `cells` cells where words allow it."""
    lines = [sanitize(title)]
    for result in results:
        lines.append("")
        of_row = figures if result.owner == name else None
        for text, indent in _paragraphs(result, of_row, tz):
            lines += wrap(sanitize(text), max(20, cells), subsequent_indent=indent) if text else [""]
    return lines


def _paragraphs(result: ReconciledResult, figures: DailyFigures | None, tz: tzinfo | None) -> Iterator[tuple[str, str]]:
    """Yield each paragraph and the indent of its further lines. `figures` are those of now, if they are comparable."""
    row, comparison = result.row, result.comparison
    measure = comparison.figure
    state = row.result if figures is None else result.state(figures)
    share = f" {share_of(row)}" if row.result == "unexplained" else ""
    now = "" if state != OUTDATED else f" when compared, {OUTDATED} now"
    yield f"{_NAMES[measure]} of {result.subject}: {row.result}{share}{now}", "  "
    yield _figure("account", row.account, measure), ""
    yield _figure("service", row.service, measure, "" if row.is_final else ", provisional"), ""
    if figures is not None and state == OUTDATED:
        changed = figure_now(figures, measure)
        yield _figure("service now", changed, measure, ", run streamtop reconcile again"), _indent(_HEAD_CELLS + 2)
    yield _figure("difference", row.difference, measure, is_signed=True), ""
    yield _figure("explained", row.explained, measure, is_signed=True), ""
    for cause in row.causes:
        yield from _cause(cause, measure)
    tolerance = f", tolerance {comparison.tolerance_ppm * 100 / MILLION:g} % of the larger figure"
    yield _figure("unexplained", row.unexplained, measure, tolerance, is_signed=True), _indent(_HEAD_CELLS + 2)
    for suspected in comparison.suspected:
        yield f"  {'suspected':<{_HEAD_CELLS}}{suspected}", _indent(_HEAD_CELLS + 2)
    compared = f"{_instant(comparison.compared_at, tz)}, streamtop {comparison.program}"
    yield f"  {'compared':<{_HEAD_CELLS}}{compared}", ""
    for number, file in enumerate(comparison.files):
        yield from _file("files" if not number else "", file)
    if comparison.more_files:
        yield f"  {'':<{_HEAD_CELLS}}and {comparison.more_files:,} more files", ""


def _figure(head: str, value: int | None, measure: Measure, more: str = "", *, is_signed: bool = False) -> str:
    """Return a line with a figure as it is read and exactly."""
    text = signed_text(value, measure) if is_signed else amount_text(measure)(value)
    unit = _EXACT[measure.unit]
    exact = "" if value is None or not unit else f" {value:,} {unit}"
    line = f"  {head:<{_HEAD_CELLS}}{text:>{_AMOUNT_CELLS}} "
    return f"{line}{exact}{more if exact else more.removeprefix(', ')}".rstrip()


def _cause(cause: KeptCause, measure: Measure) -> Iterator[tuple[str, str]]:
    bounds = ""
    if cause.low != cause.high:
        bounds = f", of {signed_text(cause.low, measure)} to {signed_text(cause.high, measure)}"
    note = f": {cause.note}" if cause.note else ""
    head = f"  {'':<{_HEAD_CELLS}}{signed_text(cause.amount, measure):>{_AMOUNT_CELLS}}  "
    yield f"{head}{cause.cause}{bounds}{note}", _indent(len(head))


def _file(head: str, file: KeptFile) -> Iterator[tuple[str, str]]:
    indent = _indent(_HEAD_CELLS + 2)
    form = f"{file.form}, {file.lines:,} lines" if file.lines else "empty"
    yield f"  {head:<{_HEAD_CELLS}}{file.name}", indent
    yield f"{indent}{form}, SHA-256", indent
    yield f"{_indent(8)}{file.sha256}", _indent(8)


def _instant(at_ms: int, tz: tzinfo | None) -> str:
    try:
        then = datetime.fromtimestamp(at_ms / 1000, UTC).astimezone(tz)
    except (OverflowError, ValueError, OSError):
        return "?"
    return f"{then:%Y-%m-%d %H:%M:%S %Z}"


def _indent(cells: int) -> str:
    return " " * cells
