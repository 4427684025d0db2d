"""The nginx-rtmp source over HTTP: whatever answers, there is a reading or a `SourceError` that an operator can use."""

import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from email.utils import format_datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import tests.support.agent
from streamusage.agent.reading import LogGoneError, Reading, SourceError
from streamusage.agent.sources.common import http_probe
from streamusage.agent.sources.nginx_rtmp import page
from streamusage.agent.sources.nginx_rtmp.page import Boot
from streamusage.agent.sources.nginx_rtmp.source import NginxRtmpCursor, NginxRtmpSource
from streamusage.core.reasons import LINES_LOST
from tests.support.agent.http_answers import Answers, answer, answering
from tests.support.agent.manual_clock import HandClock

FIXTURES = Path(tests.support.agent.__file__).parent / "fixtures"
PAGE = (FIXTURES / "nginx_stat_2pub_4sub.xml").read_bytes()
BEGAN_S = 1795288680
NOW = (BEGAN_S + 32) * 1000


def page_by(pid: int = 10427, uptime_s: int = 32, began_s: int = BEGAN_S, *, late_s: int = 0) -> bytes:
    """The page as a worker gives it, `late_s` seconds later by a proxy's clock."""
    body = re.sub(rb"<pid>\d+", b"<pid>%d" % pid, PAGE)
    body = re.sub(rb"<uptime>-?\d+", b"<uptime>%d" % uptime_s, body)
    date = format_datetime(datetime.fromtimestamp(began_s + uptime_s + late_s, UTC), usegmt=True)
    return answer(body, Date=date)


@pytest.fixture
async def server() -> AsyncIterator[Answers]:
    async with answering() as answers:
        yield answers


@pytest.fixture
async def source(server: Answers) -> AsyncIterator[NginxRtmpSource]:
    opened = NginxRtmpSource(server.url + "/stat", clock=HandClock(NOW), timeout_seconds=30)
    yield opened
    await opened.close()


async def test_a_reading_without_a_log(server: Answers, source: NginxRtmpSource) -> None:
    server.next = [page_by()]
    reading = await source.read(None)
    assert (reading.boot, reading.started_at) == (f"{BEGAN_S}-10427", (BEGAN_S + 1) * 1000)
    assert (reading.bytes_in, reading.bytes_out) == (180523, 188422)
    assert (len(reading.publishes), len(reading.viewers)) == (2, 4)
    assert (reading.ended, reading.logs_ends) == ((), False)
    assert b"connection: close" in server.requests[0].lower()


async def test_the_url_is_asked_as_it_was_given(server: Answers) -> None:
    server.next = [page_by()]
    url = server.url.replace("//", "//user:secret@") + "/a%2Fb/stat/?key=k%26"
    source = NginxRtmpSource(url, clock=HandClock(NOW), timeout_seconds=30)
    await source.read(None)
    await source.close()
    assert server.requests[0].startswith(b"GET /a%2Fb/stat/?key=k%26 HTTP/1.1\r\n")
    assert b"\r\nauthorization: basic dxnlcjpzzwnyzxq=\r\n" in server.requests[0].lower()


async def test_a_boot_keeps_its_name_though_uptime_and_clock_go_on(server: Answers, source: NginxRtmpSource) -> None:
    server.next = [page_by(uptime_s=uptime_s) for uptime_s in (0, 1, 59, 60, 86_400, -3600)]
    assert {(await source.read(None)).boot for _ in range(2)} == {f"{BEGAN_S}-10427"}


async def test_a_proxys_late_clock_makes_no_new_boot(server: Answers, source: NginxRtmpSource) -> None:
    server.next = [page_by()]
    first = await source.read(None)
    server.next = [page_by(uptime_s=40, late_s=1)]
    assert (await source.read(first.cursor)).boot == first.boot
    restarted_agent = NginxRtmpSource(server.url, clock=HandClock(NOW))
    assert (await restarted_agent.read(first.cursor)).boot == first.boot
    await restarted_agent.close()


