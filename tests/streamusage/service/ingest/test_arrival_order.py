"""Figures do not depend on the order in which reports arrive, nor on how much each of them brings.

Each seed is a history of one stream on an origin and two edges. It arrives in several ways: at once, after outages of
any server, in large and small reports. The seed is in the name of the test.
"""

import os
import random
from collections import defaultdict
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any, NamedTuple

import pytest
from sqlalchemy import Connection, select

from streamusage.api.report import Acknowledgement, Based, SampleRow, SessionRow
from streamusage.core.coverage import SLOT_MS, slot_of
from streamusage.service.ingest import reports as ingest
from streamusage.service.ingest.reports import ingest_report
from streamusage.service.store.schema import samples, server_sessions, servers, usage
from streamusage.service.store.store import Store, open_store
from tests.streamusage.service.conftest import NOW
from tests.support.service.parties.reporting import ReportingAgent, a_session

READING_MS = 20_000
READINGS = 24
ARRIVED = NOW + 3_600_000
SEEDS = int(os.environ.get("STREAMTOP_ARRIVALS", "25"))
WAYS = 3


class Publish(NamedTuple):
    """A publish of the stream on one server, with its audience at each reading from its start to its end."""

    name: str
    start_time: int
    end_time: int
    active: dict[int, int]

    def row(self, at: int) -> SessionRow | None:
        seen = [active for reading, active in self.active.items() if reading <= at]
        if self.start_time > at:
            return None
        ended = self.end_time <= at
        return a_session(
            self.name,
            start_time=self.start_time,
            end_time=self.end_time if ended else at,
            live=not ended,
            active=0 if ended or not seen else seen[-1],
            highest=max(seen, default=0),
            total=sum(seen),
        )


class Media(NamedTuple):
    """The history of one server."""

    server: str
    role: Any
    publishes: list[Publish]

    def rows(self, after: int, upto: int) -> Iterator[SessionRow | SampleRow]:
        """Yield the rows that change between two readings, as an agent that was offline meanwhile reports them."""
        for publish in self.publishes:
            row = publish.row(upto)
            if row is not None and row != publish.row(after):
                yield row
        of_slot: dict[int, list[int]] = defaultdict(list)
        for reading in range(NOW, upto + 1, READING_MS):
            watching = [publish.active[reading] for publish in self.publishes if reading in publish.active]
            if watching:
                of_slot[slot_of(reading)].append(sum(watching))
        for slot, watched in of_slot.items():
            if slot >= slot_of(after):
                yield SampleRow(
                    slot=slot, scope="live", name="stream1", revision=0, active=watched[-1], highest=max(watched)
                )


def a_history(chance: random.Random) -> list[Media]:
    """Return an origin on which the stream is published once or twice, and two edges that relay it for some time."""
    publishes = []
    begins = NOW + chance.randrange(3) * READING_MS
    for number in range(chance.randint(1, 2)):
        ends = begins + chance.randint(4, 12) * READING_MS + chance.randrange(READING_MS)
        publishes.append((number, begins, ends))
        begins = ends + chance.randint(1, 60_000)
    servers_of_stream = []
    for server, role in (("origin-1", "origin"), ("edge-1", "edge"), ("edge-2", "edge")):
        own = []
        for number, start_time, end_time in publishes:
            if role == "edge":
                if chance.random() < 0.2:
                    continue
                start_time += chance.randrange(3) * READING_MS + 300
                end_time -= chance.randrange(2) * READING_MS
            readings = [at for at in range(NOW, NOW + READINGS * READING_MS, READING_MS) if start_time <= at < end_time]
            active = {at: chance.randrange(50) for at in readings}
            if end_time > start_time:
                own.append(Publish(f"{server}-{number}", start_time, end_time, active))
        servers_of_stream.append(Media(server, role, own))
    return servers_of_stream


def deliver(store: Store, history: list[Media], chance: random.Random, way: int) -> None:
    """Let the servers report their histories. In the first way each reports every reading, all in turn."""
    clock: Any = SimpleNamespace(clock=SimpleNamespace(now=ARRIVED))
    agents = {media.server: ReportingAgent(clock, media.server, media.role, life=media.server) for media in history}
    reported = {media.server: NOW for media in history}
    last = NOW + READINGS * READING_MS
    while waiting := [media for media in history if reported[media.server] < last]:
        media = min(waiting, key=lambda media: reported[media.server]) if way == 0 else chance.choice(waiting)
        after = reported[media.server]
        upto = after + READING_MS if way == 0 else min(last, after + chance.choice([1, 1, 2, 3, 9, 30]) * READING_MS)
        agent = agents[media.server]
        if not agent.epoch:
            agent.epoch, agent.based_on = 1, Based(0, 0)
        report = agent.report(*media.rows(after, upto), upto_ms=upto)
        with store.writing() as connection, connection.begin():
            assert isinstance(ingest_report(connection, report, b"", ARRIVED), Acknowledgement)
            check_maximum(connection)
        agent.acknowledged, agent.based_on = report.upto, None
        reported[media.server] = upto


def check_maximum(connection: Connection) -> None:
    """Compare each record's maximum with the one that the stored publishes and samples show."""
    watermarks = dict(connection.execute(select(servers.c.server, servers.c.watermark)).all())
    parts = connection.execute(select(server_sessions)).all()
    sampled = connection.execute(select(samples)).all()
    for record in connection.execute(select(usage)):
        own = [part for part in parts if (part.stream, part.session_start) == (record.stream, record.start_time)]
        sums: dict[int, int] = defaultdict(int)
        for server in {part.server for part in own}:
            began = max(record.start_time, slot_of(min(part.start_time for part in own if part.server == server)))
            ended = min(watermarks[server], max(part.end_time for part in own if part.server == server))
            for sample in sampled:
                if sample.server == server and began <= sample.slot <= ended - SLOT_MS:
                    sums[sample.slot] += sample.active
        assert record.max_subscribers == max([*sums.values(), *(part.highest for part in own)])


def arrive(path: str, seed: int, way: int) -> list[tuple[int, ...]]:
    """Return the figures of the records after a history has arrived in some way."""
    history = a_history(random.Random(seed))
    store = open_store(path, ARRIVED)
    try:
        deliver(store, history, random.Random(f"{seed} {way}"), way)
        with store.reading() as connection:
            columns = (
                usage.c.start_time, usage.c.end_time, usage.c.active_subscribers, usage.c.max_subscribers,
                usage.c.lost_subscribers, usage.c.total_subscribers, usage.c.live,
            )  # fmt: skip
            return [tuple(row) for row in connection.execute(select(*columns).order_by(usage.c.start_time))]
    finally:
        store.close()


@pytest.mark.parametrize("seed", range(SEEDS))
def test_figures_do_not_depend_on_the_order_of_arrival(seed: int, tmp_path: Any) -> None:
    first, *others = [arrive(f"sqlite:///{tmp_path}/{way}.db", seed, way) for way in range(WAYS)]
    assert first
    assert others == [first] * (WAYS - 1)


def test_sums_that_are_not_counted_as_slots_complete_are_missed(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    monkeypatch.setattr(ingest, "find_changed_sums", lambda *_: {})
    with pytest.raises(AssertionError):
        [arrive(f"sqlite:///{tmp_path}/{seed}.db", seed, 1) for seed in range(SEEDS)]
