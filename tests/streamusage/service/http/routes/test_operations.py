"""Routes for operation: health, readiness, removal of servers and the audit log."""

import asyncio
from pathlib import Path

import pytest

from tests.streamusage.service.conftest import NOW, Estate, an_estate
from tests.support.service.answers import fetch_servers, remove_server
from tests.support.service.parties.reporting import an_origin_and_an_edge
from tests.support.waiting import LONGEST_WAIT_S


async def test_health_and_openapi_need_no_token(estate: Estate) -> None:
    assert (await estate.http.get("/healthz")).json() == {"status": "ok", "now": NOW}
    described = (await estate.http.get("/openapi.json")).json()
    assert "/api/v1/changes" in described["paths"]
    assert "/streammanager/api/3.1/admin/event/usage" in described["paths"]


async def test_service_is_ready_while_its_store_is_writable(tmp_path: Path) -> None:
    async with an_estate(tmp_path) as estate:
        assert (await estate.http.get("/readyz")).json()["status"] == "ready"
        with estate.running.service.store.writing() as blocked:
            transaction = blocked.begin()
            estate.clock.now += 2_000
            request = asyncio.create_task(estate.http.get("/readyz", timeout=LONGEST_WAIT_S))
            await asyncio.sleep(0.1)
            assert (await estate.http.get("/healthz")).status_code == 200
            answer = await request
            assert (answer.status_code, "did not complete a write" in answer.json()["errorMessage"]) == (503, True)
            transaction.rollback()


async def test_only_an_admin_removes_and_reads_the_audit_log(estate: Estate) -> None:
    await an_origin_and_an_edge(estate)
    for token, status in (("viewer-token", 403), ("edge-1-token", 403), ("wrong", 401)):
        assert (await remove_server(estate, "edge-1", True, token))[0] == status
        assert (await estate.request("GET", "/api/v1/audit", token)).status_code == status
    assert (await estate.request("GET", "/api/v1/orphans", "edge-1-token")).status_code == 403


@pytest.mark.parametrize(
    ("path", "status"),
    [("nobody", 404), ("", 404), ("edge-1/x", 404), ("edge-1?force=yes", 400), ("edge-1?forse=true", 400),
     ("edge-1?force=true&force=false", 400)],
)  # fmt: skip
async def test_invalid_removal_removes_nothing(estate: Estate, path: str, status: int) -> None:
    await an_origin_and_an_edge(estate)
    assert (await estate.request("DELETE", f"/api/v1/servers/{path}")).status_code == status
    assert [server["removed"] for server in (await fetch_servers(estate)).values()] == [None, None]
