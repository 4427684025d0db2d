"""Routes for agents: bodies that they refuse, and the tokens that may use them."""

import gzip

import msgspec

from tests.streamusage.service.conftest import NOW, Estate
from tests.support.service.parties.reporting import ReportingAgent, a_session


async def test_truncated_foreign_and_oversized_bodies_are_refused(estate: Estate) -> None:
    agent = ReportingAgent(estate)
    await agent.begin()
    good = msgspec.json.encode(agent.report(a_session()))
    compressed = gzip.compress(good)
    assert (await agent.request("reports", good[:-1])).status_code == 400
    assert (await agent.request("reports", b"")).status_code == 400
    assert (await agent.request("reports", b"<html>")).status_code == 400
    assert (await agent.request("reports", b"[" * 60)).status_code == 400
    deep = await agent.request("reports", b"[" * 100_000)
    assert (deep.status_code, "limit json-depth is 64 (" in deep.json()["errorMessage"]) == (422, True)
    assert (await agent.request("reports", compressed[:-9], **{"Content-Encoding": "gzip"})).status_code == 400
    assert (await agent.request("reports", good, **{"Content-Encoding": "gzip"})).status_code == 400
    assert (await agent.request("reports", good, **{"Content-Encoding": "br"})).status_code == 415
    bomb = gzip.compress(bytes(65 << 20))
    assert (await agent.request("reports", bomb, **{"Content-Encoding": "gzip"})).status_code == 413
    foreign = await agent.request("reports", b'{"server": "edge-1"}')
    assert (foreign.status_code, foreign.json()["reason"]) == (422, "held")
    other = msgspec.json.encode(
        msgspec.structs.replace(msgspec.json.decode(good, type=type(agent.report())), server="x")
    )
    assert (await agent.request("reports", other)).status_code == 400
    assert await estate.records() == []
    assert (await agent.request("reports", compressed, **{"Content-Encoding": "gzip"})).status_code == 200
    assert len(await estate.records()) == 1


async def test_agent_reports_for_its_own_server_and_reads_nothing(estate: Estate) -> None:
    for path in ("origin-1/epochs", "origin-1/reports", "edge-1%2Fx/epochs", "edge-1/x/epochs"):
        answer = await estate.request("POST", f"/api/v1/agents/{path}", "edge-1-token", content=b'{"journal": "j"}')
        assert answer.status_code in {403, 404}, path
    for token, status in ((None, 401), ("wrong", 401), ("admin-token", 403), ("viewer-token", 403)):
        answer = await estate.request("POST", "/api/v1/agents/edge-1/epochs", token, content=b'{"journal": "j"}')
        assert answer.status_code == status
    for path in ("changes", "servers", f"coverage?from={NOW}&to={NOW}", "daily?from=2026-11-18&to=2026-11-18"):
        assert (await estate.request("GET", f"/api/v1/{path}", "edge-1-token")).status_code == 403
