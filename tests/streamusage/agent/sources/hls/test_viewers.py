"""HLS viewers from log lines: bytes are exact, viewers are identified by session id or address."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamusage.agent.sources.hls.viewers import HlsViewers
from tests.support.agent.hls_log import (
    IDLE_AFTER_MS,
    LogFigures,
    fold_line_by_line,
    fold_lines,
    hls_line,
    parse_requests,
    sum_entries,
)

RENDITIONS = ("/hls/s1_low-{}.ts", "/hls/s1_720p-{}.ts", "/hls/s1-{}.ts")
NOISE = (
    ("HEAD", "/hls/s1-3.ts", 200),
    ("HEAD", "/hls/s1.m3u8", 200),
    ("GET", "/hls/s1.m3u8", 200),
    ("GET", "/hls/s1_low.m3u8", 304),
    ("GET", "/hls/s1-init.mp4", 200),
    ("GET", "/hls/s1-4.ts", 404),
    ("GET", "/hls/s1-4.ts", 403),
    ("GET", "/hls/s1-5.ts", 499),
    ("OPTIONS", "/hls/s1-6.ts", 200),
    ("GET", "/hls/s1-5.vtt", 200),
)


def test_viewer_watches_from_its_first_segment_to_its_last() -> None:
    playlist = hls_line(0, "/hls/s1.m3u8")
    figures = fold_lines(playlist, hls_line(1), hls_line(5), hls_line(5.5, "/hls/s1-6.ts", 5000), hls_line(9))
    assert figures == LogFigures(connections=1, view_time_ms=8_000, bytes_out=5400)


def test_viewer_after_a_long_pause_is_a_new_connection() -> None:
    figures = fold_lines(hls_line(0), hls_line(5), hls_line(60), hls_line(62))
    assert figures == LogFigures(connections=2, view_time_ms=7_000, bytes_out=400)


@pytest.mark.parametrize("status", [200, 206, 304])
def test_viewer_begins_with_a_delivered_segment(status: int) -> None:
    assert fold_lines(hls_line(0, status=status)).connections == 1


@pytest.mark.parametrize(("method", "path", "status"), NOISE)
def test_request_that_delivers_no_segment_is_traffic_only(method: str, path: str, status: int) -> None:
    line = hls_line(0, path, method=method, status=status)
    assert fold_lines(line) == LogFigures(connections=0, view_time_ms=0, bytes_out=100)


@pytest.mark.parametrize("back_s", [60, 3600, 400 * 86_400])
def test_clock_that_is_set_back_ends_no_visit(back_s: int) -> None:
    stayer = [hls_line(second - (back_s if second > 20 else 0), f"/hls/s1-{second}.ts") for second in range(0, 401, 4)]
    comer = [hls_line(second - back_s, f"/hls/s1-{second}.ts", ip="10.0.0.2") for second in range(22, 401, 4)]
    lines = sorted(zip([*range(0, 401, 4), *range(22, 401, 4)], [*stayer, *comer], strict=True))
    figures = fold_line_by_line(*(line for _, line in lines))
    assert figures.connections == 2
    assert figures.view_time_ms == 400_000 - 4_000 + 376_000, "all but the pause during which the clock was set"


@pytest.mark.parametrize("forward_s", [60, 3600, 400 * 86_400])
def test_clock_that_is_set_forward_adds_no_connection(forward_s: int) -> None:
    figures = fold_line_by_line(
        *(
            hls_line(second + (forward_s if second > 20 else 0), f"/hls/s1-{second // 4}.ts", ip=f"10.0.0.{viewer}")
            for second in range(0, 401, 4)
            for viewer in (1, 2, 3)
        )
    )
    assert figures.connections == 3
    assert figures.view_time_ms == 3 * (400_000 - 4_000), "all but the pause during which the clock was set"


def test_viewer_who_returns_to_a_stream_that_went_on_is_a_new_connection() -> None:
    before = [hls_line(second, f"/hls/s1-{second}.ts") for second in range(5)]
    after = [hls_line(second, f"/hls/s1-{second}.ts") for second in range(600, 605)]
    assert fold_lines(*before, *after).connections == 2


def test_line_that_was_written_late_changes_nothing_but_traffic() -> None:
    lines = [hls_line(second) for second in range(0, 121, 4)]
    in_order = fold_line_by_line(*lines)
    late = fold_line_by_line(*lines[:25], hls_line(21), *lines[25:])
    assert (late.connections, late.view_time_ms) == (in_order.connections, in_order.view_time_ms)


def test_session_id_distinguishes_viewers_of_one_address() -> None:
    two_ids = [hls_line(0, sid="a"), hls_line(0, sid="b"), hls_line(2, sid="a"), hls_line(2, sid="b")]
    assert fold_lines(*two_ids).connections == 2
    assert fold_lines(hls_line(0, sid="a"), hls_line(2, sid="a", ip="10.9.9.9")).connections == 1
    assert fold_lines(hls_line(0), hls_line(0, ip="10.0.0.2")).connections == 2
    assert fold_lines(hls_line(0), hls_line(0, agent="Other")).connections == 2


def twin_lines(viewers: int, segments: int, lag_s: float, status: int = 200, sent: int = 100) -> list[bytes]:
    """Lines of viewers with one address and one player, each a little later than the one before."""
    fetches = sorted((4 * index + lag_s * viewer, index) for index in range(segments) for viewer in range(viewers))
    return [hls_line(at, f"/hls/s1-{index}.ts", sent, status=status) for at, index in fetches]


@pytest.mark.parametrize("viewers", [2, 3, 5])
def test_segment_fetched_twice_in_full_is_one_more_viewer(viewers: int) -> None:
    figures = fold_lines(*twin_lines(viewers, segments=10, lag_s=0.5))
    assert figures.connections == viewers
    assert viewers * 36_000 - (viewers - 1) * 4_500 <= figures.view_time_ms <= viewers * 36_000


def test_second_viewer_watches_from_its_first_repeated_segment() -> None:
    """Players fetch three segments at once: only later ones show how long a segment is."""
    burst = [(0.1 * index, index) for index in range(3)]
    fetches = [*burst, *((4.0 * (index - 2), index) for index in range(3, 12))]
    lines = sorted(hls_line(at + lag_s, f"/hls/s1-{index}.ts") for at, index in fetches for lag_s in (0.0, 0.3))
    figures = fold_lines(*lines)
    assert figures.connections == 2
    assert 2 * 36_000 - 300 <= figures.view_time_ms <= 2 * 36_000 + 300


@pytest.mark.parametrize("at_once", [2, 3])
def test_players_that_fetch_several_segments_at_once_are_told_apart(at_once: int) -> None:
    """As ffmpeg's, whose reads of a playlist come between two new segments: each then brings several."""
    fetches = [(4.0 * (index // at_once * at_once), index) for index in range(30)]
    lines = sorted(hls_line(at + lag_s, f"/hls/s1-{index}.ts") for at, index in fetches for lag_s in (0.0, 0.01))
    figures = fold_lines(*lines)
    watched_ms = round(1000 * fetches[-1][0])
    assert figures.connections == 2
    assert 2 * watched_ms - 100 <= figures.view_time_ms <= 2 * watched_ms + 100


def test_viewer_that_is_proven_late_watched_as_long_as_segments_repeat() -> None:
    """The pauses are proofs of their own: together they may be longer than `idle_after`."""
    pauses = (0.0, 0.0, 5.9, 0.0, 4.0, 0.0, 2.0, 2.0, 2.0)
    ats = [sum(pauses[: index + 1]) for index in range(len(pauses))]
    lines = sorted(hls_line(at + lag_s, f"/hls/s1-{index}.ts") for index, at in enumerate(ats) for lag_s in (0.0, 0.01))
    figures = fold_lines(*lines)
    assert figures.connections == 2
    assert 2 * 15_900 - 100 <= figures.view_time_ms <= 2 * 15_900 + 100


def test_burst_that_is_repeated_at_once_is_no_second_viewer() -> None:
    """A player that begins again loads what it has just loaded."""
    lines = [hls_line(4 * index, f"/hls/s1-{index}.ts") for index in range(10)]
    bursts = [hls_line(40 + repeat + index / 20, f"/hls/s1-{10 + index}.ts") for repeat in (0, 1) for index in range(6)]
    assert fold_lines(*lines, *bursts).connections == 1


def test_range_of_the_whole_segment_is_a_fetch_in_full() -> None:
    assert fold_lines(*twin_lines(3, 10, 0.5, status=206)).connections == 3


def test_ranges_of_a_segment_are_no_second_viewer() -> None:
    lines = [
        hls_line(4 * index + part / 2, f"/hls/s1-{index}.ts", 100 + 10 * (part % 3), status=206)
        for index in range(10)
        for part in range(6)
    ]
    assert fold_lines(*lines).connections == 1


def test_revalidation_is_no_second_viewer() -> None:
    assert fold_lines(*twin_lines(2, 10, 0.5, status=304, sent=0)).connections == 1


def test_aborted_transfer_that_is_repeated_is_no_second_viewer() -> None:
    lines = [hls_line(4 * index, f"/hls/s1-{index}.ts", 1000) for index in range(10)]
    aborted = hls_line(16.2, "/hls/s1-5.ts", 300)
    assert fold_lines(*lines[:5], aborted, *lines[5:]).connections == 1


def test_segment_fetched_again_after_its_duration_is_no_second_viewer() -> None:
    lines = [hls_line(4 * index, f"/hls/s1-{index}.ts") for index in range(10)]
    again = hls_line(30, "/hls/s1-4.ts")
    assert fold_lines(*lines, again).connections == 1


def test_segment_fetched_again_in_another_rendition_is_no_second_viewer() -> None:
    lines = [hls_line(4 * index, f"/hls/s1_low-{index}.ts") for index in range(10)]
    assert fold_lines(*lines[:5], hls_line(16.5, "/hls/s1_hi-4.ts"), *lines[5:]).connections == 1


def test_parts_of_low_latency_hls_are_one_viewer() -> None:
    lines = [
        hls_line(index / 5, f"/app/s1/part_{track}_{index // 10}_{index % 10}_{media}_KEY_llhls.m4s")
        for index in range(200)
        for track, media in ((0, "video"), (1, "audio"))
    ]
    assert fold_lines(*lines)[:2] == (1, 39_800)


def test_viewers_now_are_those_with_a_segment_within_idle_after() -> None:
    viewers = HlsViewers(IDLE_AFTER_MS)
    viewers.fold(parse_requests([*twin_lines(2, 5, 0.5), hls_line(10, "/hls/s2-1.ts"), hls_line(10, "/hls/s3.m3u8")]))
    newest = 1_795_000_010_000
    counts = {audience.name: audience.viewers for audience in viewers.audiences(newest)}
    assert counts == {"s1": 2, "s2": 1}
    assert viewers.audiences(newest + 60_000) == ()


def test_traffic_and_view_time_of_a_stream_are_few_entries() -> None:
    entries = HlsViewers(IDLE_AFTER_MS).fold(parse_requests(hls_line(second) for second in range(0, 120)))
    assert [entry.kind for entry in entries].count("other") == 1
    assert [entry.kind for entry in entries].count("watch") == 3, "one entry a minute"
    assert sum_entries(entries).bytes_out == 12_000


@pytest.mark.parametrize(("sid", "is_inferred"), [("-", True), ("a", False)])
def test_viewers_without_session_id_are_inferred(sid: str, is_inferred: bool) -> None:
    viewers = HlsViewers(IDLE_AFTER_MS)
    viewers.fold(parse_requests([hls_line(0, sid=sid)]))
    assert viewers.is_inferred == is_inferred
    viewers.fold(parse_requests([hls_line(1, "/hls/s1.m3u8")]))
    assert not viewers.is_inferred, "a playlist counts no viewer"


visits = st.lists(
    st.tuples(st.floats(0, 100), st.integers(1, 30), st.sampled_from([1, 2, 4, 6, 10])), min_size=1, max_size=6
)
"""Start in seconds, number of segments, and seconds of a segment, of one viewer each."""


def visit_lines(visits: list[tuple[float, int, int]], paths: tuple[str, ...], choose: random.Random) -> list[bytes]:
    requests = []
    for viewer, (start, segments, seconds) in enumerate(visits):
        for index in range(segments):
            at = start + index * seconds + choose.random() * 0.4
            number = int(start) // seconds + index
            requests.append((at, hls_line(at, choose.choice(paths).format(number), ip=f"10.0.0.{viewer}")))
    return [line for _, line in sorted(requests)]


@settings(max_examples=60, deadline=None)
@given(visits, st.randoms(use_true_random=False))
def test_renditions_and_the_order_of_lines_do_not_change_connections(
    visits: list[tuple[float, int, int]], choose: random.Random
) -> None:
    lines = visit_lines(visits, RENDITIONS, choose)
    lines.sort(key=lambda line: float(line.split(b" ")[0]) + choose.random() * 15)
    assert fold_lines(*lines).connections == len(visits)


@settings(max_examples=60, deadline=None)
@given(visits, st.randoms(use_true_random=False))
def test_view_time_is_right_within_one_segment_of_each_viewer(
    visits: list[tuple[float, int, int]], choose: random.Random
) -> None:
    truth_ms = sum(segments * seconds * 1000 for _, segments, seconds in visits)
    bound_ms = sum(seconds * 1000 + 400 for _, _, seconds in visits)
    figures = fold_lines(*visit_lines(visits, RENDITIONS, choose))
    assert truth_ms - bound_ms <= figures.view_time_ms <= truth_ms


@settings(max_examples=60, deadline=None)
@given(visits, st.lists(st.tuples(st.floats(0, 200), st.sampled_from(NOISE), st.integers(0, 9))), st.randoms())
def test_heads_playlists_and_errors_add_no_viewer(
    visits: list[tuple[float, int, int]],
    noise: list[tuple[float, tuple[str, str, int], int]],
    choose: random.Random,
) -> None:
    lines = visit_lines(visits, RENDITIONS, choose)
    others = [
        hls_line(at, path, method=method, status=status, ip=f"10.0.0.{viewer}")
        for at, (method, path, status), viewer in noise
    ]
    without, with_noise = fold_lines(*lines), fold_lines(*sorted([*lines, *others]))
    assert with_noise[:2] == without[:2]
    assert with_noise.bytes_out == without.bytes_out + 100 * len(others)


@settings(max_examples=60, deadline=None)
@given(visits, st.randoms(use_true_random=False))
def test_figures_do_not_depend_on_how_many_lines_are_read_at_once(
    visits: list[tuple[float, int, int]], choose: random.Random
) -> None:
    lines = visit_lines(visits, RENDITIONS, choose)
    assert fold_line_by_line(*lines) == fold_lines(*lines)
