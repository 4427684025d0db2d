"""The nginx-rtmp source over HTTP: any response gives a reading or a `SourceError` that helps an operator."""

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from streamusage.agent.reading import LogGoneError, Reading, SourceError
from streamusage.agent.sources.common import http_probe
from streamusage.agent.sources.common.logs.follower import LogPosition
from streamusage.agent.sources.common.logs.reader import LogLines, LogReader
from streamusage.agent.sources.nginx_rtmp.source import NginxRtmpCursor, NginxRtmpSource
from streamusage.core.reasons import COUNTER_DISAGREES, LINES_LOST, LOG_NOT_OPENED, LOG_NOT_UNDERSTOOD
from tests.support.agent.http_answers import Answers, answer, answering
from tests.support.agent.manual_clock import HandClock, SteppedClock
from tests.support.agent.media_servers import read_fixture
from tests.support.agent.nginx_page import BEGAN_S, NOW_MS, PAGE, page_response
from tests.support.waiting import PATIENT


@pytest.fixture
async def source(server: Answers) -> AsyncIterator[NginxRtmpSource]:
    opened = NginxRtmpSource(server.url + "/stat", clock=HandClock(NOW_MS), options=PATIENT)
    yield opened
    await opened.close()


async def test_reading_without_a_log(server: Answers, source: NginxRtmpSource) -> None:
    server.next = [page_response()]
    reading = await source.read(None)
    assert (reading.boot, reading.started_at) == (f"{BEGAN_S}-10427", (BEGAN_S + 1) * 1000)
    assert (reading.bytes_in, reading.bytes_out) == (180523, 188422)
    assert (len(reading.publishes), len(reading.viewers)) == (2, 4)
    assert (reading.ended, reading.logs_ends) == ((), False)
    assert b"connection: close" in server.requests[0].lower()


async def test_boot_of_the_cursor_is_recognised_despite_a_shifted_date(
    server: Answers, source: NginxRtmpSource
) -> None:
    server.next = [page_response()]
    first = await source.read(None)
    server.next = [page_response(uptime_s=40, date_shift_s=1)]
    assert (await source.read(first.cursor)).boot == first.boot
    source_after_restart = NginxRtmpSource(server.url, clock=HandClock(NOW_MS), options=PATIENT)
    assert (await source_after_restart.read(first.cursor)).boot == first.boot
    await source_after_restart.close()


async def test_url_is_requested_as_configured(server: Answers) -> None:
    server.next = [page_response()]
    url = server.url.replace("//", "//user:secret@") + "/a%2Fb/stat/?key=k%26"
    source = NginxRtmpSource(url, clock=HandClock(NOW_MS), options=PATIENT)
    await source.read(None)
    await source.close()
    assert server.requests[0].startswith(b"GET /a%2Fb/stat/?key=k%26 HTTP/1.1\r\n")
    assert b"\r\nauthorization: basic dxnlcjpzzwnyzxq=\r\n" in server.requests[0].lower()


@pytest.mark.parametrize(
    ("response", "message"),
    [
        (answer(b"nothing here", "404 Not Found"), "rtmp_stat all"),
        (answer(b"", "403 Forbidden"), "allow the agent"),
        (answer(b"", "302 Found", Location="http://example.com/"), "HTTP 302"),
        (answer(b"<html>Welcome to nginx!</html>"), "not the statistics"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", r"request to http://.* failed"),
        (b"", r"request to http://.* failed"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n<rtmp>", r"request to http://.* failed"),
        (answer(PAGE[:500]), "not XML"),
    ],
)
async def test_invalid_response_is_a_source_error_with_cause_and_remedy(
    server: Answers, source: NginxRtmpSource, response: bytes, message: str
) -> None:
    server.next = [response]
    with pytest.raises(SourceError, match=message):
        await source.read(None)


async def test_too_long_response_is_a_source_error(
    server: Answers, source: NginxRtmpSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_probe, "MAX_RESPONSE_BYTES", 1 << 20)
    server.next = [answer(b"<rtmp>" + b" " * (4 << 20))]
    with pytest.raises(SourceError, match="more than 1 MiB"):
        await source.read(None)


async def test_refused_connection_is_a_source_error_without_secrets(unused_tcp_port: int) -> None:
    source = NginxRtmpSource(f"http://user:secret@127.0.0.1:{unused_tcp_port}/stat?key=secret")
    with pytest.raises(SourceError, match="is nginx running") as refused:
        await source.read(None)
    assert "secret" not in str(refused.value)
    await source.close()


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, len(PAGE) - 1), st.integers(0, 300), st.binary(max_size=30), st.text(max_size=40))
async def test_any_response_gives_a_reading_or_a_source_error(
    at: int, length: int, replacement: bytes, cursor: str
) -> None:
    async with answering() as answers:
        response = page_response()
        answers.next = [response[:at] + replacement + response[at + length :]]
        source = NginxRtmpSource(answers.url, clock=HandClock(NOW_MS), options=PATIENT)
        try:
            reading = await source.read(cursor)
        except SourceError:
            return
        finally:
            await source.close()
        assert isinstance(reading, Reading)


