"""The SRS source: clients, vhost counters, large lists, names that make the list invalid JSON."""

import json
from random import Random
from typing import Any

import pytest

from streamusage.agent.metering import meter
from streamusage.agent.reading import Reading, SourceError
from streamusage.core.reasons import COUNTER_INVALID, SRS_LIST_INVALID, SRS_LIST_SHORT, SRS_NAME_REPAIRED, SRS_POLLING
from tests.support.agent.http_answers import answer, answering
from tests.support.agent.media_servers import CLOCK, FIXTURES, MEDIA_SERVERS, Routes, encode_json, open_source

PROCESS = {"code": 0, "server": "vid-1", "service": "s1", "pid": "77"}
BAD_NAMES = {
    "backslash": rb"/live/C:\q",
    "gbk": b"/live/\xc4\xe3",
    "latin-1": b"/live/B\xfchne",
    "quotation mark": b'/live/a"b',
    "backslash at the end": b"/live/a\\",
    "gbk with a trailing backslash": b"/live/\xd6\\",
}
UNREADABLE = {"quotation mark", "backslash at the end", "gbk with a trailing backslash"}


def client(client_id: str, kind: str = "rtmp-play", alive: float = 50.0, url: str = "/live/s1") -> dict[str, Any]:
    return {"id": client_id, "url": url, "type": kind, "publish": kind.endswith("publish"), "alive": alive}


def clients(*listed: dict[str, Any], process: dict[str, Any] | None = None) -> bytes:
    return encode_json({**(process or PROCESS), "clients": listed})


def vhosts(sent: Any, received: Any = 10, process: dict[str, Any] | None = None, **fields: Any) -> bytes:
    vhost = {"id": "vid-9", "send_bytes": sent, "recv_bytes": received, **fields}
    return encode_json({**(process or PROCESS), "vhosts": [vhost]})


def with_bad_name(body: bytes, name: bytes) -> bytes:
    """Return the list with a publisher whose name is not escaped, as SRS writes it."""
    bad = b'{"id":"p2","url":"' + name + b'","type":"fmle-publish","publish":true,"alive":1.0}'
    return body[: body.rindex(b"]")] + b"," + bad + b"]}"


async def read_all(*steps: Routes) -> list[Reading]:
    """Return one reading of each step's answers, a second apart in elapsed time."""
    readings: list[Reading] = []
    present: Routes = {}

    def respond(request: bytes) -> bytes:
        return answer(present[request.split(b" ", 2)[1].decode().partition("?")[0]])

    async with answering() as answers:
        answers.next = [respond]
        source = MEDIA_SERVERS["srs"].create_source(answers.url, CLOCK)
        try:
            for step in steps:
                present.update(step)
                readings.append(await source.read(None))
        finally:
            await source.close()
    return readings


def answers_of(list_of_clients: bytes, counters: bytes) -> Routes:
    return {"/api/v1/clients/": list_of_clients, "/api/v1/vhosts/": counters}


def count(readings: list[Reading]) -> tuple[int, int]:
    """Return the viewer connections and the bytes out of the readings."""
    state, additions = meter.start(readings[0])
    slots = list(additions.slots.values())
    for reading in readings[1:]:
        state, additions = meter.step(state, reading)
        slots += additions.slots.values()
    return sum(sum(slot.connections.values()) for slot in slots), sum(slot.bytes_out for slot in slots)


async def test_reading_has_clients_and_the_counters_of_the_vhost() -> None:
    async with open_source("srs") as (source, answers):
        reading = await source.read(None)
        assert len(answers.requests) == 2
    assert [(viewer.viewer_id, viewer.protocol) for viewer in reading.viewers] == [("77", "flv")]
    assert [publish.publish_id for publish in reading.publishes] == ["p1"]
    counters = [(counter.bytes_in, counter.bytes_out) for counter in reading.counters]
    assert counters == [(864965, 9605)], "includes clients who left"


async def test_recorded_answers_of_srs_7() -> None:
    recorded = {name: (FIXTURES / "srs7" / f"{name}.json").read_bytes() for name in ("clients", "vhosts", "vhosts_end")}
    nobody = encode_json({**json.loads(recorded["clients"]), "clients": []})
    during, after = await read_all(
        answers_of(recorded["clients"], recorded["vhosts"]), answers_of(nobody, recorded["vhosts_end"])
    )
    viewers = {(viewer.viewer_id, viewer.protocol, viewer.scope, viewer.name) for viewer in during.viewers}
    assert viewers == {("fo9219m6", "rtmp", "live", "cam"), ("x9090779", "flv", "live", "cam")}
    assert [(publish.publish_id, publish.name) for publish in during.publishes] == [("l6ke6005", "cam")]
    assert count([during, after]) == (2, 1_982_927 - 861_465)


