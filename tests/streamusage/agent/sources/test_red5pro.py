"""The Red5 Pro source: numbers of subscribers, incoming bytes, refusals with HTTP status 200."""

import pytest

from streamusage.agent.reading import SourceError
from streamusage.core.reasons import COUNTER_INVALID
from tests.support.agent.media_servers import RED5, SECRET, encode_json, open_source


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


@pytest.mark.parametrize("field", ["active_subscribers", "total_subscribers", "bytes_received"])
@pytest.mark.parametrize("invalid", [b"-1", b"9223372036854775808"])
async def test_figure_that_is_no_count_is_left_out(field: str, invalid: bytes) -> None:
    path = "/api/v1/applications/live/streams/s1"
    valid = {"active_subscribers": b"3", "total_subscribers": b"8", "bytes_received": b"5000"}[field]
    name = f'"{field}": '.encode()
    routes = RED5 | {path: RED5[path].replace(name + valid, name + invalid)}
    async with open_source("red5pro", routes) as (source, _):
        reading = await source.read(None)
    (audience,) = reading.audiences
    figures = {
        "active_subscribers": audience.viewers,
        "total_subscribers": audience.joined,
        "bytes_received": reading.counters[0].bytes_in,
    }
    assert [name for name, figure in figures.items() if figure is None] == [field]
    assert reading.misses == COUNTER_INVALID
