"""One gap in full: its story, what the fill brought, minute by minute and stream by stream. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import tzinfo
from typing import NamedTuple

from streamusage.api.extension import CoverageSpan, GapDelta, History, Outage, ServerStatus
from streamusage.core.coverage import SLOT_MS, Interval, Provenance, slot_of
from streamusage.core.usage import StreamId
from tui.model import formats
from tui.model.gaps.outages import outages_of, phases_told
from tui.model.sessions.sparkline import block

MOST_SLOTS = 30
"""Minutes of a gap that are told one by one."""
MOST_STREAMS = 8


class SlotDelta(NamedTuple):
    """What came late in one minute; `None` where nothing came yet."""

    slot: int
    state: Provenance | None
    delta: GapDelta | None


@dataclass(frozen=True)
class GapFigures:
    """What was asked about a gap beside its span."""

    slots: Sequence[SlotDelta] = ()
    streams: Sequence[tuple[StreamId, History]] = ()
    other_streams: int = 0
    """Streams that the server carried in the gap beyond those told."""


class Event(NamedTuple):
    at_ms: int | None
    what: str
    state: Provenance | None


def story(span: CoverageSpan, server: ServerStatus | None, now_ms: int, outages: Sequence[Outage] = ()) -> list[Event]:
    """What happened around a gap, in order: what the service saw, and what the agent told of itself once it could."""
    told = [Event(*phase) for outage in outages_of(span, outages) for phase in phases_told(outage)]
    events = _seen(span, server, now_ms)
    timed = [*told, *(event for event in events if event.at_ms is not None)]
    return sorted(timed, key=_in_order) + [event for event in events if event.at_ms is None]


def _in_order(event: Event) -> tuple[int, bool, int]:
    """By time; within a second, in which two clocks may differ, the end comes last."""
    at_ms = event.at_ms or 0
    return at_ms // 1000, event.what.startswith("online"), at_ms


def _seen(span: CoverageSpan, server: ServerStatus | None, now_ms: int) -> list[Event]:
    name = server.server if server else "the server"
    events = [Event(span.from_ms, f"the last that {name} had reported in time ends here", Provenance.LIVE)]
    if span.state is Provenance.LOST:
        if span.filled_at is not None:
            events.append(
                Event(
                    span.filled_at, f"its agent declared the time lost: {span.reason or 'no reason given'}", span.state
                )
            )
        return events
    if span.detected_at is not None:
        events.append(
            Event(
                span.detected_at,
                "noticed: three intervals without a sync-up",
                Provenance.MISSING,
            )
        )
    if span.state is Provenance.HELD:
        events.append(
            Event(None, f"a report came that could not be accepted: {span.reason or 'no reason given'}", span.state)
        )
    if span.filled_at is not None:
        after = formats.duration_in_words(max(0, span.filled_at - span.to_ms))
        events.append(Event(span.filled_at, f"filled: the delta came, {after} after the gap's end", span.state))
    elif span.state is Provenance.MISSING:
        length = formats.duration_in_words(max(0, now_ms - span.from_ms))
        events.append(
            Event(
                now_ms,
                f"still owed, for {length} now; its agent tells more once it gets through",
                span.state,
            )
        )
    if server is not None and server.state == "live" and span.state is not Provenance.MISSING:
        events.append(Event(server.last_sync_at, f"{server.phase}: the last sync-up", Provenance.LIVE))
    return events


def journal_in_words(server: ServerStatus) -> str:
    """`epoch 1, revision 812, sync-up every 10 s`."""
    return (
        f"epoch {server.epoch}, revision {server.revision:,} acknowledged, "
        f"a sync-up every {formats.duration_in_words(server.sync_interval_ms)}"
    )


def delta_table(delta: GapDelta, tz: tzinfo | None) -> list[tuple[str, str]]:
    """Every figure that a fill brought, by its name."""
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
    rows.append(("view time", formats.duration_in_words(delta.view_time_ms)))
    return rows


def slots_of(span: CoverageSpan) -> range:
    """The minutes of a gap that are told one by one, the newest where there are too many."""
    first, last = slot_of(span.from_ms), slot_of(span.to_ms - 1)
    return range(max(first, last - (MOST_SLOTS - 1) * SLOT_MS), last + SLOT_MS, SLOT_MS)


def around(span: CoverageSpan, now_ms: int, cells: int) -> tuple[int, int, int]:
    """(from, to, step) of the stretch that is drawn around a gap: its length again on both sides, in whole minutes."""
    length = max(span.interval.length_ms, 5 * SLOT_MS)
    step_ms = -(-3 * length // (cells * SLOT_MS)) * SLOT_MS
    from_ms = slot_of(span.from_ms - length) // step_ms * step_ms
    to_ms = min(span.to_ms + length, now_ms)
    return from_ms, from_ms + -(-(to_ms - from_ms) // step_ms) * step_ms, step_ms


def drawn(history: History, gap: Interval) -> list[tuple[str, bool]]:
    """A stream's subscribers, one block a step: (glyph, whether the step lies in the gap)."""
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
