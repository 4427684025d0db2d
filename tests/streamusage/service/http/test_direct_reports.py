"""The fast path of plain reports: it gives the same answers as the routes, in order on one connection."""

import asyncio
import gzip
import re
import time
from types import SimpleNamespace

import msgspec
import pytest

from streamusage.agent.sync.link import ServiceLink
from streamusage.api.report import Acknowledgement
from streamusage.service.http.direct_reports import DirectReports
from streamusage.service.http.server.exchange import Exchange
from tests.streamusage.service.conftest import Estate
from tests.support.service.parties.reporting import ReportingAgent, a_session
from tests.support.waiting import LONGEST_WAIT_S


def posted(body: bytes, *headers: str, path: str = "/api/v1/agents/edge-1/reports") -> bytes:
    lines = [f"POST {path} HTTP/1.1", "Host: a", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join([*lines, "", ""]).encode() + body


GOOD = "Authorization: Bearer edge-1-token"


async def answers(estate: Estate, sent: bytes, count: int) -> list[tuple[int, dict[str, object]]]:
    reader, writer = await asyncio.open_connection(estate.running.host, estate.running.port)
    writer.write(sent)
    found = []
    for _ in range(count):
        head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), LONGEST_WAIT_S)
        length = re.search(rb"content-length: (\d+)", head, re.IGNORECASE)
        assert length
        found.append((int(head[9:12]), msgspec.json.decode(await reader.readexactly(int(length[1])))))
    writer.close()
    return found


async def test_pipelined_reports_are_answered_in_order(estate: Estate) -> None:
    agent = ReportingAgent(estate, "edge-1")
    await agent.begin()
    estate.clock.now += 10_000
    first = agent.report()
    body = msgspec.json.encode(first)
    again, hole = body, msgspec.json.encode(msgspec.structs.replace(first, since=50, upto=51, based_on=None))
    wrong = posted(body, "Authorization: Bearer wrong")
    sent = posted(body, GOOD) + posted(again, GOOD) + posted(hole, GOOD) + wrong + posted(again, GOOD)
    replies = await answers(estate, sent, 5)
    assert [status for status, _ in replies] == [200, 200, 409, 401, 200]
    assert [answer.get("acknowledged") for _, answer in replies] == [
        first.upto,
        first.upto,
        first.upto,
        None,
        first.upto,
    ]
    metrics = (await estate.request("GET", "/metrics")).text
    assert 'streamtop_reports_total{outcome="acknowledged"} 3.0' in metrics


async def test_compressed_report_is_ingested_like_a_plain_one(estate: Estate) -> None:
    agent = ReportingAgent(estate, "edge-1")
    await agent.begin()
    estate.clock.now += 10_000
    report = agent.report(a_session("e", total=5))
    compressed = gzip.compress(msgspec.json.encode(report))
    ((status, answer),) = await answers(estate, posted(compressed, GOOD, "Content-Encoding: gzip"), 1)
    assert (status, answer["acknowledged"]) == (200, report.upto)
    (record,) = await estate.records()
    assert record["totalSubscribers"] == 5


