"""Find documented fields that a record has several times with different values: none of them can be trusted. Pure.

A decoder keeps the last value and does not report the others. Complete records have as many colons as documented
fields, unless a field is repeated or unknown, or a text contains a colon. Only then are the names of fields counted,
and only records with too many of a name are parsed again.
"""

import json
import re
from collections.abc import Sequence
from typing import Any

from streamusage.client.faulty.field_values import describe_value
from streamusage.client.faulty.json_repair import mark_unreadable_values
from streamusage.client.schema_drift import WIRE_NAMES
from streamusage.core.usage import REPEATED, FaultyUsageRecord, FieldFault, PartialUsageRecord, UsageRecord

_ATTRIBUTES = {wire_name: name for name, wire_name in WIRE_NAMES.items()}
_KEYS = [f'"{wire_name}"'.encode() for wire_name in _ATTRIBUTES]
_NAMES = re.compile(b'"(?:' + b"|".join(key.strip(b'"') for key in _KEYS) + b')"')
_ESCAPED_ASCII = b"\\u00"
_UNKNOWN = {"name": "", "scope": "", "start_time": 0}
_MOST_SHOWN = 3


def mark_repeated_fields(
    text: bytes, rows: Sequence[bytes], records: Sequence[PartialUsageRecord], *, are_complete: bool
) -> Sequence[PartialUsageRecord]:
    """Return the records, in which repeated fields have no value. `rows` are the texts between the braces of `text`."""
    complete, suspects = rows, list[int]()
    if not are_complete:
        suspects = [number for number, record in enumerate(records) if not isinstance(record, UsageRecord)]
        if suspects:
            complete = [row for row, record in zip(rows, records, strict=True) if isinstance(record, UsageRecord)]
            text = b",".join(complete)
    if complete and _may_repeat_fields(text, complete):
        suspects = list(range(len(rows)))
    marked = {number: faults for number in suspects if (faults := _find_repeated(rows[number]))}
    if not marked:
        return records
    return [_without_values(record, marked.get(number, ())) for number, record in enumerate(records)]


def _may_repeat_fields(text: bytes, rows: Sequence[bytes]) -> bool:
    """Return whether one of complete records may repeat a field. `text` has all rows."""
    if text.count(b":") == len(_KEYS) * len(rows):
        return False
    names = text.count(b'":')
    if names == len(_KEYS) * len(rows):
        return False
    first = _pairs(rows[0])
    if names == len(first) * len(rows) and len(dict(first)) == len(first):
        return False  # all have the same unknown fields
    return _ESCAPED_ASCII in text or any(text.count(key) != len(rows) for key in _KEYS)


def _find_repeated(row: bytes) -> tuple[FieldFault, ...]:
    names = _NAMES.findall(row)
    if len(names) == len(set(names)) and _ESCAPED_ASCII not in row:
        return ()
    values: dict[str, list[object]] = {}
    for name, value in _pairs(row):
        if name in _ATTRIBUTES:
            values.setdefault(name, []).append(value)
    return tuple(
        FieldFault(name, REPEATED, ", ".join(map(describe_value, sent[:_MOST_SHOWN])))
        for name, sent in values.items()
        if any(value != sent[0] for value in sent)
    )


class _Object(dict[str, Any]):
    pairs: list[tuple[str, Any]]


def _to_object(pairs: list[tuple[str, Any]]) -> _Object:
    result = _Object(pairs)
    result.pairs = pairs
    return result


def _pairs(row: bytes) -> list[tuple[str, Any]]:
    try:
        found = json.loads(mark_unreadable_values(b"{" + row + b"}"), object_pairs_hook=_to_object)
    except (ValueError, RecursionError):
        return []
    pairs: list[tuple[str, Any]] = found.pairs
    return pairs


def _without_values(record: PartialUsageRecord, repeated: tuple[FieldFault, ...]) -> PartialUsageRecord:
    if not repeated:
        return record
    fields = {name: getattr(record, name) for name in UsageRecord.__struct_fields__}
    for name in (_ATTRIBUTES[fault.field] for fault in repeated):
        fields[name] = _UNKNOWN.get(name)
    others = record.faults if isinstance(record, FaultyUsageRecord) else ()
    known = {fault.field for fault in repeated}
    return FaultyUsageRecord(**fields, faults=(*repeated, *(fault for fault in others if fault.field not in known)))
