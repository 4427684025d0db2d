"""Node-Media-Server 2: recognized without a login, each player with its stream, bytes of the process."""

import logging
from collections import Counter
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest

from streamusage.agent.metering import meter
from streamusage.agent.reading import Reading, SourceError
from streamusage.agent.sources.node_media_server.source import NodeMediaServerSource
from streamusage.core.addresses import parse_host_port
from streamusage.core.reasons import COUNTER_INVALID, POLLING_ONLY
from tests.support.agent.http_answers import Answers, answer, answering
from tests.support.agent.media_servers import CLOCK, NMS, SECRET, encode_json, open_source, read_fixture, secret
from tests.support.waiting import PATIENT

BASIC = 'Basic realm="Authorization Required"'
NO_LOGIN = answer(b"<pre>Cannot POST /api/v1/login</pre>", "404 Not Found")


class Version2:
    """A Node-Media-Server 2 whose players and counters a test sets."""

    def __init__(self, *, protects_api: bool = False) -> None:
        self.uptime_s = 100
        self.received: float = 0
        self.sent: float = 0
        self.streams: dict[str, dict[str, Any]] = {}
        self._protects_api = protects_api

    def publish(self, name: str, client: str) -> None:
        self.streams.setdefault("live", {})[name] = {"publisher": self._client(client, name), "subscribers": []}

    def watch(self, name: str, client: str, protocol: str = "rtmp", age_s: float = 5) -> None:
        listed = self._client(client, name, age_s) | {"protocol": protocol}
        self.streams["live"][name]["subscribers"].append(listed)

    def leave(self, name: str, client: str) -> None:
        players = self.streams["live"][name]["subscribers"]
        self.streams["live"][name]["subscribers"] = [each for each in players if each["clientId"] != client]

    def respond(self, request: bytes) -> bytes:
        method, path = request.split(b" ", 2)[:2]
        if self._protects_api and b"\r\nauthorization: basic " not in request.lower():
            return answer(b"", "401 Unauthorized", WWW_Authenticate=BASIC)
        bodies: dict[bytes, Any] = {
            b"/api/server": {
                "net": {"inbytes": self.received, "outbytes": self.sent},
                "nodejs": {"uptime": self.uptime_s},
                "clients": {"accepted": 9},
                "version": "2.7.4",
            },
            b"/api/streams": self.streams,
        }
        if method != b"GET" or path not in bodies:
            return NO_LOGIN
        return answer(encode_json(bodies[path]), Date=format_datetime(datetime.now(UTC), usegmt=True))

    def _client(self, client: str, name: str, age_s: float = 60) -> dict[str, Any]:
        created = (datetime.now(UTC) - timedelta(seconds=age_s)).isoformat(timespec="milliseconds")
        return {"app": "live", "stream": name, "clientId": client, "bytes": 1, "ip": "::ffff:192.0.2.1",
                "connectCreated": created.replace("+00:00", "Z")}  # fmt: skip


def create_source(answers: Answers) -> NodeMediaServerSource:
    return NodeMediaServerSource(answers.url, "admin", secret, None, Path("unused"), CLOCK, options=PATIENT)


class Counted:
    """The readings of a server and what they add up to."""

    def __init__(self, source: NodeMediaServerSource) -> None:
        self._source = source
        self.readings: list[Reading] = []
        self.connections: Counter[str] = Counter()
        self.received = self.sent = 0

    async def read(self) -> Reading:
        cursor = self.readings[-1].cursor if self.readings else None
        reading = await self._source.read(cursor)
        if self.readings:
            self._state, additions = meter.step(self._state, reading)
            for slot in additions.slots.values():
                self.connections += slot.connections
                self.received, self.sent = self.received + slot.bytes_in, self.sent + slot.bytes_out
        else:
            self._state, _ = meter.start(reading)
        self.readings.append(reading)
        return reading


