"""Requests without a valid token: logged with the peer, limited in rate, harmless for others behind the address."""

import logging

import pytest

from streamusage.service.http.failed_logins import FAILURES_BEFORE_429, LOGGED_PEERS, FailedLogins
from tests.streamusage.service.conftest import Estate, OwnedClock
from tests.support.service.parties.reporting import ReportingAgent

SECRET = "wr0ng-s3cret"


async def test_failures_are_logged_with_the_peer_and_without_the_token(
    estate: Estate, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            assert (await estate.request("GET", "/api/v1/servers", SECRET)).status_code == 401
            assert (await estate.usage(query=f"accessToken={SECRET}")).status_code == 400
            path = f"/api/v1/agents/edge-1/reports?accessToken={SECRET}"
            assert (await estate.request("POST", path, SECRET, content=b"{}")).status_code == 401
    lines = [record.getMessage() for record in caplog.records]
    assert lines == ["authentication failed: GET /api/v1/servers from 127.0.0.1"]
    assert SECRET not in caplog.text


async def test_peer_that_goes_on_is_429_and_valid_tokens_behind_it_are_served(estate: Estate) -> None:
    agent = ReportingAgent(estate)
    await agent.sync_up()
    statuses = [(await estate.usage(query="accessToken=x")).status_code for _ in range(FAILURES_BEFORE_429 + 5)]
    assert statuses == [400] * FAILURES_BEFORE_429 + [429] * 5
    answer = await estate.request("GET", "/api/v1/servers", "x")
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "30")
    assert answer.json().keys() == {"errorMessage", "timestamp"}
    assert (await estate.request("GET", "/api/v1/servers")).status_code == 200
    assert (await estate.usage()).status_code == 200
    await agent.sync_up()
    estate.clock.now += 60_000
    assert (await estate.request("GET", "/api/v1/servers", "x")).status_code == 401


def test_log_lines_of_many_peers_are_limited(caplog: pytest.LogCaptureFixture) -> None:
    clock = OwnedClock()
    failed = FailedLogins(clock)
    with caplog.at_level(logging.WARNING):
        for number in range(1_000):
            failed.record(f"10.0.0.{number}", "GET", "/")
        clock.now += 60_000
        failed.record("10.0.0.1", "GET", "/")
    assert len(caplog.records) == LOGGED_PEERS + 2
    assert "authentication failed 990 more times" in caplog.text
