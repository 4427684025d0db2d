"""Difference between the usage records of a service and the documented ones. Pure.

Missing fields are counted record by record. Unknown fields are taken from the first record only: a schema changes for
all records alike.
"""

import re
from collections import Counter
from collections.abc import Iterable
from json import JSONDecodeError, JSONDecoder
from typing import NamedTuple

from streamusage.core.usage import PartialUsageRecord, UsageRecord

WIRE_NAMES = dict(zip(UsageRecord.__struct_fields__, UsageRecord.__struct_encode_fields__, strict=True))
"""Name on the wire by attribute name, of every documented field."""

EXTENSION_FIELDS = frozenset({"live", "provenance", "imported"})
"""Fields that our own service adds."""

_OTHER_SPELLINGS = frozenset({"activeSubscribers"})
_SEARCHED_BYTES = 64 * 1024
_FIRST_RECORD = re.compile(r"\[\s*(?=\{)")
_MOST_LISTED = 5


class SchemaDrift(NamedTuple):
    """Fields that are not documented, and documented fields that records lack."""

    unknown: tuple[str, ...]
    """Names of fields, sorted."""
    missing: tuple[tuple[str, int], ...]
    """Names of fields, sorted, each with the number of records that lack it."""

    def __bool__(self) -> bool:
        return bool(self.unknown or self.missing)

    def summary(self) -> str:
        """Return the difference for an operator, such as "12 records lack lostSubscribers"."""
        parts = [f"{count:,} record{' lacks' if count == 1 else 's lack'} {field}" for field, count in self.missing]
        if self.unknown:
            more = f" and {len(self.unknown) - _MOST_LISTED} more" if len(self.unknown) > _MOST_LISTED else ""
            plural = "" if len(self.unknown) == 1 else "s"
            parts.append(f"unknown field{plural} {', '.join(self.unknown[:_MOST_LISTED])}{more}")
        return "; ".join(parts)


def count_missing_fields(records: Iterable[PartialUsageRecord]) -> Counter[str]:
    """Return how many of the records lack each documented field; fields that none lacks are left out."""
    counts: Counter[str] = Counter()
    for record in records:
        if not isinstance(record, UsageRecord):
            counts.update(missing_fields(record))
    return counts


def missing_fields(record: PartialUsageRecord) -> list[str]:
    """Return the wire names of the documented fields that a record lacks."""
    if isinstance(record, UsageRecord):
        return []
    figures = [wire_name for name, wire_name in WIRE_NAMES.items() if getattr(record, name) is None]
    return figures + [WIRE_NAMES[name] for name in ("name", "scope", "start_time") if not getattr(record, name)]


def detect_drift(body: bytes, missing: Counter[str]) -> SchemaDrift | None:
    """Return how the records in a body differ from the documented ones; `None` where the body has no record.

    `missing` is the result of `count_missing_fields` for the same records.
    """
    text = body[:_SEARCHED_BYTES].decode("utf-8", "replace")
    found = _FIRST_RECORD.search(text)
    if found is None:
        return None
    try:
        record, _ = JSONDecoder().raw_decode(text, found.end())
    except (JSONDecodeError, RecursionError):
        return None
    unknown = set(record) - set(WIRE_NAMES.values()) - EXTENSION_FIELDS - _OTHER_SPELLINGS
    return SchemaDrift(tuple(sorted(unknown)), tuple(sorted(missing.items())))
