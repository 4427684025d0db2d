"""A large report is accepted at once, and its parts are applied by the running service or by the next one."""

import asyncio
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from sqlalchemy import Connection, func, select

from streamusage.api.report import Acknowledgement, EpochRequest, Report, SampleRow, SlotRow
from streamusage.service import part_applier
from streamusage.service.errors import PartsPendingError
from streamusage.service.ingest.reports import apply_next_part, ingest_report, issue_epoch
from streamusage.service.rules.parts import LARGEST_WHOLE, split_report
from streamusage.service.store.report_parts import encode_part, find_servers_with_parts
from streamusage.service.store.schema import report_parts, samples, slots
from streamusage.service.store.server_states import load_state
from streamusage.service.store.store import open_store
from tests.streamusage.service.conftest import NOW, Estate, an_estate
from tests.support.service.parties.reporting import ReportingAgent, a_session
from tests.support.waiting import wait_until

MINUTE = 60_000


def a_large_report(agent: ReportingAgent, now: int, rows: int = LARGEST_WHOLE + 100) -> Report:
    minutes = range(NOW, now - MINUTE, MINUTE)
    return agent.report(
        *(SlotRow(slot=slot, revision=0, bytes_out=7, connections={"hls": 1}) for slot in minutes),
        *(
            SampleRow(slot=minutes[number % len(minutes)], scope="live", name=f"s{number // len(minutes)}",
                      revision=0, active=1, highest=1)
            for number in range(rows)
        ),
        a_session(end_time=now, active=0, live=False),
        upto_ms=now,
    )  # fmt: skip


async def test_large_report_is_acknowledged_and_applied(estate: Estate) -> None:
    agent = ReportingAgent(estate)
    await agent.begin()
    estate.clock.now += 240 * MINUTE
    answer = await agent.send(a_large_report(agent, estate.clock.now))
    assert (answer.status_code, answer.json()["acknowledged"]) == (200, agent.revision)
    await wait_until(lambda: metric(estate, "streamtop_report_parts_pending 0.0"), "all parts are applied")
    estate.clock.now += 10_000
    await agent.sync_up()
    counted = await estate.running.service.read(
        lambda connection: (
            connection.execute(select(func.count(), func.sum(slots.c.bytes_out))).one(),
            connection.execute(select(func.count()).select_from(samples)).scalar(),
        )
    )
    assert counted == ((239, 7 * 239), LARGEST_WHOLE + 100)
    assert len(await estate.records()) == 1


async def metric(estate: Estate, line: str) -> bool:
    return line in (await estate.request("GET", "/metrics")).text


async def test_idle_service_does_not_look_for_parts_again_and_again(
    estate: Estate, monkeypatch: pytest.MonkeyPatch
) -> None:
    service, looked = estate.running.service, []
    read = type(service).read

    async def counting_read(self: Any, query: Any) -> Any:
        looked.append(query)
        return await read(self, query)

    await wait_until(lambda: metric(estate, "streamtop_report_parts_pending 0.0"), "the service runs")
    monkeypatch.setattr(type(service), "read", counting_read)
    await asyncio.sleep(2.5)
    assert find_servers_with_parts not in looked


async def test_wait_ends_where_another_process_applied_the_parts(estate: Estate) -> None:
    before = time.monotonic()
    await estate.running.service.parts.wait_until_applied("edge-1", 20)
    assert time.monotonic() - before < 10


async def test_parts_that_another_process_left_are_applied_once_their_agent_reports(estate: Estate) -> None:
    agent = ReportingAgent(estate)
    await agent.begin()
    now = estate.clock.now = NOW + 240 * MINUTE
    report = a_large_report(agent, now, 500)
    parts = [encode_part(part) for part in split_report(report, now, 100)]
    await asyncio.sleep(0.5)  # the job has looked for parts, and found none

    def accept(connection: Connection) -> None:
        state, _ = load_state(connection, "edge-1")
        based = msgspec.structs.replace(report, based_on=state.based)
        assert isinstance(ingest_report(connection, based, b"", now, parts), Acknowledgement)

    await estate.running.service.write(accept)
    later = msgspec.structs.replace(agent.report(upto_ms=now), since=report.upto)
    assert (await agent.send(later)).status_code == 503
    before = time.monotonic()
    await wait_until(lambda: metric(estate, "streamtop_report_parts_pending 0.0"), "all parts are applied")
    assert time.monotonic() - before < part_applier.OTHERS_SECONDS / 2


async def test_parts_of_a_killed_service_are_applied_by_the_next(tmp_path: Path, store_url: str) -> None:
    now = NOW + 240 * MINUTE
    clock: Any = SimpleNamespace(clock=SimpleNamespace(now=now))
    agent = ReportingAgent(clock)
    agent.epoch = 1
    report = a_large_report(agent, now, 500)
    parts = [encode_part(part) for part in split_report(report, now, 100)]
    store = open_store(store_url, now)
    with store.writing() as connection, connection.begin():
        state, _ = load_state(connection, "edge-1")
        report = msgspec.structs.replace(report, based_on=state.based)
        accepted = ingest_report(connection, report, b"", now, parts)
        assert isinstance(accepted, Acknowledgement)
        assert accepted.acknowledged == report.upto
    with store.writing() as connection, connection.begin():
        left = apply_next_part(connection, "edge-1", now)
        assert left == len(parts) - 1
    with store.writing() as connection, connection.begin():
        state, condition = load_state(connection, "edge-1")
        assert NOW < (state.watermark or 0) < now
        assert condition.owes == "missing"
        watermark = state.watermark or 0
        newest = connection.execute(select(func.max(slots.c.slot))).scalar()
        assert newest is not None
        assert newest >= watermark - MINUTE
        later = msgspec.structs.replace(agent.report(upto_ms=now), since=report.upto)
        assert isinstance(ingest_report(connection, later, b"", now), PartsPendingError)
        assert isinstance(issue_epoch(connection, "edge-1", EpochRequest(journal="j2"), now), PartsPendingError)
        again = ingest_report(connection, report, b"", now)
        assert isinstance(again, Acknowledgement)
    store.close()

    async with an_estate(tmp_path, store_url=store_url) as estate:
        estate.clock.now = now
        await wait_until(lambda: metric(estate, "streamtop_report_parts_pending 0.0"), "all parts are applied")
        service = estate.running.service
        assert await service.read(find_servers_with_parts) == []
        assert await service.read(lambda c: c.execute(select(func.count()).select_from(report_parts)).scalar()) == 0
        state, condition = await service.read(lambda connection: load_state(connection, "edge-1"))
        assert (state.watermark, state.parts_pending, condition.owes) == (now, 0, "")
        assert await service.read(lambda c: c.execute(select(func.count()).select_from(samples)).scalar()) == 500
