"""The columns of one kind of row, declared once for the table, CSV and JSON; their selection and their order. Pure."""

from collections.abc import Callable, Iterator, Sequence
from operator import attrgetter
from typing import Any, Generic, TypeVar
from zoneinfo import ZoneInfo

import msgspec

from tui.model.formats import time_text
from tui.model.suggestions import did_you_mean

Row = TypeVar("Row")
Cell = str | int | float | bool | None

UTC = ZoneInfo("UTC")


class ColumnError(ValueError):
    """A column of `--columns` or `--sort` is unknown or named twice. The text names what there is."""


class ListColumn(msgspec.Struct, Generic[Row], frozen=True):
    """A column: its name in CSV and JSON, a row's exact value, and the title and text of the table.

    Without `text`, the table shows the value. A time in milliseconds has an ISO column in CSV and JSON, too, and the
    table shows it in its zone. `figure` aligns right. `shrinks` marks a text that a narrow terminal may shorten.
    """

    name: str
    value: Callable[[Row], Cell]
    title: str = ""
    text: Callable[[Row], str] | None = None
    figure: bool = False
    is_time: bool = False
    shrinks: bool = False

    def shown(self, row: Row, tz: ZoneInfo) -> str:
        """Return the text of the table."""
        if self.text is not None:
            return self.text(row)
        value = self.value(row)
        if self.is_time:
            return time_text(value if isinstance(value, int) else 0, tz)
        if isinstance(value, bool):
            return "yes" if value else "no"
        return "" if value is None else str(value)

    def heading(self, tz: ZoneInfo) -> str:
        """Return the title of the table."""
        title = self.title or self.name.replace("_", " ").upper()
        return f"{title} ({tz.key})" if self.is_time and self.text is None else title


def attributes(*names: str, is_time: bool = False, shrinks: bool = False) -> list[ListColumn[Any]]:
    """Return columns of the row's attributes with the same names."""
    return [ListColumn(name, attrgetter(name), is_time=is_time, shrinks=shrinks) for name in names]


class View(msgspec.Struct, Generic[Row], frozen=True):
    """The columns of one kind of row. Table and CSV have the columns of their lists, unless others are selected."""

    columns: Sequence[ListColumn[Row]]
    table: Sequence[str]
    """Names of the columns of the table, in order."""
    csv: Sequence[str]
    """Names of the columns of the CSV, in order."""
    narrow: Sequence[str] = ()
    """Columns that a terminal too narrow for all leaves out, the first one first."""
    document: Callable[[Row], object] | None = None
    """Returns what is encoded as a row's JSON; by default the row itself."""
    tz: ZoneInfo = UTC
    """The zone of the table's times."""

    def table_columns(self) -> list[ListColumn[Row]]:
        """Return the columns of the table."""
        return [self.column(name) for name in self.table]

    def csv_columns(self) -> list[ListColumn[Row]]:
        """Return the columns of the CSV."""
        return [self.column(name) for name in self.csv]

    def column(self, wanted: str) -> ListColumn[Row]:
        """Return a column by its name, or by its title: `active` for ACTIVE. Raises `ColumnError`."""
        for column in self.columns:
            if column.name == wanted:
                return column
        folded = _folded(wanted)
        for known in ("name", "title"):
            for column in self.columns:
                if _folded(getattr(column, known)) == folded:
                    return column
        raise ColumnError(_unknown(wanted, self.names()))

    def names(self) -> list[str]:
        """Return a name for each column that can be typed: its title where there is one, else its name."""
        taken: dict[str, None] = {}
        for column in self.columns:
            title = _folded(column.title)
            taken.setdefault(title if title and self.column(title) is column else column.name)
        return list(taken)


def selected(view: View[Row], names: Sequence[str]) -> list[ListColumn[Row]]:
    """Return the columns of these names. Raises `ColumnError` for one that is unknown or given twice."""
    found = [view.column(name) for name in names]
    for at, column in enumerate(found):
        if column in found[:at]:
            raise ColumnError(f"the column {names[at]!r} is given twice")
    return found


def in_order(rows: Sequence[Row], view: View[Row], keys: Sequence[str]) -> Sequence[Row]:
    """Return the rows sorted by columns, of which the first counts most; `-NAME` sorts the largest first.

    Rows without a value come last in both directions. Rows that are equal keep their order. Raises `ColumnError`.
    """
    parts = [(view.column(key.removeprefix("-")), key.startswith("-")) for key in keys]
    ordered = list(rows)
    for column, descending in reversed(parts):
        known = [row for row in ordered if column.value(row) is not None]
        unknown = [row for row in ordered if column.value(row) is None]
        known.sort(key=lambda row, column=column: _sort_key(column.value(row)), reverse=descending)  # type: ignore[misc]
        ordered = known + unknown
    return ordered


def fields_of(row: Row, columns: Sequence[ListColumn[Row]]) -> Iterator[tuple[str, Cell]]:
    """Yield name and value of each column, as JSON has a row of selected columns."""
    for column in columns:
        yield column.name, column.value(row)


def _sort_key(value: Cell) -> tuple[bool, Any]:
    return (True, value.casefold()) if isinstance(value, str) else (False, value)


def _folded(name: str) -> str:
    return "_".join(name.casefold().replace("-", " ").replace("_", " ").split())


def _unknown(wanted: str, names: Sequence[str]) -> str:
    close = did_you_mean(_folded(wanted), names)
    return f"there is no column {wanted!r}{close or ';'} columns are: {', '.join(names)}"
