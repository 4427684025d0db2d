"""Minutes are folded to hours and hours to UTC days, and no figure that can still be read changes.

Each seed is an estate on two stores: one that folds, and one that keeps everything.
"""

import asyncio
import os
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import date, timedelta
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import msgspec
import pytest
from sqlalchemy import Connection, func, select

from streamusage.api.report import Acknowledgement, Refusal
from streamusage.core.coverage import SLOT_MS
from streamusage.core.days import day_interval, day_of, days_between
from streamusage.evidence.statement import to_bytes
from streamusage.service.accounting.checks.verification import verify_store
from streamusage.service.accounting.closing import advance_accounting, close_day_by_operator, is_accounting_due
from streamusage.service.accounting.folding import load_kept_from
from streamusage.service.accounting.ledger import load_closed_days
from streamusage.service.errors import DiscardedHoursError
from streamusage.service.ingest.reports import ingest_report
from streamusage.service.ingest.server_removal import remove_server
from streamusage.service.queries.daily import list_daily_statistics
from streamusage.service.queries.statement import NotFinalError, compose_statement
from streamusage.service.retention import Discarded, Retention, discard_rows
from streamusage.service.rules.folding import HOURS_AHEAD_MS, KeptFrom
from streamusage.service.store.engines import ENGINES
from streamusage.service.store.engines.locks import WHOLE_STORE, LockSet
from streamusage.service.store.engines.sqlite import sqlite_url
from streamusage.service.store.schema import hours, slot_connections, slots, stream_hours, stream_slots
from streamusage.service.store.store import Store, open_store
from tests.support.service.random_estate import (
    BEGIN,
    DAY,
    GROUPINGS,
    HOUR,
    OTHER_ZONES,
    ZONES,
    RandomEstate,
    read_coverage,
    read_days,
    read_sums,
)

Result = TypeVar("Result")


class Days(NamedTuple):
    """How many days pass, and are kept."""

    by_agent: int
    minutes: int
    hours: int
    used: int
    """Of an estate before anything is folded."""
    used_more: int
    discarded: int
    """After which sums of UTC days are discarded."""
    stages: tuple[int, int, int, int]
    """Of an estate that is folded several times."""


DAYS = Days(3, 5, 7, used=10, used_more=6, discarded=12, stages=(3, 8, 5, 7))
if os.environ.get("STREAMTOP_FOLDING_LONG") == "1":
    DAYS = Days(7, 9, 12, used=16, used_more=9, discarded=20, stages=(4, 14, 9, 12))
KEPT_BY_AGENT_MS = DAYS.by_agent * DAY
REVISED_MS = KEPT_BY_AGENT_MS + DAY
FOLDING = Retention(minute_statistics_days=DAYS.minutes, hour_statistics_days=DAYS.hours)
SEEDS = range(int(os.environ.get("STREAMTOP_FOLDING_SEEDS", "1")))
MINUTES = (slots.c.slot, slot_connections.c.slot, stream_slots.c.slot)


class KilledError(Exception):
    """The process ended between two writes."""


class KillableAccess:
    """Access to a store that ends after a number of writes."""

    def __init__(self, store: Store, writes: int | None = None) -> None:
        self._store = store
        self.left = writes

    async def read(self, work: Callable[[Connection], Result]) -> Result:
        with self._store.reading() as connection:
            return work(connection)

    async def write(self, work: Callable[[Connection], Result], locks: LockSet = WHOLE_STORE) -> Result:
        if self.left == 0:
            raise KilledError
        with self._store.writing() as connection, connection.begin():
            result = work(connection)
        self.left = None if self.left is None else self.left - 1
        return result


@pytest.fixture(autouse=True)
def revised(monkeypatch: pytest.MonkeyPatch) -> None:
    """Agents of these estates change figures of few days at most, so that weeks are enough."""
    monkeypatch.setattr("tests.support.service.random_estate.KEPT_BY_AGENT_MS", KEPT_BY_AGENT_MS)
    monkeypatch.setattr("streamusage.service.rules.folding.REVISED_MS", REVISED_MS)


@pytest.fixture
def plain(tmp_path: Path) -> Iterator[Store]:
    """A store that keeps everything."""
    with closing(open_store(sqlite_url(tmp_path / "plain.db"), BEGIN)) as store:
        yield store


@pytest.fixture
def folded(tmp_path: Path) -> Iterator[Store]:
    """A store that folds."""
    with closing(open_store(sqlite_url(tmp_path / "folded.db"), BEGIN)) as store:
        yield store


@pytest.fixture
def of_each_engine(store_url: str) -> Iterator[Store]:
    """A store that folds, of each engine."""
    with closing(open_store(store_url, BEGIN)) as store:
        yield store