async def test_a_proxys_clock_that_wavers_at_first_sight_is_one_boot(server: Answers, source: NginxRtmpSource) -> None:
    server.next = [page_by(), page_by(late_s=1)] * 30 + [page_by()]
    assert (await source.read(None)).boot == f"{BEGAN_S}-10427"
    assert len(server.requests) == page.ANSWERS_ALONE


@pytest.mark.parametrize(
    "later",
    [
        page_by(pid=99, uptime_s=0, began_s=BEGAN_S + 60),
        page_by(pid=10427, uptime_s=0, began_s=BEGAN_S + 60),
        page_by(pid=99, uptime_s=60),
        page_by(pid=10427, uptime_s=0, began_s=BEGAN_S - 60),
    ],
    ids=["reload", "restart with the pid used again", "worker crash", "restart after the clock was set back"],
)
async def test_another_life_is_another_boot(server: Answers, source: NginxRtmpSource, later: bytes) -> None:
    server.next = [page_by()]
    first = await source.read(None)
    server.next = [later]
    second = await source.read(first.cursor)
    assert second.boot != first.boot
    assert (await source.read(second.cursor)).boot == second.boot


async def test_an_old_worker_that_answers_during_a_reload_is_not_gone_back_to(
    server: Answers, source: NginxRtmpSource
) -> None:
    old, new = page_by(), page_by(pid=99, uptime_s=0, began_s=BEGAN_S + 60)
    server.next = [old]
    first = await source.read(None)
    server.next = [new, old, new, old, new]
    assert (await source.read(first.cursor)).boot == f"{BEGAN_S + 60}-99"


async def test_workers_that_answer_in_turn_are_refused_until_one_is_left(
    server: Answers, source: NginxRtmpSource
) -> None:
    one, other = page_by(pid=1), page_by(pid=2)
    server.next = [one]
    first = await source.read(None)
    server.next = [other, one] * 200
    for _ in range(2):
        with pytest.raises(SourceError, match="worker_processes 1"):
            await source.read(first.cursor)
    server.next = [one]
    assert (await source.read(first.cursor)).boot == first.boot


@pytest.mark.parametrize(
    ("given_answer", "said"),
    [
        (answer(b"nothing here", "404 Not Found"), "rtmp_stat all"),
        (answer(b"", "403 Forbidden"), "allow the agent"),
        (answer(b"", "302 Found", Location="http://example.com/"), "HTTP 302"),
        (answer(b"<html>Welcome to nginx!</html>"), "not the statistics"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "cannot be read"),
        (b"", "cannot be read"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n<rtmp>", "cannot be read"),
        (answer(PAGE[:500]), "not XML"),
    ],
)
async def test_what_is_not_the_page_says_what_came_and_what_to_do(
    server: Answers, source: NginxRtmpSource, given_answer: bytes, said: str
) -> None:
    server.next = [given_answer]
    with pytest.raises(SourceError, match=said):
        await source.read(None)


async def test_a_huge_answer_is_cut_off(
    server: Answers, source: NginxRtmpSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_probe, "LARGEST_ANSWER_BYTES", 1 << 20)
    server.next = [answer(b"<rtmp>" + b" " * (4 << 20))]
    with pytest.raises(SourceError, match="more than 1 MiB"):
        await source.read(None)


async def test_nobody_there(unused_tcp_port: int) -> None:
    source = NginxRtmpSource(f"http://user:secret@127.0.0.1:{unused_tcp_port}/stat?key=secret")
    with pytest.raises(SourceError, match="is nginx running") as refused:
        await source.read(None)
    assert "secret" not in str(refused.value)
    await source.close()


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, len(PAGE) - 1), st.integers(0, 300), st.binary(max_size=30), st.text(max_size=40))
async def test_any_answer_gives_a_reading_or_a_source_error(at: int, length: int, instead: bytes, cursor: str) -> None:
    async with answering() as answers:
        whole = page_by()
        answers.next = [whole[:at] + instead + whole[at + length :]]
        source = NginxRtmpSource(answers.url, clock=HandClock(NOW), timeout_seconds=30)
        try:
            reading = await source.read(cursor)
        except SourceError:
            return
        finally:
            await source.close()
        assert isinstance(reading, Reading)


