"""The Wowza source: counters by application, audiences by protocol, digest authentication."""

from tests.support.agent.http_answers import answer
from tests.support.agent.media_servers import open_source


async def test_reading_has_audiences_by_protocol_and_accepted_viewers() -> None:
    async with open_source("wowza") as (source, answers):
        reading = await source.read(None)
        assert all(b"accept: application/json" in each.lower() for each in answers.requests if b"GET /v2/" in each)
    audiences = {(audience.protocol, audience.viewers) for audience in reading.audiences}
    assert audiences == {("rtmp", 2), ("hls", 5), ("dash", 0)}
    assert [(publish.scope, publish.name) for publish in reading.publishes] == [("live", "s1")]
    assert reading.accepted == 39, "one of the forty connections is the publisher's"


async def test_digest_challenge_is_answered() -> None:
    async with open_source("wowza") as (source, answers):
        respond = answers.next[0]
        challenge = 'Digest realm="Wowza", nonce="abc", algorithm=MD5, qop="auth"'

        def challenge_first(request: bytes) -> bytes:
            if b"\r\nauthorization: digest " not in request.lower():
                return answer(b"", "401 Unauthorized", WWW_Authenticate=challenge)
            assert callable(respond)
            return respond(request)

        answers.next = [challenge_first]
        assert (await source.read(None)).publishes
