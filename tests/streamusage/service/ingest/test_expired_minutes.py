"""A late report of minutes that retention discarded has the same result whether their rows are deleted or hidden.

On SQLite they are deleted at once. On PostgreSQL they stay in their partition until all of it has expired.
"""

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, func, select

from streamusage.api.report import Acknowledgement, Refusal, Report, SlotRow, StreamSlotRow
from streamusage.core.coverage import Interval
from streamusage.service.ingest.expired_minutes import LEAST_AGE_MS
from streamusage.service.ingest.reports import apply_next_part, ingest_report
from streamusage.service.queries.estate.totals import load_totals
from streamusage.service.retention import DAY_MS, Retention, discard_rows
from streamusage.service.rules.parts import split_report
from streamusage.service.store.change_feed import SLOTS_KEPT_FROM, read_counter, set_counter
from streamusage.service.store.report_parts import encode_part
from streamusage.service.store.schema import audit, held, slots
from streamusage.service.store.streams.stream_slots import read_streams
from tests.streamusage.service.conftest import NOW, Estate, an_estate
from tests.support.service.parties.reporting import ReportingAgent

KEPT, NEVER = Retention(7, 20), Retention(36_500, 36_500)
MINUTE = 60_000


def minute(slot: int, bytes_out: int, connections: int) -> tuple[SlotRow, StreamSlotRow]:
    return (
        SlotRow(slot=slot, revision=0, bytes_out=bytes_out, connections={"hls": connections}),
        StreamSlotRow(slot=slot, scope="live", name="stream1", revision=0, bytes_out=bytes_out // 2),
    )


async def ingest(estate: Estate, report: Report, *, in_parts: bool) -> Any:
    """Let the running service's store ingest a report, whole or in parts of about one row."""
    service, now = estate.running.service, estate.clock.now
    parts = [encode_part(part) for part in split_report(report, now, 1)] if in_parts else []
    answer = await service.write(lambda connection: ingest_report(connection, report, b"{}", now, parts))
    while await service.write(lambda connection: apply_next_part(connection, report.server, now)):
        pass
    return answer


async def counted(estate: Estate) -> dict[str, Any]:
    def find(connection: Connection) -> dict[str, Any]:
        kept_from = read_counter(connection, SLOTS_KEPT_FROM)
        visible = select(slots.c.slot, slots.c.bytes_out).where(slots.c.slot >= kept_from).order_by(slots.c.slot)
        left_out = select(audit.c.name, audit.c.records).where(audit.c.operation == "discard late minutes")
        totals = load_totals(connection, ["edge-1"]).servers["edge-1"]
        return {
            "slots": [tuple(row) for row in connection.execute(visible)],
            "streams": [(row.slot, row.shares[0].bytes_out) for row in read_streams(connection, Interval(0, 2**53))],
            "total": (totals.connections, totals.sums["bytes_out"]),
            "held": connection.execute(select(func.count()).select_from(held)).scalar(),
            "left out": [tuple(row) for row in connection.execute(left_out)],
        }

    return await estate.running.service.read(find)


@pytest.mark.parametrize("in_parts", [False, True], ids=["whole", "in parts"])
async def test_late_report_of_discarded_minutes_changes_no_figure(
    tmp_path: Path, store_url: str, in_parts: bool
) -> None:
    async with an_estate(tmp_path, store_url=store_url, retention=NEVER) as estate:
        agent = ReportingAgent(estate, "edge-1")
        await agent.sync_up(*minute(NOW, 100, 2), *minute(NOW + MINUTE, 100, 2), *minute(NOW + 2 * MINUTE, 100, 2))
        estate.clock.now += 23 * DAY_MS
        await agent.sync_up()
        recent = estate.clock.now - 5 * DAY_MS
        await discard_rows(estate.running.service, KEPT, estate.clock.now)
        report = agent.report(
            *minute(NOW, 1, 0),
            *minute(NOW + MINUTE, 100, 2),
            *minute(NOW + 2 * MINUTE, 1_000, 20),
            *minute(NOW + 3 * MINUTE, 70, 7),  # never reported before
            *minute(recent, 10, 1),
        )
        answer = await ingest(estate, report, in_parts=in_parts)
        assert isinstance(answer, Acknowledgement), answer
        assert answer.acknowledged == agent.revision
        found = await counted(estate)
        assert sum(count for _, count in found.pop("left out")) == 4
        assert found == {
            "slots": [(recent, 10)],
            "streams": [(recent, 5)],
            "total": ({"hls": 7}, 310),
            "held": 0,
        }


async def test_quarantined_report_leaves_nothing_out(tmp_path: Path, store_url: str) -> None:
    async with an_estate(tmp_path, store_url=store_url, retention=NEVER) as estate:
        agent = ReportingAgent(estate, "edge-1")
        await agent.sync_up(*minute(NOW, 100, 2))
        estate.clock.now += 23 * DAY_MS
        recent = estate.clock.now - 5 * DAY_MS
        await agent.sync_up(*minute(recent, 100, 2))
        await discard_rows(estate.running.service, KEPT, estate.clock.now)
        answer = await ingest(estate, agent.report(*minute(NOW, 1, 0), *minute(recent, 1, 0)), in_parts=False)
        assert isinstance(answer, Refusal), answer
        found = await counted(estate)
        assert (found["held"], found["left out"], found["total"]) == (1, [], ({"hls": 4}, 200))


async def test_minutes_are_not_left_out_by_a_limit_of_a_wrong_clock(estate: Estate) -> None:
    """Retention is by whole days: a limit less than a day ago is that of a clock that was ahead. It may be repaired."""
    agent = ReportingAgent(estate, "edge-1")
    await agent.sync_up()
    estate.clock.now += 3 * DAY_MS
    for limit in (estate.clock.now - LEAST_AGE_MS + 1, estate.clock.now + DAY_MS):
        await estate.running.service.write(
            lambda connection, limit=limit: set_counter(connection, SLOTS_KEPT_FROM, limit)
        )
        await agent.sync_up(*minute(NOW, 100, 2))
    assert (await counted(estate))["total"] == ({"hls": 2}, 100)
