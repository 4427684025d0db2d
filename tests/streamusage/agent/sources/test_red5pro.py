"""The Red5 Pro source: numbers of subscribers, incoming bytes, refusals with HTTP status 200."""

import pytest

from streamusage.agent.reading import SourceError
from tests.support.agent.media_servers import SECRET, encode_json, open_source


async def test_reading_has_numbers_of_subscribers_and_incoming_bytes() -> None:
    async with open_source("red5pro") as (source, answers):
        reading = await source.read(None)
        assert f"accessToken={SECRET}".encode() in answers.requests[0]
    (audience,) = reading.audiences
    assert (audience.viewers, audience.joined) == (3, 8)
    assert [(counter.bytes_in, counter.bytes_out) for counter in reading.counters] == [(5000, 0)]
    assert "not counted" in reading.misses


async def test_refusal_with_status_200_is_a_source_error() -> None:
    refusal = encode_json({"status": "error", "code": 401, "message": "no", "timestamp": 1})
    async with open_source("red5pro", {"/api/v1/applications/live/streams": refusal}) as (source, _):
        with pytest.raises(SourceError, match="refused the request: code 401"):
            await source.read(None)
