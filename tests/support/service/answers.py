"""Answers of a service that several tests read: days, coverage, changes, servers and figures of records."""

import asyncio

from tests.streamusage.service.conftest import NOW, Estate
from tests.support.waiting import LONGEST_WAIT_S


async def fetch_day(estate: Estate) -> dict[str, object]:
    answer = await estate.request("GET", "/api/v1/daily?from=2026-11-18&to=2026-11-18", "viewer-token")
    (day,) = answer.json()["days"]
    return day  # type: ignore[no-any-return]


async def fetch_spans(estate: Estate, server: str = "edge-1") -> list[dict[str, object]]:
    answer = await estate.request("GET", f"/api/v1/coverage?from={NOW}&to={NOW + 3_600_000}&server={server}")
    return answer.json()["servers"][0]["spans"]  # type: ignore[no-any-return]


async def wait_for_changes(estate: Estate, cursor: str) -> dict[str, list[dict[str, object]]]:
    """Wait for changes after the cursor, which the service publishes periodically. Return the first."""
    async with asyncio.timeout(LONGEST_WAIT_S):
        while True:
            answer = (await estate.request("GET", f"/api/v1/changes?cursor={cursor}")).json()
            if answer["records"] or answer["deleted"]:
                return answer  # type: ignore[no-any-return]
            await asyncio.sleep(0.02)


async def fetch_figures(estate: Estate) -> list[tuple[object, ...]]:
    """Return active, maximum, lost and total subscribers of each record."""
    names = ("aciveSubscribers", "maxSubscribers", "lostSubscribers", "totalSubscribers")
    return [tuple(record[name] for name in names) for record in await estate.records()]


async def fetch_servers(estate: Estate) -> dict[str, dict[str, object]]:
    answer = await estate.request("GET", "/api/v1/servers", "viewer-token")
    return {server["server"]: server for server in answer.json()["servers"]}


async def remove_server(
    estate: Estate, server: str, force: bool | None = None, token: str = "admin-token"
) -> tuple[int, dict[str, object]]:
    query = "" if force is None else f"?force={str(force).lower()}"
    answer = await estate.request("DELETE", f"/api/v1/servers/{server}{query}", token)
    return answer.status_code, answer.json()


def is_failure(answer_body: object) -> bool:
    return (
        isinstance(answer_body, dict)
        and answer_body.keys() == {"errorMessage", "timestamp"}
        and bool(answer_body["errorMessage"])
        and answer_body["timestamp"] == NOW
    )