@given(st.text(max_size=60))
def test_any_text_is_a_cursor(text: str) -> None:
    cursor = NginxRtmpCursor.parse(text)
    assert NginxRtmpCursor.parse(str(cursor)) == cursor


def write_log(line_count: int, directory: Path) -> tuple[Path, list[bytes]]:
    """Return a log with the first lines of the recorded log, and all lines of the recorded log."""
    log = directory / "rtmp_access.log"
    lines = read_fixture("nginx_rtmp_access.log").splitlines(keepends=True)
    log.write_bytes(b"".join(lines[:line_count]))
    return log, lines


async def test_new_journal_starts_at_the_end_of_the_log(server: Answers, tmp_path: Path) -> None:
    server.next = [page_response()]
    log, lines = write_log(3, tmp_path)
    source = NginxRtmpSource(server.url, log, HandClock(NOW_MS), options=PATIENT)
    first = await source.read(None)
    assert (first.ended, first.logs_ends) == ((), True)
    with log.open("ab") as file:
        file.write(b"a line in an unknown format\n" + lines[3] + lines[4][:20])
    second = await source.read(first.cursor)
    assert [(line.connection_id, line.kind) for line in second.ended] == [("83", "play"), ("", "unreadable")]
    with log.open("ab") as file:
        file.write(lines[4][20:])
    third = await source.read(second.cursor)
    assert [line.connection_id for line in third.ended if line.kind == "play"] == ["111"]
    between = await source.ended_between(first.cursor, third.cursor)
    assert [(line.connection_id, line.kind) for line in between] == [
        ("83", "play"),
        ("111", "play"),
        ("", "unreadable"),
    ]
    assert (await source.read(second.cursor)).ended == third.ended
    await source.close()


async def test_lost_lines_are_reported(server: Answers, tmp_path: Path) -> None:
    server.next = [page_response()]
    log, lines = write_log(2, tmp_path)
    source = NginxRtmpSource(server.url, log, HandClock(NOW_MS), options=PATIENT)
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


async def test_cursor_from_before_the_log_was_configured_starts_at_its_end(server: Answers, tmp_path: Path) -> None:
    server.next = [page_response()]
    log = tmp_path / "rtmp_access.log"
    log.write_bytes(read_fixture("nginx_rtmp_access.log"))
    for cursor in ("", "not a cursor", f"{BEGAN_S}-10427|"):
        source = NginxRtmpSource(server.url, log, HandClock(NOW_MS), options=PATIENT)
        assert (await source.read(cursor)).ended == ()
        await source.close()


COMBINED = '127.0.0.1 [21/Nov/2026:10:11:12 +0100] PLAY "live" "s1" "" - 407 1234 "" "LNX" (5s)'
JSON = '{"time":1795288695.256,"conn":7,"addr":"192.0.2.7","cmd":"PLAY","app":"live","name":"s1","tx":1000000,"t":1}'
HTTP_LOG = '192.0.2.7 - - [21/Nov/2026:10:11:12 +0100] "GET /hls/s1.m3u8 HTTP/1.1" 200 512 "-" "VLC/3"'


@pytest.mark.parametrize("line", [COMBINED, JSON, HTTP_LOG, "conn=7 cmd=PLAY app=live tx=1000000"])
async def test_log_that_is_not_understood_is_never_relied_on(
    server: Answers, tmp_path: Path, line: str, caplog: pytest.LogCaptureFixture
) -> None:
    server.next = [page_response()]
    log = tmp_path / "rtmp_access.log"
    log.write_text(f"{line}\n")
    source = NginxRtmpSource(server.url, log, HandClock(NOW_MS), options=PATIENT)
    first = await source.read(None)
    with log.open("a") as file:
        file.write(f"{line}\n" * 2)
    second = await source.read(first.cursor)
    for reading in (first, second):
        assert (reading.logs_ends, reading.misses) == (False, LOG_NOT_UNDERSTOOD)
        assert "no line of the log" in reading.problem
        assert "log_format streamtop" in reading.problem
        assert (reading.bytes_out, len(reading.viewers)) == (188422, 4), "what the page shows is counted"
    assert "log_format streamtop" in caplog.text
    await source.close()


