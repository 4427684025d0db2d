"""The simulator's service with its real store, on both engines, with rollbacks and restores of older copies."""

import shutil
from contextlib import suppress
from datetime import date
from pathlib import Path
from typing import Any

from msgspec.json import decode
from msgspec.structs import asdict, astuple
from sqlalchemy import select

from streamusage.api.daily import Percentile
from streamusage.api.report import EpochIssued, EpochRequest, OutageRow, Peak, PhaseChange, SampleRow, SlotRow
from streamusage.core.days import day_interval, day_of, zone
from streamusage.core.figures import SUM_NAMES
from streamusage.service.accounting.closing import advance_accounting, close_day_by_operator, is_accounting_due
from streamusage.service.accounting.hours import load_slots
from streamusage.service.errors import PartsPendingError, ServiceError
from streamusage.service.ingest.reports import apply_next_part, ingest_report, issue_epoch
from streamusage.service.queries.daily import list_daily_statistics
from streamusage.service.rules.apply import LateFigures, SampleKey, StoredSample, StoredSlot
from streamusage.service.rules.parts import split_report
from streamusage.service.rules.rollups import daily_figures, sum_rollups
from streamusage.service.rules.stream_slots import StoredStreams
from streamusage.service.store.engines.sqlite import connect_to_file
from streamusage.service.store.report_parts import encode_part
from streamusage.service.store.schema import (
    adjustments,
    metadata,
    outages,
    samples,
    server_sessions,
    slot_connections,
    slots,
    spans,
    stream_key,
    stream_slots,
)
from streamusage.service.store.server_rows import piece_of_row
from streamusage.service.store.server_states import load_state
from streamusage.service.store.store import Store as SqlStore
from streamusage.service.store.store import open_store
from streamusage.service.store.streams.stream_slots import decode_shares
from tests.faults.invariants import ZONES
from tests.faults.memory import SERVER
from tests.faults.simulator import MIDNIGHT, STREAMS, Message, Reply, Simulation

DAY_MS = 86_400_000
ACCOUNT_ZONES = [zone(name) for name in ZONES]


class StoreSimulation(Simulation):
    """A simulation whose service has a real store. A backup copies it, a restore replaces it with a copy."""

    def __init__(self, seed: int, url: str) -> None:
        self.url = url
        super().__init__(seed)
        self.sql = self._open()

    def _open(self) -> SqlStore:
        return open_store(self.url, self.now)

    def serve(self, message: Message) -> Reply:
        with self.sql.writing() as connection:
            transaction = connection.begin()
            if isinstance(message, EpochRequest):
                issued = issue_epoch(connection, SERVER, message, self.now)
                reply: Reply = issued if isinstance(issued, EpochIssued) else None
            else:
                in_parts = self.chance.happens("report accepted in parts", self.PARTS_CHANCE)
                parts = [encode_part(part) for part in split_report(message, self.now, 2)] if in_parts else []
                answer = ingest_report(connection, message, b"", self.now, parts)
                reply = None if isinstance(answer, PartsPendingError) else answer
            self.chance.crash("of the service before its commit")  # leaving the block rolls back
            transaction.commit()
        self.chance.crash("of the service after its commit")
        if self.random.random() < 0.3:
            self.close_days()
        if self.random.random() < 0.1:
            self.close_by_hand()
        return reply

    def apply_next_part(self) -> bool:
        with self.sql.writing() as connection:
            transaction = connection.begin()
            left = apply_next_part(connection, SERVER, self.now)
            self.chance.crash("of the service before a part's commit")
            transaction.commit()
        self.chance.crash("of the service after a part's commit")
        if self.random.random() < 0.3:
            self.close_days()
        return left > 0

    def close_by_hand(self) -> None:
        """Close a day by hand much too early, so that nearly all of its figures become adjustments."""
        tz = self.random.choice(ACCOUNT_ZONES)
        with self.sql.writing() as connection, connection.begin(), suppress(ServiceError):
            close_day_by_operator(
                connection, ACCOUNT_ZONES, tz, day_of(self.now, tz), None, "boss", -2 * DAY_MS, self.now
            )

    def close_days(self) -> None:
        """Sum up hours and close days, one transaction each, as the service does between reports."""
        while True:
            with self.sql.writing() as connection, connection.begin():
                if not is_accounting_due(connection, ACCOUNT_ZONES, self.now):
                    return
                advance_accounting(connection, ACCOUNT_ZONES, self.now)

    def run(self) -> Simulation:
        super().run()
        self._read_store()
        return self

    def _read_store(self) -> None:
        """Load the store for the invariants."""
        with self.sql.reading() as connection:
            self.store.state, _ = load_state(connection, SERVER)
            protocols: dict[tuple[int, int], dict[str, int]] = {}
            for row in connection.execute(select(slot_connections)):
                protocols.setdefault((row.epoch, row.slot), {})[row.protocol] = row.connections
            for row in connection.execute(select(slots)):
                peaks = {
                    name: Peak(bps, getattr(row, f"{name}_at"), getattr(row, f"{name}_window_ms"))
                    for name in ("peak_in", "peak_out")
                    if (bps := getattr(row, f"{name}_bps")) is not None
                }
                self.store.slots[row.epoch, row.slot] = StoredSlot(
                    SlotRow(
                        slot=row.slot,
                        revision=row.revision,
                        connections=protocols.get((row.epoch, row.slot), {}),
                        bytes_in=row.bytes_in,
                        bytes_out=row.bytes_out,
                        view_time_ms=row.view_time_ms,
                        **peaks,
                    ),
                    LateFigures(),
                )
            for row in connection.execute(select(server_sessions)):
                self.store.sessions[row.epoch, row.publish_id] = row
            for row in connection.execute(select(stream_slots)):
                shares = decode_shares(row.streams)
                self.store.streams[row.epoch, row.slot] = StoredStreams(row.slot, row.revision, shares)
            self.store.pieces = [piece_of_row(row) for row in connection.execute(select(spans))]
            streams = {stream_key("live", name): name for name in STREAMS}
            for row in connection.execute(select(samples)):
                sample = SampleRow(
                    slot=row.slot,
                    scope="live",
                    name=streams[row.stream],
                    revision=row.revision,
                    active=row.active,
                    highest=row.highest,
                )
                key = SampleKey(sample.slot, sample.scope, sample.name)
                self.store.samples[key] = StoredSample(row.epoch, sample, bool(row.late))
            for row in connection.execute(select(outages)):
                self.store.outages[row.from_ms] = OutageRow(
                    began_at=row.from_ms,
                    revision=0,
                    phases=tuple(decode(row.phases, type=list[PhaseChange])),
                    failed_attempts=row.failed_attempts,
                    error=row.error,
                    left_out=row.left_out,
                )


