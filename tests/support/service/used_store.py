"""A small store with something in every table that bills: open and closed days, adjustments, records, an import."""

from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime

from streamusage.api.report import SlotRow, StreamSlotRow
from streamusage.core.coverage import Interval
from streamusage.service.accounting.closing import is_accounting_due
from streamusage.service.accounting.corrections import is_proposal_due
from streamusage.service.store.streams.stream_slots import read_streams
from tests.streamusage.service.conftest import Estate, OwnedClock, a_record, an_estate
from tests.support.service.parties.reporting import ReportingAgent, a_session
from tests.support.waiting import wait_until

HOUR = 3_600_000
MINUTE = 60_000
NOON = int(datetime(2026, 11, 20, 12, tzinfo=UTC).timestamp() * 1000)
DAY = "2026-11-20"
PATHS = (
    f"daily?from={DAY}&to=2026-11-21&tz=UTC",
    f"adjustments?from={DAY}&to=2026-11-21&tz=UTC",
    f"coverage?from={NOON}&to={NOON + 20 * HOUR}",
    "audit",
    "servers",
)
"""Paths below `/api/v1/` that answer all figures."""


def used_estate(store_url: str, now_ms: int = NOON, **options: object) -> AbstractAsyncContextManager[Estate]:
    """Return an estate on that store whose clock begins at noon of the day."""
    clock = OwnedClock()
    clock.now = now_ms
    return an_estate(None, clock, store_url, close_settle_ms=0, **options)  # type: ignore[arg-type]


async def settle(estate: Estate) -> None:
    """Wait until hours are summed and days closed."""
    service = estate.running.service
    zones, now_ms = service.account_zones, estate.clock.now

    async def is_settled() -> bool:
        return not await service.read(
            lambda connection: is_accounting_due(connection, zones, now_ms, 0) or is_proposal_due(connection)
        )

    await wait_until(is_settled, "hours are summed, days closed and corrections proposed", every_seconds=0.01)


async def use(estate: Estate) -> list[ReportingAgent]:
    """Report a day and a half of two servers, a late correction of the closed day, and import a record. Return the
    agents of `edge-1` and `origin-1`.
    """
    agents = [ReportingAgent(estate, name, life=f"{name}.1") for name in ("edge-1", "origin-1")]
    for agent in agents:
        agent.watermark = estate.clock.now
        await agent.sync_up(a_session(f"{agent.server} p", start_time=NOON, end_time=NOON + MINUTE))
    for hour in range(1, 20):
        estate.clock.now = NOON + hour * HOUR
        for agent in agents:
            rows = [
                SlotRow(
                    slot=NOON + (hour - 1) * HOUR + minute * MINUTE,
                    revision=0,
                    bytes_in=1_000 * hour + minute,
                    bytes_out=7_000 * hour + minute,
                    view_time_ms=60_000,
                    connections={"rtmp": 2, "hls": minute},
                )
                for minute in (0, 17, 59)
            ]
            streams = [
                StreamSlotRow(slot=row.slot, scope="live", name=name, revision=0, bytes_out=row.bytes_out // 3)
                for row in rows
                for name in ("stream1", "stream2")
            ]
            await agent.sync_up(
                *rows, *streams, a_session(f"{agent.server} p", start_time=NOON, end_time=estate.clock.now)
            )
    await settle(estate)
    late = SlotRow(slot=NOON + 5 * MINUTE, revision=0, bytes_out=999, connections={"rtmp": 1})
    await agents[0].sync_up(late)
    await settle(estate)
    assert (await estate.import_records(a_record("imported"))).status_code == 200
    return agents


async def figures(estate: Estate) -> dict[str, object]:
    """Return all figures that the service answers, and those by stream."""
    await settle(estate)
    found: dict[str, object] = {"records": await estate.records()}
    for path in PATHS:
        answer = await estate.request("GET", f"/api/v1/{path}")
        assert answer.status_code == 200, f"{path}: {answer.text}"
        found[path] = {name: value for name, value in answer.json().items() if name != "now"}
    everything = Interval(0, 2**53)
    found["streams"] = await estate.running.service.read(lambda connection: list(read_streams(connection, everything)))
    return found