@pytest.mark.parametrize("churn", range(3))
async def test_four_thousand_viewers_who_come_and_go_are_read_each_time(churn: int) -> None:
    random = Random(churn)
    present = {f"{random.getrandbits(32):08x}" for _ in range(4_000)}
    ever = set(present)

    def respond(request: bytes) -> bytes:
        if b"/vhosts/" in request:
            return answer(vhosts(5))
        left, came = random.choice(sorted(present)), f"{random.getrandbits(32):08x}"
        present.remove(left)
        present.add(came)
        ever.add(came)
        start, number = (int(request.split(name)[1].split(b"&")[0].split(b" ")[0]) for name in (b"start=", b"count="))
        return answer(clients(*(client(each) for each in sorted(present)[start : start + max(10, number)])))

    async with open_source("srs") as (source, answers):
        answers.next = [respond]
        readings = [await source.read(None) for _ in range(5)]
    assert [len(reading.viewers) for reading in readings] == [4_000] * 5
    assert count(readings)[0] <= len(ever)


@pytest.mark.parametrize("kind", BAD_NAMES)
async def test_bytes_are_exact_and_viewers_continue_over_a_name_that_is_not_escaped(
    kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    good = clients(client("v1"), client("v2"))
    bad = with_bad_name(good, BAD_NAMES[kind])
    lists = [good, bad, bad, good, good]
    readings = await read_all(*(answers_of(body, vhosts(1_000 * number)) for number, body in enumerate(lists)))
    assert count(readings) == (2, 4_000)
    is_unreadable = kind in UNREADABLE
    assert [reading.lists_connections for reading in readings] == [
        True,
        not is_unreadable,
        not is_unreadable,
        True,
        True,
    ]
    assert readings[1].misses == (SRS_LIST_INVALID if is_unreadable else SRS_NAME_REPAIRED)
    assert readings[0].misses == readings[3].misses == SRS_POLLING
    (warning,) = caplog.messages
    assert "name" in warning
    assert "invalid JSON" in warning
    assert "on_publish" in warning


async def test_viewer_who_left_meanwhile_is_not_continued() -> None:
    good, bad = clients(client("v1")), with_bad_name(clients(client("v1")), BAD_NAMES["quotation mark"])
    readings = await read_all(
        answers_of(good, vhosts(0)), answers_of(bad, vhosts(1)), answers_of(clients(client("v3")), vhosts(2))
    )
    assert count(readings) == (2, 2)


async def test_html_in_place_of_the_list_is_an_error() -> None:
    with pytest.raises(SourceError, match="unexpected response"):
        await read_all(answers_of(b"<html>", vhosts(1)))


async def test_answers_of_two_processes_are_an_error() -> None:
    with pytest.raises(SourceError, match="different processes"):
        await read_all(answers_of(clients(), vhosts(1, process=PROCESS | {"pid": "78"})))


@pytest.mark.parametrize("invalid", [-1, 2**63, 2**64, 1.8e19, 0.5])
async def test_figure_that_is_no_count_is_left_out_and_continues(invalid: float) -> None:
    lists = clients(client("v1"))
    readings = await read_all(
        *(answers_of(lists, vhosts(sent, received)) for sent, received in ((5, 10), (invalid, 20), (105, 30)))
    )
    assert [reading.misses for reading in readings] == [SRS_POLLING, COUNTER_INVALID, SRS_POLLING]
    assert count(readings) == (1, 100)
    assert [len(reading.viewers) for reading in readings] == [1, 1, 1]


async def test_version_that_lists_ten_clients_only_gives_a_lower_bound() -> None:
    ten = clients(*(client(f"v{number}") for number in range(10)))
    short, whole = await read_all(answers_of(ten, vhosts(1, clients=71)), answers_of(ten, vhosts(1, clients=10)))
    assert (short.misses, whole.misses) == (SRS_LIST_SHORT, SRS_POLLING)


async def test_version_without_counters_says_so() -> None:
    (reading,) = await read_all(answers_of(clients(), encode_json({**PROCESS, "vhosts": [{"id": 9}]})))
    assert "no traffic is counted" in reading.misses
