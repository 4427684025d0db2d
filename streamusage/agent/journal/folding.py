"""Merge additions into the rows of a journal, and keep old samples and figures by stream small, within the caller's
transaction.

Every changed row gets the next revision.
"""

import msgspec

from streamusage.agent.journal.protocol import Head, Transaction
from streamusage.agent.journal.rows import Row, key_of, merge, rows_of
from streamusage.agent.journal.slot_streams import MOST_JOURNAL_BYTES, SlotStreams
from streamusage.agent.metering import meter
from streamusage.agent.metering.additions import Additions
from streamusage.api.report import SampleRow, SlotRow, SpanRow, ViewerRow
from streamusage.core.coverage import SLOT_MS, slot_of
from streamusage.core.reasons import canonical_reason

FOLD_AFTER_MS = 2 * 3600 * 1000
"""Age at which unacknowledged samples are folded to one for each quarter of an hour, so that the journal and the report
of a long outage stay small; later to one for each hour and day. Slots are never folded."""

QUARTER_MS = 15 * SLOT_MS
_HOUR_MS = 60 * SLOT_MS
_DAY_MS = 24 * _HOUR_MS

_FOLDS = ((FOLD_AFTER_MS, QUARTER_MS), (_DAY_MS, _HOUR_MS), (7 * _DAY_MS, _DAY_MS))
"""Ages from which samples are folded, and to one for each of which time. The limits of the service follow from them
(docs/decisions/0009-limits.md)."""


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
        if isinstance(row, SlotStreams) and row.slot < head.streams_from:
            continue
        row = place_row(tx, head, row)
        kind, key = key_of(row)
        old = tx.get(kind, key)
        if old is not None:
            row = merge(old, row)
        if isinstance(row, ViewerRow):
            is_acknowledged = old is not None and (old.is_acknowledged or old.revision <= head.acknowledged)
            row = msgspec.structs.replace(row, is_acknowledged=is_acknowledged)
            if not row.open and not is_acknowledged:
                # It came and went unacknowledged, so that the service does not need to know it.
                tx.delete(kind, key)
                continue
            if old is not None:  # no change by itself
                old = msgspec.structs.replace(old, is_acknowledged=is_acknowledged)
        if old is None or msgspec.structs.replace(row, revision=old.revision) != old:
            revision += 1
            tx.put(key, msgspec.structs.replace(row, revision=revision))
    return msgspec.structs.replace(head, revision=revision, span=last)


def place_row(tx: Transaction, head: Head, row: Row) -> Row:
    """Return a row with the slot in which its units are filed: where the journal has discarded the row of their own
    slot, the oldest that it keeps. A new row without the units of the discarded one would contradict the service. The
    streams of a slot are filed with it.
    """
    if not isinstance(row, SlotRow | SlotStreams) or row.slot >= head.discarded_to:
        return row
    has_own = tx.get(SlotRow, str(row.slot)) is not None
    return row if has_own else msgspec.structs.replace(row, slot=head.discarded_to)


def _continues(last: SpanRow, row: SpanRow) -> bool:
    """Return whether a span starts where the last one ends and has the same cause, whichever version wrote that."""
    if (last.to_ms, last.state) != (row.from_ms, row.state):
        return False
    return canonical_reason(last.reason) == canonical_reason(row.reason)


def fold_samples(tx: Transaction, head: Head, before_ms: int, now_ms: int) -> Head:
    """Fold the unacknowledged samples that became old enough between two readings. Return the new head."""
    earliest = max(before_ms, now_ms - meter.LONGEST_ABSENCE_MS)
    for after_ms, length_ms in _FOLDS:
        first = (earliest - after_ms) // length_ms * length_ms
        end = (now_ms - after_ms) // length_ms * length_ms
        if first < end:
            head = _fold(tx, head, first, end, length_ms)
    return head


def _fold(tx: Transaction, head: Head, first: int, end: int, length_ms: int) -> Head:
    """Fold the unacknowledged samples to one for each stream and time of that length."""
    revision = head.revision
    folded: dict[tuple[int, str, str], SampleRow] = {}
    for sample in tx.samples_between(first, end):
        if sample.revision > head.acknowledged:
            key = sample.slot // length_ms * length_ms, sample.scope, sample.name
            folded[key] = merge(folded[key], sample) if key in folded else sample
            tx.delete(SampleRow, key_of(sample)[1])
    for (slot, _, _), sample in folded.items():
        revision += 1
        row = msgspec.structs.replace(sample, slot=slot, revision=revision)
        tx.put(key_of(row)[1], row)
    return msgspec.structs.replace(head, revision=revision)


def drop_oldest_streams(
    tx: Transaction, head: Head, before_ms: int, now_ms: int, most_bytes: int = MOST_JOURNAL_BYTES
) -> Head:
    """Drop the oldest figures by stream beyond a size, once in each slot. Return the new head.

    What they contain stays in the slots of the server. The same slots get none again: those would lack what is dropped.
    Undated slots may, since the service has nothing of them.
    """
    if slot_of(before_ms) == slot_of(now_ms):
        return head
    dropped = tx.prune_oldest(SlotStreams, most_bytes)
    if dropped is None or head.undated:
        return head
    return msgspec.structs.replace(head, streams_from=max(head.streams_from, dropped + SLOT_MS))