async def test_agent_reports_take_the_fast_path_on_one_connection(
    estate: Estate, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Reports with and without compression, a sync interval apart."""
    taken: list[bool] = []
    connections: set[object] = set()
    begin = DirectReports.handle

    def watched(self: DirectReports, exchange: Exchange) -> bool:
        taken.append(begin(self, exchange))
        connections.add(exchange._channel)
        return taken[-1]

    monkeypatch.setattr(DirectReports, "handle", watched)
    agent = ReportingAgent(estate, "edge-1")
    await agent.begin()
    link = ServiceLink(estate.running.url, "edge-1", lambda: "edge-1-token")
    for turn, sessions in enumerate((1, 50)):
        estate.clock.now += 10_000
        monkeypatch.setattr(
            "httpcore._async.http11.time", SimpleNamespace(monotonic=lambda late=turn * 10: time.monotonic() + late)
        )
        report = agent.report(*(a_session(f"e{number}", name=f"s{number}") for number in range(sessions)))
        reply = await link.send(report)
        assert isinstance(reply, Acknowledgement)
        agent.acknowledged, agent.based_on, agent.watermark = reply.acknowledged, None, estate.clock.now
    await link.close()
    assert (taken, len(connections)) == ([True, True], 1)


async def test_report_may_arrive_in_any_pieces(estate: Estate) -> None:
    agent = ReportingAgent(estate, "edge-1")
    await agent.begin()
    estate.clock.now += 10_000
    sent = posted(msgspec.json.encode(agent.report()), GOOD)
    head, body = sent.partition(b"\r\n\r\n")[0] + b"\r\n\r\n", sent.partition(b"\r\n\r\n")[2]
    pieces = [sent[:9], sent[9:40], sent[40:150], sent[150:], head, body[:1], body[1:-1], body[-1:]]
    reader, writer = await asyncio.open_connection(estate.running.host, estate.running.port)
    for piece in pieces:
        writer.write(piece)
        await asyncio.sleep(0.02)
    writer.write(posted(body, "Authorization: Bearer wrong", "Connection: close"))
    answer = await asyncio.wait_for(reader.read(), LONGEST_WAIT_S)
    assert re.findall(rb"HTTP/1.1 (\d+)", answer) == [b"200", b"200", b"401"], answer
    writer.close()


NOT_PLAIN: list[tuple[tuple[str, ...], bytes, int]] = [
    ((), b"{}", 401),
    (("Authorization: Bearer origin-1-token",), b"{}", 403),
    ((GOOD,), b"{", 400),
    ((GOOD,), b'{"of": "another form"}', 422),
    ((GOOD, "Content-Encoding: br"), b"{}", 415),
    ((GOOD, "Content-Encoding: gzip"), b"{}", 400),
    ((GOOD, "Content-Encoding: gzip"), gzip.compress(b"{", mtime=0), 400),
    ((GOOD, "Content-Encoding: gzip"), gzip.compress(b" " * 600_000, mtime=0), 400),
    ((GOOD, "Content-Encoding: gzip", "Content-Encoding: gzip"), gzip.compress(b"{}", mtime=0), 422),
    ((GOOD,), b" " * 70_000, 400),
]


@pytest.mark.parametrize(("headers", "body", "status"), NOT_PLAIN)
async def test_unusual_requests_fall_through_to_the_routes(
    estate: Estate, headers: tuple[str, ...], body: bytes, status: int
) -> None:
    """The request is alone, or follows an unanswered plain report, or is the last of its connection."""
    agent = ReportingAgent(estate, "edge-1")
    await agent.begin()
    estate.clock.now += 10_000
    plain = posted(msgspec.json.encode(agent.report()), GOOD)
    odd = posted(body, *headers)
    replies = await answers(estate, odd + plain + odd + plain, 4)
    assert [status for status, _ in replies] == [status, 200, status, 200]
    assert all("errorMessage" in answer for _, answer in replies[::2])
    alone, answer = await estate.raw(posted(body, *headers, "Connection: close"))
    assert (alone, b"errorMessage" in answer) == (status, True)


async def test_garbage_after_a_report_does_not_suppress_its_answer(estate: Estate) -> None:
    agent = ReportingAgent(estate, "edge-1")
    await agent.begin()
    estate.clock.now += 10_000
    status, body = await estate.raw(posted(msgspec.json.encode(agent.report()), GOOD) + b"\0 rubbish\r\n\r\n")
    assert (status, msgspec.json.decode(body)["acknowledged"]) == (200, agent.revision)


async def test_connection_close_is_honoured_after_the_answer(estate: Estate) -> None:
    agent = ReportingAgent(estate, "edge-1")
    await agent.begin()
    estate.clock.now += 10_000
    status, _ = await estate.raw(posted(msgspec.json.encode(agent.report()), GOOD, "Connection: close"))
    assert status == 200


async def test_report_of_a_disconnected_sender_counts(estate: Estate) -> None:
    agent = ReportingAgent(estate, "edge-1")
    await agent.begin()
    estate.clock.now += 10_000
    report = agent.report(a_session("e", total=5))
    _, writer = await asyncio.open_connection(estate.running.host, estate.running.port)
    writer.write(posted(msgspec.json.encode(report), GOOD))
    await writer.drain()
    writer.transport.abort()
    async with asyncio.timeout(LONGEST_WAIT_S):
        while not await estate.records():  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    (record,) = await estate.records()
    assert record["totalSubscribers"] == 5
