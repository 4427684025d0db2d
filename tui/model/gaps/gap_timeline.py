"""One gap in full: its timeline, the recovered figures, its minutes and its streams. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import tzinfo
from typing import NamedTuple

from streamusage.api.daily import GapDelta
from streamusage.api.extension import CoverageSpan, History, Outage, ServerStatus
from streamusage.core.coverage import SLOT_MS, Interval, Provenance, slot_of
from streamusage.core.usage import StreamId
from tui.model import formats
from tui.model.gaps.outages import list_phases, outages_of
from tui.model.sessions.sparkline import block

MOST_SLOTS = 30
"""Most minutes of a gap that are listed one by one."""
MOST_STREAMS = 8


class SlotDelta(NamedTuple):
    """Recovered figures of one minute; `None` where nothing has been reported yet."""

    slot: int
    state: Provenance | None
    delta: GapDelta | None


@dataclass(frozen=True)
class GapFigures:
    """Details of a gap that are fetched separately."""

    slots: Sequence[SlotDelta] = ()
    streams: Sequence[tuple[StreamId, History]] = ()
    other_streams: int = 0
    """Number of streams in the gap beyond those listed."""


class Event(NamedTuple):
    """One line of a gap's timeline."""

    at_ms: int | None
    what: str
    state: Provenance | None


def list_events(
    span: CoverageSpan, server: ServerStatus | None, now_ms: int, outages: Sequence[Outage] = ()
) -> list[Event]:
    """Return the events around a gap, in order: those of the service, and those that the agent reported afterwards."""
    phases = [Event(*phase) for outage in outages_of(span, outages) for phase in list_phases(outage)]
    events = _seen(span, server, now_ms)
    timed = [*phases, *(event for event in events if event.at_ms is not None)]
    return sorted(timed, key=_in_order) + [event for event in events if event.at_ms is None]


def _in_order(event: Event) -> tuple[int, bool, int]:
    """Return the events by time; within one second, in which two clocks may differ, the end is last."""
    at_ms = event.at_ms or 0
    return at_ms // 1000, event.what.startswith("online"), at_ms


def _seen(span: CoverageSpan, server: ServerStatus | None, now_ms: int) -> list[Event]:
    name = server.server if server else "the server"
    events = [Event(span.from_ms, f"last time that {name} reported in time", Provenance.LIVE)]
    if span.state is Provenance.LOST:
        if span.filled_at is not None:
            events.append(
                Event(span.filled_at, f"declared lost by its agent: {span.reason or 'no reason given'}", span.state)
            )
        return events
    if span.detected_at is not None:
        events.append(
            Event(
                span.detected_at,
                "detected: three intervals without a sync",
                Provenance.MISSING,
            )
        )
    if span.state is Provenance.HELD:
        events.append(Event(None, f"report quarantined: {span.reason or 'no reason given'}", span.state))
    if span.filled_at is not None:
        after = formats.duration(max(0, span.filled_at - span.to_ms))
        events.append(Event(span.filled_at, f"backfilled: delta received {after} after the gap's end", span.state))
    elif span.state is Provenance.MISSING:
        length = formats.age(max(0, now_ms - span.from_ms))
        events.append(
            Event(
                now_ms,
                f"still missing, for {length}; the agent reports details once it is online",
                span.state,
            )
        )
    if server is not None and server.state == "live" and span.state is not Provenance.MISSING:
        events.append(Event(server.last_sync_at, f"{server.phase}: last sync", Provenance.LIVE))
    return events


def describe_journal(server: ServerStatus) -> str:
    """Return `epoch 1, revision 812 acknowledged, sync every 10s`."""
    return (
        f"epoch {server.epoch}, revision {server.revision:,} acknowledged, "
        f"sync every {formats.duration(server.sync_interval_ms)}"
    )


def delta_table(delta: GapDelta, tz: tzinfo | None) -> list[tuple[str, str]]:
    """Return every recovered figure with its name."""
    rows = [("connections", f"+{formats.count(delta.connections)}")]
    by_protocol = sorted(delta.connections_by_protocol.items(), key=lambda entry: (-entry[1], entry[0]))
    rows += [(f"  {protocol.upper()}", f"+{formats.count(number)}") for protocol, number in by_protocol if number]
    rows += [("in", formats.traffic(delta.bytes_in)), ("out", formats.traffic(delta.bytes_out))]
    for way, bps, at_ms in (
        ("in", delta.peak_in_bps, delta.peak_in_at),
        ("out", delta.peak_out_bps, delta.peak_out_at),
    ):
        if bps:
            at = "" if at_ms is None else f" at {formats.clock_time(at_ms, tz)}"
            rows.append((f"peak {way}", formats.bandwidth(bps) + at))
    rows.append(("view time", formats.duration(delta.view_time_ms)))
    return rows


def slots_of(span: CoverageSpan) -> range:
    """Return the minutes of a gap to list one by one: the newest, where there are too many."""
    first, last = slot_of(span.from_ms), slot_of(span.to_ms - 1)
    return range(max(first, last - (MOST_SLOTS - 1) * SLOT_MS), last + SLOT_MS, SLOT_MS)


def around(span: CoverageSpan, now_ms: int, cells: int) -> tuple[int, int, int]:
    """Return (from, to, step) of the chart around a gap: its length again on both sides, in whole minutes."""
    length = max(span.interval.length_ms, 5 * SLOT_MS)
    step_ms = -(-3 * length // (cells * SLOT_MS)) * SLOT_MS
    from_ms = slot_of(span.from_ms - length) // step_ms * step_ms
    to_ms = min(span.to_ms + length, now_ms)
    return from_ms, from_ms + -(-(to_ms - from_ms) // step_ms) * step_ms, step_ms


def drawn(history: History, gap: Interval) -> list[tuple[str, bool]]:
    """Return a stream's subscribers, one block a step: (glyph, whether the step is in the gap)."""
    highest = max((point.active or 0 for point in history.points), default=0)
    blocks = []
    for point in history.points:
        inside = bool(gap.clip(point.at, point.at + history.step_ms).length_ms)
        unknown = {Provenance.MISSING: "·", Provenance.HELD: "?", Provenance.LOST: "×"}.get(
            point.state or Provenance.LIVE
        )
        glyph = unknown or (" " if point.active is None else block(point.active, highest))
        blocks.append((glyph, inside))
    return blocks
