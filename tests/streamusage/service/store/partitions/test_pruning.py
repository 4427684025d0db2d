"""Statements on a divided store search the partitions of their time only, by an index."""

from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import Connection

from streamusage.api.report import SampleRow, SlotRow
from streamusage.core.coverage import Interval, Provenance
from streamusage.core.usage import StreamId
from streamusage.service.accounting.hours import load_slots
from streamusage.service.queries.coverage import list_coverage
from streamusage.service.queries.history import stream_history
from streamusage.service.rules.apply import LateFigures, Piece, ServerState, StoredSample, StoredSlot
from streamusage.service.rules.parts import ReportPart
from streamusage.service.store.coverage_rows import load_covered_servers
from streamusage.service.store.engines.postgresql_partitions import DIVISIONS, create_partitions_at
from streamusage.service.store.server_rows import (
    load_stored_rows,
    save_pieces,
    save_samples,
    save_slots,
)
from streamusage.service.store.server_states import ServerCondition, save_state
from streamusage.service.store.store import Store, open_store
from tests.support.postgresql import Cluster
from tests.support.service.query_plans import Plans, recorded_plans

pytestmark = pytest.mark.postgresql

MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000
NOW = int(datetime(2026, 11, 18, 12, tzinfo=UTC).timestamp()) * 1000
STREAMS = 20
SERVERS = ["edge-1", "edge-2"]


@pytest.fixture(scope="module")
def store(postgresql: Cluster) -> Iterator[Store]:
    """A store with a year of partitions and some rows in each."""
    with postgresql.database() as url, closing(open_store(url, NOW)) as store:
        with store.writing() as connection, connection.begin():
            for table in DIVISIONS:
                days = range(40) if table == "samples" else range(0, 400, 5)
                create_partitions_at(connection, table, [NOW - day * DAY for day in days])
            for server in SERVERS:
                fill(connection, server)
        store.refresh_statistics()
        yield store


def fill(connection: Connection, server: str) -> None:
    state = ServerState(server=server, epoch=1, since=NOW - 400 * DAY, watermark=NOW)
    save_state(connection, state, ServerCondition())
    times = [NOW - day * DAY - minute * MINUTE for day in range(0, 400, 5) for minute in range(30)]
    rows = [SlotRow(slot=at, revision=1, connections={"hls": 1}) for at in times]
    save_slots(connection, server, 1, [StoredSlot(row, LateFigures()) for row in rows])
    states = [Provenance.LIVE, Provenance.BACKFILLED]
    for day in range(400, 0, -1):
        kind = states[day % 7 == 0]
        save_pieces(connection, server, [Piece(NOW - day * DAY, NOW - (day - 1) * DAY, kind, "", None, None)])
    save_samples(
        connection,
        server,
        [
            StoredSample(1, SampleRow(slot=at, scope="live", name=f"s{n}", revision=1, active=1, highest=1), False)
            for at in times
            if at > NOW - 40 * DAY
            for n in range(STREAMS)
        ],
    )


def rows_of_report() -> ReportPart:
    slots = tuple(SlotRow(slot=NOW - minute * MINUTE, revision=2) for minute in range(3))
    samples = tuple(
        SampleRow(slot=NOW - minute * MINUTE, scope="live", name="s1", revision=2, active=1, highest=1)
        for minute in range(3)
    )
    return ReportPart(epoch=1, received_at=NOW, slots=slots, samples=samples)


WINDOW = Interval(NOW - HOUR, NOW)
LATELY = {"slots_2026_11", "slot_connections_2026_11", "spans_2026_11", "samples_2026_11_18"}
STATEMENTS: dict[str, tuple[Callable[[Connection], Any], set[str]]] = {
    "a report": (lambda connection: load_stored_rows(connection, "edge-1", rows_of_report()), LATELY),
    "its coverage": (
        lambda connection: save_pieces(
            connection, "edge-1", [Piece(NOW, NOW + MINUTE, Provenance.LIVE, "", None, None)]
        ),
        {"spans_2026_11"},
    ),
    "the sum of an hour": (lambda connection: load_slots(connection, SERVERS, WINDOW), LATELY),
    "the coverage of all": (
        lambda connection: list_coverage(connection, WINDOW, NOW, None),
        LATELY,
    ),
    "the coverage of a month": (
        lambda connection: load_covered_servers(connection, NOW - 100 * DAY, NOW - 70 * DAY, NOW),
        {"spans_2026_07", "spans_2026_08", "spans_2026_09"},
    ),
    "the history of a stream": (
        lambda connection: stream_history(connection, StreamId("live", "s1"), WINDOW, MINUTE, NOW),
        LATELY,
    ),
}


@pytest.mark.parametrize("name", STATEMENTS)
def test_only_partitions_of_the_time_are_searched(store: Store, name: str) -> None:
    statements, expected = STATEMENTS[name]
    plans = Plans()
    with store.writing() as connection, connection.begin() as transaction:
        with recorded_plans(connection, plans):
            statements(connection)
        transaction.rollback()
    divided = {name for name in plans.relations if name.startswith(tuple(DIVISIONS))}
    assert divided
    assert divided <= expected
    assert not divided & plans.scans.keys(), plans.scans
