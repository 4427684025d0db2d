"""Decodes a report once, within limits: sizes are checked before anything is built, and rows are built in small steps.

A decoder holds the interpreter's lock: decoded at once, a large report would stop every other request for as long.
The checks before need only the lock's short holds of scans over bytes, and one pass that skips over all rows.
"""

import re
from collections.abc import Iterator
from typing import Any

import msgspec

from streamusage.api.report import (
    Baseline,
    OutageRow,
    Report,
    SampleRow,
    SessionRow,
    SlotRow,
    SpanRow,
    StreamSlotRow,
    ViewerRow,
)
from streamusage.service.http.errors import ApiError
from streamusage.service.limits import Limits

SMALL_BYTES = 64 * 1024
"""A body up to this size is decoded at once: less than a millisecond of work."""

LARGEST_ROW_BYTES = 64 * 1024
"""Fits a scope and a name of 4,096 characters each, escaped at their longest."""

LARGEST_BASELINE_BYTES = 8 * 1024 * 1024
"""Fits the counters of 50,000 open connections. The service decodes it with every later report of the server."""

LARGEST_CHECKED_BYTES = 4 * 1024 * 1024
"""A body of an unknown form up to this size is checked to be JSON. A larger one is not quarantined in any case."""

_SLICE_BYTES = 256 * 1024
_SMALL_SLICE_BYTES = 32 * 1024
"""For the search of strings, which costs 20 times a scan: the lock is held for less than a millisecond."""
_BYTES_PER_COMMA = 5
"""Each value of a report has a name, so that commas are further apart than this."""
_BOUNDARIES_TRIED = 20
_CONTAINERS_PER_ROW = 5
"""A slot is the largest row: itself, its connections and two peaks."""
_FEW_CONTAINERS = 1_000

_ROWS: dict[str, type[msgspec.Struct]] = {
    "slots": SlotRow,
    "spans": SpanRow,
    "sessions": SessionRow,
    "samples": SampleRow,
    "viewers": ViewerRow,
    "outages": OutageRow,
    "stream_slots": StreamSlotRow,
}
_NOT_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))
_STRING = re.compile(rb'"(?:[^"\\]|\\.)*"', re.DOTALL)


class _SkippedRow(msgspec.Struct):
    """A row of which only the presence is decoded."""


def _shell_of(kind: Any, name: str) -> Any:
    """Return the type `Report` with rows of that type, and a baseline that is not decoded."""
    fields: list[Any] = []
    for field in msgspec.structs.fields(Report):
        annotation, default = field.type, field.default
        if field.name in _ROWS:
            annotation = kind
            default = msgspec.Raw(b"[]") if kind is msgspec.Raw else ()
        elif field.name == "baseline":
            annotation = msgspec.Raw
        fields.append((field.name, annotation) if default is msgspec.NODEFAULT else (field.name, annotation, default))
    return msgspec.defstruct(name, fields, kw_only=True, frozen=True)


_REPORT = msgspec.json.Decoder(Report)
_COUNTING = msgspec.json.Decoder(_shell_of(tuple[_SkippedRow, ...], "CountedReport"))
_SHELL = msgspec.json.Decoder(_shell_of(msgspec.Raw, "ReportShell"))
_RAW_ROWS = msgspec.json.Decoder(tuple[msgspec.Raw, ...])
_BASELINE = msgspec.json.Decoder(Baseline)
_ROW_DECODERS: dict[str, Any] = {name: msgspec.json.Decoder(kind) for name, kind in _ROWS.items()}
_SKIPPED_ROWS = msgspec.json.Decoder(tuple[_SkippedRow, ...])
_ANY_JSON = msgspec.json.Decoder(msgspec.Raw)
_BETWEEN_ROWS = b"},{"


