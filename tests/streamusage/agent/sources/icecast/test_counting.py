"""What is counted of simulated Icecast servers beside what is true: fallback mounts, encoded names, Icecast-KH."""

from pathlib import Path
from urllib.parse import quote, unquote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from streamusage.core.reasons import COUNTER_DISAGREES, COUNTER_INVALID, ICECAST_NO_LOG, ICECAST_SOURCE_LEFT
from tests.support.agent.icecast_server import RATE, FakeIcecast, Visit, count_icecast

FOREVER = 10_000

THERE_AND_BACK = Visit(5, "/a", [(2, 8, "/a"), (8, 14, "/b"), (14, 20, "/a")])
SEVERAL_TIMES = Visit(5, "/a", [(2, 6, "/a"), (6, 10, "/b"), (10, 14, "/a"), (14, 18, "/b"), (18, 26, "/a")])
OTHERS = [
    Visit(6, "/b", [(3, 25, "/b")]),
    Visit(7, "/a", [(15, 24, "/a")]),
    Visit(8, "/a", [(1, 8, "/a"), (8, 13, "/b")]),
]
FALLBACKS: dict[str, tuple[list[tuple[str, int, int]], list[Visit]]] = {
    "there and back": ([("/a", -50, 8), ("/a", 14, FOREVER)], [THERE_AND_BACK]),
    "beside others": ([("/a", -50, 8), ("/a", 14, FOREVER)], [THERE_AND_BACK, *OTHERS]),
    "several times": ([("/a", -50, 6), ("/a", 10, 14), ("/a", 18, FOREVER)], [SEVERAL_TIMES]),
    "leaves on the fallback": ([("/a", -50, 8)], [Visit(5, "/a", [(2, 8, "/a"), (8, 19, "/b")])]),
    "requested while off air": (
        [("/a", -50, 1), ("/a", 14, FOREVER)],
        [Visit(5, "/a", [(4, 14, "/b"), (14, 22, "/a")])],
    ),
    "requested a mount that was never on air": ([], [Visit(5, "/c", [(4, 22, "/b")])]),
    "moved by an administrator": ([("/a", -50, FOREVER)], [Visit(5, "/a", [(2, 9, "/a"), (9, 21, "/b")])]),
}


@pytest.mark.parametrize(("poll_s", "restart_at"), [(1, None), (3, None), (1, 9), (3, 18)])
@pytest.mark.parametrize("case", FALLBACKS)
async def test_bytes_of_a_listener_who_moved_count_once(
    case: str, restart_at: int | None, poll_s: int, tmp_path: Path
) -> None:
    sources, visits = FALLBACKS[case]
    server = FakeIcecast([("/b", -50, FOREVER), *sources], visits)
    counted = await count_icecast(server, tmp_path / "access.log", 42, poll_s=poll_s, restart_at=restart_at)
    assert counted.bytes_out == sum(visit.truth_bytes for visit in visits)
    assert (counted.connections, counted.left_open) == (len(visits), 0)
    truth_s = sum(visit.left - visit.joined for visit in visits)
    assert abs(counted.view_s - truth_s) <= 2 * len(visits)


async def test_listener_who_moved_before_counting_began_adds_what_the_counters_show(tmp_path: Path) -> None:
    visit = Visit(5, "/a", [(-900, -300, "/a"), (-300, -100, "/b"), (-100, 20, "/a")])
    server = FakeIcecast([("/b", -1000, FOREVER), ("/a", -1000, -300), ("/a", -100, FOREVER)], [visit])
    counted = await count_icecast(server, tmp_path / "access.log", 40)
    assert 15 * RATE <= counted.bytes_out <= 20 * RATE
    assert (counted.connections, counted.left_open) == (1, 0)


