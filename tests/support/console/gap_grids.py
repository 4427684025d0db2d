"""Coverage of two servers, random coverage, and grids of them."""

from hypothesis import strategies as st

from streamusage.api.daily import GapDelta
from streamusage.api.extension import CoverageSpan
from streamusage.core.coverage import Provenance
from tui.model.gaps.accounts import CoverageTimeline
from tui.model.gaps.grid import GLYPHS, GapGrid, grid

MINUTE = 60_000


NOON = 1795262400000


def span(first: float, last: float, state: Provenance, **more: int | str | GapDelta) -> CoverageSpan:
    """Return a span from and to a minute after `NOON`."""
    return CoverageSpan(from_ms=NOON + int(first * MINUTE), to_ms=NOON + int(last * MINUTE), state=state, **more)  # type: ignore[arg-type]


DELTA = GapDelta(
    connections=312,
    connections_by_protocol={"hls": 22, "rtmp": 290, "srt": 0},
    bytes_out=4_210_000_000,
    peak_out_bps=88_100_000,
    peak_out_at=NOON + 4 * MINUTE,
)


SERVER_TIMELINES = {
    "edge3": CoverageTimeline(
        [
            span(0, 2, Provenance.LIVE),
            span(2, 5, Provenance.BACKFILLED, detected_at=NOON + 2 * MINUTE, filled_at=NOON + 6 * MINUTE, delta=DELTA),
            span(5, 10, Provenance.LIVE),
        ]
    ),
    "edge4": CoverageTimeline(
        [
            span(3, 6.5, Provenance.LIVE),
            span(6.5, 7, Provenance.LOST, reason="journal destroyed"),
            span(7, 10, Provenance.MISSING),
        ]
    ),
}


states = st.sampled_from(list(Provenance))


@st.composite
def timelines(draw: st.DrawFn) -> list[CoverageSpan]:
    """Draw spans in order, some with holes between them."""
    spans = []
    at = draw(st.integers(-300, 300))
    for _ in range(draw(st.integers(0, 12))):
        at += draw(st.sampled_from([0, 0, 0, 7, 90]))
        length = draw(st.integers(1, 200))
        spans.append(CoverageSpan(from_ms=NOON + at * 1000, to_ms=NOON + (at + length) * 1000, state=draw(states)))
        at += length
    return spans


def make_grid(
    timelines: dict[str, CoverageTimeline], cells: int = 10, cell_ms: int = MINUTE, **more: object
) -> GapGrid:
    """Return a grid of cells from `NOON` on."""
    edges = [NOON + number * cell_ms for number in range(cells + 1)]
    return grid(timelines, edges, cell_ms, **more)  # type: ignore[arg-type]


def row_glyphs(shown: GapGrid, row: int) -> str:
    """Return a row of a grid as glyphs."""
    return "".join(GLYPHS[cell.state if cell else None] for cell in shown.cells_of(row))
