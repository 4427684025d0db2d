"""Gaps as tables, CSV and JSON."""

import csv
import io
from zoneinfo import ZoneInfo

import msgspec

from streamusage.api.daily import GapDelta
from streamusage.api.extension import CoverageSpan, ServerCoverage
from streamusage.core.coverage import Provenance
from tui.commands.tables import gap_view, gaps_of
from tui.output.printer import csv_text, json_text, table_text


def test_gaps_exclude_live_spans_and_keep_unknown_figures_empty() -> None:
    delta = GapDelta(connections=3, connections_by_protocol={"hls": 1, "rtmp": 2}, bytes_out=4_210_000_000)
    spans = [
        CoverageSpan(from_ms=0, to_ms=60_000, state=Provenance.LIVE),
        CoverageSpan(from_ms=60_000, to_ms=120_000, state=Provenance.BACKFILLED, filled_at=180_000, delta=delta),
        CoverageSpan(from_ms=120_000, to_ms=180_000, state=Provenance.MISSING, detected_at=150_000),
    ]
    servers = [ServerCoverage(server="edge-1", spans=spans)]
    found = gaps_of(servers, with_live=False)
    assert [gap.state for gap in found] == ["backfilled", "missing"]
    assert len(gaps_of(servers, with_live=True)) == 3

    document = msgspec.json.decode("".join(json_text(found)))
    assert list(document[0]) == [
        *("server", "from", "to", "state", "detected_at", "filled_at", "reason", "delta", "outages")
    ]
    assert document[0]["delta"]["connections_by_protocol"] == {"hls": 1, "rtmp": 2}
    assert document[1]["delta"] is None

    view = gap_view(found, ZoneInfo("UTC"))
    rows = list(csv.DictReader(io.StringIO("".join(csv_text(found, view.csv_columns())))))
    assert rows[0]["delta_connections_by_protocol_hls"] == "1"
    assert rows[1]["delta_connections"] == "", "unknown is not zero"
    table = "".join(table_text(found, view.table_columns(), cells=400))
    assert "4.21 GB" in table
    assert "1m" in table
