"""Fetches what an opened gap shows beside its span: what came late in each minute, and the streams on it."""

from streamusage.api.extension import CoverageSpan, History, Placement
from streamusage.client.errors import NotFoundError
from streamusage.client.usage_client import UsageClient
from streamusage.core.coverage import SLOT_MS, Provenance
from streamusage.core.usage import StreamId
from tui.model.gaps.gap_timeline import MOST_STREAMS, GapFigures, SlotDelta, around, slots_of

_SPARK_CELLS = 40


async def fetch_gap_details(
    client: UsageClient, row: str, span: CoverageSpan, now_ms: int, *, of_stream: bool
) -> GapFigures:
    """Return the figures of a gap of a server, or of a stream. Raises `UsageApiError`."""
    carriers = (await client.carriers(span.from_ms, span.to_ms, server=None if of_stream else row)).carriers
    streams = _streams_of(carriers, row if of_stream else None)
    from_ms, to_ms, step_ms = around(span, now_ms, _SPARK_CELLS)
    histories: list[tuple[StreamId, History]] = []
    for stream in streams[:MOST_STREAMS]:
        try:
            histories.append((stream, await client.history(stream, from_ms, to_ms, step_ms)))
        except (NotFoundError, ValueError):
            continue
    histories.sort(key=lambda entry: -max((point.active or 0 for point in entry[1].points), default=0))
    slots = [] if of_stream else [await _fetch_slot(client, row, slot) for slot in slots_of(span)]
    return GapFigures(slots, histories, max(0, len(streams) - MOST_STREAMS))


def _streams_of(carriers: list[Placement], only: str | None) -> list[StreamId]:
    found = dict.fromkeys(carrier.stream for carrier in carriers)
    return [stream for stream in found if only is None or str(stream) == only]


async def _fetch_slot(client: UsageClient, server: str, slot: int) -> SlotDelta:
    coverage = await client.coverage(slot, slot + SLOT_MS, server=server)
    spans = [span for timeline in coverage.servers for span in timeline.spans]
    gap = next((span for span in spans if span.state is not Provenance.LIVE), None)
    return SlotDelta(slot, gap.state if gap else None, gap.delta if gap else None)