def fold(store: Store, now_ms: int, retention: Retention = FOLDING, **options: Any) -> Discarded:
    return asyncio.run(discard_rows(KillableAccess(store), retention, now_ms, zones=ZONES, **options))


def limits(store: Store) -> dict[str, KeptFrom]:
    with store.reading() as connection:
        return load_kept_from(connection)


def statements(store: Store, now_ms: int) -> list[bytes]:
    """Return the statement of all closed days of each zone."""
    found = []
    with store.reading() as connection:
        for tz in ZONES:
            first, last = day_of(BEGIN, tz), day_of(now_ms, tz) - timedelta(days=2)
            names = [each.key for each in ZONES]
            found.append(to_bytes(compose_statement(connection, first, last, tz, None, names, None, now_ms)))
    return found


def visible(store: Store, now_ms: int, hours_from: int, *, everything: bool) -> dict[str, Any]:
    """Return the figures that can be read of a store whose hours are kept from an instant on: each, or each sum
    once only.
    """
    groupings = GROUPINGS if everything else GROUPINGS[:2]
    first, last = day_of(BEGIN, ZONES[0]), day_of(now_ms, ZONES[0]) - timedelta(days=2)
    found = read_days(store, now_ms) | read_sums(store, now_ms, first, last, ZONES if everything else (), groupings)
    for tz in OTHER_ZONES if everything else OTHER_ZONES[:1]:
        first = max(day_of(hours_from, tz) + timedelta(days=1), day_of(BEGIN, tz))
        found |= read_sums(store, now_ms, first, day_of(now_ms, tz), [tz], groupings)
    return found


def known_deltas(store: Store, now_ms: int, kept_from: dict[str, KeptFrom]) -> dict[str, Any]:
    """Return the spans of all servers, with nothing recovered where they begin before minutes are kept."""
    found = read_coverage(store, now_ms)
    for server, spans in found.items():
        for span in spans:
            if server in kept_from and span["from"] < kept_from[server].minutes:
                span["delta"] = None
    return found


def assert_same(plain: Store, folded: Store, now_ms: int, *, everything: bool = False) -> None:
    kept_from = limits(folded)
    hours_from = max((limit.hours for limit in kept_from.values()), default=0)
    expected = visible(plain, now_ms, hours_from, everything=everything)
    found = visible(folded, now_ms, hours_from, everything=everything)
    assert {name for name, answer in found.items() if answer != expected[name]} == set()
    assert read_coverage(folded, now_ms) == known_deltas(plain, now_ms, kept_from)
    wrong = [
        difference
        for result in verify_store(folded, now_ms, lambda _what, _done, _total: None)
        for difference in result.differences
    ]
    assert wrong == []


def assert_discarded(store: Store, server: str, limit: KeptFrom) -> None:
    """Check that no row is left that is folded, and that partitions which were folded whole are gone."""
    with store.reading() as connection:
        for time in (*MINUTES, hours.c.hour, stream_hours.c.hour):
            oldest = select(func.min(time)).where(time.table.c.server == server)
            expected = limit.minutes if time in MINUTES else limit.hours
            waits = ENGINES[connection.dialect.name].list_partitions(connection, time.table.name)
            expected = max((each.from_ms for each in waits if each.from_ms <= expected), default=expected)
            assert (connection.execute(oldest).scalar() or expected) >= expected, time


