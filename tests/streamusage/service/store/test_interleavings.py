"""Writes of two processes on one PostgreSQL, stepped statement by statement: each interleaving of two operations leaves
what one of the two serial orders leaves, returns what they return, and a reader that follows the changes misses none.

A run samples the schedules of each pair of operations with a seed: most have two switches between the processes.
`STREAMTOP_INTERLEAVINGS` is the number of schedules of each pair, `STREAMTOP_FIRST_SEED` the seed.
"""

import os
from collections.abc import Iterator
from itertools import combinations_with_replacement
from random import Random

import psycopg
import pytest
from sqlalchemy import Connection

from tests.support.postgresql import Cluster
from tests.support.service.stepping.crossing import Crossing, Pair, crossing_in
from tests.support.service.stepping.schedules import Schedules

pytestmark = pytest.mark.postgresql

SCHEDULES = int(os.environ.get("STREAMTOP_INTERLEAVINGS", "12"))
SEED = os.environ.get("STREAMTOP_FIRST_SEED", "1")
VARIANTS = 3
"""Pairs of variants of two operations in a short run. A longer run has as many schedules of each, and all variants."""

KINDS = ["report", "close", "hour sum", "retention", "removal", "delete", "import", "standings", "epoch", "life"]


@pytest.fixture(scope="module")
def crossing(postgresql: Cluster) -> Iterator[Crossing]:
    with postgresql.database() as url, crossing_in(url) as crossing:
        yield crossing


@pytest.fixture(scope="module")
def crossing_without_locks(postgresql: Cluster) -> Iterator[Crossing]:
    with postgresql.database() as url, crossing_in(url, has_locks=False) as crossing:
        yield crossing


def pairs_of(crossing: Crossing, first: str, second: str) -> list[Pair]:
    """Return the pairs of variants of two kinds of operations, in both processes."""
    of_kind = {kind: [each for each in crossing.operations if each.kind == kind] for kind in (first, second)}
    return [(one, other) for one in of_kind[first] for other in of_kind[second]]


def find_violation(crossing: Crossing, pair: Pair, random: Random, schedules: int) -> str | None:
    """Run schedules of a pair and return the first violation."""
    chosen = Schedules(random, crossing.count_statements(pair))
    for _ in range(schedules):
        schedule = chosen.choose()
        if schedule is None:
            return None
        faults, run = crossing.find_violations(pair, schedule)
        if faults:
            names = " and ".join(f"{operation.kind} {operation.name}" for operation in pair)
            turns = " ".join(map(str, schedule))
            return "\n".join([f"{names}, turns {turns}, seed {SEED}, order {run.order}", *faults])
        chosen.skip_equal(schedule, run.first_blocked)
    return None


def test_there_is_an_operation_of_each_kind(crossing: Crossing) -> None:
    assert {operation.kind for operation in crossing.operations} == set(KINDS)


@pytest.mark.parametrize(("first", "second"), [*combinations_with_replacement(KINDS, 2)])
def test_every_interleaving_equals_a_serial_order(crossing: Crossing, first: str, second: str) -> None:
    random = Random(f"{SEED} {first} {second}")
    pairs = pairs_of(crossing, first, second)
    random.shuffle(pairs)
    of_each = max(SCHEDULES // VARIANTS, SCHEDULES // len(pairs))
    for pair in pairs[: max(1, SCHEDULES // of_each)]:
        violation = find_violation(crossing, pair, random, of_each)
        assert violation is None, violation


@pytest.mark.parametrize(
    ("first", "second"),
    [("report", "report"), ("report", "close"), ("report", "hour sum"), ("delete", "import"), ("standings", "removal")],
)
def test_violations_are_found_without_locks(crossing_without_locks: Crossing, first: str, second: str) -> None:
    random = Random(f"{first} {second}")
    crossing = crossing_without_locks
    pairs = pairs_of(crossing, first, second)
    random.shuffle(pairs)
    assert any(find_violation(crossing, pair, random, 8) for pair in pairs)


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
        violation = find_violation(crossing, pair, Random(1), 100)
    assert "a reader of all changes shows" in (violation or "")
