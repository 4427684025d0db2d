"""The Stream Manager source: streams by GUID, with a publish id that is the same in every reading."""

import pytest

from streamusage.core.reasons import COUNTER_INVALID, STREAM_MANAGER_NUMBERS
from tests.support.agent.media_servers import MANAGER, SECRET, open_source


async def test_reading_has_streams_with_stable_publish_ids() -> None:
    async with open_source("stream-manager-2") as (source, answers):
        first = await source.read(None)
        second = await source.read(first.cursor)
        assert f"authorization: bearer {SECRET}".encode() in answers.requests[0].lower()
    (publish,) = first.publishes
    assert (publish.scope, publish.name) == ("live/room", "s1")
    assert second.publishes[0].publish_id == publish.publish_id
    assert [audience.viewers for audience in first.audiences] == [25]


@pytest.mark.parametrize("invalid", [b"-1", b"9223372036854775808", b"18446744073709551615"])
async def test_number_that_is_no_count_is_left_out(invalid: bytes) -> None:
    routes = dict(MANAGER)
    async with open_source("stream-manager-2", routes) as (source, _):
        first = await source.read(None)
        (path,) = routes
        routes[path] = MANAGER[path].replace(b'"subscribers": 25', b'"subscribers": ' + invalid)
        second = await source.read(first.cursor)
    assert [audience.viewers for audience in second.audiences] == [None]
    assert (first.misses, second.misses) == (STREAM_MANAGER_NUMBERS, COUNTER_INVALID)
    assert second.publishes[0].publish_id == first.publishes[0].publish_id