@pytest.mark.parametrize(
    ("recorded", "viewers", "stream"),
    [
        ("", {("7VGQ3I9T", "rtmp"), ("VCM5DODS", "flv")}, ("live", "cam", "DCJBV84R")),
        ("_first", {("K5Y0DGDQ", "flv"), ("KJ9663RM", "rtmp"), ("NNNYV2KN", "rtmp")}, ("live", "s1", "TR9BJP83")),
    ],
)
async def test_recorded_answers_of_2_7_4(
    recorded: str, viewers: set[tuple[str, str]], stream: tuple[str, str, str]
) -> None:
    routes = {f"/api/{name}": read_fixture(f"nms2/{name}{recorded}.json") for name in ("server", "streams")}
    async with open_source("node-media-server 2", routes) as (source, answers):
        first = await source.read(None)
        second = await source.read(first.cursor)
        assert sum(request.startswith(b"POST") for request in answers.requests) == 1, "the version is found once"
    assert {(viewer.viewer_id, viewer.protocol) for viewer in first.viewers} == viewers
    assert {(viewer.scope, viewer.name) for viewer in first.viewers} == {stream[:2]}
    assert [(publish.scope, publish.name, publish.publish_id) for publish in first.publishes] == [stream]
    assert first.boot == second.boot
    assert first.misses == POLLING_ONLY


@pytest.mark.parametrize("protects_api", [False, True])
async def test_players_and_bytes_are_counted_while_players_come_and_go(protects_api: bool) -> None:
    server = Version2(protects_api=protects_api)
    async with answering() as answers:
        answers.next = [server.respond]
        source = create_source(answers)
        counted = Counted(source)
        server.publish("s1", "PUB1")
        await counted.read()
        for number, protocol in enumerate(("rtmp", "http", "ws", "rtmp")):
            server.watch("s1", f"V{number}", protocol)
            server.sent += 1_000
            server.received += 10
            await counted.read()
        server.leave("s1", "V0")
        server.uptime_s, server.sent = 104, server.sent + 500
        last = await counted.read()
        await source.close()
        assert any(b"authorization: basic" in request.lower() for request in answers.requests) == protects_api
    assert counted.connections == {"rtmp": 2, "flv": 2}
    assert (counted.received, counted.sent) == (40, 4_500), "the bytes of players who left stay in the counters"
    assert {viewer.viewer_id for viewer in last.viewers} == {"V1", "V2", "V3"}


async def test_restart_is_another_life_and_counts_its_bytes_from_zero() -> None:
    server = Version2()
    async with answering() as answers:
        answers.next = [server.respond]
        source = create_source(answers)
        counted = Counted(source)
        server.publish("s1", "PUB1")
        server.watch("s1", "V1")
        server.sent = 9_000
        await counted.read()
        server.sent = 10_000
        await counted.read()
        server.uptime_s, server.sent = 1, 300
        server.publish("s1", "PUB2")
        server.watch("s1", "V2", age_s=0)
        after = await counted.read()
        await source.close()
    assert after.boot != counted.readings[0].boot
    assert counted.sent == 1_000 + 300
    assert counted.connections == {"rtmp": 1}


async def test_restart_with_a_longer_uptime_than_before_shows_in_the_counters() -> None:
    server = Version2()
    async with answering() as answers:
        answers.next = [server.respond]
        source = create_source(answers)
        counted = Counted(source)
        server.uptime_s, server.sent = 5, 9_000
        await counted.read()
        server.uptime_s, server.sent = 50, 300
        await counted.read()
        await source.close()
    assert counted.sent == 300


@pytest.mark.parametrize("invalid", [-1, 2**63, 2**64])
async def test_figure_that_is_no_count_is_left_out_and_continues(invalid: int) -> None:
    server = Version2()
    async with answering() as answers:
        answers.next = [server.respond]
        source = create_source(answers)
        counted = Counted(source)
        for sent in (100, invalid, 300):
            server.sent = sent
            await counted.read()
        await source.close()
    assert counted.sent == 200
    assert [reading.misses == COUNTER_INVALID for reading in counted.readings] == [False, True, False]