async def test_log_is_relied_on_from_its_first_readable_line(server: Answers, tmp_path: Path) -> None:
    server.next = [page_response()]
    log = tmp_path / "rtmp_access.log"
    log.write_text(f"{JSON}\n")
    source = NginxRtmpSource(server.url, log, HandClock(NOW_MS), options=PATIENT)
    first = await source.read(None)
    with log.open("ab") as file:
        file.write(read_fixture("nginx_rtmp_access.log").splitlines(keepends=True)[0])
    second = await source.read(first.cursor)
    assert (len(second.ended), second.logs_ends, second.misses, second.problem) == (1, True, "", "")
    await source.close()


async def test_log_whose_form_is_changed_is_not_understood_after_a_minute_without_a_readable_line(
    server: Answers, tmp_path: Path
) -> None:
    server.next = [page_response()]
    log, _ = write_log(1, tmp_path)
    clock = HandClock(NOW_MS)
    source = NginxRtmpSource(server.url, log, clock, options=PATIENT)
    reading = await source.read(None)
    seen = []
    for _ in range(2):
        with log.open("a") as file:
            file.write(f"{JSON}\n")
        reading = await source.read(reading.cursor)
        seen.append((reading.logs_ends, reading.misses, [line.kind for line in reading.ended]))
        clock.now += 60_000
    assert seen == [(True, "", ["unreadable"]), (False, LOG_NOT_UNDERSTOOD, ["unreadable"])]
    await source.close()


@pytest.mark.parametrize("figure", [b"-5", b"18446744073709551611", b"9223372036854775807"])
async def test_figure_that_is_no_count_bounds_the_reading(
    server: Answers, source: NginxRtmpSource, figure: bytes
) -> None:
    valid = page_response()
    absurd = re.sub(rb"<bytes_out>\d+", b"<bytes_out>" + figure, PAGE, count=1)
    server.next = [page_response(page=absurd)]
    with pytest.raises(SourceError, match="counting cannot begin"):
        await source.read(None)
    server.next = [valid]
    first = await source.read(None)
    server.next = [page_response(page=absurd)]
    second = await source.read(first.cursor)
    assert (second.bytes_in, second.bytes_out, len(second.viewers)) == (180523, -1, 4)
    assert second.misses


async def test_age_that_is_none_is_the_least_possible_one(server: Answers, source: NginxRtmpSource) -> None:
    server.next = [page_response(page=re.sub(rb"<time>\d+", b"<time>18446744073709551000", PAGE))]
    reading = await source.read(None)
    assert {viewer.age_ms for viewer in reading.viewers} == {0}


def page_with(viewers: range) -> bytes:
    clients = "".join(
        f"<client><id>{n}</id><address>192.0.2.4</address><time>5000</time><active/></client>" for n in viewers
    )
    return (
        "<rtmp><pid>10427</pid><uptime>32</uptime><bytes_in>1</bytes_in><bytes_out>1</bytes_out><server><application>"
        f"<name>live</name><live><stream><name>s1</name>{clients}</stream></live></application></server></rtmp>"
    ).encode()


@pytest.mark.parametrize("is_logged", [True, False])
async def test_log_that_does_not_explain_who_left_the_page_is_marked(
    server: Answers, tmp_path: Path, is_logged: bool
) -> None:
    log, clock = tmp_path / "rtmp_access.log", HandClock(NOW_MS)
    log.write_text('1.000 1 ::1 rx=1 tx=2 t=3 "PLAY" "live" "s"\n' if is_logged else "")
    source = NginxRtmpSource(server.url, log, clock, options=PATIENT)
    reading, seen = None, []
    for turn in range(60):
        server.next = [page_response(uptime_s=32 + 5 * turn, page=page_with(range(turn, turn + 3)))]
        if is_logged:
            with log.open("a") as file:
                file.write(f'{clock.now / 1000:.3f} {turn - 1} ::1 rx=1 tx=2 t=3 "PLAY" "live" "s1"\n')
        reading = await source.read(reading.cursor if reading else None)
        seen.append(reading.misses)
        clock.now += 5_000
    assert reading is not None
    if is_logged:
        assert set(seen) == {""}
        assert reading.problem == ""
    else:
        assert seen[-1].startswith(COUNTER_DISAGREES)
        assert "access_log" in reading.problem
    await source.close()