seconds = st.integers(1, 9)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.tuples(seconds, seconds), max_size=4),
    st.lists(st.tuples(st.integers(1, 30), st.integers(1, 30), st.sampled_from(["/a", "/b"])), min_size=1, max_size=4),
    st.sampled_from([1, 2, 5]),
)
async def test_each_byte_counts_once_however_sources_come_and_go(
    tmp_path: Path, gaps: list[tuple[int, int]], listeners: list[tuple[int, int, str]], poll_s: int
) -> None:
    sources, off_air, at = [], [], -50
    for on_s, off_s in gaps:
        end = max(at, 0) + on_s
        sources.append(("/a", at, end))
        off_air.append(range(end, end + off_s))
        at = end + off_s
    sources.append(("/a", at, FOREVER))
    visits = []
    for number, (joined, length, mount) in enumerate(listeners, 1):
        on = [
            "/b" if mount == "/b" or any(t in off for off in off_air) else "/a" for t in range(joined, joined + length)
        ]
        visits.append(Visit(number, mount, [(joined + t, joined + t + 1, name) for t, name in enumerate(on)]))
    server = FakeIcecast([("/b", -50, FOREVER), *sources], visits)
    counted = await count_icecast(server, tmp_path / "access.log", 80, poll_s=poll_s)
    assert counted.bytes_out == sum(visit.truth_bytes for visit in visits)
    assert (counted.connections, counted.left_open) == (len(visits), 0)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.tuples(st.integers(1, 3), st.integers(1, 40)), min_size=2, max_size=5),
    st.integers(1, 4),
    st.sampled_from([None, 21]),
    st.sampled_from([0, 1, 2]),
)
async def test_listeners_of_one_address_count_once_although_they_leave_while_a_list_is_on_its_way(
    tmp_path: Path, listeners: list[tuple[int, int]], list_takes_s: int, restart_at: int | None, dated_late_s: int
) -> None:
    """Lines have no ids: the one who left must not be taken for another who began in the same second, and stays. A list
    that is dated late shows later starts, so that lines may be matched crosswise: each of them ends somebody.
    """
    visits = [
        Visit(number, "/a", [(joined, joined + length, "/a")], ip="203.0.113.9")
        for number, (joined, length) in enumerate(listeners, 1)
    ]
    server = FakeIcecast([("/a", -50, FOREVER)], visits, dated_late_s=dated_late_s)
    log = tmp_path / "access.log"
    log.unlink(missing_ok=True)
    counted = await count_icecast(server, log, 84, poll_s=7, restart_at=restart_at, list_takes_s=list_takes_s)
    assert (counted.connections, counted.left_open) == (len(visits), 0), (
        listeners,
        list_takes_s,
        restart_at,
        dated_late_s,
    )
    assert counted.bytes_out == sum(visit.truth_bytes for visit in visits)
    truth_s = sum(visit.left - visit.joined for visit in visits)
    assert abs(counted.view_s - truth_s) <= len(visits) * (1 + dated_late_s)


@pytest.mark.parametrize(
    ("mount", "log_path", "page_path"),
    [
        ("/radio ü.mp3", quote, str),
        ("/radio ü.mp3", str, quote),
        ("/a%20b/c.mp3", str, unquote),
        ("/caf%c3%a9.ogg", lambda path: path.replace("%c3%a9", "%C3%A9"), str),
        ("/live/x.mp3", lambda path: path.replace("/x", "//x"), str),
    ],
)
async def test_mount_that_one_side_encodes_is_one_mount(
    mount: str, log_path: type[str], page_path: type[str], tmp_path: Path
) -> None:
    visits = [Visit(1, mount, [(2, 9, mount)]), Visit(2, mount, [(3, 4, mount)])]
    server = FakeIcecast([(mount, -50, FOREVER)], visits, log_path=log_path, page_path=page_path)
    counted = await count_icecast(server, tmp_path / "access.log", 30, poll_s=5)
    assert counted.bytes_out == sum(visit.truth_bytes for visit in visits)
    assert (counted.connections, counted.left_open, counted.reasons) == (2, 0, set())


async def test_icecast_kh_is_read_with_browsers_answered_206(tmp_path: Path) -> None:
    visits = [Visit(n, "/r.mp3", [(4, 6, "/r.mp3")], status=206) for n in (1, 2, 3)]
    visits += [Visit(4, "/r.mp3", [(-60, 30, "/r.mp3")])]
    server = FakeIcecast([("/r.mp3", -100, FOREVER)], visits, is_kh=True)
    counted = await count_icecast(server, tmp_path / "access.log", 40, poll_s=5)
    assert (counted.connections, counted.left_open) == (4, 0)
    assert abs(counted.view_s - 36) <= 3
    assert 36 * RATE <= counted.bytes_out <= (36 + 5) * RATE
    assert counted.readings[0].viewers[0].age_ms == 60_000


