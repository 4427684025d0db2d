"""The MediaMTX source: connections with their counters, paths with their publishes, HLS sessions and muxers, paging."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from streamusage.agent.metering import meter
from streamusage.agent.reading import Reading, SourceError
from streamusage.core.reasons import COUNTER_FELL, COUNTER_INVALID, MEDIAMTX_POLLING
from tests.support.agent.http_answers import answer, answering
from tests.support.agent.media_servers import CLOCK, MEDIA_SERVERS, encode_json, open_source

Lists = dict[str, list[dict[str, Any]]]
"""The items of each list; a list that is missing does not exist on the server."""

LONG_AGO = "2026-11-21T21:00:00.123456789Z"
PATH = {"name": "live/s1", "ready": True, "readyTime": LONG_AGO, "online": True, "onlineTime": LONG_AGO}


def iso(age_s: float) -> str:
    """Return a time in the server's form: nanoseconds, in a zone of its own."""
    return (datetime.now(UTC) - timedelta(seconds=age_s)).strftime("%Y-%m-%dT%H:%M:%S.%f000Z")


def hls_session(number: int, sent: float, **fields: Any) -> dict[str, Any]:
    return {"id": f"5a3c0e4e-0000-4000-8000-{number:012}", "created": LONG_AGO, "remoteAddr": "192.0.2.9:5011",
            "path": "live/s1", "query": "", "user": "", "isCDN": False, "outboundBytes": sent} | fields  # fmt: skip


def muxer(sent: float) -> dict[str, Any]:
    return {"path": "live/s1", "created": LONG_AGO, "lastRequest": LONG_AGO, "outboundBytes": sent, "bytesSent": sent}


def rtmp(number: int, state: str, received: float, sent: float) -> dict[str, Any]:
    return {"id": f"c-{number}", "created": LONG_AGO, "remoteAddr": "192.0.2.1:1", "state": state, "path": "live/s1",
            "query": "", "inboundBytes": received, "outboundBytes": sent}  # fmt: skip


