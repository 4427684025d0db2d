"""Accounts in columns: CSV, TSV and JSON lines by the names of their columns, and invoices by day. Pure."""

import csv
import json
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from streamusage.access_logs.web.values import parse_time
from streamusage.core.text import quote_input
from tui.reconcile.entries import Basis, Entry, EntryKind, Measure
from tui.reconcile.errors import AccountError
from tui.reconcile.readers.web_log import StreamRule
from tui.reconcile.units import NamedUnit, find_unit, parse_amount, rounding_step, unit_of_column

FIELDS: Mapping[str, tuple[str, ...]] = {
    "day": ("day", "date"),
    "time": ("time", "timestamp", "datetime", "time_iso8601", "@timestamp"),
    "stream": ("stream", "stream name", "stream_name"),
    "path": ("path", "url", "uri", "request_uri", "cs-uri-stem"),
    "scope": ("scope",),
    "customer": ("customer", "client", "account", "tenant"),
    "server": ("server", "host", "edge"),
    "method": ("method", "cs-method", "request_method"),
    "status": ("status", "sc-status"),
    "bytes": (),
    "bytes-in": (),
    "hours": (),
    "connections": ("connections", "sessions"),
}
"""Fields of an account, and the names of columns by which each is found if no option names one."""

_FIGURE_FIELDS = {
    Measure.BYTES_OUT: "bytes",
    Measure.BYTES_IN: "bytes-in",
    Measure.VIEW_TIME: "hours",
    Measure.CONNECTIONS: "connections",
}
"""The field of each figure. `hours` may have any unit of time."""

_INCOMING = ("in", "cs", "upload", "ingest", "received")


class NamedColumnReader:
    """A `LineReader` of lines with named columns. The first line of CSV and TSV has the names."""

    basis = Basis.UNKNOWN

    def __init__(
        self, measure: Measure, columns: Mapping[str, str], unit: str | None, stream_of: StreamRule, *, is_json: bool
    ) -> None:
        """`columns` names the column of fields of `FIELDS`, `unit` that of the figure."""
        self.name = "JSON lines" if is_json else "CSV"
        self._measure = measure
        self._columns = columns
        self._unit_name = unit
        self._stream_of = stream_of
        self._is_json = is_json
        self._delimiter = ","
        self._names: list[str] | None = None
        self._found: dict[str, str] = {}
        self._unit: NamedUnit | None = None

    def read(self, line: bytes) -> Entry | None:
        """As `LineReader.read`. Raises `AccountError` where the first line names no usable columns."""
        text = line.decode("utf-8", "backslashreplace").removeprefix("\ufeff")
        if self._is_json:
            row = _json_row(text)
            if row is None:
                return None
            if self._names is None:
                self._use(list(row))
            return self._entry(row)
        if self._names is None:
            self._delimiter = next((mark for mark in "\t;," if mark in text), ",")
            self._use(self._split(text))
            return None
        values = self._split(text)
        if len(values) != len(self._names):
            return None
        return self._entry(dict(zip(self._names, values, strict=True)))

    def is_comment(self, line: bytes) -> bool:
        """Return whether a line is empty, a comment, or the first one, which has the names."""
        if not line.strip() or line[:1] == b"#":
            return True
        is_names = not self._is_json and self._names is not None
        text = line.decode("utf-8", "backslashreplace").removeprefix("\ufeff")
        return is_names and self._split(text) == self._names

    def _split(self, text: str) -> list[str]:
        try:
            return [value.strip() for value in next(csv.reader([text], delimiter=self._delimiter, strict=True), [])]
        except csv.Error:
            return []

    def _use(self, names: list[str]) -> None:
        self._names = names
        self._found = find_columns(names, self._columns, self._measure)
        column = self._found.get(_FIGURE_FIELDS[self._measure])
        if column is None:
            raise AccountError(
                f"no column has the figure {self._measure.value}; the columns are "
                f"{', '.join(map(quote_input, names))}: give --column {_FIGURE_FIELDS[self._measure]}=NAME"
            )
        if "day" not in self._found and "time" not in self._found:
            raise AccountError("no column has the day or the time; give --column day=NAME or --column time=NAME")
        self._unit = self._figure_unit(column)

    def _figure_unit(self, column: str) -> NamedUnit:
        if self._unit_name is not None:
            return find_unit(self._unit_name, self._measure.unit)
        found = unit_of_column(column, self._measure.unit)
        if found is not None:
            return found
        if self._measure is Measure.CONNECTIONS:
            return NamedUnit("connections", 1)
        examples = (
            "--unit hours or --unit minutes"
            if self._measure is Measure.VIEW_TIME
            else "--unit GB (10^9 bytes), --unit GiB (2^30 bytes) or --unit bytes"
        )
        raise AccountError(f"the column {quote_input(column)} names no unit; give {examples}")

    def _entry(self, row: Mapping[str, Any]) -> Entry | None:
        value = self._value(row, _FIGURE_FIELDS[self._measure])
        amount = None if value is None or self._unit is None else parse_amount(value, self._unit)
        if amount is None or self._unit is None:
            return None
        figure = {self._measure.value: amount.value}
        stream = self._value(row, "stream") or self._stream_of(self._value(row, "path") or "")
        texts = {
            "stream": stream,
            "scope": self._value(row, "scope") or "",
            "server": self._value(row, "server") or "",
            "customer": self._value(row, "customer") or "",
        }
        step = rounding_step(self._unit, amount.decimals)
        time_text = self._value(row, "time")
        if time_text is None:
            day = _parse_day(self._value(row, "day") or "")
            return None if day is None else Entry(0, "total", **texts, **figure, day=day, rounded_to=step)  # type: ignore[arg-type]
        time = parse_time(time_text) or parse_time(f"{self._value(row, 'day')} {time_text}")
        kind = self._kind(row)
        return None if time is None else Entry(time.at, kind, **texts, **figure, rounded_to=step)  # type: ignore[arg-type]

    def _kind(self, row: Mapping[str, Any]) -> EntryKind:
        status = self._value(row, "status") or ""
        if (self._value(row, "method") or "").upper() == "HEAD":
            return "HEAD"
        return "error" if status.isdecimal() and int(status) >= 400 and int(status) != 499 else "request"

    def _value(self, row: Mapping[str, Any], field: str) -> str | None:
        column = self._found.get(field)
        value = None if column is None else row.get(column)
        return None if value is None else str(value)


