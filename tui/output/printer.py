"""Prints rows in one of four formats. A `View` declares the columns of a row once.

JSON, NDJSON and CSV contain exact figures and are UTF-8 in every locale. The table is for people: text from outside is
sanitised. Output is written in blocks, so that a long list starts to appear at once.
"""

import codecs
import csv
import io
import re
import shutil
import sys
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from enum import StrEnum
from itertools import chain, islice
from typing import BinaryIO, Generic
from zoneinfo import ZoneInfo

import msgspec

from streamusage.core.text import escape_json
from tui.display.ascii import to_ascii
from tui.model.text import sanitize, shortened, width
from tui.output.columns import UTC as UTC_ZONE
from tui.output.columns import Cell, ListColumn, Row, View, fields_of, in_order, selected
from tui.output.table_layout import NARROWEST_TEXT, SEPARATOR, WIDEST_CELL, fit

BLOCK_ROWS = 1000

_SIGNS = "=+-@\uff1d\uff0b\uff0d\uff20"
"""With these a formula begins: some spreadsheets accept the wide forms, too."""
FORMULA_STARTS = (*_SIGNS, "\t", "\r", "\n")
"""First characters of a text cell that a spreadsheet would run as a formula."""

_FORMULA = re.compile(rf'((?:^|[,;|\t\r\n])["\s]*)(?=[{re.escape(_SIGNS)}])')
"""Where a formula begins in a text, whatever separates cells and whether quotes are removed."""


class Format(StrEnum):
    """The format of printed results."""

    TABLE = "table"
    JSON = "json"
    NDJSON = "ndjson"
    CSV = "csv"


class Printing(msgspec.Struct, frozen=True):
    """How rows are printed: the format, and which columns and rows."""

    format: Format = Format.TABLE
    columns: Sequence[str] = ()
    """Names of columns; by default those of the view."""
    sort: Sequence[str] = ()
    """Names of columns, each with `-` before it for the largest first; by default the order of the rows."""
    headers: bool = True
    limit: int | None = None
    """Most rows."""


class Printed(msgspec.Struct, Generic[Row], frozen=True):
    """What is printed of rows: lines, the rows among them, and the columns that the terminal is too narrow for."""

    lines: Iterable[str]
    rows: Sequence[Row]
    left_out: Sequence[str] = ()


def lay_out(
    rows: Sequence[Row], view: View[Row], printing: Printing, *, cells: int | None = None, only_visible: bool = False
) -> Printed[Row]:
    """Return the lines of the rows. `cells` is the width of the terminal that they must fit, `None` elsewhere.

    Raises `ColumnError` for a column that the view does not have.
    """
    chosen = selected(view, printing.columns)
    found = in_order(rows, view, printing.sort)[: printing.limit]
    match printing.format:
        case Format.TABLE:
            shown = chosen or view.table_columns()
            cut = Table(found, shown, view.tz, cells=cells, leave_out=() if chosen else view.narrow)
            return Printed(cut.lines(headers=printing.headers), found, cut.left_out)
        case Format.CSV:
            fields = chosen or view.csv_columns()
            return Printed(csv_text(found, fields, only_visible=only_visible, headers=printing.headers), found)
        case Format.JSON:
            return Printed(json_text(documents(found, view, chosen)), found)
        case Format.NDJSON:
            return Printed(ndjson_text(documents(found, view, chosen)), found)


def print_rows(rows: Sequence[Row], view: View[Row], printing: Printing) -> Printed[Row]:
    """Write the rows to standard output, and return what was written. Raises `ColumnError`."""
    sys.stdout.flush()
    on_terminal = sys.stdout.isatty()
    cells = shutil.get_terminal_size().columns if on_terminal else None
    printed = lay_out(rows, view, printing, cells=cells, only_visible=on_terminal)
    write_blocks(printed.lines, sys.stdout.buffer, encoding_of(printing.format))
    return printed


def encoding_of(output_format: Format) -> str:
    """Return the encoding of a format on standard output: the locale's for the table, which is for people."""
    return sys.stdout.encoding if output_format is Format.TABLE else "utf-8"


def documents(rows: Iterable[Row], view: View[Row], chosen: Sequence[ListColumn[Row]] = ()) -> Iterator[object]:
    """Yield each row as JSON has it: the view's document, or the chosen columns. Each time is also in ISO form."""
    if chosen:
        times = [column for column in chosen if column.is_time]
        for row in rows:
            yield dict(fields_of(row, chosen)) | _iso_fields(row, times)
        return
    times = [column for column in view.csv_columns() if column.is_time]
    for row in rows:
        document = row if view.document is None else view.document(row)
        yield msgspec.to_builtins(document) | _iso_fields(row, times)


def _iso_fields(row: Row, times: Sequence[ListColumn[Row]]) -> dict[str, str | None]:
    return {f"{column.name}_iso": iso_time(column.value(row)) for column in times}


def write_blocks(lines: Iterable[str], out: BinaryIO, encoding: str = "utf-8") -> None:
    """Write lines in blocks. Characters that the encoding lacks become ASCII of the same width."""
    remaining = iter(lines)
    while block := "".join(islice(remaining, BLOCK_ROWS)):
        out.write(block.encode(encoding, _IN_ASCII))
    out.flush()