async def test_server_without_uptime_and_starts_is_read() -> None:
    async with answering() as answers:

        def respond(request: bytes) -> bytes:
            listed = {"publisher": {"clientId": "A1"}, "subscribers": [{"clientId": "B1", "protocol": "rtmp"}]}
            bodies: dict[bytes, Any] = {
                b"/api/server": {"net": {"inbytes": 1_000, "outbytes": 5_000}},
                b"/api/streams": {"live": {"s1": listed}},
            }
            path = request.split(b" ", 2)[1]
            return answer(encode_json(bodies[path])) if path in bodies else NO_LOGIN

        answers.next = [respond]
        source = create_source(answers)
        counted = Counted(source)
        first, second = await counted.read(), await counted.read()
        await source.close()
    assert first.boot == second.boot
    assert [(viewer.viewer_id, viewer.age_ms) for viewer in first.viewers] == [("B1", 0)]
    assert counted.connections == {}


async def test_answer_in_another_form_names_the_version() -> None:
    async with open_source("node-media-server 2", {"/api/server": b"{}"}) as (source, _):
        with pytest.raises(SourceError, match="/api/server of Node-Media-Server 2 returned an unexpected response"):
            await source.read(None)


async def test_refused_password_names_the_version_and_its_settings() -> None:
    async with answering() as answers:
        answers.next = [answer(b"", "401 Unauthorized", WWW_Authenticate=BASIC)]
        source = create_source(answers)
        for _ in range(2):
            with pytest.raises(SourceError, match="This is Node-Media-Server 2") as refused:
                await source.read(None)
        await source.close()
    for expected in ("HTTP 401", "asks for Basic authentication", "auth.api_user", "auth.api_pass"):
        assert expected in str(refused.value)
    assert SECRET not in str(refused.value)


async def test_server_without_either_interface_names_both() -> None:
    async with answering() as answers:
        answers.next = [answer(b"", "404 Not Found")]
        source = create_source(answers)
        with pytest.raises(SourceError, match="Neither the interface of Node-Media-Server 4") as refused:
            await source.read(None)
        await source.close()
    assert "/api/v1/login" in str(refused.value)
    assert "http.api" in str(refused.value)


async def test_server_that_is_replaced_by_another_version_is_read_again() -> None:
    version2 = Version2()
    version2.publish("s9", "PUB9")

    def respond_as_version4(request: bytes) -> bytes:
        path = request.split(b" ", 2)[1].decode().partition("?")[0]
        return answer(NMS[path]) if path in NMS else NO_LOGIN

    async with answering() as answers:
        source = create_source(answers)
        names = []
        for respond in (respond_as_version4, version2.respond, respond_as_version4):
            answers.next = [respond]
            for _ in range(3):
                try:
                    names.append({publish.name for publish in (await source.read(None)).publishes})
                    break
                except SourceError:
                    continue
        await source.close()
    assert names == [{"s1", "s2"}, {"s9"}, {"s1", "s2"}]


async def test_callbacks_that_never_come_are_warned_of_once(
    tmp_path: Path, unused_tcp_port: int, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    server = Version2()
    async with answering() as answers:
        answers.next = [server.respond]
        listen = f"127.0.0.1:{unused_tcp_port}"
        source = NodeMediaServerSource(
            answers.url, "admin", secret, parse_host_port(listen), tmp_path / "spool", CLOCK,
            options=PATIENT,
        )  # fmt: skip
        first = await source.read(None)
        await source.read(first.cursor)
        assert await source.ended_between(first.cursor, first.cursor) == ()
        await source.close()
    assert [message for message in caplog.messages if "Node-Media-Server 2" in message and "notify_listen" in message]
    assert len(caplog.messages) == 1