@pytest.mark.parametrize("seed", SEEDS)
def test_no_figure_changes_while_minutes_and_hours_are_folded(seed: int, plain: Store, of_each_engine: Store) -> None:
    print(f"seed {seed}")
    folded = of_each_engine
    estate = RandomEstate(seed, [plain, folded])
    regular = ("edge-1", "edge-2")
    until_removal, until_folding, silence, until_end = DAYS.stages
    for server in (*regular, "silent", "removed"):
        estate.report(server)
    estate.pass_days(until_removal, (*regular, "silent", "removed"))
    removed_from = estate.agents["removed"].watermark
    estate.now += HOUR
    estate.write(lambda connection: remove_server(connection, "removed", "boss", estate.now, force=False))
    estate.pass_days(until_folding, (*regular, "silent"))
    before = read_days(folded, estate.now), statements(folded, estate.now)
    first = fold(folded, estate.now)
    assert first.by_folding["hours"] > 0
    with folded.reading() as connection:
        is_divided = bool(ENGINES[connection.dialect.name].list_partitions(connection, slots.name))
    assert is_divided == (first.by_folding["slots"] == 0), "they wait for their partition where there is one"
    assert_same(plain, folded, estate.now)
    assert (read_days(folded, estate.now), statements(folded, estate.now)) == before
    estate.pass_days(silence, regular)  # the days of the silent server stay open
    waiting = fold(folded, estate.now)
    assert waiting.kept_from.minutes < estate.agents["silent"].watermark
    assert_same(plain, folded, estate.now)
    estate.report("silent", 6)
    estate.report("removed", 6)  # with the figures that it owed since it was removed
    estate.report("new", since=estate.now - DAYS.discarded * DAY)
    estate.settle()
    fold(folded, estate.now)
    assert_same(plain, folded, estate.now)
    estate.pass_days(until_end, (*regular, "removed", "new"))
    for tz in ZONES:
        for number in range(until_end + 2, 2, -1):  # an operator closes what the silent server owes
            day = day_of(estate.now, tz) - timedelta(days=number)
            estate.write(
                lambda connection, day=day, tz=tz: close_day_by_operator(  # type: ignore[misc]
                    connection, ZONES, tz, day, "silent", "boss", 0, estate.now
                )
            )
    estate.settle()
    fold(folded, estate.now)
    assert_same(plain, folded, estate.now)
    kept = limits(folded)
    assert kept["silent"].minutes <= estate.agents["silent"].watermark - REVISED_MS < kept["edge-1"].minutes
    assert removed_from < kept["removed"].minutes, "the removed server has returned"
    for server, limit in kept.items():
        assert_discarded(folded, server, limit)
        assert limit.hours <= limit.minutes - HOURS_AHEAD_MS
    estate.report("silent", 6)
    estate.pass_days(2, (*regular, "silent", "removed", "new"))
    assert_same(plain, folded, estate.now, everything=True)


def use(stores: list[Store]) -> RandomEstate:
    """Return an estate of two servers and some days, on these stores, of which nothing is folded yet."""
    estate = RandomEstate(7, stores)
    for server in ("edge-1", "edge-2"):
        estate.report(server)
    estate.pass_days(DAYS.used, ("edge-1", "edge-2"))
    return estate


@pytest.fixture
def used(plain: Store, folded: Store) -> RandomEstate:
    """A used estate on two stores."""
    return use([plain, folded])


def test_figures_are_the_same_after_each_write_of_a_round_that_is_killed(plain: Store, of_each_engine: Store) -> None:
    folded = of_each_engine
    used = use([plain, folded])
    expected = read_days(folded, used.now)
    steps = 0
    while True:
        access = KillableAccess(folded, writes=steps)
        try:
            asyncio.run(discard_rows(access, FOLDING, used.now, zones=ZONES, rows_per_write=10))
            break
        except KilledError:
            steps += 1
        assert read_days(folded, used.now) == expected, f"after {steps} writes"
    assert steps > 6
    assert_same(plain, folded, used.now, everything=True)
    verified = {result.name: result.checked for result in verify_store(folded, used.now, lambda *_: None)}
    assert "cannot be summed again: the minutes or hours that they are sums of are discarded" in verified["hours"]
    for server, limit in limits(folded).items():
        assert_discarded(folded, server, limit)


def test_limit_is_the_midnight_before_the_age(used: RandomEstate, folded: Store) -> None:
    used.pass_days(8, ("edge-1", "edge-2"))
    fold(folded, used.now)
    midnight = used.now - used.now % DAY
    expected = KeptFrom(midnight - DAYS.minutes * DAY, midnight - DAYS.hours * DAY)
    assert limits(folded) == dict.fromkeys(("edge-1", "edge-2"), expected)
    fold(folded, used.now - 3 * DAY)
    assert {limit.minutes for limit in limits(folded).values()} == {expected.minutes}, "limits only rise"


def test_minutes_of_a_day_that_is_open_in_an_account_zone_stay(plain: Store, folded: Store) -> None:
    """At 01:00 UTC the day before is closed in UTC, but not at St. John's, where it lasts for two hours and a half."""
    estate = RandomEstate(3, [plain, folded])
    midnight = BEGIN - BEGIN % DAY + 10 * DAY
    for server in ("edge-1", "edge-2"):
        estate.report(server)
    estate.now = midnight + HOUR
    for server in ("edge-1", "edge-2"):
        estate.report(server)
    estate.settle()
    estate.pass_days(DAYS.used, ("edge-1",))
    fold(folded, estate.now)
    assert limits(folded)["edge-1"].minutes == midnight - DAY
    assert limits(folded)["edge-2"].minutes == midnight + HOUR - HOUR - REVISED_MS
    assert_same(plain, folded, estate.now)


