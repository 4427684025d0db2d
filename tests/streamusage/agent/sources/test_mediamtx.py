"""The MediaMTX source: connections with their counters, paths with their publishes, paged lists."""

import pytest

from streamusage.agent.reading import SourceError
from tests.support.agent.http_answers import answer
from tests.support.agent.media_servers import CREATED, encode_json, open_source


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


async def test_all_pages_are_read_and_a_list_that_keeps_changing_is_refused() -> None:
    def encode_page(page_number: int, item_count: int) -> bytes:
        items = [{"id": f"c{page_number}-{n}", "created": CREATED, "state": "read", "path": "a/b"} for n in range(100)]
        return encode_json({"itemCount": item_count, "pageCount": 2, "items": items})

    async with open_source("mediamtx") as (source, answers):
        respond = answers.next[0]
        assert callable(respond)
        item_count = 200

        def respond_with_pages(request: bytes) -> bytes:
            if b"/v3/rtmpconns/" not in request:
                return respond(request)
            page_number = int(request.split(b"page=")[1].split(b"&")[0])
            return answer(encode_page(page_number, item_count))

        answers.next = [respond_with_pages]
        assert sum(viewer.protocol == "rtmp" for viewer in (await source.read(None)).viewers) == 200
        item_count = 201
        with pytest.raises(SourceError, match="changed each time"):
            await source.read(None)