def _replace_by_ascii(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return to_ascii(error.object[error.start : error.end]), error.end


_IN_ASCII = "streamtop-ascii"
codecs.register_error(_IN_ASCII, _replace_by_ascii)


def json_text(rows: Iterable[object]) -> Iterator[str]:
    """Yield one JSON list, a row a line."""
    opening = "["
    for row in rows:
        yield f"{opening}\n{_json(row)}"
        opening = ","
    yield "[]\n" if opening == "[" else "\n]\n"


def ndjson_text(rows: Iterable[object]) -> Iterator[str]:
    """Yield one JSON value a line."""
    for row in rows:
        yield f"{_json(row)}\n"


def csv_text(
    rows: Iterable[Row], fields: Sequence[ListColumn[Row]], *, only_visible: bool = False, headers: bool = True
) -> Iterator[str]:
    """Yield a line of names, then a line a row. Text that a spreadsheet would run gets an apostrophe.

    The last columns have each time of the row as ISO text in UTC: `startTime_iso` for `startTime`. `only_visible` shows
    control characters as pictures, for a terminal.
    """
    line = io.StringIO()
    writer = csv.writer(line, lineterminator="\n")
    times = [at for at, field in enumerate(fields) if field.is_time]
    header: list[Cell] = [*(field.name for field in fields), *(f"{fields[at].name}_iso" for at in times)]
    lines = (_with_iso_times([field.value(row) for field in fields], times) for row in rows)
    for cells in chain([header] if headers else [], lines):
        writer.writerow([_csv_cell(cell, only_visible=only_visible) for cell in cells])
        yield line.getvalue()
        line.seek(0)
        line.truncate()


def _with_iso_times(cells: list[Cell], times: Sequence[int]) -> list[Cell]:
    return cells + [iso_time(cells[at]) for at in times]


def iso_time(at_ms: Cell) -> str | None:
    """Return `2026-11-21T12:03:04.000Z`; nothing for an unknown time, or one outside the calendar."""
    if not at_ms or not isinstance(at_ms, int):
        return None
    try:
        then = datetime.fromtimestamp(at_ms / 1000, UTC)
    except (ValueError, OverflowError, OSError):
        return None
    return f"{then:%Y-%m-%dT%H:%M:%S}.{at_ms % 1000:03}Z"


def _csv_cell(cell: Cell, *, only_visible: bool) -> Cell:
    if isinstance(cell, bool):
        return "true" if cell else "false"
    if isinstance(cell, str):
        return inert(sanitize(cell) if only_visible else cell)
    return cell


def inert(text: str) -> str:
    """Return the text as a cell that no spreadsheet runs as a formula, also if it takes `;` or tabs as separators.

    An apostrophe stands before what would begin a formula at the start of the text or after a separator within it.
    """
    marked = _FORMULA.sub(r"\1'", text)
    return f"'{marked}" if marked.startswith(FORMULA_STARTS) else marked


class Table(Generic[Row]):
    """Aligned lines of rows, in a terminal of `cells`; of any width with `None`, where nothing is shortened.

    A terminal too narrow for all columns leaves out those of `leave_out`, in this order.
    """

    def __init__(
        self,
        rows: Sequence[Row],
        columns: Sequence[ListColumn[Row]],
        tz: ZoneInfo = UTC_ZONE,
        *,
        cells: int | None = None,
        leave_out: Sequence[str] = (),
    ) -> None:
        self._rows, self._tz, self._cut = rows, tz, cells is not None
        titles = [width(column.heading(tz)) for column in columns]
        widths = list(titles)
        for row in rows:
            for at, column in enumerate(columns):
                widths[at] = max(widths[at], min(width(self._cell(column, row)), WIDEST_CELL))
        self._shown, self._widths, self.left_out = list(columns), widths, list[str]()
        if cells is not None and rows:
            names = [column.name for column in columns]
            smallest = [
                max(min(full, NARROWEST_TEXT), title) if column.shrinks else full
                for column, full, title in zip(columns, widths, titles, strict=True)
            ]
            layout = fit(widths, smallest, [names.index(name) for name in leave_out if name in names], cells)
            self._shown, self._widths = [columns[at] for at in layout.shown], layout.widths
            self.left_out = [column.heading(tz) for at, column in enumerate(columns) if at not in layout.shown]

    def lines(self, *, headers: bool = True) -> Iterator[str]:
        """Yield the rows below a line of titles; nothing without rows."""
        if not self._rows:
            return
        if headers:
            yield self._line([column.heading(self._tz) for column in self._shown])
        for row in self._rows:
            yield self._line([self._cell(column, row) for column in self._shown])

    def _cell(self, column: ListColumn[Row], row: Row) -> str:
        text = sanitize(column.shown(row, self._tz))
        return shortened(text, WIDEST_CELL) if self._cut else text

    def _line(self, texts: Sequence[str]) -> str:
        padded = []
        for text, column, cells_wide in zip(texts, self._shown, self._widths, strict=True):
            if self._cut:
                text = shortened(text, cells_wide)
            padding = " " * (cells_wide - width(text))
            padded.append(padding + text if column.figure else text + padding)
        return SEPARATOR.join(padded).rstrip() + "\n"


def table_text(
    rows: Sequence[Row], columns: Sequence[ListColumn[Row]], tz: ZoneInfo = UTC_ZONE, *, cells: int | None = None
) -> Iterator[str]:
    """Yield the lines of a table."""
    return Table(rows, columns, tz, cells=cells).lines()


def _json(row: object) -> str:
    """Return a row as JSON on one line. Control characters are escaped, which in JSON is the same text."""
    return escape_json(msgspec.json.encode(row).decode())
