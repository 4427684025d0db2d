"""Coverage of servers as the extension returns it: gaps, when they were filled, and phases of outages."""

import msgspec

from streamusage.api.report import OutageRow, PhaseChange
from tests.streamusage.service.conftest import NOW, Estate
from tests.support.service.parties.reporting import ReportingAgent

MINUTE = 60_000


async def test_gap_filled_in_parts_has_the_time_of_the_last_part(estate: Estate) -> None:
    agent = ReportingAgent(estate)
    for minutes in (5, 6):
        estate.clock.now += 600_000
        await agent.sync_up(upto_ms=NOW + minutes * 60_000)
    answer = await estate.request("GET", f"/api/v1/coverage?from={NOW}&to={NOW + 360_000}")
    (span,) = answer.json()["servers"][0]["spans"]
    assert (span["state"], span["to"], span["filled_at"]) == ("backfilled", NOW + 360_000, NOW + 1_200_000)


async def test_outage_phases_are_listed_beside_the_gap(estate: Estate) -> None:
    agent = ReportingAgent(estate)
    await agent.sync_up()
    estate.clock.now += 10 * MINUTE
    began = NOW + 10_000
    phases = (PhaseChange("retrying", began), PhaseChange("accumulating", began + MINUTE))
    outage = OutageRow(
        began_at=began,
        revision=0,
        phases=(*phases, PhaseChange("recovering", estate.clock.now)),
        failed_attempts=9,
        error="cannot be reached",
    )
    await agent.sync_up(outage)

    async def outages_between(from_ms: int, to_ms: int) -> list[dict[str, object]]:
        answer = await estate.request("GET", f"/api/v1/coverage?from={from_ms}&to={to_ms}")
        return answer.json()["servers"][0]["outages"]  # type: ignore[no-any-return]

    expected = {
        "from": began,
        "to": estate.clock.now,
        "phases": [
            {"phase": "retrying", "at": began},
            {"phase": "accumulating", "at": began + MINUTE},
            {"phase": "recovering", "at": estate.clock.now},
        ],
        "failed_attempts": 9,
        "error": "cannot be reached",
        "left_out": 0,
    }
    assert await outages_between(NOW, NOW + MINUTE) == [expected]
    assert (
        await outages_between(NOW - MINUTE, began)
        == []
        == await outages_between(estate.clock.now + 1, estate.clock.now + MINUTE)
    )
    over = PhaseChange("online", estate.clock.now + 100)
    await agent.sync_up(msgspec.structs.replace(outage, phases=(*outage.phases, over)))
    (newer,) = await outages_between(NOW, NOW + MINUTE)
    assert newer["phases"] == [*expected["phases"], {"phase": "online", "at": over.at}]  # type: ignore[misc]
