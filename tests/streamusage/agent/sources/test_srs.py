"""The SRS source: clients, vhost counters, overlapping pages."""

from tests.support.agent.http_answers import answer
from tests.support.agent.media_servers import encode_json, open_source


async def test_reading_has_clients_and_the_counters_of_the_vhost() -> None:
    async with open_source("srs") as (source, _):
        reading = await source.read(None)
    assert [(viewer.viewer_id, viewer.protocol) for viewer in reading.viewers] == [("77", "flv")]
    assert [publish.publish_id for publish in reading.publishes] == ["p1"]
    counters = [(counter.bytes_in, counter.bytes_out) for counter in reading.counters]
    assert counters == [(864965, 9605)], "includes clients who left"


async def test_list_that_changes_between_pages_is_read_again() -> None:
    def encode_page(start: int, first_id: int) -> bytes:
        clients = [{"id": n, "url": "/live/s1", "type": "Play", "alive": 1.0} for n in range(first_id, 300)]
        return encode_json({"code": 0, "server": 1, "clients": clients[start : start + 200]})

    async with open_source("srs") as (source, answers):
        first_ids = [0, 5, 5, 5, 5]

        def respond(request: bytes) -> bytes:
            if b"/vhosts/" in request:
                return answer(encode_json({"code": 0, "server": 1, "vhosts": [{"id": 9}]}))
            start = int(request.split(b"start=")[1].split(b"&")[0])
            return answer(encode_page(start, first_ids.pop(0)))

        answers.next = [respond]
        reading = await source.read(None)
    assert len(reading.viewers) == 295
    assert "no traffic is counted" in reading.misses
