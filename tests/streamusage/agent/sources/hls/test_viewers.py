"""HLS viewers from log lines: bytes are exact, viewers are identified by session id or address."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamusage.agent.sources.hls.viewers import HlsViewers, parse_line, parse_stream
from tests.support.agent.hls_log import LogFigures, hls_line, sum_entries


def fold_lines(*lines: bytes) -> LogFigures:
    requests = [request for line in lines if (request := parse_line(line)) is not None]
    return sum_entries(HlsViewers(idle_after_ms=30_000).fold(requests))


def test_viewer_watches_from_its_first_request_to_its_last() -> None:
    figures = fold_lines(hls_line(0), hls_line(4), hls_line(4.5, "/hls/s1-7.ts", 5000), hls_line(9))
    assert figures == LogFigures(connections=1, view_time_ms=9_000, bytes_out=5300)


def test_viewer_after_a_long_pause_is_a_new_connection() -> None:
    figures = fold_lines(hls_line(0), hls_line(5), hls_line(60), hls_line(62))
    assert figures == LogFigures(connections=2, view_time_ms=7_000, bytes_out=400)


def fold_line_by_line(*lines: bytes) -> LogFigures:
    """As `fold_lines`, with a reading after each line."""
    viewers = HlsViewers(idle_after_ms=30_000)
    requests = [request for line in lines if (request := parse_line(line)) is not None]
    return sum_entries(entry for request in requests for entry in viewers.fold([request]))


@pytest.mark.parametrize("back_s", [60, 3600, 400 * 86_400])
def test_clock_that_is_set_back_ends_no_visit(back_s: int) -> None:
    stayer = [hls_line(second - (back_s if second > 20 else 0), sid="a") for second in range(0, 401, 4)]
    comer = [hls_line(second - back_s, sid="b") for second in range(22, 401, 4)]
    lines = sorted(zip([*range(0, 401, 4), *range(22, 401, 4)], [*stayer, *comer], strict=True))
    figures = fold_line_by_line(*(line for _, line in lines))
    assert figures.connections == 2
    assert figures.view_time_ms == 400_000 - 4_000 + 376_000, "all but the pause during which the clock was set"


def test_line_that_was_written_late_changes_nothing_but_traffic() -> None:
    lines = [hls_line(second) for second in range(0, 121, 4)]
    in_order = fold_line_by_line(*lines)
    late = fold_line_by_line(*lines[:25], hls_line(20), *lines[25:])
    assert (late.connections, late.view_time_ms) == (in_order.connections, in_order.view_time_ms)


def test_session_id_distinguishes_viewers_of_one_address() -> None:
    two_ids = [hls_line(0, sid="a"), hls_line(0, sid="b"), hls_line(2, sid="a"), hls_line(2, sid="b")]
    assert fold_lines(*two_ids).connections == 2
    assert fold_lines(hls_line(0, sid="a"), hls_line(2, sid="a", ip="10.9.9.9")).connections == 1
    assert fold_lines(hls_line(0), hls_line(0, ip="10.0.0.2")).connections == 2


def test_refused_request_counts_as_traffic_only() -> None:
    refused = hls_line(0).replace(b" 200 ", b" 404 ")
    assert fold_lines(refused) == LogFigures(connections=0, view_time_ms=0, bytes_out=100)


@pytest.mark.parametrize(
    ("path", "stream"),
    [
        ("/hls/s1.m3u8", ("hls", "s1")),
        ("/hls/s1-17.ts", ("hls", "s1")),
        ("/live/room/s1/index.m3u8", ("live/room", "s1")),
        ("/live/room/s1/17.ts", ("live/room", "s1")),
        ("/s1.m3u8", ("hls", "s1")),
        ("/hls/cam2.m3u8", ("hls", "cam2")),
    ],
)
def test_stream_of_a_path(path: str, stream: tuple[str, str]) -> None:
    assert parse_stream(path) == stream


@given(st.binary(max_size=200))
def test_any_bytes_are_parsed_or_skipped(line: bytes) -> None:
    parse_line(line)
