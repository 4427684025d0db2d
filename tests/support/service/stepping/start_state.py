"""A small store with every kind of row that writes of several processes touch: an origin and two edges of one stream.

At `NOW` one edge has been silent for half an hour, another for a little longer than its figures may be old, and a
third has not reported yet. The day before yesterday is closed and adjusted. Yesterday is over: its hours are not
summed.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import msgspec
from sqlalchemy import Connection

from streamusage.api.report import (
    Acknowledgement,
    Based,
    EpochRequest,
    Refusal,
    Report,
    Role,
    SampleRow,
    SessionRow,
    SlotRow,
    ViewerRow,
)
from streamusage.core.days import zone
from streamusage.core.usage import SessionKey, StreamId, UsageRecord
from streamusage.service.accounting.closing import advance_accounting, is_accounting_due
from streamusage.service.ingest.reports import (
    apply_condition_changes,
    find_condition_changes,
    ingest_report,
    issue_epoch,
)
from streamusage.service.store.records import delete_session, import_records
from streamusage.service.store.store import Store
from tests.support.service.parties.reporting import ReportingAgent, Rows

SECOND, MINUTE, HOUR, DAY = 1_000, 60_000, 3_600_000, 86_400_000
TODAY = int(datetime(2026, 11, 18, tzinfo=UTC).timestamp() * 1000)
BEGAN = TODAY - 2 * DAY + 10 * HOUR
NOW = TODAY + 2 * HOUR + 30 * MINUTE
ZONES = (zone("UTC"),)
EDGE_TIMEOUT_MS = MINUTE
LONG_AGO = BEGAN - 60 * DAY

KEYNOTE = StreamId("live", "keynote")
"""The stream of all servers."""
REHEARSAL = StreamId("live", "rehearsal")
"""A stream of the origin and an edge that ended long ago."""
DELETED = StreamId("live", "deleted")
"""A stream whose record was deleted while it was live."""
EARLY = StreamId("live", "early")
"""A stream that an edge reports before its origin does."""
IMPORTED, FORGETTABLE = StreamId("vod", "imported"), StreamId("vod", "forgettable")

ORIGIN, SILENT_EDGE, LATE_EDGE, NEW_EDGE = "origin-1", "edge-1", "edge-2", "edge-3"


class StoreAgent:
    """An agent whose reports a test applies to a store, on a clock of its own."""

    def __init__(self, server: str, role: Role, life: str = "j1.1", epoch: int = 1) -> None:
        self._clock = SimpleNamespace(now=BEGAN)
        self._agent = ReportingAgent(SimpleNamespace(clock=self._clock), server, role, life)  # type: ignore[arg-type]
        self._agent.watermark = BEGAN
        self._agent.epoch = epoch
        self._agent.based_on = Based(0, 0, "")

    def make_report(self, upto_ms: int, *rows: Rows, based_on: Based | None = None) -> Report:
        """Return the next report. It covers the time up to an instant, when it is sent."""
        self._clock.now = upto_ms
        report = self._agent.report(*rows)
        return report if based_on is None else msgspec.structs.replace(report, based_on=based_on)

    def send(self, store: Store, upto_ms: int, *rows: Rows) -> None:
        """Apply the next report."""
        report = self.make_report(upto_ms, *rows)
        verdict = apply(store, lambda connection: ingest_report(connection, report, b"", upto_ms))
        assert isinstance(verdict, Acknowledgement), verdict
        self._agent.acknowledged, self._agent.based_on = verdict.acknowledged, None


def apply(store: Store, work: Callable[[Connection], Any]) -> Any:
    """Run a write by itself and return its result."""
    with store.writing() as connection, connection.begin():
        return work(connection)


def a_publish(publish_id: str, stream: StreamId, start_time: int, end_time: int, **figures: Any) -> SessionRow:
    values: dict[str, Any] = {"live": True, "active": 2, "highest": 3, "total": 5} | figures
    return SessionRow(
        publish_id=publish_id, revision=0, scope=stream.scope, name=stream.name, start_time=start_time,
        end_time=end_time, **values,
    )  # fmt: skip


def a_slot(slot: int, amount: int) -> SlotRow:
    """Return a slot with one protocol: the order of several in the bytes of a sum is that of the rows on the disk."""
    return SlotRow(slot=slot, revision=0, bytes_in=amount, bytes_out=7 * amount, connections={"rtmp": amount})


def a_sample(stream: StreamId, slot: int, active: int) -> SampleRow:
    return SampleRow(slot=slot, scope=stream.scope, name=stream.name, revision=0, active=active, highest=active + 1)


def a_viewer(viewer_id: str, started_at: int) -> ViewerRow:
    return ViewerRow(
        viewer_id=viewer_id, revision=0, open=True, scope="live", name="keynote", protocol="rtmp",
        started_at=started_at,
    )  # fmt: skip


def a_record(stream: StreamId, start_time: int) -> UsageRecord:
    return UsageRecord(
        name=stream.name, scope=stream.scope, start_time=start_time, end_time=start_time + 9_000, duration=9_000,
        active_subscribers=0, max_subscribers=2, lost_subscribers=4, total_subscribers=4, updated=start_time + 9_001,
    )  # fmt: skip


def settle_accounts(connection: Connection, now_ms: int) -> None:
    """Sum and close everything that is due."""
    while is_accounting_due(connection, ZONES, now_ms):
        advance_accounting(connection, ZONES, now_ms)


class StartState:
    """Fills an empty store. Its agents continue from there."""

    def __init__(self, store: Store) -> None:
        self.origin = StoreAgent(ORIGIN, "origin")
        self.silent_edge = StoreAgent(SILENT_EDGE, "edge")
        self.late_edge = StoreAgent(LATE_EDGE, "edge")
        self._store = store
        self._report_first_day()
        self._change_records()
        self._report_until_now()
        self.based_on = self._issue_epoch()

    def publish(self, agent: StoreAgent, end_time: int, **figures: Any) -> SessionRow:
        """Return the publish of the keynote on a server."""
        return a_publish("k", KEYNOTE, BEGAN if agent is self.origin else BEGAN + 900, end_time, **figures)

    def _report_first_day(self) -> None:
        agents = (self.origin, self.silent_edge, self.late_edge)
        for number, agent in enumerate(agents, start=1):
            at = BEGAN + 20 * SECOND  # its figures are not late
            rehearsal = a_publish("r", REHEARSAL, BEGAN, at)
            rows = [self.publish(agent, at), a_slot(BEGAN, 100 * number), a_sample(KEYNOTE, BEGAN, number)]
            if agent is not self.late_edge:
                rows += [rehearsal, a_sample(REHEARSAL, BEGAN, 1), a_publish("d", DELETED, BEGAN, at)]
            agent.send(self._store, at, *rows, a_viewer(f"v{number}", BEGAN), a_viewer(f"w{number}", BEGAN))
        for number, agent in enumerate(agents, start=1):
            at = BEGAN + 2 * HOUR
            ended = a_publish("r", REHEARSAL, BEGAN, at, live=False, active=0)
            rows = [self.publish(agent, at, total=9), a_slot(at - MINUTE, number)]
            agent.send(self._store, at, *rows, *([] if agent is self.late_edge else [ended]))
        for agent in agents:
            at = TODAY - DAY + 10 * MINUTE
            agent.send(self._store, at, self.publish(agent, at, total=11), a_slot(at - 20 * MINUTE, 5), a_slot(at, 6))
        apply(self._store, lambda connection: settle_accounts(connection, TODAY - DAY + 12 * MINUTE))

    def _change_records(self) -> None:
        at = TODAY - DAY + 15 * MINUTE

        def change(connection: Connection) -> None:
            import_records(connection, [a_record(FORGETTABLE, LONG_AGO)], "boss", LONG_AGO)
            delete_session(connection, SessionKey(*FORGETTABLE, LONG_AGO), "boss", LONG_AGO)
            import_records(connection, [a_record(IMPORTED, BEGAN)], "boss", at)
            delete_session(connection, SessionKey(*DELETED, BEGAN), "boss", at)

        apply(self._store, change)
        late = a_slot(BEGAN + 5 * MINUTE, 40)
        self.silent_edge.send(self._store, at, late, a_publish("d", DELETED, BEGAN, at, total=8))

    def _report_until_now(self) -> None:
        agents = (self.origin, self.silent_edge, self.late_edge)
        for agent in agents:
            at = TODAY - 6 * HOUR
            agent.send(self._store, at, a_slot(at - HOUR, 3), a_slot(at - 5 * HOUR, 4), self.publish(agent, at))
        for agent, at in zip(agents, (NOW - 10 * SECOND, NOW - 30 * MINUTE, NOW - 45 * SECOND), strict=True):
            slot = at - at % MINUTE
            rows = [self.publish(agent, at, total=20), a_slot(slot, 6), a_sample(KEYNOTE, slot, 2)]
            if agent is self.late_edge:
                rows += [a_publish("e", EARLY, at - MINUTE, at), a_sample(EARLY, slot, 2)]
            agent.send(self._store, at, *rows)
            if agent is self.silent_edge:
                self._observe_silence(at)

    def _observe_silence(self, since: int) -> None:
        at = since + 2 * MINUTE
        contradiction = self.silent_edge.make_report(since, a_slot(BEGAN, 1))

        def observe(connection: Connection) -> None:
            held = ingest_report(connection, contradiction, b"contradiction", at)
            assert isinstance(held, Refusal)
            assert held.reason == "held"
            changes = find_condition_changes(connection, at, EDGE_TIMEOUT_MS)
            apply_condition_changes(connection, changes, at)

        apply(self._store, observe)

    def _issue_epoch(self) -> Based:
        """Issue an epoch for a new journal of the late edge, and return what it is based on."""
        issued = apply(
            self._store, lambda connection: issue_epoch(connection, LATE_EDGE, EpochRequest(journal="j2"), NOW)
        )
        assert issued.epoch == 2
        return issued.based_on  # type: ignore[no-any-return]