@given(st.text(max_size=60))
def test_any_text_is_taken_for_a_cursor_without_harm(text: str) -> None:
    cursor = NginxRtmpCursor.parse(text)
    assert NginxRtmpCursor.parse(str(cursor)) == cursor


def test_a_boots_name_can_be_read_back() -> None:
    assert Boot.parse(str(Boot(BEGAN_S, 7))) == Boot(BEGAN_S, 7)


def log_of(written: int, directory: Path) -> tuple[Path, list[bytes]]:
    """A log that holds the first lines of the recorded one, and all of those lines."""
    log = directory / "rtmp_access.log"
    lines = (FIXTURES / "nginx_rtmp_access.log").read_bytes().splitlines(keepends=True)
    log.write_bytes(b"".join(lines[:written]))
    return log, lines


async def test_a_log_that_was_not_read_before_is_begun_at_its_end(server: Answers, tmp_path: Path) -> None:
    server.next = [page_by()]
    log, lines = log_of(3, tmp_path)
    source = NginxRtmpSource(server.url, log, HandClock(NOW))
    first = await source.read(None)
    assert (first.ended, first.logs_ends) == ((), True)
    with log.open("ab") as file:
        file.write(b"a line that nobody knows\n" + lines[3] + lines[4][:20])
    second = await source.read(first.cursor)
    assert [line.connection_id for line in second.ended] == ["83"]
    with log.open("ab") as file:
        file.write(lines[4][20:])
    third = await source.read(second.cursor)
    assert [line.connection_id for line in third.ended] == ["111"]
    assert await source.ended_between(first.cursor, third.cursor) == second.ended + third.ended
    assert (await source.read(second.cursor)).ended == third.ended
    await source.close()


async def test_lines_that_nobody_read_and_that_are_gone_are_said(server: Answers, tmp_path: Path) -> None:
    server.next = [page_by()]
    log, lines = log_of(2, tmp_path)
    source = NginxRtmpSource(server.url, log, HandClock(NOW))
    first = await source.read(None)
    log.unlink()
    log.write_bytes(lines[3])
    second = await source.read(first.cursor)
    assert [line.connection_id for line in second.ended] == ["83"]
    assert (first.misses, second.misses, second.logs_ends) == ("", LINES_LOST, True)
    assert (await source.read(second.cursor)).misses == ""
    with pytest.raises(LogGoneError):
        await source.ended_between(first.cursor, second.cursor)
    await source.close()


async def test_a_journal_from_before_the_log_was_set_begins_at_the_logs_end(server: Answers, tmp_path: Path) -> None:
    server.next = [page_by()]
    log = tmp_path / "rtmp_access.log"
    log.write_bytes((FIXTURES / "nginx_rtmp_access.log").read_bytes())
    for cursor in ("", "no cursor of ours", f"{BEGAN_S}-10427|"):
        source = NginxRtmpSource(server.url, log, HandClock(NOW))
        assert (await source.read(cursor)).ended == ()
        await source.close()


async def test_a_log_without_connection_ids_is_not_relied_on(
    server: Answers, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    server.next = [page_by()]
    log = tmp_path / "rtmp_access.log"
    log.write_text('127.0.0.1 [21/Nov/2026:10:11:12 +0100] PLAY "live" "s1" "" - 407 1234 "" "LNX" (5s)\n')
    source = NginxRtmpSource(server.url, log, HandClock(NOW))
    reading = await source.read(None)
    assert (reading.ended, reading.logs_ends) == ((), False)
    assert "log_format streamtop" in caplog.text
    await source.close()


async def test_a_log_that_may_not_be_read_is_told(server: Answers, tmp_path: Path) -> None:
    server.next = [page_by()]
    directory = tmp_path / "a_directory"
    directory.mkdir()
    source = NginxRtmpSource(server.url, directory)
    with pytest.raises(SourceError, match="cannot be read"):
        await source.read(None)
    await source.close()