async def test_log_that_cannot_be_opened_leaves_the_page(server: Answers, tmp_path: Path) -> None:
    server.next = [page_response()]
    (tmp_path / "a_directory").mkdir()
    for log, problem in ((tmp_path / "a_directory", "cannot be read"), (tmp_path / "no.log", "not found")):
        source = NginxRtmpSource(server.url, log, HandClock(NOW_MS), options=PATIENT)
        reading = await source.read(None)
        assert (reading.logs_ends, reading.misses, len(reading.viewers)) == (False, LOG_NOT_OPENED, 4)
        assert problem in reading.problem
        await source.close()


async def test_log_that_cannot_be_opened_for_a_while_is_read_from_where_it_stopped(
    server: Answers, tmp_path: Path
) -> None:
    server.next = [page_response()]
    log, lines = write_log(3, tmp_path)
    source = NginxRtmpSource(server.url, log, HandClock(NOW_MS), options=PATIENT)
    first = await source.read(None)
    log.rename(tmp_path / "rtmp_access.log.1")
    log.mkdir()
    (tmp_path / "rtmp_access.log.1").rename(tmp_path / "elsewhere")
    second = await source.read(first.cursor)
    log.rmdir()
    (tmp_path / "elsewhere").rename(log)
    with log.open("ab") as file:
        file.write(lines[3])
    third = await source.read(second.cursor)
    assert [line.connection_id for line in third.ended] == ["83"]
    assert (third.logs_ends, third.misses, third.problem) == (True, "", "")
    await source.close()


@pytest.mark.parametrize(("before_ms", "after_ms"), [(0, 0), (4_000, 0), (0, 4_000)])
async def test_late_page_gives_an_interval_that_contains_the_start(
    server: Answers, before_ms: int, after_ms: int
) -> None:
    clock = SteppedClock(50_000_000, NOW_MS - 50_000_000)

    def respond(request: bytes) -> bytes:
        clock.now += before_ms
        written_ms.append(clock.now)
        clock.now += after_ms
        clock.wall_ahead_ms -= 3_600_000
        return page_response()

    written_ms: list[int] = []
    server.next = [page_response()]
    source = NginxRtmpSource(server.url, clock=clock, options=PATIENT)
    first = await source.read(None)
    server.next = [respond]
    reading = await source.read(first.cursor)
    await source.close()
    (publish,) = [each for each in reading.publishes if each.publish_id == "6"]
    latest_ms = reading.elapsed_ms - publish.age_ms
    assert latest_ms - reading.age_slack_ms <= written_ms[0] - 7_747 <= latest_ms
    assert latest_ms == written_ms[0] + after_ms - 7_747
    assert reading.age_slack_ms == before_ms + after_ms
    assert reading.uptime_ms is None, "nginx takes it from its wall clock"
    assert reading.at - reading.elapsed_ms == clock.wall_ahead_ms, "both clocks of one instant"


class SlowDiskLog(LogReader):
    """A log on a busy machine: it takes 1.4 s to return the lines."""

    def __init__(self, path: Path, clock: HandClock) -> None:
        super().__init__(path, clock)
        self.clock = clock

    async def read_lines(self, position: LogPosition) -> LogLines:
        lines = await super().read_lines(position)
        self.clock.now += 1_400
        return lines


async def test_viewers_are_not_counted_while_a_slow_log_is_read(server: Answers, tmp_path: Path) -> None:
    log, clock = tmp_path / "rtmp.log", HandClock(NOW_MS)
    log.write_text("")
    source = NginxRtmpSource(server.url + "/stat", log, clock, options=PATIENT)
    assert source._log is not None
    source._log._log = SlowDiskLog(log, clock)
    server.next = [page_response()]
    first = await source.read(None)
    asked_at = clock.now
    second = await source.read(first.cursor)
    await source.close()
    assert second.at == asked_at
    assert {viewer.age_ms for viewer in second.viewers} == {viewer.age_ms for viewer in first.viewers}
