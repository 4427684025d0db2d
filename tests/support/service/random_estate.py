"""A random estate that reports for weeks to one store or to several alike, and everything that a store answers of it.

Its servers are late, silent, removed and discovered late; figures lie in the minutes around midnights of its zones.
"""

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, date, datetime
from random import Random
from typing import Any

import msgspec
from sqlalchemy import Connection

from streamusage.api.report import (
    Acknowledgement,
    Based,
    Baseline,
    EpochRequest,
    Peak,
    PeakWindow,
    Report,
    SlotRow,
    SpanRow,
    StreamSlotRow,
)
from streamusage.core.coverage import SLOT_MS, Interval, slot_of
from streamusage.core.days import day_interval, day_of, days_between, zone
from streamusage.service.accounting.closing import advance_accounting, is_accounting_due
from streamusage.service.accounting.corrections import APPROVAL_BY_SECOND_TOKEN, propose_late_arrivals
from streamusage.service.accounting.ledger import list_adjustments
from streamusage.service.ingest.reports import ingest_report, issue_epoch
from streamusage.service.queries.coverage import list_coverage
from streamusage.service.queries.daily import list_daily_statistics
from streamusage.service.queries.daily_sums import list_daily_sums
from streamusage.service.rules.customers import CustomerRules, DatedRule
from streamusage.service.store.engines import ENGINES
from streamusage.service.store.store import Store

DAY = 86_400_000
HOUR = 3_600_000
BEGIN = int(datetime(2026, 10, 20, 7, 13, tzinfo=UTC).timestamp() * 1000)
"""The summer time of St. John's ends in the second week."""
ZONES = [zone("UTC"), zone("Asia/Kolkata"), zone("America/St_Johns")]
"""The account zones."""
OTHER_ZONES = [zone("Asia/Kathmandu"), zone("Pacific/Auckland")]
CUSTOMERS = CustomerRules([DatedRule(name="Acme", streams=("live/a",)), DatedRule(name="Beta", scopes=("vod",))])
STREAMS = (("live", "a"), ("live", "b"), ("vod", "a/c"))
KEPT_BY_AGENT_MS = 7 * DAY
"""How far before its acknowledged figures an agent changes others."""


