"""Writes tables as Parquet files, one for each day, for analysis in other programs.

The same rows give the same bytes with the same version of the library: rows are sorted by their key, groups of rows
have a fixed size, and nothing of the machine or of the time of writing is stored.
"""

import filecmp
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from enum import StrEnum
from pathlib import Path
from typing import Any, BinaryIO, Generic, NamedTuple, TypeVar

from streamusage.extras import describe_unusable

Row = TypeVar("Row")

ROWS_A_GROUP = 100_000
"""Rows that are written together; so many are in memory."""


class Kind(StrEnum):
    """What a column contains."""

    TEXT = "text"
    NUMBER = "64-bit whole number"
    TIME = "UTC milliseconds"
    FLAG = "true or false"
    NUMBERS_BY_NAME = "64-bit whole numbers by name"


class ParquetColumn(NamedTuple, Generic[Row]):
    """A column of a table. `value` returns its entry of a row; `None` is unknown."""

    name: str
    kind: Kind
    value: Callable[[Row], Any]


class ParquetTable(NamedTuple, Generic[Row]):
    """A table of which each day is a file `NAME/day=YYYY-MM-DD/NAME.parquet`."""

    name: str
    columns: Sequence[ParquetColumn[Row]]


class LibraryMissingError(Exception):
    """The library that writes Parquet is not installed. The text says how to install it."""


class DifferentFileError(Exception):
    """The day was written before with other rows. The file is kept as it is; the text names it."""


def check_library() -> None:
    """Raise `LibraryMissingError` if Parquet cannot be written."""
    try:
        import pyarrow.parquet  # noqa: F401
    except ImportError as error:
        raise LibraryMissingError(describe_unusable("writing Parquet", "parquet", error)) from None


@contextmanager
def day_file(directory: Path, table: ParquetTable[Row], day: date, *, replace: bool) -> "Iterator[DayFile[Row]]":
    """Yield the file of a day, which receives its rows in the order of their key, and is complete after the block.

    A file with the same content stays. Another one is replaced only with `replace`. Raises `DifferentFileError` or
    `OSError`; there is no file then, or the old one.
    """
    path = directory / table.name / f"day={day.isoformat()}" / f"{table.name}.parquet"
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    fresh = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            written = DayFile(file, table)
            try:
                yield written
                written.finish()
            finally:
                written.close()
            file.flush()
            os.fsync(file.fileno())
        if not path.exists() or (replace and not filecmp.cmp(path, fresh, shallow=False)):
            fresh.replace(path)
        elif not filecmp.cmp(path, fresh, shallow=False):
            raise DifferentFileError(str(path))
    finally:
        fresh.unlink(missing_ok=True)


class DayFile(Generic[Row]):
    """A Parquet file that is being written, in groups of rows."""

    def __init__(self, file: BinaryIO, table: ParquetTable[Row]) -> None:
        import pyarrow as pa
        from pyarrow import parquet

        types = {
            Kind.TEXT: pa.string(),
            Kind.NUMBER: pa.int64(),
            Kind.TIME: pa.timestamp("ms", tz="UTC"),
            Kind.FLAG: pa.bool_(),
            Kind.NUMBERS_BY_NAME: pa.map_(pa.string(), pa.int64()),
        }
        self._table = table
        self._schema = pa.schema([(column.name, types[column.kind]) for column in table.columns])
        self._writer = parquet.ParquetWriter(file, self._schema, compression="zstd", store_schema=False)
        self._waiting: list[Row] = []
        self.rows = 0
        """Rows that were added."""

    def add(self, rows: Iterable[Row]) -> None:
        """Add rows."""
        for row in rows:
            self._waiting.append(row)
            self.rows += 1
            if len(self._waiting) == ROWS_A_GROUP:
                self._write_group()

    def finish(self) -> None:
        """Write the rows that are left."""
        if self._waiting or not self.rows:
            self._write_group()

    def close(self) -> None:
        """Write the end of the file."""
        self._writer.close()

    def _write_group(self) -> None:
        import pyarrow as pa

        columns = {column.name: [column.value(row) for row in self._waiting] for column in self._table.columns}
        self._writer.write_table(pa.Table.from_pydict(columns, schema=self._schema))
        self._waiting.clear()