class SqliteSimulation(StoreSimulation):
    """A simulation whose service has an SQLite store."""

    def __init__(self, seed: int, directory: Path) -> None:
        self.path = directory / "usage.db"
        self.copies: list[Path] = []
        super().__init__(seed, f"sqlite:///{self.path}")

    def _back_up(self) -> None:
        copy = self.path.with_name(f"copy-{len(self.copies)}.db")
        connection = connect_to_file(self.path)
        connection.execute("VACUUM INTO ?", (str(copy),))
        connection.close()
        self.copies.append(copy)

    def _restore(self) -> None:
        if not self.copies:
            return
        self.restores += 1
        self.sql.close()
        for suffix in ("-wal", "-shm"):
            self.path.with_name(self.path.name + suffix).unlink(missing_ok=True)
        shutil.copy(self.random.choice(self.copies[-3:]), self.path)
        self.sql = self._open()


class PostgresqlSimulation(StoreSimulation):
    """A backup copies the rows of all tables, and a restore writes them in one transaction."""

    def __init__(self, seed: int, url: str) -> None:
        self.copies: list[dict[str, list[dict[str, Any]]]] = []
        super().__init__(seed, url)

    def _back_up(self) -> None:
        with self.sql.reading() as connection:
            tables = {table.name: connection.execute(select(table)).mappings() for table in metadata.sorted_tables}
            self.copies.append({name: list(map(dict, rows)) for name, rows in tables.items()})

    def _restore(self) -> None:
        if not self.copies:
            return
        self.restores += 1
        copy = self.random.choice(self.copies[-3:])
        with self.sql.writing() as connection, connection.begin():
            for table in metadata.sorted_tables:
                connection.execute(table.delete())
                if copy[table.name]:
                    connection.execute(table.insert(), copy[table.name])
        self.sql.close()
        self.sql = self._open()


def check_days(simulation: StoreSimulation) -> None:
    """Check that the service's daily statistics sum to its slots in every zone."""
    rows = [stored.row for stored in simulation.store.slots.values()]
    whole = (
        sum(sum(row.connections.values()) for row in rows),
        sum(row.bytes_in for row in rows),
        sum(row.bytes_out for row in rows),
        sum(row.view_time_ms for row in rows),
    )
    covered = sum(piece.to_ms - piece.from_ms for piece in simulation.store.pieces)
    with simulation.sql.reading() as connection:
        for name in ZONES:
            tz = zone(name)
            first, last = day_of(MIDNIGHT - 2 * DAY_MS, tz), day_of(MIDNIGHT + 2 * DAY_MS, tz)
            rows_of_days = list_daily_statistics(connection, first, last, tz, simulation.now, None).days
            days = [day.adjustment.figures if day.adjustment else day for day in rows_of_days]
            sums = tuple(sum(getattr(day, name) for day in days) for name in SUM_NAMES)
            assert sums == whole, f"seed {simulation.seed}, {name}: {sums} in days, {whole} in slots"
            assert sum(sum(astuple(day.coverage)) for day in days) == covered, f"{name}: coverage of the days"


def check_ledger(simulation: StoreSimulation) -> None:
    """Check that closed figures never changed, and that they equal the slots of the day after all adjustments."""
    simulation.close_days()
    with simulation.sql.reading() as connection:
        for tz in ACCOUNT_ZONES:
            first, last = day_of(MIDNIGHT - 2 * DAY_MS, tz), day_of(MIDNIGHT + 2 * DAY_MS, tz)
            for shown_day in list_daily_statistics(connection, first, last, tz, simulation.now, None, ZONES).days:
                interval = day_interval(date.fromisoformat(shown_day.day), tz)
                slots_of_day = load_slots(connection, [SERVER], interval).get(SERVER, [])
                rollup = sum_rollups(slot.figures for slot in slots_of_day)
                adjusted = shown_day.adjustment.figures if shown_day.adjustment else shown_day
                truth = daily_figures(rollup, adjusted.coverage, adjusted.percentile_95 or Percentile())
                label = f"seed {simulation.seed}, {tz.key}, {shown_day.day}"
                assert {name: getattr(adjusted, name) for name in truth.__struct_fields__} == asdict(truth), label
                entries = connection.execute(
                    select(adjustments).where(adjustments.c.tz == tz.key, adjustments.c.day == shown_day.day)
                ).all()
                moved = sum(decode(entry.difference)["bytes_out"] for entry in entries)
                assert shown_day.bytes_out + moved == truth.bytes_out, label
                assert shown_day.state != "final" or not entries
