"""The Stream Manager source: streams by GUID, with a publish id that is the same in every reading."""

from tests.support.agent.media_servers import SECRET, open_source


async def test_reading_has_streams_with_stable_publish_ids() -> None:
    async with open_source("stream-manager-2") as (source, answers):
        first = await source.read(None)
        second = await source.read(first.cursor)
        assert f"authorization: bearer {SECRET}".encode() in answers.requests[0].lower()
    (publish,) = first.publishes
    assert (publish.scope, publish.name) == ("live/room", "s1")
    assert second.publishes[0].publish_id == publish.publish_id
    assert [audience.viewers for audience in first.audiences] == [25]
