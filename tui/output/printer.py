"""Prints rows in one of four formats. A `View` declares the fields of a row once.

JSON, NDJSON and CSV contain exact figures and are UTF-8 in every locale. The table is for people: text from outside is
sanitised. Output is written in blocks, so that a long list starts to appear at once.
"""

import codecs
import csv
import io
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from enum import StrEnum
from itertools import islice
from operator import attrgetter
from typing import Any, BinaryIO, Generic, TypeVar

import msgspec

from streamusage.core.text import escape_json
from tui.display.ascii import to_ascii
from tui.model.text import sanitize, shortened, width

Row = TypeVar("Row")
Cell = str | int | float | bool | None

BLOCK_ROWS = 1000
WIDEST_CELL = 60
"""Widest column in cells. On a terminal longer text is cut; elsewhere it is printed in full."""

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


class TableColumn(msgspec.Struct, Generic[Row], frozen=True):
    """A column of the table: its title and a row's text. `figure` aligns it right."""

    title: str
    text: Callable[[Row], str]
    figure: bool = False


class CsvField(msgspec.Struct, Generic[Row], frozen=True):
    """A column of the CSV: its name and a row's value. A time in milliseconds has an ISO column, too, at the end."""

    name: str
    value: Callable[[Row], Cell]
    is_time: bool = False


def same_named(*names: str, is_time: bool = False) -> list[CsvField[Any]]:
    """Return CSV columns of the row's attributes with the same names."""
    return [CsvField(name, attrgetter(name), is_time) for name in names]


class View(msgspec.Struct, Generic[Row], frozen=True):
    """The fields of one kind of row. `document` returns what is encoded as a row's JSON; by default the row itself."""

    columns: Sequence[TableColumn[Row]]
    fields: Sequence[CsvField[Row]]
    document: Callable[[Row], object] | None = None


def print_rows(rows: Sequence[Row], view: View[Row], output_format: Format) -> None:
    """Write the rows to standard output."""
    sys.stdout.flush()
    out, on_terminal = sys.stdout.buffer, sys.stdout.isatty()
    documents = map(view.document, rows) if view.document is not None else rows
    match output_format:
        case Format.JSON:
            chunks = json_text(documents)
        case Format.NDJSON:
            chunks = ndjson_text(documents)
        case Format.CSV:
            chunks = csv_text(rows, view.fields, only_visible=on_terminal)
        case Format.TABLE:
            chunks = table_text(rows, view.columns, cut=on_terminal)
    encoding = sys.stdout.encoding if output_format is Format.TABLE else "utf-8"
    write_blocks(chunks, out, encoding)


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


def csv_text(rows: Iterable[Row], fields: Sequence[CsvField[Row]], *, only_visible: bool = False) -> Iterator[str]:
    """Yield a line of names, then a line a row. Text that a spreadsheet would run gets an apostrophe.

    The last columns have each time of the row as ISO text in UTC: `startTime_iso` for `startTime`. `only_visible` shows
    control characters as pictures, for a terminal.
    """
    line = io.StringIO()
    writer = csv.writer(line, lineterminator="\n")
    times = [at for at, field in enumerate(fields) if field.is_time]
    header: list[Cell] = [*(field.name for field in fields), *(f"{fields[at].name}_iso" for at in times)]
    for cells in _with_header(header, (_with_iso_times([field.value(row) for field in fields], times) for row in rows)):
        writer.writerow([_csv_cell(cell, only_visible=only_visible) for cell in cells])
        yield line.getvalue()
        line.seek(0)
        line.truncate()


def _with_iso_times(cells: list[Cell], times: Sequence[int]) -> list[Cell]:
    return cells + [_iso_time(cells[at]) for at in times]


def _iso_time(at_ms: Cell) -> str | None:
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


def table_text(rows: Sequence[Row], columns: Sequence[TableColumn[Row]], *, cut: bool) -> Iterator[str]:
    """Yield aligned lines below a line of titles; nothing without rows."""
    if not rows:
        return
    widths = [width(column.title) for column in columns]
    for row in rows:
        for at, column in enumerate(columns):
            widths[at] = max(widths[at], min(width(_cell(column, row, cut)), WIDEST_CELL))
    yield _line([column.title for column in columns], columns, widths)
    for row in rows:
        yield _line([_cell(column, row, cut) for column in columns], columns, widths)


def _cell(column: TableColumn[Row], row: Row, cut: bool) -> str:
    text = sanitize(column.text(row))
    return shortened(text, WIDEST_CELL) if cut else text


def _line(cells: Sequence[str], columns: Sequence[TableColumn[Row]], widths: Sequence[int]) -> str:
    padded = []
    for cell, column, cells_wide in zip(cells, columns, widths, strict=True):
        padding = " " * (cells_wide - width(cell))
        padded.append(padding + cell if column.figure else cell + padding)
    return "  ".join(padded).rstrip() + "\n"


def _with_header(header: list[Cell], rows: Iterable[list[Cell]]) -> Iterator[list[Cell]]:
    yield header
    yield from rows


def _json(row: object) -> str:
    """Return a row as JSON on one line. Control characters are escaped, which in JSON is the same text."""
    return escape_json(msgspec.json.encode(row).decode())
