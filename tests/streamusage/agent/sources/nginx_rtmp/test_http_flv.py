"""nginx-http-flv-module: its page, its log and its callbacks name HTTP-FLV players. Recorded from version 1.2.14."""

import re
from collections import Counter
from pathlib import Path

import pytest

from streamusage.agent.metering import meter
from streamusage.agent.sources.common.callbacks.spool import SpooledCallback
from streamusage.agent.sources.nginx_rtmp.access_log import parse_line
from streamusage.agent.sources.nginx_rtmp.callbacks import NginxOpenSessions
from streamusage.agent.sources.nginx_rtmp.source import NginxRtmpSource
from streamusage.agent.sources.nginx_rtmp.statistics import StatError, parse_stat
from tests.support.agent.callbacks import apply_callbacks
from tests.support.agent.http_answers import Answers
from tests.support.agent.manual_clock import HandClock
from tests.support.agent.media_servers import read_fixture
from tests.support.agent.nginx_page import BEGAN_S, page_response
from tests.support.waiting import PATIENT

DURING, AFTER = (read_fixture(f"nginx_http_flv/stat_{name}.xml") for name in ("mid", "end"))
LINES = read_fixture("nginx_http_flv/rtmp_access.log").splitlines()
HTTP_LINES = read_fixture("nginx_http_flv/http_access.log").decode().splitlines()
SENT = {"5": 645_397, "4": 914_974, "3": 1_180_251}
"""Bytes that each viewer was sent."""


def test_recorded_page_has_players_over_http_and_rtmp() -> None:
    page = parse_stat(DURING)
    assert (page.pid, page.uptime_s, page.bytes_in, page.bytes_out) == (24555, 19, 358_327, 1_079_759)
    assert {(viewer.viewer_id, viewer.protocol, viewer.age_ms) for viewer in page.viewers} == {
        ("5", "flv", 9_617),
        ("4", "flv", 9_777),
        ("3", "rtmp", 9_870),
    }
    assert [(publish.publish_id, publish.scope, publish.name) for publish in page.publishes] == [("2", "live", "cam")]
    assert (parse_stat(AFTER).viewers, parse_stat(AFTER).publishes) == ((), ())


def test_page_of_several_servers_with_ports_has_the_streams_of_all() -> None:
    server = re.search(rb"<server>.*</server>", DURING, re.DOTALL)
    assert server is not None
    ids = {number: number + 100 for number in (2, 3, 4, 5)}
    other = re.sub(rb"<id>(\d+)", lambda each: b"<id>%d" % ids[int(each[1])], server[0])
    other = other.replace(b"<name>live</name>", b"<name>backup</name>").replace(b"<server_index>0", b"<server_index>1")
    page = parse_stat(DURING.replace(server[0], server[0] + other))
    assert Counter(viewer.scope for viewer in page.viewers) == {"live": 3, "backup": 3}


def test_page_of_another_kind_is_refused() -> None:
    with pytest.raises(StatError, match="not the statistics of nginx-rtmp or nginx-http-flv"):
        parse_stat(DURING.replace(b"http-flv>", b"http-other>"))


@pytest.mark.parametrize("form", ["earlier", "recommended"])
def test_lines_name_the_protocol_and_add_up_to_the_counters_of_the_page(form: str) -> None:
    lines = LINES if form == "earlier" else [to_recommended_form(line) for line in LINES]
    ended = [connection for line in lines if (connection := parse_line(line)) is not None]
    assert [(line.connection_id, line.kind, line.protocol) for line in ended] == [
        ("5", "play", "flv"),
        ("4", "play", "flv"),
        ("3", "play", "rtmp"),
        ("2", "publish", "rtmp"),
    ]
    page = parse_stat(AFTER)
    assert (sum(line.bytes_in for line in ended), sum(line.bytes_out for line in ended)) == (
        page.bytes_in,
        page.bytes_out,
    )
    assert {line.connection_id: line.bytes_out for line in ended if line.kind == "play"} == SENT


def to_recommended_form(line: bytes) -> bytes:
    """Return a line of the earlier format in the recommended one, with its figures before the names."""
    parts = re.fullmatch(rb'(\S+ \S+ \S+) (".*") (rx=\S+ tx=\S+ t=\S+) (".*")', line)
    assert parts is not None
    start, names, figures, version = parts.groups()
    return b" ".join((start, figures, names, version))


def test_http_log_has_the_same_bytes_again() -> None:
    sent = sorted(int(line.split('" 200 ')[1].split()[0]) for line in HTTP_LINES)
    assert sent == sorted((SENT["5"], SENT["4"])), "an hls source on that log would count a player's bytes twice"


def test_callback_names_the_protocol() -> None:
    def call(name: str, client: int, flashver: str) -> SpooledCallback:
        body = f"call={name}&app=live&name=cam&clientid={client}&flashver={flashver}"
        return SpooledCallback(1_000 + client, body=body)

    ended = apply_callbacks(
        NginxOpenSessions(),
        [
            call("play", 5, "flv_live%201.1"),
            call("play", 3, "LNX%2010,0,32,18"),
            call("play_done", 5, "flv_live%201.1"),
            call("play_done", 3, "LNX%2010,0,32,18"),
        ],
    )
    assert {session.connection_id: session.protocol for session in ended} == {"5": "flv", "3": "rtmp"}


async def test_recorded_session_is_counted_to_the_byte_by_page_and_log(server: Answers, tmp_path: Path) -> None:
    log = tmp_path / "rtmp_access.log"
    log.touch()
    clock = HandClock((BEGAN_S + 19) * 1000)
    source = NginxRtmpSource(server.url, log, clock=clock, options=PATIENT)
    idle = AFTER.replace(b"2741252", b"0").replace(b"1536945", b"0")
    server.next = [page_response(24555, 5, page=idle)]
    first = await source.read(None)
    server.next = [page_response(24555, 19, page=DURING)]
    clock.now += 14_000
    second = await source.read(first.cursor)
    log.write_bytes(b"\n".join(LINES) + b"\n")
    server.next = [page_response(24555, 66, page=AFTER)]
    clock.now += 47_000
    third = await source.read(second.cursor)
    await source.close()
    state, _ = meter.start(first)
    connections: Counter[str] = Counter()
    sent = received = 0
    for reading in (second, third):
        state, additions = meter.step(state, reading)
        for slot in additions.slots.values():
            connections += slot.connections
            sent, received = sent + slot.bytes_out, received + slot.bytes_in
    assert connections == {"flv": 2, "rtmp": 1}
    assert (received, sent) == (1_536_945, 2_741_252)
    assert not state.viewers
