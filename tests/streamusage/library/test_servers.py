"""Servers, spans and points: which figures are exact."""

import pytest

from streamusage import AtLeast, Estimate, Exact, Provenance, Reported, StreamId, Unknown
from streamusage.api.extension import CoverageSpan, HistoryPoint, ServerStatus
from streamusage.client.lenient_live_list import ListedStream
from streamusage.library.servers import live_stream_of_row, point_of_history, server_of_status, span_of_coverage


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"state": "live"}, Exact(12, Provenance.LIVE)),
        ({"state": "live", "owed_ms": 60_000}, AtLeast(12, Provenance.MISSING)),
        ({"state": "unreachable", "owed_ms": 60_000, "unseen_subscribers": 12}, AtLeast(0, Provenance.MISSING)),
    ],
)
def test_subscribers_of_a_server_that_owes_figures_are_a_lower_bound(
    fields: dict[str, object], expected: object
) -> None:
    status = ServerStatus(server="edge-1", role="edge", active_subscribers=12, **fields)  # type: ignore[arg-type]
    assert server_of_status(status).active_subscribers == expected


@pytest.mark.parametrize("state", Provenance)
def test_every_span_that_is_not_live_is_a_gap(state: Provenance) -> None:
    span = span_of_coverage("edge-1", CoverageSpan(from_ms=0, to_ms=60_000, state=state))
    assert span.is_gap == (state != "live")
    assert (span.end - span.start).total_seconds() == 60


def test_points_of_a_history_are_exact_bounds_or_unknown() -> None:
    assert point_of_history(HistoryPoint(0, 5, 7, Provenance.LIVE)).active == Exact(5, Provenance.LIVE)
    assert point_of_history(HistoryPoint(0, 5, 7, Provenance.LIVE)).highest == Estimate(7, Provenance.LIVE)
    assert point_of_history(HistoryPoint(0, 5, 7, Provenance.MISSING)).active == AtLeast(5, Provenance.MISSING)
    assert point_of_history(HistoryPoint(0)).active == Unknown(None)


def test_live_list_has_reported_figures() -> None:
    stream = StreamId("live", "keynote")
    row = ListedStream(stream=stream, current_subscribers=3, start_time=None)
    assert live_stream_of_row(row).active_subscribers == Reported(3)
    row = ListedStream(stream=stream, current_subscribers=None, start_time=None)
    assert live_stream_of_row(row).active_subscribers == Unknown(None)
