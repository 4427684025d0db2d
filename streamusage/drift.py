"""Whether a service's records still have the fields that the documents name. Pure.

One record of an answer is looked at, not all: a schema changes for all of them.
"""

import re
from json import JSONDecodeError, JSONDecoder
from typing import NamedTuple

from streamusage.usage import UsageRecord

DOCUMENTED = frozenset(UsageRecord.__struct_encode_fields__)
OURS = frozenset({"live", "provenance"})
_EITHER = {"activeSubscribers": "aciveSubscribers"}
_LOOKED_AT_BYTES = 64 * 1024
_FIRST_RECORD = re.compile(r"\[\s*(?=\{)")


class Drift(NamedTuple):
    """Names of fields, sorted."""

    unknown: tuple[str, ...]
    missing: tuple[str, ...]

    def __bool__(self) -> bool:
        return bool(self.unknown or self.missing)

    def in_words(self) -> str:
        told = []
        if self.unknown:
            told.append(f"{len(self.unknown)} unknown: {', '.join(self.unknown[:5])}")
        if self.missing:
            told.append(f"{len(self.missing)} missing: {', '.join(self.missing)}")
        return "; ".join(told)


def drift_of(body: bytes) -> Drift | None:
    """What the first record of an answer has too much or too little; `None` where there is none to look at."""
    text = body[:_LOOKED_AT_BYTES].decode("utf-8", "replace")
    found = _FIRST_RECORD.search(text)
    if found is None:
        return None
    try:
        record, _ = JSONDecoder().raw_decode(text, found.end())
    except (JSONDecodeError, RecursionError):
        return None
    names = {_EITHER.get(name, name) for name in record}
    return Drift(tuple(sorted(names - DOCUMENTED - OURS)), tuple(sorted(DOCUMENTED - names)))