def find_columns(names: Sequence[str], given: Mapping[str, str], measure: Measure) -> dict[str, str]:
    """Return the column of each field: the given one, else one with a known name, else for the figure its unit's.

    Raises `AccountError` for a given column that is missing, and where several columns could have the figure.
    """
    found = {}
    for field, column in given.items():
        if column not in names:
            raise AccountError(
                f"there is no column {quote_input(column)} for {field}; the columns are "
                f"{', '.join(map(quote_input, names))}"
            )
        found[field] = column
    by_name = {name.lower(): name for name in reversed(names)}
    for field, known in FIELDS.items():
        column_name = next((by_name[name] for name in known if name in by_name), None)
        if field not in found and column_name is not None:
            found[field] = column_name
    field = _FIGURE_FIELDS[measure]
    if field not in found and measure is not Measure.CONNECTIONS:
        candidates = [name for name in names if _may_have(name, measure)]
        if len(candidates) > 1:
            raise AccountError(
                f"several columns could have the figure {measure.value}: {', '.join(map(quote_input, candidates))}; "
                f"give --column {field}=NAME"
            )
        if candidates:
            found[field] = candidates[0]
    return found


def _may_have(name: str, measure: Measure) -> bool:
    if measure is Measure.VIEW_TIME:
        return unit_of_column(name, measure.unit) is not None
    words = [word for word in name.lower().replace("-", " ").replace("_", " ").split() if word]
    is_incoming = any(word in _INCOMING for word in words)
    has_unit = unit_of_column(name, Measure.BYTES_OUT.unit) is not None or "traffic" in words
    return has_unit and is_incoming == (measure is Measure.BYTES_IN)


def _json_row(text: str) -> dict[str, Any] | None:
    try:
        row = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return row if isinstance(row, dict) else None


def _parse_day(text: str) -> date | None:
    try:
        return date.fromisoformat(text) if len(text) == 10 else None
    except ValueError:
        return None
