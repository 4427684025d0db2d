"""Reloads and upgrades by recorded pages: which worker is read, and what the earlier one still serves."""

import os
from collections.abc import AsyncIterator, Iterable
from pathlib import Path

import pytest

from streamusage.agent.reading import DrainingBoot
from streamusage.agent.sources.nginx_rtmp.page_reader import WorkerBoot
from streamusage.agent.sources.nginx_rtmp.source import NginxRtmpCursor, NginxRtmpSource
from streamusage.agent.sources.nginx_rtmp.workers import (
    continued_ids,
    drained,
    earlier_workers,
    find_master,
    find_worker,
    masters,
)
from streamusage.core.reasons import OLD_WORKER_SERVES, RESTARTED, WORKER_REPLACED
from tests.support.agent.counting import Counting
from tests.support.agent.http_answers import Answers
from tests.support.agent.manual_clock import HandClock
from tests.support.agent.nginx_page import BEGAN_S, NOW_MS, PAGE, page_response
from tests.support.waiting import PATIENT

RELOADED_S = BEGAN_S + 40
OLD = f"{BEGAN_S}-10427"
VIEWERS = {"20": "s1", "21": "s1", "22": "s1", "17": "s2"}
"""The viewers on the recorded page, with their streams. Its publishers are 6 and 7."""


def new_page(viewers: Iterable[int] = (), publishers: Iterable[int] = (), pid: int = 99, at_s: int = 50) -> bytes:
    """Return the response of a worker that was started by a reload, with clients of the stream `s1`."""
    clients = "".join(
        f"<client><id>{number}</id><address>192.0.2.4</address><time>2000</time>{mark}<active/></client>"
        for numbers, mark in ((viewers, ""), (publishers, "<publishing/>"))
        for number in numbers
    )
    page = (
        "<rtmp><pid>1</pid><uptime>0</uptime><bytes_in>10</bytes_in><bytes_out>900</bytes_out><server><application>"
        f"<name>live</name><live><stream><name>s1</name>{clients}</stream></live></application></server></rtmp>"
    )
    return page_response(pid, BEGAN_S + at_s - RELOADED_S, RELOADED_S, page=page.encode())


def log_line(
    at_s: int, number: str, name: str, duration_s: int, kind: str = "PLAY", rx: int = 0, tx: int = 9000
) -> str:
    return f'{BEGAN_S + at_s}.000 {number} 192.0.2.4 rx={rx} tx={tx} t={duration_s} "{kind}" "live" "{name}" "" "LNX"\n'


class Bench:
    """A source of recorded pages, with a log and the processes that the test chooses."""

    def __init__(self, server: Answers, log: Path) -> None:
        self.server, self.log = server, log
        self.running: dict[int, bool | None] = {}
        self.clock = HandClock(NOW_MS)
        log.write_text(log_line(1, "1", "s9", 1))
        self.counting = Counting(
            NginxRtmpSource(
                server.url,
                log,
                self.clock,
                options=PATIENT,
                find_worker=lambda pid, _: self.running.get(pid),
            )
        )

    async def begin(self) -> None:
        self.server.next = [page_response()]
        await self.counting.begin()
        self.after_first = self.counting.connections

    async def step(self, *pages: bytes, at_s: int, lines: str = "") -> tuple[DrainingBoot, ...]:
        self.server.next = list(pages)
        with self.log.open("a") as file:
            file.write(lines)
        self.clock.now = max(self.clock.now, (BEGAN_S + at_s) * 1000)
        return (await self.counting.step()).draining

    @property
    def last_span(self) -> tuple[str, str]:
        span = self.counting.spans[-1]
        return span.state, span.reason


@pytest.fixture
async def bench(server: Answers, tmp_path: Path) -> AsyncIterator[Bench]:
    opened = Bench(server, tmp_path / "rtmp_access.log")
    await opened.begin()
    yield opened
    await opened.counting.source.close()


ALL_LINES = "".join(log_line(70, number, name, 40) for number, name in VIEWERS.items())
PUBLISH_LINES = "".join(
    log_line(71, number, name, 46, "PUBLISH", 500_000, 500) for number, name in (("6", "s1"), ("7", "s2"))
)


