"""The Wowza source: counters by application, audiences by protocol, authentication, invalid figures."""

import base64
import logging
from collections.abc import Callable

import pytest

from streamusage.agent.metering import meter
from streamusage.agent.reading import Reading, SourceError
from streamusage.core.reasons import COUNTER_INVALID, WOWZA_NUMBERS
from tests.support.agent.http_answers import Answers, answer
from tests.support.agent.media_servers import SECRET, WOWZA, WOWZA_APP, encode_json, open_source

BASIC = 'Basic realm="Wowza Streaming Engine REST"'
DIGEST = 'Digest realm="Wowza", nonce="abc", algorithm=MD5, qop="auth"'


def require(answers: Answers, challenge: str, accepts: bytes) -> None:
    """Make the server refuse every request whose authorization does not start with `accepts`."""
    respond = answers.next[0]
    assert callable(respond)

    def challenge_first(request: bytes, respond: Callable[[bytes], bytes] = respond) -> bytes:
        if b"\r\nauthorization: " + accepts not in request.lower():
            return answer(b"{}", "401 Unauthorized", WWW_Authenticate=challenge)
        return respond(request)

    answers.next = [challenge_first]


async def test_reading_has_audiences_by_protocol_and_accepted_viewers() -> None:
    async with open_source("wowza") as (source, answers):
        reading = await source.read(None)
        assert all(b"accept: application/json" in each.lower() for each in answers.requests if b"GET /v2/" in each)
    audiences = {(audience.protocol, audience.viewers) for audience in reading.audiences}
    assert audiences == {("rtmp", 2), ("hls", 5), ("dash", 0)}
    assert [(publish.scope, publish.name) for publish in reading.publishes] == [("live", "s1")]
    assert reading.accepted == 39, "one of the forty connections is the publisher's"


@pytest.mark.parametrize(("challenge", "accepts"), [(DIGEST, b"digest "), (BASIC, b"basic ")])
async def test_challenge_is_answered(challenge: str, accepts: bytes) -> None:
    async with open_source("wowza") as (source, answers):
        require(answers, challenge, accepts)
        assert (await source.read(None)).publishes


async def test_each_interface_is_asked_for_its_own_authentication() -> None:
    async with open_source("wowza") as (source, answers):
        respond = answers.next[0]
        assert callable(respond)

        def challenge_each(request: bytes) -> bytes:
            is_counts = request.startswith(b"GET /connectioncounts")
            challenge, accepts = (DIGEST, b"digest ") if is_counts else (BASIC, b"basic ")
            if b"\r\nauthorization: " + accepts not in request.lower():
                return answer(b"{}", "401 Unauthorized", WWW_Authenticate=challenge)
            return respond(request)

        answers.next = [challenge_each]
        first = await source.read(None)
        assert (await source.read(first.cursor)).accepted == 39
        counts = [request for request in answers.requests if request.startswith(b"GET /connectioncounts")]
        assert not any(b"authorization: basic" in request.lower() for request in counts)


@pytest.mark.parametrize(("challenge", "kind"), [(DIGEST, "Digest"), (BASIC, "Basic")])
async def test_wrong_password_names_the_kind_and_the_way_out(challenge: str, kind: str) -> None:
    async with open_source("wowza") as (source, answers):
        require(answers, challenge, b"nothing ")
        with pytest.raises(SourceError, match=f"HTTP 401 and asks for {kind} authentication") as refused:
            await source.read(None)
    assert "password is wrong" in str(refused.value)
    assert SECRET not in str(refused.value)
    assert base64.b64encode(f"admin:{SECRET}".encode()).decode() not in str(refused.value)


async def read_figures(*figures: tuple[float, float, float]) -> list[Reading]:
    """Return a reading for each triple of bytes in, bytes out and RTMP viewers of the stream."""
    readings = []
    routes = dict(WOWZA)
    async with open_source("wowza", routes) as (source, _):
        cursor = None
        for bytes_in, bytes_out, viewers in figures:
            routes[f"{WOWZA_APP}/monitoring/current"] = encode_json(
                {"uptime": 60, "bytesIn": bytes_in, "bytesOut": bytes_out, "connectionCount": {"RTMP": viewers}}
            )
            routes[f"{WOWZA_APP}/instances/_definst_/incomingstreams/s1/monitoring/current"] = encode_json(
                {"uptime": 60, "bytesIn": 9, "bytesOut": 99, "connectionCount": {"RTMP": viewers}}
            )
            readings.append(await source.read(cursor))
            cursor = readings[-1].cursor
    return readings


@pytest.mark.parametrize("invalid", [-1, -4_000_000_000, 2**63, 2**64])
async def test_figure_that_is_no_count_is_left_out_and_continues(
    invalid: int, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    readings = await read_figures((100, 1_000, 5), (invalid, 1_500, 5), (300, invalid, invalid), (400, 2_000, 6))
    state, _ = meter.start(readings[0])
    received = sent = joined = 0
    for reading in readings[1:]:
        state, additions = meter.step(state, reading)
        for slot in additions.slots.values():
            received, sent = received + slot.bytes_in, sent + slot.bytes_out
            joined += slot.connections.get("rtmp", 0)
    assert (received, sent, joined) == (300, 1_000, 1)
    assert [reading.misses for reading in readings] == [WOWZA_NUMBERS, COUNTER_INVALID, COUNTER_INVALID, WOWZA_NUMBERS]
    assert {message.split("figure=")[1].split(" value")[0] for message in caplog.messages} == {
        "bytesIn",
        "bytesOut",
        "connectionCount rtmp",
    }
