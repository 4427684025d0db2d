"""Merge additions into the rows of a journal, and fold old samples, within the caller's transaction.

Every changed row gets the next revision.
"""

import msgspec

from streamusage.agent.journal.protocol import Head, Transaction
from streamusage.agent.journal.rows import Row, key_of, merge, rows_of
from streamusage.agent.metering import meter
from streamusage.agent.metering.additions import Additions
from streamusage.api.report import SampleRow, SpanRow, ViewerRow
from streamusage.core.coverage import SLOT_MS
from streamusage.core.reasons import canonical_reason

FOLD_AFTER_MS = 2 * 3600 * 1000
"""Age at which unacknowledged samples are folded to one for each quarter of an hour, so that the journal of a long
outage stays small. Slots are never folded."""

QUARTER_MS = 15 * SLOT_MS


def write_additions(tx: Transaction, head: Head, additions: Additions) -> Head:
    """Merge additions into the rows. Return the head with the newest revision and span."""
    revision = head.revision
    last = head.span
    for addition in rows_of(additions, 0):
        row: Row = addition
        if isinstance(row, SpanRow):
            if last is not None and _continues(last, row):
                row = msgspec.structs.replace(row, from_ms=last.from_ms)
            revision += 1
            last = msgspec.structs.replace(row, revision=revision)
            tx.put(key_of(last)[1], last)
            continue
        kind, key = key_of(row)
        old = tx.get(kind, key)
        if old is not None:
            row = merge(old, row)
        if isinstance(row, ViewerRow) and not row.open and (old is None or old.revision > head.acknowledged):
            # It came and went unacknowledged, so that the service does not need to know it.
            tx.delete(kind, key)
            continue
        if old is None or msgspec.structs.replace(row, revision=old.revision) != old:
            revision += 1
            tx.put(key, msgspec.structs.replace(row, revision=revision))
    return msgspec.structs.replace(head, revision=revision, span=last)


def _continues(last: SpanRow, row: SpanRow) -> bool:
    """Return whether a span starts where the last one ends and has the same cause, whichever version wrote that."""
    if (last.to_ms, last.state) != (row.from_ms, row.state):
        return False
    return canonical_reason(last.reason) == canonical_reason(row.reason)


def fold_samples(tx: Transaction, head: Head, before_ms: int, now_ms: int) -> Head:
    """Fold the unacknowledged samples of quarters that became old enough between two readings. Return the new head."""
    revision = head.revision
    earliest = max(before_ms, now_ms - meter.LONGEST_ABSENCE_MS)
    first = (earliest - FOLD_AFTER_MS) // QUARTER_MS * QUARTER_MS
    end = (now_ms - FOLD_AFTER_MS) // QUARTER_MS * QUARTER_MS
    if first >= end:
        return head
    folded: dict[tuple[int, str, str], SampleRow] = {}
    for sample in tx.samples_between(first, end):
        if sample.revision > head.acknowledged:
            key = sample.slot // QUARTER_MS * QUARTER_MS, sample.scope, sample.name
            folded[key] = merge(folded[key], sample) if key in folded else sample
            tx.delete(SampleRow, key_of(sample)[1])
    for (quarter, _, _), sample in folded.items():
        revision += 1
        row = msgspec.structs.replace(sample, slot=quarter, revision=revision)
        tx.put(key_of(row)[1], row)
    return msgspec.structs.replace(head, revision=revision)