async def read_all(*steps: Lists, page_limit: int = 2**31 - 1) -> list[Reading]:
    """Return one reading of each step's lists. The server limits pages to a number of items."""
    present: Lists = {}

    def respond(request: bytes) -> bytes:
        target = request.split(b" ", 2)[1].decode()
        name = target.split("/")[2]
        if name not in present:
            return answer(b'{"status":"error","error":"not found"}', "404 Not Found")
        query = dict(part.split("=") for part in target.partition("?")[2].split("&"))
        size = min(page_limit, int(query["itemsPerPage"]))
        first = int(query["page"]) * size
        items = present[name]
        pages = -(-len(items) // size)
        page = {"itemCount": len(items), "pageCount": pages, "items": items[first : first + size]}
        return answer(encode_json(page))

    readings = []
    async with answering() as answers:
        answers.next = [respond]
        source = MEDIA_SERVERS["mediamtx"].create_source(answers.url, CLOCK)
        try:
            for step in steps:
                present.clear()
                present.update({"paths": [PATH]} | step)
                readings.append(await source.read(None))
        finally:
            await source.close()
    return readings


def count(readings: list[Reading]) -> tuple[int, int, set[str]]:
    """Return the viewer connections, the bytes out and the reasons of the time after the first reading."""
    state, _ = meter.start(readings[0])
    connections, sent, reasons = 0, 0, set()
    for reading in readings[1:]:
        state, additions = meter.step(state, reading)
        connections += sum(sum(slot.connections.values()) for slot in additions.slots.values())
        sent += sum(slot.bytes_out for slot in additions.slots.values())
        reasons |= {span.reason for span in additions.spans}
    return connections, sent, reasons


async def test_reading_has_counters_viewers_and_publishes() -> None:
    async with open_source("mediamtx") as (source, _):
        reading = await source.read(None)
    assert {(counter.key, counter.bytes_in, counter.bytes_out) for counter in reading.counters} == {
        ("u-1", 900, 0),
        ("u-2", 0, 700),
        ("u-3", 0, 50),
    }
    viewers = {(viewer.viewer_id, viewer.protocol, viewer.scope, viewer.name) for viewer in reading.viewers}
    assert viewers == {("u-2", "rtmp", "live", "s1"), ("u-3", "hls", "live", "s2")}, "an HLS session has no state"
    publishes = {publish.name: publish.age_ms for publish in reading.publishes}
    assert publishes.keys() == {"s1", "s2"}, "a path that is always available is published only while it is online"
    assert publishes["s1"] - publishes["s2"] == 29 * 60_000 + 59_500


async def test_muxer_that_outlives_its_sessions_counts_no_byte_again() -> None:
    sent = [0, 2_000_000, 5_000_000, 5_000_000, 5_000_000, 5_500_000]
    sessions: list[list[dict[str, Any]]] = [
        [],
        [hls_session(1, sent[1])],
        [hls_session(1, sent[2])],
        [],
        [],
        [hls_session(2, 500_000)],
    ]
    steps: list[Lists] = [
        {"hlssessions": present, "hlsmuxers": [muxer(total)]} for present, total in zip(sessions, sent, strict=True)
    ]
    assert count(await read_all(*steps)) == (2, 5_500_000, {MEDIAMTX_POLLING})


async def test_server_without_sessions_counts_its_muxers() -> None:
    steps: list[Lists] = [{"hlsmuxers": [muxer(total)]} for total in (0, 2_000, 5_000)]
    assert count(await read_all(*steps)) == (0, 5_000, {MEDIAMTX_POLLING})


@pytest.mark.parametrize("connections", [99, 100, 101, 4_000])
async def test_list_of_any_length_is_one_request(connections: int) -> None:
    items = [rtmp(number, "read", 0, 1) for number in range(connections)]
    async with open_source("mediamtx") as (source, answers):
        original = answers.next[0]

        def respond(request: bytes) -> bytes:
            assert callable(original)
            if b"/v3/rtmpconns/" not in request:
                return original(request)
            return answer(encode_json({"itemCount": connections, "pageCount": 1, "items": items}))

        answers.next = [respond]
        reading = await source.read(None)
        requests = [request for request in answers.requests if b"/v3/rtmpconns/" in request]
    assert len(requests) == 1
    assert int(requests[0].split(b"itemsPerPage=")[1].split(b" ")[0].split(b"&")[0]) < 2**31
    assert sum(viewer.protocol == "rtmp" for viewer in reading.viewers) == connections


@pytest.mark.parametrize("page_limit", [100, 7])
async def test_all_pages_of_a_server_that_limits_them_are_read(page_limit: int) -> None:
    items = [rtmp(number, "read", 0, 1) for number in range(250)]
    (reading,) = await read_all({"rtmpconns": items}, page_limit=page_limit)
    assert len({viewer.viewer_id for viewer in reading.viewers}) == 250


async def test_list_that_changes_between_its_pages_each_time_is_refused() -> None:
    async with open_source("mediamtx") as (source, answers):
        original = answers.next[0]

        def respond(request: bytes) -> bytes:
            assert callable(original)
            if b"/v3/rtmpconns/" not in request:
                return original(request)
            page_number = int(request.split(b"page=")[1].split(b"&")[0])
            items = [rtmp(100 * page_number + n, "read", 0, 0) for n in range(100)]
            return answer(encode_json({"itemCount": 201, "pageCount": 2, "items": items}))

        answers.next = [respond]
        with pytest.raises(SourceError, match="changed each time"):
            await source.read(None)


async def test_viewer_who_is_absent_in_one_reading_continues() -> None:
    steps: list[Lists] = [
        {"rtmpconns": items} for items in ([], [rtmp(1, "read", 0, 50)], [], [rtmp(1, "read", 0, 90)])
    ]
    connections, sent, _ = count(await read_all(*steps))
    assert (connections, sent) == (1, 90)


@pytest.mark.parametrize("invalid", [-1, -5_000_000, 2**63, 2**64 - 1, 1.8446744073709552e19])
async def test_figure_that_is_no_count_is_left_out_and_continues(
    invalid: float, caplog: pytest.LogCaptureFixture
) -> None:
    steps: list[Lists] = [
        {"rtmpconns": [rtmp(1, "read", 0, sent), rtmp(2, "read", 0, other)]}
        for sent, other in ((0, 0), (3_000, 100), (invalid, 200), (invalid, 300), (5_000, 400))
    ]
    readings = await read_all(*steps)
    assert count(readings) == (0, 5_400, {MEDIAMTX_POLLING, COUNTER_INVALID})
    assert [reading.misses == COUNTER_INVALID for reading in readings] == [False, False, True, True, False]
    (warning,) = caplog.messages
    assert "figure=outboundBytes" in warning


@pytest.mark.parametrize("lower", [4_900, 10, 0])
async def test_counter_of_a_connection_that_falls_bounds_the_reading(lower: int) -> None:
    steps: list[Lists] = [{"rtmpconns": [rtmp(1, "read", 0, sent)]} for sent in (1_000, 5_000, lower, 5_100)]
    connections, sent, reasons = count(await read_all(*steps))
    assert (connections, sent) == (0, 4_100)
    assert COUNTER_FELL in reasons