def decode_report(body: bytes, limits: Limits) -> Report:
    """Return the report. Run it in a thread if the body is not small.

    Raises `LimitExceededError`; 400 for invalid JSON; `msgspec.ValidationError` for JSON of another form.
    """
    try:
        containers = _count_containers(body)
        if containers > _CONTAINERS_PER_ROW * limits.report_rows + _FEW_CONTAINERS:
            raise limits.exceeded("report_rows", f"the report has {containers:,} JSON arrays and objects")
        if containers > limits.json_depth and _is_deeper_than(body, limits.json_depth):
            raise limits.exceeded("json_depth", "the report's JSON is nested more deeply")
        try:
            report = _REPORT.decode(body) if len(body) <= SMALL_BYTES else _decode_in_steps(body, limits)
        except msgspec.ValidationError:
            if len(body) <= LARGEST_CHECKED_BYTES:
                _ANY_JSON.decode(body)  # the form was rejected before the end: the rest may be invalid JSON
            raise
    except msgspec.ValidationError:
        raise
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ApiError(400, f"the body is not valid JSON: {error}; nothing was done") from None
    _check_rows(count_rows(report), limits)
    return report


def count_rows(report: Report) -> int:
    """Return the number of the report's rows, with everything that they list."""
    baseline = report.baseline
    return (
        sum(len(getattr(report, name)) for name in _ROWS)
        + sum(map(_count_listed, report.slots))
        + sum(map(_count_listed, report.outages))
        + len(baseline.publishes) + len(baseline.counters) + len(baseline.audiences) + len(baseline.retired)
        + len(baseline.stream_counters or ())
    )  # fmt: skip


def _decode_in_steps(body: bytes, limits: Limits) -> Report:
    _check_beginning(body)
    if _is_dense(body):
        raise msgspec.ValidationError("it has more values than the rows of a report")
    shell: Any = _SHELL.decode(body)
    if len(shell.baseline) > LARGEST_BASELINE_BYTES:
        raise msgspec.ValidationError(f"the baseline has more than {LARGEST_BASELINE_BYTES:,} bytes")
    rows = _count_at_most(shell)
    if rows > limits.report_rows:
        _check_rows(sum(_count_exactly(getattr(shell, name)) for name in _ROWS), limits)
    baseline = _BASELINE.decode(shell.baseline)
    decoded: dict[str, Any] = {}
    rows = 0
    for name, decoder in _ROW_DECODERS.items():
        found: list[Any] = []
        for piece in _split_rows(getattr(shell, name)):
            for raw in _RAW_ROWS.decode(piece):
                place = f"$.{name}[{len(found)}]"
                if len(raw) > LARGEST_ROW_BYTES:
                    raise msgspec.ValidationError(f"a row has more than {LARGEST_ROW_BYTES:,} bytes - at `{place}`")
                try:
                    row = decoder.decode(raw)
                except msgspec.ValidationError as error:
                    raise msgspec.ValidationError(_with_place(str(error), place)) from None
                found.append(row)
                rows += 1 + _count_listed(row)
            _check_rows(rows, limits)
        decoded[name] = tuple(found)
    values = {name: getattr(shell, name) for name in Report.__struct_fields__} | {"baseline": baseline} | decoded
    return Report(**values)


def _check_beginning(body: bytes) -> None:
    """Raise `msgspec.ValidationError` if the first rows have another form."""
    try:
        _COUNTING.decode(body[:_SLICE_BYTES])
    except msgspec.ValidationError:
        raise
    except (msgspec.DecodeError, UnicodeDecodeError):
        return  # it is cut off, or not JSON, which the whole body shows


def _is_dense(body: bytes) -> bool:
    """Return whether there are more values outside of strings than rows of that size can have."""
    starts = range(0, len(body), _SLICE_BYTES)
    most = len(body) // _BYTES_PER_COMMA + _FEW_CONTAINERS
    if sum(body.count(b",", start, start + _SLICE_BYTES) for start in starts) <= most:
        return False
    commas = 0
    for text in _without_strings(body):
        if text is None:
            return True
        commas += text.count(b",")
    return commas > most


def _without_strings(body: bytes) -> Iterator[bytes | None]:
    """Yield the JSON in pieces without its strings; `None` and no more if a string is longer than a row may be."""
    pending = b""
    for start in range(0, len(body), _SMALL_SLICE_BYTES):
        text, quote, begun = _STRING.sub(b"", pending + body[start : start + _SMALL_SLICE_BYTES]).partition(b'"')
        pending = quote + begun
        if len(pending) > LARGEST_ROW_BYTES:
            yield None
            return
        yield text