class RandomAgent:
    """An agent that counts what it likes: rows of one epoch with totals that only grow."""

    def __init__(self, server: str, since: int) -> None:
        self.server = server
        self.watermark = since
        self.epoch = self.revision = self.acknowledged = 0
        self.based_on: Based | None = None
        self.rows: dict[int, SlotRow] = {}
        self.streams: dict[int, dict[tuple[str, str], StreamSlotRow]] = {}

    def report(self, random: Random, upto_ms: int, late_slots: int = 0) -> Report:
        """Return a report that covers the time up to an instant, and changes a number of earlier slots."""
        new = Interval(self.watermark, upto_ms)
        touched = {slot_of(random.randint(*new)) for _ in range(3)} | set(_edges(random, new))
        kept = range(slot_of(self.watermark - KEPT_BY_AGENT_MS) + SLOT_MS, self.watermark, SLOT_MS)
        known = [slot for slot in self.rows if slot in kept]
        touched |= set(random.sample(known, min(late_slots, len(known))))
        touched |= {random.choice(kept) for _ in range(late_slots // 2)} if known else set()
        slots, streams = [], []
        for slot in sorted(touched):
            self.revision += 1
            more = {name: random.randrange(10_000) for name in ("bytes_in", "bytes_out", "view_time_ms")}
            self.rows[slot] = self.grow(random, slot, more)
            slots.append(self.rows[slot])
            streams += self._deal(random, slot, more)
        self.revision += 1
        state = random.choices(("counted", "partial", "lost"), (8, 1, 1))[0]
        reason = "" if state == "counted" else "restart"
        span = SpanRow(
            from_ms=new.from_ms,
            to_ms=new.to_ms,
            revision=self.revision,
            state=state,  # type: ignore[arg-type]
            reason=reason,
        )
        return Report(
            server=self.server,
            role=random.choice(("origin", "edge")),
            life=f"{self.server}.1",
            epoch=self.epoch,
            since=self.acknowledged,
            upto=self.revision,
            sent_at=upto_ms,
            sync_interval_ms=10_000,
            baseline=Baseline(
                at=upto_ms, boot="b", started_at=0, since=0, bytes_in=0, bytes_out=0, window=PeakWindow(0, 0, 0)
            ),
            based_on=self.based_on,
            slots=tuple(slots),
            stream_slots=tuple(streams),
            spans=(span,) if new.length_ms else (),
        )

    def grow(self, random: Random, slot: int, more: dict[str, int]) -> SlotRow:
        """Return the next revision of a slot, with more units."""
        old = self.rows.get(slot, SlotRow(slot=slot, revision=0))
        protocol = random.choice(("rtmp", "hls"))
        peaks = [
            Peak(random.randrange(1_000_000), slot + random.randrange(SLOT_MS), 10_000)
            if random.random() < 0.7
            else None
            for _ in range(2)
        ]
        return msgspec.structs.replace(
            old,
            revision=self.revision,
            connections=old.connections | {protocol: old.connections.get(protocol, 0) + random.randrange(3)},
            peak_in=peaks[0],
            peak_out=peaks[1],
            **{name: getattr(old, name) + units for name, units in more.items()},
        )

    def _deal(self, random: Random, slot: int, more: dict[str, int]) -> list[StreamSlotRow]:
        """Deal units of a slot over some streams, with a rest, and return all streams of the slot."""
        streams = dict(self.streams.get(slot, {}))
        for scope, name in random.sample(STREAMS, random.randrange(3)):
            old = streams.get((scope, name), StreamSlotRow(slot=slot, scope=scope, name=name, revision=0))
            part = {figure: getattr(old, figure) + units // 3 for figure, units in more.items()}
            traffic = random.choice(("measured", "apportioned"))
            streams[scope, name] = msgspec.structs.replace(old, **part, traffic=traffic)
        self.streams[slot] = {key: msgspec.structs.replace(row, revision=self.revision) for key, row in streams.items()}
        return list(self.streams[slot].values())


def _edges(random: Random, new: Interval) -> Iterator[int]:
    """Yield minutes beside midnights of the zones, in an interval, and beside one of its hours."""
    for tz in (*ZONES, *OTHER_ZONES):
        midnight = day_interval(day_of(new.to_ms, tz), tz).from_ms
        yield from (at for at in (midnight - SLOT_MS, midnight) if new.from_ms <= at < new.to_ms - SLOT_MS)
    hour = random.randint(*new) // HOUR * HOUR
    yield from (at for at in (hour - SLOT_MS, hour) if new.from_ms <= at < new.to_ms - SLOT_MS)


class RandomEstate:
    """Servers that report to all of these stores alike."""

    def __init__(self, seed: int, stores: Sequence[Store]) -> None:
        self.random = Random(seed)
        self.stores = stores
        self.now = BEGIN
        self.agents: dict[str, RandomAgent] = {}

    def write(self, work: Callable[[Connection], Any]) -> list[Any]:
        """Do the same in each store."""
        results = []
        for store in self.stores:
            with store.writing() as connection, connection.begin():
                results.append(work(connection))
        return results

    def report(self, server: str, late_slots: int = 0, since: int | None = None) -> None:
        """Report everything of a server up to now; its first report covers the time from `since` on."""
        agent = self.agents.setdefault(server, RandomAgent(server, self.now if since is None else since))
        if not agent.epoch:
            (issued, *_) = self.write(
                lambda connection: issue_epoch(connection, server, EpochRequest(journal=server), self.now)
            )
            agent.epoch, agent.based_on = issued.epoch, issued.based_on
        report = agent.report(self.random, self.now, late_slots)
        body = msgspec.json.encode(report)
        for reply in self.write(lambda connection: ingest_report(connection, report, body, self.now)):
            assert isinstance(reply, Acknowledgement), reply
        agent.acknowledged, agent.based_on, agent.watermark = report.upto, None, report.baseline.at

    def pass_days(self, days: int, reporting: Sequence[str]) -> None:
        """Let time pass in which these servers report about twice a day, some of it late, and days are closed."""
        ends = self.now + days * DAY
        while self.now < ends:
            self.now += self.random.randrange(3 * HOUR, 16 * HOUR)
            for server in reporting:
                if self.random.random() < 0.8:
                    self.report(server, self.random.choice((0, 0, 3)))
            self.settle()

    def settle(self) -> None:
        """Create partitions, sum hours, close days and propose corrections."""

        def settle(connection: Connection) -> None:
            ENGINES[connection.dialect.name].create_partitions(connection, self.now)
            while is_accounting_due(connection, ZONES, self.now):
                advance_accounting(connection, ZONES, self.now, customers=CUSTOMERS)
            propose_late_arrivals(connection, APPROVAL_BY_SECOND_TOKEN, self.now)

        self.write(settle)


def read_days(store: Store, now_ms: int) -> dict[str, Any]:
    """Return the days of all servers in account zones and in others, and adjustments, as the API answers them."""
    found: dict[str, Any] = {}
    names = [tz.key for tz in ZONES]
    with store.reading() as connection:
        for tz in (*ZONES, *OTHER_ZONES):
            first, last = day_of(BEGIN - DAY, tz), day_of(now_ms, tz)
            days = list_daily_statistics(connection, first, last, tz, now_ms, None, names)
            found[f"days {tz.key}"] = msgspec.json.decode(msgspec.json.encode(days))
            adjusted = list_adjustments(connection, tz, first, last, None, now_ms)
            found[f"adjustments {tz.key}"] = msgspec.json.decode(msgspec.json.encode(adjusted))
    return found


GROUPINGS = (
    ("month", "all"), ("month", "stream"), ("day", "server"), ("day", "all"), ("month", "role"), ("day", "stream"),
    ("month", "scope"), ("day", "customer"),
)  # fmt: skip
"""Periods and groups of sums; the first two contain all figures."""


def read_sums(
    store: Store, now_ms: int, first: date, last: date, zones: Sequence[Any], groupings: Sequence[tuple[str, str]]
) -> dict[str, Any]:
    """Return the sums of these days in these zones."""
    found: dict[str, Any] = {}
    names = [tz.key for tz in ZONES]
    with store.reading() as connection:
        for tz in zones:
            for by, group in groupings:
                sums = list_daily_sums(connection, first, last, tz, now_ms, None, names, by, group, customers=CUSTOMERS)
                found[f"{by} {group} {tz.key}"] = msgspec.json.decode(msgspec.json.encode(sums))
    return found


def read_coverage(store: Store, now_ms: int) -> dict[str, list[dict[str, Any]]]:
    """Return the spans of all servers, by server."""
    with store.reading() as connection:
        coverage = list_coverage(connection, Interval(BEGIN - 60 * DAY, now_ms), now_ms, None)
    answer = msgspec.json.decode(msgspec.json.encode(coverage))
    return {server["server"]: server["spans"] for server in answer["servers"]}


def days_of(now_ms: int, tz: Any) -> list[date]:
    """Return the days of the estate in a zone that are over."""
    return list(days_between(day_of(BEGIN, tz), day_of(now_ms, tz)))[:-1]
