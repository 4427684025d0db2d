"""Writes of two processes on one PostgreSQL, stepped statement by statement: each interleaving of two operations leaves
what one of the two serial orders leaves, returns what they return, and a reader that follows the changes misses none.

A run samples the schedules of each pair of operations with a seed: most have two switches between the processes.
`STREAMTOP_INTERLEAVINGS` is the number of schedules of each pair of kinds, `STREAMTOP_FIRST_SEED` the seed. A short run
has some variants of each kind, a longer one all of them. `-s` prints how many ran.
"""

import os
from collections.abc import Iterator
from itertools import combinations_with_replacement, product
from random import Random
from typing import NamedTuple

import psycopg
import pytest
from sqlalchemy import Connection, update

from streamusage.service.store.schema import counters
from streamusage.service.store.store import Store
from tests.support.postgresql import Cluster
from tests.support.service.stepping import race
from tests.support.service.stepping.crossing import Crossing, Pair, crossing_in
from tests.support.service.stepping.operations import Operation, Start
from tests.support.service.stepping.process import Write
from tests.support.service.stepping.schedules import Schedules, switch_twice

pytestmark = pytest.mark.postgresql

SCHEDULES = int(os.environ.get("STREAMTOP_INTERLEAVINGS", "7"))
SEED = os.environ.get("STREAMTOP_FIRST_SEED", "1")
FEWEST = 5
"""The fewest schedules of a pair of variants."""

KINDS = ["report", "close", "hour sum", "retention", "removal", "delete", "import", "standings", "epoch", "life"]


@pytest.fixture(scope="module")
def crossing(postgresql: Cluster) -> Iterator[Crossing]:
    print(f"seed {SEED}")
    with postgresql.database() as url, crossing_in(url) as crossing:
        yield crossing


@pytest.fixture(scope="module")
def crossing_without_locks(postgresql: Cluster) -> Iterator[Crossing]:
    with postgresql.database() as url, crossing_in(url, has_locks=False) as crossing:
        yield crossing


def pairs_of(crossing: Crossing, first: str, second: str) -> list[Pair]:
    """Return the pairs of variants of two kinds of operations."""
    of_first, of_second = ([each for each in crossing.operations if each.kind == kind] for kind in (first, second))
    if first == second:
        return list(combinations_with_replacement(of_first, 2))
    return [(one, other) for one in of_first for other in of_second]


class Outcome(NamedTuple):
    """What schedules of a pair showed."""

    ran: int
    violation: str | None


def find_violation(crossing: Crossing, pair: Pair, random: Random, schedules: int) -> Outcome:
    """Run schedules of a pair up to the first violation."""
    chosen = Schedules(random, crossing.count_statements(pair))
    for number in range(schedules):
        schedule = chosen.choose()
        if schedule is None:
            return Outcome(number, None)
        faults, run = crossing.find_violations(pair, schedule)
        if faults:
            names = " and ".join(f"{operation.kind} {operation.name}" for operation in pair)
            turns = " ".join(map(str, schedule))
            violation = "\n".join([f"{names}, turns {turns}, seed {SEED}, order {run.order}", *faults])
            return Outcome(number + 1, violation)
        chosen.skip_equal(schedule, run.first_blocked)
    return Outcome(schedules, None)


def test_there_is_an_operation_of_each_kind(crossing: Crossing) -> None:
    assert {operation.kind for operation in crossing.operations} == set(KINDS)


@pytest.mark.parametrize(("first", "second"), [*combinations_with_replacement(KINDS, 2)])
def test_every_interleaving_equals_a_serial_order(crossing: Crossing, first: str, second: str) -> None:
    random = Random(f"{SEED} {first} {second}")
    pairs = pairs_of(crossing, first, second)
    chosen = random.sample(pairs, min(len(pairs), max(SCHEDULES // FEWEST, len(pairs) // 6)))
    of_each = max(FEWEST, SCHEDULES // len(chosen), SCHEDULES // 20)
    ran = 0
    for pair in chosen:
        outcome = find_violation(crossing, pair, random, of_each)
        assert outcome.violation is None, outcome.violation
        ran += outcome.ran
    print(f"{first} and {second}: {ran} schedules of {len(chosen)} pairs of {len(pairs)}")


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("report", "report"),
        ("report", "close"),
        ("report", "hour sum"),
        ("report", "epoch"),
        ("delete", "import"),
        ("removal", "standings"),
    ],
)
def test_violations_are_found_without_locks(crossing_without_locks: Crossing, first: str, second: str) -> None:
    random = Random(f"{first} {second}")
    crossing = crossing_without_locks
    pairs = pairs_of(crossing, first, second)
    random.shuffle(pairs)
    assert any(find_violation(crossing, pair, random, 8).violation for pair in pairs)


def test_reader_misses_a_change_whose_number_is_committed_before_it(
    postgresql: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (
        postgresql.database() as url,
        crossing_in(url, has_locks=False) as crossing,
        psycopg.connect(url, autocommit=True) as sequence,
    ):

        def allocate_at_once(_connection: Connection, count: int) -> int:
            taken = "UPDATE counters SET value = value + %s WHERE name = 'change' RETURNING value"
            row = sequence.execute(taken, (count,)).fetchone()
            assert row is not None
            return int(row[0]) - count

        for module in ("ingest.sessions", "store.records"):
            monkeypatch.setattr(f"streamusage.service.{module}.allocate_changes", allocate_at_once)
        pair = next(
            (one, other)
            for one, other in pairs_of(crossing, "delete", "report")
            if (one.name, other.name) == ("of a stream", "of the origin")
        )
        violation = find_violation(crossing, pair, Random(1), 100).violation
    assert "a reader of all changes shows" in (violation or "")


def set_counters(*names: str) -> Operation:
    """Return an operation that updates counters in an order of its own."""

    def work(connection: Connection) -> None:
        for name in names:
            connection.execute(update(counters).where(counters.c.name == name).values(value=1))

    def prepare(_store: Store, _now_ms: int) -> Start:
        return lambda process: process.submit(Write(work))

    return Operation("counters", ", ".join(names), prepare)


def test_race_ends_after_a_deadlock(crossing_without_locks: Crossing) -> None:
    pair = set_counters("closed", "closed UTC"), set_counters("closed UTC", "closed")
    places = product(range(2, 6), repeat=2)
    runs = [crossing_without_locks.run(pair, switch_twice(0, *place)) for place in places]
    results = {result for run in runs for result in run.outcome.results}
    assert "None" in results
    assert all(result == "None" or "deadlock detected" in result for result in results)


def test_race_that_hangs_fails(postgresql: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(race, "LONGEST_RACE_S", 0.5)
    with postgresql.database() as url, crossing_in(url) as crossing, psycopg.connect(url) as stranger:
        stranger.execute("LOCK TABLE counters")
        (pair, *_) = pairs_of(crossing, "delete", "import")
        with pytest.raises(race.HangError, match="A runs"):
            crossing.run(pair, switch_twice(0, 3, 3))
        stranger.rollback()