def late_minute(estate: RandomEstate, server: str, slot: int) -> list[Any]:
    """Report a minute that the service has not, however old it is, and return the replies of the stores."""
    agent = estate.agents[server]
    report = agent.report(estate.random, estate.now)
    agent.rows[slot] = agent.grow(estate.random, slot, {"bytes_out": 1_000})
    report = msgspec.structs.replace(report, slots=(agent.rows[slot],), stream_slots=())
    body = msgspec.json.encode(report)
    replies = estate.write(lambda connection: ingest_report(connection, report, body, estate.now))
    agent.acknowledged, agent.watermark = report.upto, report.baseline.at
    return replies


def test_minute_before_the_limit_is_quarantined_with_the_reason(used: RandomEstate, folded: Store) -> None:
    fold(folded, used.now)
    used.now += HOUR
    before = read_days(folded, used.now)
    _, refusal = late_minute(used, "edge-1", limits(folded)["edge-1"].minutes - SLOT_MS)
    assert isinstance(refusal, Refusal)
    assert refusal.reason == "held"
    assert "only sums of hours are kept" in refusal.error_message
    for tz in ZONES:
        days, known = read_days(folded, used.now)[f"days {tz.key}"]["days"], before[f"days {tz.key}"]["days"]
        assert [day for day in days if day["closed"]] == [day for day in known if day["closed"]]
    assert "held" in {span["state"] for span in read_coverage(folded, used.now)["edge-1"]}


def test_late_reports_of_the_first_kept_minutes_add_up(used: RandomEstate, plain: Store, folded: Store) -> None:
    fold(folded, used.now)
    limit = limits(folded)["edge-1"].minutes
    for after_ms in (0, SLOT_MS, 59 * SLOT_MS, 23 * HOUR):
        for reply in late_minute(used, "edge-1", limit + after_ms):
            assert isinstance(reply, Acknowledgement)
    used.settle()
    assert_same(plain, folded, used.now)


def test_sums_that_need_discarded_hours_are_refused(used: RandomEstate, folded: Store) -> None:
    fold(folded, used.now)
    (tz, *_) = OTHER_ZONES
    first = day_of(BEGIN, tz)
    with pytest.raises(DiscardedHoursError, match="are no longer known"):
        read_sums(folded, used.now, first, first, [tz], GROUPINGS[:1])
    closed = read_sums(folded, used.now, first, first, ZONES[:1], GROUPINGS[:1])
    assert closed, "days of account zones are closed"


def test_account_zone_that_is_added_later_begins_with_kept_hours(
    used: RandomEstate, plain: Store, folded: Store
) -> None:
    fold(folded, used.now)
    hours_from = max(limit.hours for limit in limits(folded).values())
    (tz, *_) = OTHER_ZONES
    for store in (plain, folded):
        with store.writing() as connection, connection.begin():
            while is_accounting_due(connection, [tz], used.now):
                advance_accounting(connection, [tz], used.now)
    closed = {}
    for store in (plain, folded):
        with store.reading() as connection:
            days = load_closed_days(connection, tz, day_of(BEGIN, tz), day_of(used.now, tz), None)
            closed[store] = {(day.statistics.day, day.statistics.server): day.statistics.bytes_out for day in days}
    first = min(day for day, _ in closed[folded])
    assert first == next(
        day.isoformat()
        for day in days_between(day_of(BEGIN, tz), day_of(used.now, tz))
        if day_interval(day, tz).from_ms >= hours_from
    )
    assert closed[folded] == {key: sent for key, sent in closed[plain].items() if key[0] >= first}
    with folded.reading() as connection:
        begin, end = date.fromisoformat(first), day_of(used.now, tz) - timedelta(days=2)
        compose_statement(connection, begin, end, tz, None, [tz.key], None, used.now)
        with pytest.raises(NotFinalError, match="before its hours were discarded"):
            compose_statement(connection, begin - timedelta(days=1), end, tz, None, [tz.key], None, used.now)


def test_everything_is_discarded_in_the_end(used: RandomEstate, folded: Store) -> None:
    """Hours are folded long before: the days of which UTC days are discarded, too, are not listed with zeros."""
    fold(folded, used.now)
    later = used.now + DAYS.used_more * DAY
    kept = {"minute_statistics_days": DAYS.minutes, "hour_statistics_days": DAYS.hours}
    fold(folded, later, Retention(daily_statistics_days=DAYS.discarded, **kept))
    (tz, *_) = OTHER_ZONES
    with folded.reading() as connection:
        days = list_daily_statistics(connection, day_of(BEGIN, tz), day_of(used.now, tz), tz, later, None).days
    begin = later - DAYS.discarded * DAY
    assert min(day_interval(date.fromisoformat(day.day), tz).from_ms for day in days) >= begin - SLOT_MS
    assert days
