"""Of every server and day: closed figures plus adjustments equal the slots, after every change and in any order.

Each seed is one history of reports, late reports, clocks that jump, closings, repairs and removals, on a real store.
"""

from collections import Counter
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from random import Random
from typing import Any

import msgspec
import pytest
from sqlalchemy import Connection, func, select

from streamusage.api.daily import DailyStatistics
from streamusage.api.report import (
    Acknowledgement,
    Based,
    Baseline,
    EpochRequest,
    PeakWindow,
    Refusal,
    Report,
    SlotRow,
    SpanRow,
    StreamSlotRow,
)
from streamusage.core.coverage import MOST_AHEAD_MS, SLOT_MS, Interval, slot_of
from streamusage.core.days import day_interval, day_of, zone
from streamusage.core.figures import SUM_NAMES
from streamusage.service.accounting.checks.stream_check import compare_stream_hours
from streamusage.service.accounting.closed_streams import load_closed_streams
from streamusage.service.accounting.closing import (
    advance_accounting,
    close_day_by_operator,
    is_accounting_due,
)
from streamusage.service.accounting.day_statistics import compute_day_statistics
from streamusage.service.accounting.hours import load_hours, load_slots
from streamusage.service.accounting.ledger import list_adjustments, load_closed_days
from streamusage.service.accounting.stream_days import load_stream_days
from streamusage.service.errors import ConflictError, ObjectNotFoundError
from streamusage.service.ingest.reports import ingest_report, issue_epoch
from streamusage.service.ingest.server_removal import remove_server
from streamusage.service.ingest.server_repair import repair_server
from streamusage.service.rules.rollups import roll_up_interval, sum_rollups
from streamusage.service.store.coverage_rows import load_covered_servers
from streamusage.service.store.engines.sqlite import sqlite_url
from streamusage.service.store.schema import closed_days, samples, servers, slots, spans, voids
from streamusage.service.store.store import Store, open_store

DAY = 86_400_000
HOUR = 3_600_000
BEGIN = 1_795_000_020_000
ZONES = [zone("UTC"), zone("Asia/Kolkata")]
NAMES = ("edge-1", "edge-2")
STEPS = 45
_MUTABLE = ("current", "entries", "adjusted_at", "current_streams")


