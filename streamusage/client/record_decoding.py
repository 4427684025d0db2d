"""Decode lists of usage records slice by slice, so that an event loop can run in between. Pure.

A record that lacks a documented field, or has another value there, is decoded as a `PartialUsageRecord`; so is one with
a value that is no JSON, such as `NaN`. A body that cannot be decoded raises `UnreadableError`, which names the fault
and its position.
"""

import codecs
import re
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import msgspec

from streamusage.client.exact_numbers import exact_integer
from streamusage.client.faulty.error_bodies import quoted_message
from streamusage.client.faulty.field_values import describe_value
from streamusage.client.faulty.json_repair import is_unreadable, mark_unreadable_values
from streamusage.client.faulty.repeated_fields import mark_repeated_fields
from streamusage.client.schema_drift import WIRE_NAMES
from streamusage.core.usage import UNREADABLE, FaultyUsageRecord, FieldFault, PartialUsageRecord, UsageRecord


class UnreadableError(ValueError):
    """A body is not what the API documents. The text names the fault and its position."""


NESTED_TOO_DEEPLY = "a value is nested too deeply"
"""Why a body is unreadable whose decoding ends in a `RecursionError`."""
SLICE_BYTES = 256 * 1024
"""About a millisecond of decoding: the longest pause that an event loop with a keyboard should have."""

_CUTS_BEFORE_DOUBLING = 4
_BOUNDARY = re.compile(rb"\}\s*,")
_LONGEST_SCALAR_BYTES = 500
_POSITION = re.compile(r"\(byte (\d+)\)$")
_INDEX = re.compile(r"\$\[(\d+)\]")


class _LenientRecord(msgspec.Struct, frozen=True):
    """A record that may lack documented fields, may use the correct spelling `activeSubscribers`, and may have values
    of another type: a number in another notation is read by `exact_integer`, any other value cannot be used.
    """

    name: Any = None
    scope: Any = None
    start_time: Any = msgspec.field(name="startTime", default=None)
    end_time: Any = msgspec.field(name="endTime", default=None)
    duration: Any = None
    max_subscribers: Any = msgspec.field(name="maxSubscribers", default=None)
    lost_subscribers: Any = msgspec.field(name="lostSubscribers", default=None)
    total_subscribers: Any = msgspec.field(name="totalSubscribers", default=None)
    updated: Any = None
    acive_subscribers: Any = msgspec.field(name="aciveSubscribers", default=None)
    active_subscribers: Any = msgspec.field(name="activeSubscribers", default=None)

    @property
    def has_a_key(self) -> bool:
        """Whether every part of its key was sent, be it as a value that is no JSON."""
        is_named = all(isinstance(part, str) or is_unreadable(part) for part in (self.name, self.scope))
        return is_named and (exact_integer(self.start_time) is not None or is_unreadable(self.start_time))


_elements = msgspec.json.Decoder(list[msgspec.Raw])
_records = msgspec.json.Decoder(list[UsageRecord])
_lenient_records = msgspec.json.Decoder(list[_LenientRecord])


def decode_record(body: bytes) -> PartialUsageRecord:
    """Return the usage record of a body, given alone or as the only element of a list. Raises `UnreadableError`."""
    try:
        if body.lstrip()[:1] == b"[":
            records = [record for records in decode_records(body) for record in records]
        else:
            records = decode_records_once(b"[" + body + b"]", first=0, at_byte=-1)
    except RecursionError:
        raise UnreadableError(NESTED_TOO_DEEPLY) from None
    if len(records) != 1:
        raise UnreadableError(f"expected one usage record, got {len(records)}")
    return records[0]


def decode_records(body: bytes, slice_bytes: int = SLICE_BYTES) -> Iterator[list[PartialUsageRecord]]:
    """Yield the records of a list slice by slice, so that an event loop can do other work between slices.

    A slice ends at a `}` followed by `,`. Where that lies inside a string or a nested value, the slice does not decode
    and is extended to the next such place; after a few attempts to twice its length, so that the work stays in
    proportion to the body. Raises `UnreadableError` with the position; the records yielded before it are valid.
    """
    start = _opening_bracket(body) + 1
    search_from, tries, count = start + slice_bytes, 0, 0
    while True:
        boundary = _BOUNDARY.search(body, min(search_from, len(body)))
        end = len(body) if boundary is None else boundary.start() + 1
        part = b"[" + body[start:end] + (b"" if boundary is None else b"]")
        try:
            records = decode_records_once(part, first=count, at_byte=start - 1)
        except _CutShortError:
            if boundary is None:
                raise
            tries += 1
            search_from = boundary.end() if tries % _CUTS_BEFORE_DOUBLING else start + 2 * (boundary.end() - start)
            continue
        if boundary is None and not records and count:
            raise UnreadableError(f"broken JSON: nothing follows the last comma (byte {start})")
        yield records
        if boundary is None:
            return
        count += len(records)
        start, tries = boundary.end(), 0
        search_from = start + slice_bytes


