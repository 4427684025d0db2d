"""How a service's records differ from the documented ones. Pure.

What they lack is counted record by record; for what they have too much one record is looked at, not all: a schema
changes for all of them.
"""

import re
from collections import Counter
from collections.abc import Iterable
from json import JSONDecodeError, JSONDecoder
from typing import NamedTuple

from streamusage.core.usage import PartialUsageRecord, UsageRecord

DOCUMENTED = dict(zip(UsageRecord.__struct_fields__, UsageRecord.__struct_encode_fields__, strict=True))
"""Names on the wire by ours."""
OURS = frozenset({"live", "provenance"})
_EITHER = frozenset({"activeSubscribers"})
_LOOKED_AT_BYTES = 64 * 1024
_FIRST_RECORD = re.compile(r"\[\s*(?=\{)")


class Drift(NamedTuple):
    """What came and is not documented, and what is documented and did not come."""

    unknown: tuple[str, ...]
    """Names of fields, sorted."""
    missing: tuple[tuple[str, int], ...]
    """Names of fields, sorted, and how many records lack each."""

    def __bool__(self) -> bool:
        return bool(self.unknown or self.missing)

    def in_words(self) -> str:
        told = []
        if self.unknown:
            told.append(f"{len(self.unknown)} unknown: {', '.join(self.unknown[:5])}")
        if self.missing:
            lacking = (f"{name} in {count:,} record{'' if count == 1 else 's'}" for name, count in self.missing)
            told.append(f"{len(self.missing)} missing: {', '.join(lacking)}")
        return "; ".join(told)


def missing_of(records: Iterable[PartialUsageRecord]) -> Counter[str]:
    """How many of the records lack which field."""
    found: Counter[str] = Counter()
    for record in records:
        if not isinstance(record, UsageRecord):
            found.update(lacks(record))
    return found


def lacks(record: PartialUsageRecord) -> list[str]:
    """The documented fields that a record was told without."""
    if isinstance(record, UsageRecord):
        return []
    figures = [wire for ours, wire in DOCUMENTED.items() if getattr(record, ours) is None]
    return figures + [DOCUMENTED[name] for name in ("name", "scope", "start_time") if not getattr(record, name)]


def drift_of(body: bytes, missing: Counter[str]) -> Drift | None:
    """How an answer's records differ; `None` where there is none to look at."""
    text = body[:_LOOKED_AT_BYTES].decode("utf-8", "replace")
    found = _FIRST_RECORD.search(text)
    if found is None:
        return None
    try:
        record, _ = JSONDecoder().raw_decode(text, found.end())
    except (JSONDecodeError, RecursionError):
        return None
    unknown = set(record) - set(DOCUMENTED.values()) - OURS - _EITHER
    return Drift(tuple(sorted(unknown)), tuple(sorted(missing.items())))
