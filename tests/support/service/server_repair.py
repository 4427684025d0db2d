"""Requests for the repair of a server, and what the service has of it before and after."""

from typing import Any

from streamusage.core.figures import SUM_NAMES
from tests.streamusage.service.conftest import Estate
from tests.support.service.wrong_clock import CountedServer


async def repair(estate: Estate, server: str = "edge-1", *, dry: bool) -> dict[str, Any]:
    answer = await estate.request("POST", f"/api/v1/servers/{server}/repair?dry={str(dry).lower()}")
    assert answer.status_code == 200, answer.text
    return answer.json()  # type: ignore[no-any-return]


async def status(estate: Estate, server: str = "edge-1") -> dict[str, Any]:
    servers = (await estate.request("GET", "/api/v1/servers")).json()["servers"]
    return next(item for item in servers if item["server"] == server)  # type: ignore[no-any-return]


async def sums(estate: Estate, first: str = "2026-11-17", last: str = "2026-11-20") -> dict[str, int]:
    days = (await estate.request("GET", f"/api/v1/daily?from={first}&to={last}")).json()["days"]
    return {
        name: sum(day[name] + (day["adjustment"][name] if day["adjustment"] else 0) for day in days)
        for name in SUM_NAMES
    }


async def run_agent(estate: Estate, counted: CountedServer, steps: int) -> None:
    agent = counted.real_agent(estate.running.url, estate.clock)
    for _ in range(steps):
        counted.pass_time()
        estate.clock.now = counted.now
        await agent.poll()
        await agent.sync()
    await agent._link.close()  # type: ignore[attr-defined]