class _CutShortError(UnreadableError):
    """The text ends inside a value."""


def decode_records_once(part: bytes, *, first: int, at_byte: int) -> list[PartialUsageRecord]:
    """Return the records of one JSON list.

    `first` is the index of its first record and `at_byte` the position of its first byte in the whole body: both are
    used in messages only. Raises `UnreadableError`.
    """
    records: Sequence[PartialUsageRecord]
    is_complete = False
    try:
        records, is_complete = _records.decode(part), True
    except msgspec.ValidationError as error:
        text = _INDEX.sub(lambda m: f"$[{int(m[1]) + first}]", str(error))
        records = _decode_leniently(part, UnreadableError(text))
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        records = _decode_repaired(part, _broken_json_error(str(error), part, at_byte))
    if not is_complete or part.count(b":") != len(WIRE_NAMES) * len(records):
        rows = [bytes(element).strip()[1:-1] for element in decode_elements(part)]  # texts between braces
        records = mark_repeated_fields(part, rows, records, are_complete=is_complete)
    return list(_without_slashes(part, records))


def decode_elements(text: bytes) -> list[msgspec.Raw]:
    """Return the elements of a JSON list. Raises what msgspec raises where there is none, even if repaired."""
    try:
        return _elements.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return _elements.decode(mark_unreadable_values(text))


class DecodedRows(NamedTuple):
    """Records of rows, and what is incomplete about them."""

    records: Sequence[PartialUsageRecord]
    fault: str
    """Why a record is incomplete; empty where none is."""
    keyless: Sequence[int]
    """Which of the records lack a part of their key."""


def decode_rows(rows: Sequence[bytes], *, repair: bool = False) -> DecodedRows:
    """Return the records of rows, which are texts between the braces of objects.

    Values that are no JSON are unreadable with `repair`, which needs rows that were cut exactly; else the rows are.
    Raises `UnreadableError` without a position. Rows that are no objects by themselves give another number of records.
    """
    part = b"[{" + b"},{".join(rows) + b"}]"
    records: Sequence[PartialUsageRecord]
    fault, keyless = "", list[int]()
    try:
        records = _records.decode(part)
    except msgspec.ValidationError as error:
        fault = str(error)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        if not repair:
            raise UnreadableError(str(error)) from None
        fault = str(error)
    if fault:
        lenient = _decode_lenient_rows(part, fault, repair=repair)
        records = [_to_record(record) for record in lenient]
        keyless = [number for number, record in enumerate(lenient) if not record.has_a_key]
    if len(records) == len(rows):
        records = mark_repeated_fields(part, rows, records, are_complete=not fault)
    return DecodedRows(_without_slashes(part, records), fault, keyless)


def _decode_lenient_rows(part: bytes, fault: str, *, repair: bool) -> list[_LenientRecord]:
    try:
        return _lenient_records.decode(part)
    except (msgspec.DecodeError, UnicodeDecodeError):
        if not repair:
            raise UnreadableError(fault) from None
    try:
        return _lenient_records.decode(mark_unreadable_values(part))
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise UnreadableError(fault) from None


def _without_slashes(part: bytes, records: Sequence[PartialUsageRecord]) -> Sequence[PartialUsageRecord]:
    """Return the records of a text with scopes that do not begin with a slash."""
    if b"/" not in part and b"\\" not in part:
        return records
    return [_without_slash(record) for record in records]


def _without_slash(record: PartialUsageRecord) -> PartialUsageRecord:
    return msgspec.structs.replace(record, scope=record.scope.lstrip("/")) if record.scope[:1] == "/" else record


def _decode_leniently(part: bytes, fault: UnreadableError) -> Sequence[PartialUsageRecord]:
    """Return records of which some differ from the documented ones.

    Raises the fault where no record has a complete key: the list is not one of this API.
    """
    try:
        records = _lenient_records.decode(part)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return _decode_repaired(part, fault)
    if not any(record.has_a_key for record in records):
        raise fault
    return [_to_record(record) for record in records]


