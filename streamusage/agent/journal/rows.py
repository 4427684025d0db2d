"""Rows of a journal: their keys, their merging, and their totals. Pure."""

from collections.abc import Iterable
from typing import Any

import msgspec

from streamusage.agent.journal.slot_streams import SlotStreams, make_slot_streams, merge_slot_streams
from streamusage.agent.metering.additions import Additions
from streamusage.api.report import OutageRow, SampleRow, SessionRow, SlotRow, SpanRow, ViewerRow, higher_peak
from streamusage.core.coverage import SLOT_MS
from streamusage.core.figures import SLOT_SUM_NAMES, SUM_NAMES, SlotSums, slot_sums
from streamusage.core.reasons import canonical_reason

Row = SlotRow | SlotStreams | SpanRow | SessionRow | SampleRow | ViewerRow | OutageRow
RowKey = str


class JournalTotals(SlotSums[int, int], frozen=True, kw_only=True):  # type: ignore[misc]
    """Sums over all slots of a journal."""

    connections: int = 0

    def __add__(self, other: "JournalTotals") -> "JournalTotals":
        return JournalTotals(**{name: getattr(self, name) + getattr(other, name) for name in SUM_NAMES})

    def __sub__(self, other: "JournalTotals") -> "JournalTotals":
        return JournalTotals(**{name: getattr(self, name) - getattr(other, name) for name in SUM_NAMES})


def key_of(row: Row) -> tuple[type[Any], RowKey]:
    """Return the kind of a row, and its key within the kind."""
    if isinstance(row, SlotRow):
        return SlotRow, f"{row.slot}"
    if isinstance(row, SlotStreams):
        return SlotStreams, f"{row.slot}"
    if isinstance(row, SpanRow):
        return SpanRow, f"{row.from_ms}"
    if isinstance(row, SessionRow):
        return SessionRow, row.publish_id
    if isinstance(row, SampleRow):
        return SampleRow, f"{row.slot} {row.scope}\n{row.name}"
    if isinstance(row, OutageRow):
        return OutageRow, f"{row.began_at}"
    return ViewerRow, row.viewer_id


def done_at(row: Row) -> int | None:
    """Return the instant after which a row no longer changes; `None` while it is open."""
    if isinstance(row, SlotRow | SlotStreams | SampleRow):
        return row.slot + SLOT_MS
    if isinstance(row, SpanRow):
        return row.to_ms
    if isinstance(row, SessionRow):
        return None if row.live else row.end_time
    if isinstance(row, OutageRow):
        return row.phases[-1].at if row.phases[-1].phase == "online" else None
    return None if row.open else 0


def merge(older: Any, newer: Any) -> Any:
    """Return two rows of one key merged: counts add up, of peaks the higher stays, other fields are the newer row's.

    A session keeps the start time under which it was first known.
    """
    if isinstance(older, SlotRow):
        return msgspec.structs.replace(
            newer,
            connections={
                protocol: older.connections.get(protocol, 0) + newer.connections.get(protocol, 0)
                for protocol in sorted(older.connections.keys() | newer.connections.keys())
            },
            **{name: getattr(older, name) + getattr(newer, name) for name in SLOT_SUM_NAMES},
            peak_in=higher_peak(older.peak_in, newer.peak_in),
            peak_out=higher_peak(older.peak_out, newer.peak_out),
        )
    if isinstance(older, SlotStreams):
        return merge_slot_streams(older, newer)
    if isinstance(older, SessionRow):
        return msgspec.structs.replace(
            newer,
            start_time=older.start_time,
            highest=max(older.highest, newer.highest),
            total=older.total + newer.total,
        )
    if isinstance(older, SampleRow):
        return msgspec.structs.replace(newer, highest=max(older.highest, newer.highest))
    if isinstance(older, SpanRow):
        return msgspec.structs.replace(newer, from_ms=older.from_ms)
    return newer


def rows_of(additions: Additions, revision: int) -> Iterable[Row]:
    """Yield the additions as rows with the given revision."""
    for slot, added in additions.slots.items():
        yield SlotRow(
            slot=slot,
            revision=revision,
            connections=dict(added.connections),
            **slot_sums(added),
            peak_in=added.peak_in,
            peak_out=added.peak_out,
        )
    for slot, streams in additions.streams.items():
        yield make_slot_streams(slot, revision, streams)
    for span in additions.spans:
        reason = canonical_reason(span.reason)
        yield SpanRow(from_ms=span.from_ms, to_ms=span.to_ms, revision=revision, state=span.state, reason=reason)
    for publish_id, session in additions.sessions.items():
        yield SessionRow(
            publish_id=publish_id,
            revision=revision,
            scope=session.scope,
            name=session.name,
            start_time=session.start_time,
            end_time=session.end_time,
            live=session.live,
            active=session.active,
            highest=session.highest,
            total=session.joined,
        )
    for (slot, scope, name), sample in additions.samples.items():
        yield SampleRow(
            slot=slot, scope=scope, name=name, revision=revision, active=sample.active, highest=sample.highest
        )
    for viewer in additions.viewers.values():
        yield msgspec.structs.replace(viewer, revision=revision)


def slot_totals(row: SlotRow) -> JournalTotals:
    """Return the totals of a slot, without its protocols and peaks."""
    return JournalTotals(connections=sum(row.connections.values()), **slot_sums(row))


def totals_of(additions: Additions) -> JournalTotals:
    """Return the totals that a reading adds over all slots."""
    slots = additions.slots.values()
    return JournalTotals(
        connections=sum(sum(slot.connections.values()) for slot in slots),
        **{name: sum(getattr(slot, name) for slot in slots) for name in SLOT_SUM_NAMES},
    )