@pytest.mark.parametrize("runs", [True, None], ids=["seen", "not seen"])
async def test_reload_keeps_sessions_and_viewers_until_their_lines_arrive(bench: Bench, runs: bool | None) -> None:
    bench.running = {10427: runs, 99: True}
    counting = bench.counting
    assert await bench.step(new_page(), at_s=50) == (DrainingBoot(OLD, runs is True),)
    assert bench.last_span == ("partial", OLD_WORKER_SERVES)
    await bench.step(new_page(viewers=[30], at_s=55), at_s=55)
    assert counting.live == ["s1", "s2"]
    (session,) = (session for session in counting.sessions.values() if session.name == "s1")
    assert (session.active, session.total) == (4, 1), "the viewers of both workers are watching"
    await bench.step(new_page(viewers=[30], at_s=72), at_s=72, lines=ALL_LINES)
    assert counting.live == ["s1", "s2"]
    assert bench.last_span[0] == "partial"
    bench.running[10427] = False
    await bench.step(new_page(viewers=[30], at_s=74), at_s=74, lines=PUBLISH_LINES)
    assert counting.live == []
    await bench.step(new_page(viewers=[30], at_s=80), at_s=80)
    assert bench.last_span == ("counted", "")
    assert counting.connections == 1, "the viewer of the new worker; the others were counted before"
    assert counting.bytes_in == 10 + 1_000_000 - 180_523, "the lines contain what the old page had counted"


async def test_restart_is_no_reload(bench: Bench) -> None:
    bench.running = {10427: False}
    assert await bench.step(new_page(), at_s=50) == ()
    assert bench.counting.live == []
    assert [(span.state, span.reason) for span in bench.counting.spans[-2:]] == [
        ("partial", RESTARTED),
        ("counted", ""),
    ]


async def test_restart_in_a_container_has_the_same_process_id(bench: Bench) -> None:
    assert await bench.step(new_page(pid=10427), at_s=50) == ()
    assert bench.counting.live == []


async def test_crashed_worker_serves_nobody(bench: Bench) -> None:
    crashed = page_response(99, 50, page=PAGE.replace(b"<bytes_in>180523", b"<bytes_in>0"))
    assert await bench.step(crashed, at_s=50) == ()
    assert bench.last_span == ("partial", WORKER_REPLACED)


async def test_worker_that_is_not_seen_is_waited_for_a_day(bench: Bench) -> None:
    await bench.step(new_page(), at_s=50)
    await bench.step(new_page(at_s=23 * 3600), at_s=23 * 3600)
    assert bench.counting.live == ["s1", "s2"]
    for hour in (25, 49):
        await bench.step(new_page(at_s=hour * 3600), at_s=hour * 3600)
    assert (bench.counting.live, bench.last_span) == ([], ("counted", ""))
    late = "".join(log_line(50 * 3600, number, name, 50 * 3600 - 30) for number, name in VIEWERS.items())
    view_time_ms = bench.counting.view_time_ms
    await bench.step(new_page(at_s=50 * 3600), at_s=50 * 3600, lines=late)
    assert (bench.counting.connections, bench.counting.view_time_ms) == (0, view_time_ms), "they are counted already"


async def test_worker_that_runs_for_weeks_serves_its_viewers_as_long(bench: Bench) -> None:
    bench.running = {10427: True}
    for day in range(1, 20, 3):
        await bench.step(new_page(at_s=day * 86_400), at_s=day * 86_400)
    bench.running = {10427: False}
    lines = "".join(log_line(20 * 86_400 - 1, number, name, 20 * 86_400 - 30) for number, name in VIEWERS.items())
    await bench.step(new_page(at_s=20 * 86_400), at_s=20 * 86_400, lines=lines)
    assert (bench.counting.connections, len(bench.counting.state.viewers)) == (0, 0)
    assert abs(bench.counting.view_time_ms - 4 * (20 * 86_400 - 32) * 1000) < 4 * 6_000


async def test_stream_published_anew_begins_a_session_and_ends_one_that_perhaps_runs_no_more(bench: Bench) -> None:
    await bench.step(new_page(publishers=[40]), at_s=50)
    assert bench.counting.live == ["s1", "s2"]
    assert sorted(session.name for session in bench.counting.sessions.values()) == ["s1", "s1", "s2"]
    await bench.step(new_page(publishers=[40], at_s=74), at_s=74, lines=PUBLISH_LINES)
    sessions = {key: session for key, session in bench.counting.sessions.items() if session.name == "s1"}
    assert [session.live for session in sessions.values()].count(True) == 1
    assert len(sessions) == 2, "the line ends the session that it belongs to"


async def test_worker_of_a_binary_upgrade_is_read_although_the_old_one_responds_too(bench: Bench) -> None:
    bench.running = {10427: True, 99: True}
    old, new = page_response(uptime_s=50), new_page()
    await bench.step(*([new, old] * 60), at_s=50)
    assert bench.counting.state.baseline.boot == f"{RELOADED_S}-99"
    await bench.step(old, old, new, at_s=55)
    assert bench.counting.state.baseline.boot == f"{RELOADED_S}-99", "the newer worker responds, sooner or later"
    assert bench.counting.bytes_out == 900