def _decode_repaired(part: bytes, fault: UnreadableError) -> Sequence[PartialUsageRecord]:
    """Return records of which some have values that are no JSON. Raises the fault where there is another one."""
    repaired = mark_unreadable_values(part)
    if repaired == part:
        raise fault
    try:
        records = _lenient_records.decode(repaired)
    except msgspec.ValidationError:
        raise fault from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        if isinstance(_broken_json_error(str(error), repaired, 0), _CutShortError):
            raise _CutShortError(str(fault)) from None
        raise UnreadableError(str(fault)) from None
    if not any(record.has_a_key for record in records):
        raise fault
    return [_to_record(record) for record in records]


def _to_record(record: _LenientRecord) -> PartialUsageRecord:
    active = record.active_subscribers if record.acive_subscribers is None else record.acive_subscribers
    fields: dict[str, Any] = {
        "name": record.name if isinstance(record.name, str) else None,
        "scope": record.scope if isinstance(record.scope, str) else None,
        "start_time": exact_integer(record.start_time),
        "end_time": exact_integer(record.end_time),
        "duration": exact_integer(record.duration),
        "active_subscribers": exact_integer(active),
        "max_subscribers": exact_integer(record.max_subscribers),
        "lost_subscribers": exact_integer(record.lost_subscribers),
        "total_subscribers": exact_integer(record.total_subscribers),
        "updated": exact_integer(record.updated),
    }
    if None not in fields.values():
        return UsageRecord(**fields)
    faults = []
    for field, value in fields.items():
        if value is None:
            sent = active if field == "active_subscribers" else getattr(record, field)
            if sent is not None:
                faults.append(FieldFault(WIRE_NAMES[field], UNREADABLE, describe_value(sent)))
    fields |= {"name": fields["name"] or "", "scope": fields["scope"] or "", "start_time": fields["start_time"] or 0}
    return FaultyUsageRecord(**fields, faults=tuple(faults)) if faults else PartialUsageRecord(**fields)


def _opening_bracket(body: bytes) -> int:
    at = 3 if body.startswith(b"\xef\xbb\xbf") else 0
    while body[at : at + 1] in (b" ", b"\t", b"\r", b"\n"):
        at += 1
    if body[at : at + 1] != b"[":
        raise UnreadableError(f"expected a JSON list, but the reply {describe_body(body)}")
    return at


def describe_body(body: bytes) -> str:
    """Return what a body is, such as "is a web page", to complete a sentence about the reply. Quotes an error in it."""
    head = body[:512].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if not head:
        return "is empty"
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "is UTF-16, not UTF-8"
    if head.startswith(b"<?xml"):
        return "is XML"
    if head.startswith(b"<"):
        return "is a web page"
    if head.startswith(b"{"):
        message = quoted_message(body)
        return f"is an error, “{message[:500]}”" if message else "is a JSON object"
    if head[:1] in b'"-0123456789tfn' and len(head) < _LONGEST_SCALAR_BYTES:
        try:
            msgspec.json.decode(head)
        except (msgspec.DecodeError, UnicodeDecodeError):
            pass
        else:
            return "is a single JSON value"
    return "is not JSON"


def _broken_json_error(error_text: str, part: bytes, at_byte: int) -> UnreadableError:
    # msgspec reports bytes that are no UTF-8 as UnicodeDecodeError before version 0.23, then without their position.
    if (invalid := _first_invalid_utf8_byte(part)) is not None:
        return UnreadableError(f"broken JSON: not UTF-8 (byte {invalid + at_byte})")
    found = _POSITION.search(error_text)
    if found is None:
        return _CutShortError(f"broken JSON: the reply is truncated (byte {at_byte + len(part)})")
    position = int(found[1])
    fault = error_text[: found.start()].removeprefix("JSON is malformed: ").strip()
    text = f"broken JSON: {fault} (byte {position + at_byte})"
    # An error at the bracket that closes the slice may come from the cut.
    return _CutShortError(text) if position >= len(part) - 1 else UnreadableError(text)


def _first_invalid_utf8_byte(part: bytes) -> int | None:
    """Return the position of the first byte that is no UTF-8, or None; a character cut at the end is no fault."""
    try:
        codecs.utf_8_decode(part, "strict", False)
    except UnicodeDecodeError as error:
        return error.start
    return None
