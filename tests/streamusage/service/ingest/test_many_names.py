"""A report with many new streams: its statements are those of sets, not one for each stream."""

from types import SimpleNamespace
from typing import Any, cast

import pytest
from sqlalchemy import event, select
from sqlalchemy.engine import Engine

from streamusage.api.report import Acknowledgement, Based, SampleRow
from streamusage.service.ingest.reports import ingest_report
from streamusage.service.store.schema import usage
from streamusage.service.store.store import open_store
from tests.streamusage.service.conftest import NOW
from tests.support.service.parties.reporting import ReportingAgent, a_session

MINUTE = 60_000
NAMES = 900


@pytest.mark.parametrize("first", ["origin-1", "edge-1"])
def test_new_names_on_two_servers_take_few_statements(store_url: str, first: str) -> None:
    now = NOW + 3 * MINUTE
    clock: Any = SimpleNamespace(clock=SimpleNamespace(now=now))
    edge = ReportingAgent(clock, "edge-1", "edge", life="e.1")
    origin = ReportingAgent(clock, "origin-1", "origin", life="o.1")
    seen: list[str] = []

    def count(_connection: object, _cursor: object, sql: str, *_others: object) -> None:
        seen.append(sql)

    store = open_store(store_url, now)
    event.listen(Engine, "before_cursor_execute", count)
    try:
        for agent in sorted([edge, origin], key=lambda agent: agent.server != first):
            agent.epoch, agent.based_on = 1, Based(0, 0)
            active = 3 if agent is edge else 1
            report = agent.report(
                *[
                    a_session(
                        f"p{number}", name=f"new-{number}", start_time=NOW + 10 * (agent is edge), active=0,
                        highest=active, end_time=NOW + 2 * MINUTE,
                    )
                    for number in range(NAMES)
                ],
                *[
                    SampleRow(
                        slot=NOW + MINUTE, scope="live", name=f"new-{number}", revision=0, active=active,
                        highest=active,
                    )
                    for number in range(NAMES)
                ],
            )  # fmt: skip
            with store.writing() as connection, connection.begin():
                seen.clear()
                assert isinstance(ingest_report(connection, report, b"", now), Acknowledgement)
                assert len(seen) < NAMES / 10, seen
        with store.reading() as reading:
            figures = reading.execute(select(usage.c.start_time, usage.c.max_subscribers, usage.c.total_subscribers))
            assert [tuple(cast(Any, row)) for row in figures] == [(NOW, 4, 10)] * NAMES
    finally:
        event.remove(Engine, "before_cursor_execute", count)
        store.close()
