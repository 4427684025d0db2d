"""Every source that asks over HTTP: what is answered becomes a reading, and whatever else comes a `SourceError`."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from email.utils import format_datetime

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from streamusage.agent.journal.rows import Row, rows_of
from streamusage.agent.metering import meter
from streamusage.agent.reading import Reading, Source, SourceError
from streamusage.agent.sources.icecast.source import IcecastSource
from streamusage.api.report import Baseline
from tests.support.agent.http_answers import Answers, answer, answering
from tests.support.agent.manual_clock import HandClock
from tests.support.agent.media_servers import CREATED, KINDS, SECRET, Routes, as_json, fixture, secret


def serve(answers: Answers, routes: Routes) -> None:
    def take(request: bytes) -> bytes:
        path = request.split(b" ", 2)[1].decode("latin-1").partition("?")[0]
        return answer(routes[path]) if path in routes else answer(b"not here", "404 Not Found")

    answers.next = [take]


@asynccontextmanager
async def opened(kind: str, routes: Routes | None = None) -> AsyncIterator[tuple[Source, Answers]]:
    known, make = KINDS[kind]
    async with answering() as answers:
        serve(answers, known if routes is None else routes)
        source = make(answers.url)
        try:
            yield source, answers
        finally:
            await source.close()


def counted(readings: list[Reading]) -> list[Row]:
    """The rows that readings make, checked to be what a report may carry."""
    rows: list[Row] = []
    state, additions = meter.start(readings[0])
    rows += rows_of(additions, 1)
    for reading in readings[1:]:
        state, additions = meter.step(state, reading)
        rows += rows_of(additions, 1)
    msgspec.json.decode(msgspec.json.encode(state.baseline), type=Baseline)
    for row in rows:
        msgspec.json.decode(msgspec.json.encode(row), type=type(row))
    return rows


async def test_icecast() -> None:
    async with opened("icecast") as (source, answers):
        reading = await source.read(None)
        assert b"authorization: basic " in answers.requests[0].lower()
    assert (reading.boot, reading.accepted, reading.logs_ends) == ("1795289587", 4, False)
    assert [(each.scope, each.name) for each in reading.publishes] == [("icecast", "a.mp3"), ("icecast", "b.ogg")]
    assert sorted((each.bytes_in, each.bytes_out) for each in reading.counters) == [(6800, 6005), (17913, 51132)]
    assert len({each.viewer_id for each in reading.viewers}) == 3
    assert "no access log" in reading.misses


@pytest.mark.parametrize("is_the_servers", [True, False])
async def test_a_listener_of_icecast_began_when_it_did_however_late_the_answer(is_the_servers: bool) -> None:
    clock = HandClock(1_795_289_700_250)
    asked_ms = clock.now

    def take(request: bytes) -> bytes:
        if b"listclients" not in request:
            return answer(fixture("icecast_admin_stats.xml"))
        clock.now += 3_000
        date_s = clock.now // 1000 - (0 if is_the_servers else 3_600)
        date = format_datetime(datetime.fromtimestamp(date_s, UTC), usegmt=True)
        listener = b"<listener><IP>1.2.3.4</IP><Connected>7</Connected><ID>1</ID></listener>"
        return answer(b"<icestats><source>" + listener + b"</source></icestats>", Date=date)

    async with answering() as answers:
        answers.next = [take]
        source = IcecastSource(answers.url, "admin", secret, None, clock, timeout_seconds=30)
        reading = await source.read(None)
        await source.close()
    began_s = {(reading.at - viewer.age_ms) // 1000 for viewer in reading.viewers}
    looked_s = (
        {asked_ms // 1000 + 3 * number for number in (1, 2)}
        if is_the_servers
        else {asked_ms // 1000, asked_ms // 1000 + 3}
    )
    assert began_s <= {second - 7 for second in looked_s}


async def test_icecast_without_a_source() -> None:
    async with opened("icecast", {"/admin/stats": fixture("icecast_admin_stats_empty.xml")}) as (source, _):
        reading = await source.read(None)
    assert (reading.publishes, reading.viewers, reading.counters) == ((), (), ())


async def test_node_media_server_without_callbacks() -> None:
    async with opened("node-media-server") as (source, answers):
        reading = await source.read(None)
        again = await source.read(reading.cursor)
        assert sum(request.startswith(b"POST /api/v1/login") for request in answers.requests) == 1
    assert (reading.bytes_in, reading.bytes_out) == (146450, 267894)
    assert {each.name: each.viewers for each in reading.audiences} == {"s1": 3, "s2": 1}
    assert [each.name for each in reading.publishes] == ["s1", "s2"]
    assert reading.boot == again.boot
    assert "no callbacks" in reading.misses


async def test_a_refused_login_is_not_tried_again_at_once() -> None:
    async with opened("node-media-server", {}) as (source, answers):
        answers.next = [answer(b"{}", "401 Unauthorized")]
        for _ in range(3):
            with pytest.raises(SourceError, match=r"HTTP 401|refused the login") as refused:
                await source.read(None)
            assert SECRET not in str(refused.value)
        assert len(answers.requests) == 1


async def test_wowza() -> None:
    async with opened("wowza") as (source, answers):
        reading = await source.read(None)
        assert all(b"accept: application/json" in each.lower() for each in answers.requests if b"GET /v2/" in each)
    assert {(each.protocol, each.viewers) for each in reading.audiences} == {("rtmp", 2), ("hls", 5), ("dash", 0)}
    assert [(each.scope, each.name) for each in reading.publishes] == [("live", "s1")]
    assert reading.accepted == 39, "one of the forty is the publisher's"


async def test_wowza_answers_a_challenge() -> None:
    async with opened("wowza") as (source, answers):
        whole = answers.next[0]
        challenge = 'Digest realm="Wowza", nonce="abc", algorithm=MD5, qop="auth"'

        def challenging(request: bytes) -> bytes:
            if b"\r\nauthorization: digest " not in request.lower():
                return answer(b"", "401 Unauthorized", WWW_Authenticate=challenge)
            assert callable(whole)
            return whole(request)

        answers.next = [challenging]
        assert (await source.read(None)).publishes


async def test_mediamtx() -> None:
    async with opened("mediamtx") as (source, _):
        reading = await source.read(None)
    assert {(each.key, each.bytes_in, each.bytes_out) for each in reading.counters} == {
        ("u-1", 900, 0),
        ("u-2", 0, 700),
        ("u-3", 0, 50),
    }
    viewers = {(each.viewer_id, each.protocol, each.scope, each.name) for each in reading.viewers}
    assert viewers == {("u-2", "rtmp", "live", "s1"), ("u-3", "hls", "live", "s2")}, "an HLS session tells no state"
    publishes = {each.name: each.age_ms for each in reading.publishes}
    assert publishes.keys() == {"s1", "s2"}, "a path that is always there is published only while it is online"
    assert publishes["s1"] - publishes["s2"] == 29 * 60_000 + 59_500


async def test_mediamtx_turns_pages_and_refuses_a_list_that_keeps_changing() -> None:
    def page(number: int, count: int) -> bytes:
        items = [{"id": f"c{number}-{n}", "created": CREATED, "state": "read", "path": "a/b"} for n in range(100)]
        return as_json({"itemCount": count, "pageCount": 2, "items": items})

    async with opened("mediamtx") as (source, answers):
        whole = answers.next[0]
        assert callable(whole)
        turned = {"count": 200}

        def take(request: bytes) -> bytes:
            if b"/v3/rtmpconns/" not in request:
                return whole(request)
            number = int(request.split(b"page=")[1].split(b"&")[0])
            return answer(page(number, turned["count"]))

        answers.next = [take]
        assert sum(each.protocol == "rtmp" for each in (await source.read(None)).viewers) == 200
        turned["count"] = 201
        with pytest.raises(SourceError, match="changed each time"):
            await source.read(None)


async def test_srs() -> None:
    async with opened("srs") as (source, _):
        reading = await source.read(None)
    assert [(each.viewer_id, each.protocol, each.age_ms) for each in reading.viewers] == [("77", "flv", 3250)]
    assert [each.publish_id for each in reading.publishes] == ["p1"]
    assert [(each.bytes_in, each.bytes_out) for each in reading.counters] == [(864965, 9605)], "with those who left"


async def test_srs_reads_again_when_the_list_moves_between_pages() -> None:
    def page(start: int, shift: int) -> bytes:
        every = [{"id": n, "url": "/live/s1", "type": "Play", "alive": 1.0} for n in range(shift, 300)]
        return as_json({"code": 0, "server": 1, "clients": every[start : start + 200]})

    async with opened("srs") as (source, answers):
        shifts = [0, 5, 5, 5, 5]

        def take(request: bytes) -> bytes:
            if b"/vhosts/" in request:
                return answer(as_json({"code": 0, "server": 1, "vhosts": [{"id": 9}]}))
            start = int(request.split(b"start=")[1].split(b"&")[0])
            return answer(page(start, shifts.pop(0)))

        answers.next = [take]
        reading = await source.read(None)
    assert len(reading.viewers) == 295
    assert "no traffic is counted" in reading.misses


async def test_red5pro() -> None:
    async with opened("red5pro") as (source, answers):
        reading = await source.read(None)
        assert f"accessToken={SECRET}".encode() in answers.requests[0]
    (audience,) = reading.audiences
    assert (audience.viewers, audience.joined) == (3, 8)
    assert [(each.bytes_in, each.bytes_out) for each in reading.counters] == [(5000, 0)]
    assert "not counted" in reading.misses


async def test_red5pro_says_no_in_a_good_answer() -> None:
    refusal = as_json({"status": "error", "code": 401, "message": "no", "timestamp": 1})
    async with opened("red5pro", {"/api/v1/applications/live/streams": refusal}) as (source, _):
        with pytest.raises(SourceError, match="refused: code 401"):
            await source.read(None)


async def test_stream_manager() -> None:
    async with opened("stream-manager-2") as (source, answers):
        first = await source.read(None)
        second = await source.read(first.cursor)
        assert f"authorization: bearer {SECRET}".encode() in answers.requests[0].lower()
    (publish,) = first.publishes
    assert (publish.scope, publish.name) == ("live/room", "s1")
    assert second.publishes[0].publish_id == publish.publish_id
    assert [each.viewers for each in first.audiences] == [25]


@pytest.mark.parametrize("kind", KINDS)
async def test_what_is_read_can_be_counted_and_reported(kind: str) -> None:
    async with opened(kind) as (source, _):
        first = await source.read(None)
        second = await source.read(first.cursor)
        assert await source.ended_between(first.cursor, second.cursor) == ()
    rows = counted([first, second, msgspec.structs.replace(second, at=second.at + 20_000)])
    assert rows


@pytest.mark.parametrize("kind", KINDS)
async def test_nobody_there_and_no_secret_told(kind: str, unused_tcp_port: int) -> None:
    source = KINDS[kind][1](f"http://127.0.0.1:{unused_tcp_port}")
    with pytest.raises(SourceError, match=r"is .* running") as refused:
        await source.read(None)
    await source.close()
    assert SECRET not in str(refused.value)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("status", ["401 Unauthorized", "403 Forbidden", "302 Found", "500 Oops"])
async def test_a_refusal_is_told_without_the_secret(kind: str, status: str) -> None:
    async with opened(kind) as (source, answers):
        answers.next = [answer(b"secret page", status)]
        with pytest.raises(SourceError, match=f"HTTP {status[:3]}") as refused:
            await source.read(None)
    assert SECRET not in str(refused.value)


NASTY = st.sampled_from(
    [b"-1", b"9007199254740993", b"1e400", b'"x"', b"null", b"{}", b"[]", b"\x00", b"<!DOCTYPE x>", b"NaN", b'"' * 9]
)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@pytest.mark.parametrize("kind", KINDS)
@given(data=st.data())
async def test_any_answer_gives_a_reading_or_a_source_error(kind: str, data: st.DataObject) -> None:
    routes = dict(KINDS[kind][0])
    path = data.draw(st.sampled_from(sorted(routes)))
    whole = routes[path]
    at = data.draw(st.integers(0, len(whole) - 1))
    length = data.draw(st.integers(0, 40))
    routes[path] = whole[:at] + data.draw(st.one_of(st.binary(max_size=30), NASTY)) + whole[at + length :]
    async with opened(kind, routes) as (source, _):
        try:
            first = await source.read(data.draw(st.text(max_size=40)))
            second = await source.read(first.cursor)
        except SourceError:
            return
    counted([first, second, msgspec.structs.replace(second, at=second.at + 20_000)])