async def test_upgrade_that_is_rolled_back_continues_the_counters_of_the_old_worker(bench: Bench) -> None:
    bench.running = {10427: True, 99: True}
    await bench.step(new_page(viewers=[30]), at_s=50)
    bench.running = {10427: True, 99: False}
    grown = PAGE.replace(b"<bytes_out>188422", b"<bytes_out>200000", 1)
    last = log_line(53, "30", "s1", 4, tx=900)
    await bench.step(page_response(uptime_s=55, page=grown), at_s=55, lines=last)
    assert bench.counting.state.baseline.boot == OLD
    assert bench.counting.bytes_out == 900 + 200_000 - 188_422, "nothing of the old worker counts again"
    assert (bench.counting.connections, bench.counting.live) == (1, ["s1", "s2"])
    assert bench.last_span == ("partial", WORKER_REPLACED)
    await bench.step(page_response(uptime_s=60, page=grown), at_s=60)
    assert bench.last_span == ("counted", "")


def test_cursor_has_the_earlier_workers() -> None:
    cursor = NginxRtmpCursor(WorkerBoot(9, 3), None, (WorkerBoot(5, 1), WorkerBoot(7, 2)))
    assert NginxRtmpCursor.parse(str(cursor)) == cursor
    assert NginxRtmpCursor.parse("5-1|").earlier == (), "as an earlier version wrote it"


def test_cursor_has_the_masters_of_the_workers_where_an_earlier_version_reads_none() -> None:
    workers = WorkerBoot(9, 3), WorkerBoot(5, 1), WorkerBoot(7, 2)
    cursor = NginxRtmpCursor(workers[0], None, workers[1:], {workers[0]: 40, workers[2]: 41})
    assert NginxRtmpCursor.parse(str(cursor)) == cursor
    assert str(cursor) == "9-3,5-1,7-2,9-3+40,7-2+41|"
    assert WorkerBoot.parse("7-2+41") is None
    assert not NginxRtmpCursor.parse("9-3,9-3+" + "4" * 5000 + "|").masters


def test_worker_continues_the_ids_of_the_workers_of_its_master_only() -> None:
    present, reloaded, upgraded, ended, unknown = (WorkerBoot(100 * number, number) for number in range(1, 6))
    parents = {present.pid: 40, reloaded.pid: 40, upgraded.pid: 30, unknown.pid: 40}
    serving = {reloaded: True, upgraded: True, unknown: False}
    seen = masters({ended: 40}, serving, present, lambda *_: True, parents.get)
    assert seen == {ended: 40, present: 40, reloaded: 40, upgraded: 30}
    assert continued_ids((*serving, ended, reloaded), present, seen) == (str(reloaded), str(ended))
    unseen = masters({ended: 40}, serving, present, lambda *_: None, parents.get)
    assert continued_ids((*serving, ended), present, unseen) == (), "where the present worker is not seen"


def test_master_of_a_process_is_its_parent() -> None:
    assert find_master(os.getpid()) == os.getppid()
    assert find_master(2**22 + 1) is None


@pytest.mark.parametrize(
    ("before", "present", "runs", "serving"),
    [
        ((100, 7), (200, 8), True, True),
        ((100, 7), (200, 8), None, False),
        ((100, 7), (200, 8), False, None),
        ((100, 7), (200, 7), None, None),
        ((100, 7), (100, 8), None, None),
        ((100, 7), (100, 8), True, True),
        ((200, 8), (100, 7), None, False),
    ],
    ids=["reload", "reload unseen", "restart", "container", "crash", "running beside", "rolled back"],
)
def test_earlier_worker_serves(
    before: tuple[int, int], present: tuple[int, int], runs: bool | None, serving: bool | None
) -> None:
    boot = WorkerBoot(*before)
    found = earlier_workers(boot, (), WorkerBoot(*present), lambda *_: runs)
    assert found == ({} if serving is None else {boot: serving})


@pytest.mark.parametrize(("runs", "names"), [(False, ("100-7",)), (None, ()), (True, ())])
def test_worker_that_served_beside_the_present_one_has_drained_when_its_end_is_seen(
    runs: bool | None, names: tuple[str, ...]
) -> None:
    assert drained([WorkerBoot(100, 7), WorkerBoot(50, 8)], WorkerBoot(200, 8), lambda *_: runs) == names


def test_process_that_is_no_worker_of_nginx_shows_nothing() -> None:
    assert find_worker(1, 2**22 + 1) is None
