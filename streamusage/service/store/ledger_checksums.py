"""Checksums of closed days and of their adjustments: both are written once, and a changed one must be found.

They are in a table of their own, so that a row that disappeared is found too.
"""

import zlib
from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import Connection, insert

from streamusage.service.store.schema import ledger_checksums

CLOSING_COLUMNS = (
    "tz",
    "day",
    "server",
    "from_ms",
    "to_ms",
    "revision",
    "closed_at",
    "closed_by",
    "rule",
    "watermark",
    "figures",
    "samples",
)
"""Columns of a closed day that never change."""
STREAM_COLUMNS = ("streams", "stream_minutes")
"""Columns of a closed day with figures by stream that never change either."""
ENTRY_COLUMNS = ("tz", "day", "server", "entry", "at", "difference", "current")
"""Columns of an adjustment that never change: all."""
CLOSING = 0
"""Value of `entry` for the closing itself."""


def closing_columns_of(closing: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the columns that the checksum of a closing covers: not all have streams, customers and disagreements."""
    streams = () if closing["streams"] is None else STREAM_COLUMNS
    more = (name for name in ("customers", "disagreements") if closing.get(name) is not None)
    return (*CLOSING_COLUMNS, *streams, *more)


def compute_checksum(row: Mapping[str, Any], columns: Iterable[str]) -> int:
    """Return the checksum of these columns of a row."""
    values = [bytes(value) if isinstance(value, memoryview) else value for value in (row[name] for name in columns)]
    return zlib.crc32(repr(values).encode("utf-8", "surrogatepass"))


def keep_closing_checksums(connection: Connection, closings: Iterable[Mapping[str, Any]]) -> None:
    """Store the checksums of closed days that are written now."""
    rows = [
        {name: closing[name] for name in ("tz", "day", "server", "revision")}
        | {"entry": CLOSING, "checksum": compute_checksum(closing, closing_columns_of(closing))}
        for closing in closings
    ]
    if rows:
        connection.execute(insert(ledger_checksums), rows)


def keep_entry_checksum(connection: Connection, entry: Mapping[str, Any], revision: int) -> None:
    """Store the checksum of an adjustment, that is written now, of the closing of this revision."""
    row = {name: entry[name] for name in ("tz", "day", "server", "entry")}
    row |= {"revision": revision, "checksum": compute_checksum(entry, ENTRY_COLUMNS)}
    connection.execute(insert(ledger_checksums).values(row))