def _count_at_most(shell: Any) -> int:
    """Return a number of rows that is not exceeded in JSON without spaces between rows."""
    total = 0
    for name in _ROWS:
        text = memoryview(getattr(shell, name))
        starts = range(0, len(text), _SLICE_BYTES)
        # Two bytes more: a boundary may lie on the border of two slices.
        total += sum(bytes(text[start : start + _SLICE_BYTES + 2]).count(_BETWEEN_ROWS) for start in starts)
        total += len(text) > len("[]")
    return total


def _count_exactly(raw: msgspec.Raw) -> int:
    return sum(len(_SKIPPED_ROWS.decode(piece)) for piece in _split_rows(raw))


def _split_rows(raw: msgspec.Raw) -> Iterator[bytes]:
    """Yield the rows of a JSON array as smaller arrays, each of which is decoded in a millisecond or two.

    A piece ends where the next row seems to begin. That it is valid JSON proves that it does: what looks like the
    boundary of two rows may lie in a name. Where none is found, the rest is one piece.
    """
    text = memoryview(raw)
    position = text.nbytes and bytes(text[:_SLICE_BYTES]).find(b"[") + 1
    while text.nbytes - position > _SLICE_BYTES:
        window = bytes(text[position : position + _SLICE_BYTES])
        cut = _find_boundary(window)
        if cut < 0:
            break
        yield b"[" + window[: cut + 1] + b"]"
        position += cut + len(_BETWEEN_ROWS) - 1
    yield b"[" + bytes(text[position:])


def _find_boundary(window: bytes) -> int:
    """Return the index of the last bracket of the last whole row; -1 if none is found."""
    end = len(window)
    for _ in range(_BOUNDARIES_TRIED):
        cut = window.rfind(_BETWEEN_ROWS, 0, end)
        if cut < 0:
            return -1
        try:
            _ANY_JSON.decode(b"[" + window[: cut + 1] + b"]")
        except (msgspec.DecodeError, UnicodeDecodeError):
            end = cut
        else:
            return cut
    return -1


def _with_place(message: str, place: str) -> str:
    """Return the error of a row with the row's place in the report, as the decoder of a whole report writes it."""
    return message.replace("`$", f"`{place}", 1) if "`$" in message else f"{message} - at `{place}`"


def _count_listed(row: object) -> int:
    if isinstance(row, SlotRow):
        return len(row.connections)
    return len(row.phases) if isinstance(row, OutageRow) else 0


def _check_rows(rows: int, limits: Limits) -> None:
    if rows > limits.report_rows:
        raise limits.exceeded("report_rows", f"the report has {rows:,} rows or more")


def _count_containers(body: bytes) -> int:
    """Return the number of opening brackets, those in strings included."""
    if len(body) <= _SLICE_BYTES:
        return body.count(b"{") + body.count(b"[")
    starts = range(0, len(body), _SLICE_BYTES)
    return sum(body.count(bracket, start, start + _SLICE_BYTES) for start in starts for bracket in (b"{", b"["))


def _is_deeper_than(body: bytes, most: int) -> bool:
    """Return whether the JSON is nested more deeply.

    Pairs of brackets are removed level by level. Where that leaves more than the open levels, strings contain brackets
    or the nesting is too deep: then the strings are removed as well.
    """
    return _leaves_levels(body, most, with_strings=True) and _leaves_levels(body, most, with_strings=False)


def _leaves_levels(body: bytes, most: int, *, with_strings: bool) -> bool:
    levels = b""
    for text in _slices(body) if with_strings else _without_strings(body):
        if text is None:
            return True
        levels += text.translate(None, _NOT_BRACKETS)
        for _ in range(most):
            shorter = levels.replace(b"[]", b"\0").replace(b"{}", b"\0").replace(b"\0", b"")
            if len(shorter) == len(levels):
                break
            levels = shorter
        if len(levels) > most:
            return True
    opened = levels.count(b"[") + levels.count(b"{")
    return bool(levels) and (with_strings or 2 * opened == len(levels))  # otherwise it is not JSON


def _slices(body: bytes) -> Iterator[bytes | None]:
    return (body[start : start + _SLICE_BYTES] for start in range(0, len(body), _SLICE_BYTES))
