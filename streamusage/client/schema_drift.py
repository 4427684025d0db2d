"""Difference between the usage records of a service and the documented ones. Pure.

Missing fields, and values that cannot be used, are counted record by record. Unknown fields are taken from the first
record only: a schema changes for all records alike.
"""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import msgspec

from streamusage.api.extension import SessionRecord
from streamusage.core.usage import UNREADABLE, FaultyUsageRecord, FieldFault, PartialUsageRecord, UsageRecord

WIRE_NAMES = dict(zip(UsageRecord.__struct_fields__, UsageRecord.__struct_encode_fields__, strict=True))
"""Name on the wire by attribute name, of every documented field."""

EXTENSION_FIELDS = frozenset(SessionRecord.__struct_encode_fields__) - frozenset(WIRE_NAMES.values())
"""Fields that our own service adds."""

_OTHER_SPELLINGS = frozenset({"activeSubscribers"})
_SEARCHED_BYTES = 64 * 1024
_FIRST_RECORD = re.compile(r"\[\s*(?=\{)")
_MOST_LISTED = 5


class FaultCount(NamedTuple):
    """How many records have a documented field whose value cannot be used."""

    field: str
    problem: str
    records: int
    example: str
    """The value of one of them."""

    def summary(self) -> str:
        """Return the fault for an operator, such as "1 record has an unreadable totalSubscribers (“many”)"."""
        one = self.records == 1
        value = f"“{self.example}”" if self.problem == UNREADABLE else self.example
        value = value if one else f"such as {value}"
        records = f"{self.records:,} record{'' if one else 's'}"
        if self.problem == UNREADABLE:
            return f"{records} {'has' if one else 'have'} an unreadable {self.field} ({value})"
        return f"{records} repeat{'s' if one else ''} {self.field} ({value})"


class SchemaDrift(NamedTuple):
    """Fields that are not documented, documented fields that records lack, and those whose values cannot be used."""

    unknown: tuple[str, ...]
    """Names of fields, sorted."""
    missing: tuple[tuple[str, int], ...]
    """Names of fields, sorted, each with the number of records that lack it."""
    faulty: tuple[FaultCount, ...] = ()
    """Sorted by field."""

    def __bool__(self) -> bool:
        return bool(self.unknown or self.missing or self.faulty)

    def summary(self) -> str:
        """Return the difference for an operator, such as "12 records lack lostSubscribers"."""
        parts = [f"{count:,} record{' lacks' if count == 1 else 's lack'} {field}" for field, count in self.missing]
        parts += [fault.summary() for fault in self.faulty]
        if self.unknown:
            more = f" and {len(self.unknown) - _MOST_LISTED} more" if len(self.unknown) > _MOST_LISTED else ""
            plural = "" if len(self.unknown) == 1 else "s"
            parts.append(f"unknown field{plural} {', '.join(self.unknown[:_MOST_LISTED])}{more}")
        return "; ".join(parts)


def missing_fields(record: PartialUsageRecord) -> list[str]:
    """Return the wire names of the documented fields of which a record has no usable value."""
    if isinstance(record, UsageRecord):
        return []
    figures = [wire_name for name, wire_name in WIRE_NAMES.items() if getattr(record, name) is None]
    return figures + [WIRE_NAMES[name] for name in ("name", "scope", "start_time") if not getattr(record, name)]


def field_faults(record: PartialUsageRecord) -> tuple[FieldFault, ...]:
    """Return the documented fields of a record whose values are there and cannot be used."""
    return record.faults if isinstance(record, FaultyUsageRecord) else ()


def count_faults(records: Iterable[PartialUsageRecord]) -> SchemaDrift:
    """Return what the records lack, and which of their values cannot be used."""
    incomplete = (record for record in records if not isinstance(record, UsageRecord))
    return sum_drift((missing_fields(record), field_faults(record), 1) for record in incomplete)


def sum_drift(incomplete: Iterable[tuple[Sequence[str], Sequence[FieldFault], int]]) -> SchemaDrift:
    """Return the sum of kinds of records.

    Of each: the fields without a usable value, the faults of those that have one, and the number of records.
    """
    missing: Counter[str] = Counter()
    faulty: Counter[tuple[str, str]] = Counter()
    examples: dict[tuple[str, str], str] = {}
    for fields, faults, count in incomplete:
        for field in fields:
            missing[field] += count
        for field, problem, value in faults:
            missing[field] -= count
            faulty[field, problem] += count
            if value and not examples.get((field, problem)):
                examples[field, problem] = value
    return SchemaDrift(
        (),
        tuple(sorted((+missing).items())),
        tuple(FaultCount(*fault, count, examples.get(fault, "")) for fault, count in sorted(faulty.items())),
    )


def detect_drift(body: bytes, faults: SchemaDrift) -> SchemaDrift | None:
    """Return how the records in a body differ from the documented ones; `None` where the body has no record.

    `faults` are those of the same records, from `count_faults` or `sum_drift`.
    """
    text = body[:_SEARCHED_BYTES].decode("utf-8", "replace")
    found = _FIRST_RECORD.search(text)
    if found is None:
        return None
    unknown = set(_first_object(text, found.end())) - set(WIRE_NAMES.values()) - EXTENSION_FIELDS - _OTHER_SPELLINGS
    return faults._replace(unknown=tuple(sorted(unknown)))


def _first_object(text: str, at: int) -> dict[str, Any]:
    """Return the JSON object that begins there; an empty one where its values cannot be used, or it is very long."""
    try:  # a record has no inner object, as a rule
        return msgspec.json.decode(text[at : text.find("}", at) + 1], type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        from json import JSONDecodeError, JSONDecoder

        try:
            found: dict[str, Any] = JSONDecoder().raw_decode(text, at)[0]
        except (JSONDecodeError, RecursionError):
            return {}
        return found
