"""Reads what the opened gap shows beside its span: what came late in each minute, and the streams on it."""

from streamusage.api.extension import CoverageSpan, Placement
from streamusage.client.errors import NotFoundError
from streamusage.client.usage_client import UsageClient
from streamusage.core.coverage import SLOT_MS, Provenance
from streamusage.core.usage import StreamId
from tui.model.gaps.gap_timeline import MOST_STREAMS, GapFigures, SlotDelta, around, slots_of

_SPARK_CELLS = 40


async def read_gap(client: UsageClient, row: str, span: CoverageSpan, now_ms: int, *, of_stream: bool) -> GapFigures:
    """The figures of a gap of a server, or of a stream. Raises `UsageApiError`."""
    carriers = (await client.carriers(span.from_ms, span.to_ms, server=None if of_stream else row)).carriers
    streams = _streams(carriers, row if of_stream else None)
    from_ms, to_ms, step_ms = around(span, now_ms, _SPARK_CELLS)
    told = []
    for stream in streams[:MOST_STREAMS]:
        try:
            told.append((stream, await client.history(stream, from_ms, to_ms, step_ms)))
        except (NotFoundError, ValueError):
            continue
    told.sort(key=lambda one: -max((point.active or 0 for point in one[1].points), default=0))
    slots = [] if of_stream else [await _slot(client, row, slot) for slot in slots_of(span)]
    return GapFigures(slots, told, max(0, len(streams) - MOST_STREAMS))


def _streams(carriers: list[Placement], only: str | None) -> list[StreamId]:
    found = dict.fromkeys(carrier.stream for carrier in carriers)
    return [stream for stream in found if only is None or str(stream) == only]


async def _slot(client: UsageClient, server: str, slot: int) -> SlotDelta:
    coverage = await client.coverage(slot, slot + SLOT_MS, server=server)
    spans = [span for one in coverage.servers for span in one.spans]
    gap = next((span for span in spans if span.state is not Provenance.LIVE), None)
    return SlotDelta(slot, gap.state if gap else None, gap.delta if gap else None)