class Reporter:
    """An agent that counts what it likes: rows of one epoch with totals that only grow."""

    def __init__(self, server: str, since: int) -> None:
        self.server = server
        self.journal = f"{server}-1"
        self.lives = 0
        self.epoch = 0
        self.based_on: Based | None = None
        self.revision = self.acknowledged = 0
        self.rows: dict[int, SlotRow] = {}
        self.streams: dict[int, dict[str, StreamSlotRow]] = {}
        """The parts of streams of each slot, by name. Some slots have none."""
        self.watermark = since
        self.counted: Counter[str] = Counter()
        """Everything that the service acknowledged."""

    def attach(self, connection: Connection, now_ms: int) -> None:
        issued = issue_epoch(connection, self.server, EpochRequest(journal=self.journal), now_ms)
        self.lives += 1
        self.epoch, self.based_on = issued.epoch, issued.based_on
        self.revision = self.acknowledged = 0
        self.rows, self.streams = {}, {}
        if issued.baseline is not None:
            self.watermark = issued.baseline.at

    def report(self, random: Random, upto_ms: int, late_slots: int, sent_at: int) -> tuple[Report, Counter[str]]:
        """Return a report that covers the time up to an instant, and the units that it adds."""
        upto_ms = max(upto_ms, self.watermark)
        first = slot_of(self.watermark)
        touched = {slot_of(random.randint(first, upto_ms)) for _ in range(2)}
        touched |= set(random.sample(sorted(self.rows), min(late_slots, len(self.rows))))
        added: Counter[str] = Counter()
        changed: list[SlotRow] = []
        of_streams: list[StreamSlotRow] = []
        for slot in sorted(touched):
            self.revision += 1
            old = self.rows.get(slot, SlotRow(slot=slot, revision=0))
            more = {"connections": random.randrange(3), "bytes_out": random.randrange(100), "view_time_ms": slot % 7}
            protocol = random.choice(("rtmp", "hls"))
            connections = dict(old.connections)
            connections[protocol] = connections.get(protocol, 0) + more["connections"]
            self.rows[slot] = msgspec.structs.replace(
                old,
                revision=self.revision,
                connections=connections,
                bytes_out=old.bytes_out + more["bytes_out"],
                view_time_ms=old.view_time_ms + more["view_time_ms"],
            )
            added.update(more)
            changed.append(self.rows[slot])
            of_streams += self._deal(random, slot, more)
        self.revision += 1
        span = SpanRow(from_ms=self.watermark, to_ms=upto_ms, revision=self.revision, state="counted")
        return (
            Report(
                server=self.server,
                role="standalone",
                life=f"{self.journal}.{self.lives}",
                epoch=self.epoch,
                since=self.acknowledged,
                upto=self.revision,
                sent_at=sent_at,
                sync_interval_ms=10_000,
                baseline=Baseline(
                    at=upto_ms, boot="b", started_at=0, since=0, bytes_in=0, bytes_out=0, window=PeakWindow(0, 0, 0)
                ),
                based_on=self.based_on,
                slots=tuple(changed),
                stream_slots=tuple(of_streams),
                spans=(span,) if upto_ms > self.watermark else (),
            ),
            added,
        )

    def _deal(self, random: Random, slot: int, more: dict[str, int]) -> list[StreamSlotRow]:
        """Deal units of a slot over two streams, with a rest, and return all streams of the slot."""
        streams = dict(self.streams.get(slot, {}))
        for name in random.choice(((), ("a",), ("a", "b"))):
            old = streams.get(name, StreamSlotRow(slot=slot, scope="live", name=name, revision=0))
            part = {figure: getattr(old, figure) + units // 3 for figure, units in more.items()}
            streams[name] = msgspec.structs.replace(old, **part, traffic=random.choice(("measured", "apportioned")))
        self.streams[slot] = {
            name: msgspec.structs.replace(row, revision=self.revision) for name, row in streams.items()
        }
        return list(self.streams[slot].values())


class History:
    """One history; `now` is the true time, and the service's clock is `now + ahead`."""

    def __init__(self, seed: int, store: Store) -> None:
        self.random = Random(seed)
        self.store = store
        self.now = BEGIN
        self.ahead = 0
        self.reporters = {name: Reporter(name, BEGIN) for name in NAMES}
        self.closed: dict[tuple[Any, ...], Any] = {}
        """Every closing as it was when it was seen first."""
        self.happened: Counter[str] = Counter()

    @property
    def wall(self) -> int:
        return self.now + self.ahead

    def step(self) -> None:
        steps: list[tuple[Callable[[Connection], None], int]] = [
            (self.pass_time, 4),
            (self.report, 8),
            (self.jump, 2),
            (self.close, 4),
            (self.close_by_operator, 1),
            (self.repair, 3),
            (self.remove, 1),
        ]
        work = self.random.choices([each for each, _ in steps], [weight for _, weight in steps])[0]
        self.happened[work.__name__] += 1
        with self.store.writing() as connection, connection.begin():
            work(connection)
        with self.store.reading() as connection:
            self.check(connection)

    def pass_time(self, _connection: Connection) -> None:
        self.now += self.random.choice((20_000, 20 * SLOT_MS, 5 * HOUR, DAY))

    def jump(self, _connection: Connection) -> None:
        self.ahead = 0 if self.ahead else self.random.choice((10 * SLOT_MS, 3 * HOUR, 3 * DAY, 12 * DAY))

    def report(self, connection: Connection) -> None:
        reporter = self.reporters[self.random.choice(NAMES)]
        for _ in range(3):
            if not reporter.epoch:
                reporter.attach(connection, self.wall)
            kept = dict(reporter.rows), dict(reporter.streams), reporter.revision
            report, added = reporter.report(self.random, self.wall, self.random.randrange(3), self.wall)
            reply = ingest_report(connection, report, msgspec.json.encode(report), self.wall)
            if isinstance(reply, Acknowledgement):
                reporter.acknowledged, reporter.based_on = reply.acknowledged, None
                reporter.watermark = max(reporter.watermark, report.baseline.at)
                reporter.counted.update(added)
                return
            assert isinstance(reply, Refusal)
            if reply.reason == "clock":  # figures in the future are refused until the server is repaired
                reporter.rows, reporter.streams, reporter.revision = kept
                self.happened["clock refused"] += 1
                return
            assert reply.reason in ("sealed", "stale"), reply
            self.happened["sealed"] += 1
            reporter.epoch = 0
        raise AssertionError("no acknowledgement after three reports")

    def close(self, connection: Connection) -> None:
        while is_accounting_due(connection, ZONES, self.wall):
            advance_accounting(connection, ZONES, self.wall)

    def close_by_operator(self, connection: Connection) -> None:
        tz = self.random.choice(ZONES)
        day = day_of(self.wall, tz) - timedelta(days=self.random.randrange(1, 3))
        try:
            close_day_by_operator(connection, ZONES, tz, day, self.random.choice((None, *NAMES)), "boss", 0, self.wall)
        except (ConflictError, ObjectNotFoundError):
            self.happened["not closed"] += 1

    def repair(self, connection: Connection) -> None:
        self.ahead = 0
        name = self.random.choice(NAMES)
        try:
            done = repair_server(connection, name, "boss", self.now)
        except ObjectNotFoundError:
            return
        self.happened["repaired"] += done.needed
        self.happened["voids"] += len(done.voids)
        row = connection.execute(select(servers).where(servers.c.server == name)).one()
        limit = self.now + MOST_AHEAD_MS
        for at in (row.watermark, row.since, row.last_sync_at, row.closed_to):
            assert at is None or at <= limit, f"{name} still has {at} after {self.now}"
        for table in (slots, samples):
            newest = connection.execute(select(func.max(table.c.slot)).where(table.c.server == name)).scalar()
            assert newest is None or newest <= limit
        pieces = connection.execute(select(spans).where(spans.c.server == name).order_by(spans.c.from_ms)).all()
        if done.needed and pieces:
            assert pieces[-1].to_ms == row.watermark

    def remove(self, connection: Connection) -> None:
        try:
            remove_server(connection, self.random.choice(NAMES), "boss", self.wall, force=self.random.random() < 0.3)
        except (ConflictError, ObjectNotFoundError):
            self.happened["not removed"] += 1

    def check(self, connection: Connection) -> None:
        self._check_units(connection)
        self._check_hours(connection)
        self._check_stream_hours(connection)
        self._check_closed_rows(connection)
        for tz in ZONES:
            self._check_days(connection, tz)
        for name in NAMES:
            position = None
            for piece in connection.execute(select(spans).where(spans.c.server == name).order_by(spans.c.from_ms)):
                assert position is None or piece.from_ms >= position, f"coverage of {name} overlaps at {piece.from_ms}"
                position = piece.to_ms

    def _check_units(self, connection: Connection) -> None:
        rows = load_slots(connection, NAMES, Interval(0, 2**53))
        for name, reporter in self.reporters.items():
            figures = sum_rollups([row.figures for row in rows.get(name, [])])
            found = {
                "connections": sum(figures.connections.values()),
                "bytes_out": figures.bytes_out,
                "view_time_ms": figures.view_time_ms,
            }
            expected = {each: reporter.counted[each] for each in found}
            assert found == expected, f"{name} has {found}, acknowledged were {expected}"

    def _check_hours(self, connection: Connection) -> None:
        window = Interval(BEGIN - BEGIN % DAY, BEGIN - BEGIN % DAY + 120 * DAY)
        rows = connection.execute(select(servers.c.server, servers.c.summed_to)).all()
        summed = load_hours(connection, window, {row.server: row.summed_to for row in rows}, None)
        for name, slots_of_server in load_slots(connection, NAMES, window).items():
            whole, _ = roll_up_interval(summed[name], window)
            counted = sum_rollups([row.figures for row in slots_of_server])
            assert whole == counted, f"the hours of {name} have {whole}, its slots {counted}"

    def _check_stream_hours(self, connection: Connection) -> None:
        for row in connection.execute(select(servers.c.server, servers.c.summed_to)).all():
            hours, wrong = compare_stream_hours(connection, row.server, Interval(0, row.summed_to))
            assert not wrong
            self.happened["hours by stream"] += hours

    def _check_closed_rows(self, connection: Connection) -> None:
        found = {}
        for row in connection.execute(select(closed_days)):
            fixed = {name: value for name, value in row._mapping.items() if name not in _MUTABLE}
            found[row.tz, row.day, row.server, row.revision] = fixed
        for key, before in self.closed.items():
            assert found[key] == before, f"the closing {key} changed"
        self.closed = found
        void = {
            tuple(row) for row in connection.execute(select(voids.c.tz, voids.c.day, voids.c.server, voids.c.revision))
        }
        assert void <= found.keys(), "a void entry names no closing"
        counts = Counter(key[:3] for key in found.keys() - void)
        assert max(counts.values(), default=1) == 1, "a day has two closings that count"

    def _check_days(self, connection: Connection, tz: Any) -> None:
        first, last = day_of(BEGIN - DAY, tz), day_of(BEGIN + 120 * DAY, tz)
        entries: dict[tuple[str, str], Counter[str]] = {}
        for entry in list_adjustments(connection, tz, first, last, None, self.wall).adjustments:
            if not entry.void_revision:
                of_day = entries.setdefault((entry.day, entry.server), Counter())
                of_day.update({name: getattr(entry, name) for name in SUM_NAMES})
        for closed in load_closed_days(connection, tz, first, last, None):
            row = closed.statistics
            interval = day_interval(first.fromisoformat(row.day), tz)
            items = load_covered_servers(connection, *interval, self.wall, [row.server])
            present = compute_day_statistics(connection, items, interval)[row.server].figures
            self._check_streams(connection, tz, row, {row.server: items[0].state.summed_to})
            moved = entries.get((row.day, row.server), Counter())
            for name in SUM_NAMES:
                billed = getattr(row, name) + moved[name]
                assert billed == getattr(present, name), (
                    f"{name} of {row.server} on {row.day} {tz.key}: closed and adjusted {billed}, "
                    f"slots {getattr(present, name)}"
                )

    def _check_streams(self, connection: Connection, tz: Any, row: DailyStatistics, summed_to: dict[str, int]) -> None:
        """Check that the closed sums by stream and what is stored as present are those of the slots."""
        assert row.closed is not None
        day = date.fromisoformat(row.day)
        kept = load_closed_streams(connection, tz, day, [row.closed.revision])[row.server]
        present = load_stream_days(connection, summed_to, day_interval(day, tz), with_minutes=False)[row.server]
        stored = kept.closed if kept.current is None else kept.current
        assert {stream: part[:2] for stream, part in stored.items()} == {
            stream: part[:2] for stream, part in present.items()
        }, f"{row.server} on {row.day} {tz.key} has other figures by stream than its slots"
        self.happened["changed by stream"] += kept.current is not None


@pytest.mark.parametrize("seed", range(12))
def test_closed_figures_and_adjustments_equal_the_slots(seed: int, tmp_path: Path) -> None:
    store = open_store(sqlite_url(tmp_path / "usage.db"), BEGIN)
    history = History(seed, store)
    try:
        for _ in range(STEPS):
            history.step()
    except AssertionError as error:
        raise AssertionError(f"seed {seed}: {error}; so far {dict(history.happened)}") from error
    finally:
        store.close()