@pytest.mark.parametrize("poll_s", [1, 5])
async def test_listener_without_connected_is_one_connection(poll_s: int, tmp_path: Path) -> None:
    visits = [
        Visit(1, "/r.mp3", [(-60, 12, "/r.mp3")], is_dated=False),
        Visit(2, "/r.mp3", [(7, 28, "/r.mp3")], is_dated=False),
        Visit(3, "/r.mp3", [(8, 33, "/r.mp3")], is_dated=False, ip="203.0.113.2"),
        Visit(4, "/r.mp3", [(13, 14, "/r.mp3")], ip="203.0.113.2"),
    ]
    server = FakeIcecast([("/r.mp3", -100, FOREVER)], visits, is_kh=True)
    counted = await count_icecast(server, tmp_path / "access.log", 60, poll_s=poll_s)
    assert (counted.connections, counted.left_open) == (4, 0)


ABSURD = {"negative": -3, "unsigned": 2**64 - 2, "huge": 2**61}


@pytest.mark.parametrize("name", ["accepted", "listeners", "read", "sent"])
@pytest.mark.parametrize("value", ABSURD.values(), ids=ABSURD)
@pytest.mark.parametrize("has_log", [True, False])
async def test_absurd_figure_is_left_out_and_its_time_is_partial(
    name: str, value: int, has_log: bool, tmp_path: Path
) -> None:
    visits = [Visit(1, "/r.mp3", [(2, 30, "/r.mp3")]), Visit(2, "/r.mp3", [(8, 20, "/r.mp3")])]

    def figure(asked: str, t: int, shown: int) -> int:
        return value if asked == name and 10 <= t < 15 else shown

    server = FakeIcecast([("/r.mp3", -100, FOREVER)], visits, is_kh=True, figure=figure)
    counted = await count_icecast(server, tmp_path / "access.log" if has_log else None, 100)
    truth = sum(visit.truth_bytes for visit in visits)
    assert counted.bytes_out == truth if has_log else counted.bytes_out <= truth
    assert (counted.connections, counted.left_open) == (2, 0)
    assert counted.reasons == {COUNTER_INVALID if has_log else ICECAST_NO_LOG}


async def test_source_that_left_is_stated(tmp_path: Path) -> None:
    server = FakeIcecast([("/a", -50, 8)], [Visit(5, "/a", [(2, 8, "/a")])])
    counted = await count_icecast(server, tmp_path / "access.log", 20)
    assert counted.reasons == {ICECAST_SOURCE_LEFT}
    assert counted.bytes_out == 6 * RATE


MANY = [Visit(n, "/r.mp3", [(n, n + 3, "/r.mp3")]) for n in range(12, 150, 3)]


async def test_log_that_lacks_listeners_of_the_server_is_marked_with_both_figures(tmp_path: Path) -> None:
    server = FakeIcecast([("/r.mp3", -100, FOREVER)], MANY)
    log = tmp_path / "access.log"
    complete = await count_icecast(server, log, 200)
    assert complete.reasons == set()
    other = tmp_path / "of another server.log"
    server.log_lines = lambda after, upto: ""  # type: ignore[method-assign]
    wrong = await count_icecast(server, other, 200)
    assert wrong.reasons
    assert {reason.startswith(COUNTER_DISAGREES) and "the log has 0 of them" in reason for reason in wrong.reasons} == {
        True
    }
    assert "access_log" in wrong.readings[-1].problem


async def test_log_without_lines_of_one_mount_is_marked(tmp_path: Path) -> None:
    others = [Visit(200 + n, "/own-log.mp3", [(n, n + 3, "/own-log.mp3")]) for n in range(12, 150, 4)]
    server = FakeIcecast([("/r.mp3", -100, FOREVER), ("/own-log.mp3", -100, FOREVER)], [*MANY, *others])
    lines = server.log_lines
    server.log_lines = lambda after, upto: "".join(  # type: ignore[method-assign]
        line for line in lines(after, upto).splitlines(True) if "own-log" not in line
    )
    counted = await count_icecast(server, tmp_path / "access.log", 300)
    assert any(reason.startswith(COUNTER_DISAGREES) for reason in counted.reasons)
