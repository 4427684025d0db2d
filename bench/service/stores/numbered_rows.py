"""Ways to number changes, tried on throwaway tables in PostgreSQL: what writers, a sequencer and a reader do.

A transaction is that of a small report: it locks two streams, reads the rows that are stored of them, writes what the
server reported, and then the records, whose changes have numbers. A reader polls for numbers above the highest that it
has seen.
"""

import random
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.synchronize import Barrier, Event
from typing import Any, NamedTuple

import psycopg

STREAMS = 300
ROWS_A_STREAM = 10
STREAMS_A_WRITE = 2
ROWS_A_WRITE = STREAMS_A_WRITE * ROWS_A_STREAM
POLL_SECONDS = 0.01
"""How often the reader polls, and the sequencer where nothing wakes it."""
READ_SECONDS = 0.005
_CHANNEL = "changes"

TABLES = """
CREATE TABLE counters (name text PRIMARY KEY, value bigint NOT NULL);
INSERT INTO counters VALUES ('change', 0);
CREATE SEQUENCE numbers CACHE 1;
CREATE TABLE parts (stream bigint, start_time bigint, server text NOT NULL, active bigint NOT NULL,
    highest bigint NOT NULL, total bigint NOT NULL, end_time bigint NOT NULL, PRIMARY KEY (server, stream, start_time));
CREATE TABLE records (stream bigint, start_time bigint, scope text NOT NULL, name text NOT NULL,
    end_time bigint NOT NULL, active bigint NOT NULL, highest bigint NOT NULL, total bigint NOT NULL,
    updated bigint NOT NULL, version bigint NOT NULL, change bigint, PRIMARY KEY (stream, start_time));
CREATE UNIQUE INDEX records_by_change ON records (change);
CREATE INDEX records_without_number ON records (stream, start_time) WHERE change IS NULL;
"""
_LOCK_ALL = "SELECT value FROM counters WHERE name = 'change' FOR UPDATE"
_LOCK_STREAMS = "SELECT pg_advisory_xact_lock(stream) FROM unnest(%s::bigint[]) AS stream"
_READ = "SELECT * FROM records WHERE stream = ANY(%s)"
_GIVEN = f"""
    FROM unnest(%(streams)s::bigint[]) AS stream, generate_series(1, {ROWS_A_STREAM}) AS start_time
    ORDER BY stream, start_time
"""
_WRITE_PARTS = f"""
    INSERT INTO parts SELECT stream, start_time, 'edge-1', 3, 4, %(total)s, %(total)s {_GIVEN}
    ON CONFLICT (server, stream, start_time) DO UPDATE SET total = excluded.total, end_time = excluded.end_time
"""
_TAKE = "UPDATE counters SET value = value + %s WHERE name = 'change' RETURNING value"
_WRITE_RECORDS = """
    INSERT INTO records (stream, start_time, scope, name, end_time, active, highest, total, updated, version, change)
    SELECT stream, start_time, 'live/room', 'stream-' || stream, %(total)s, 3, 4, %(total)s, %(total)s, 1, {number}
    FROM (SELECT given.*, row_number() OVER () AS at FROM (SELECT stream, start_time {given}) AS given) AS listed
    ON CONFLICT (stream, start_time) DO UPDATE SET end_time = excluded.end_time, total = excluded.total,
        updated = excluded.updated, version = records.version + 1, change = excluded.change
    RETURNING stream, start_time, version, change
"""
_CHANGES = "SELECT change, stream, start_time, version FROM records WHERE change > %s ORDER BY change"
_UNNUMBERED = """
    SELECT stream, start_time FROM records WHERE change IS NULL ORDER BY stream, start_time
    LIMIT 5000 FOR UPDATE SKIP LOCKED
"""
_NUMBER = """
    UPDATE records SET change = given.change
    FROM unnest(%s::bigint[], %s::bigint[], %s::bigint[]) AS given (stream, start_time, change)
    WHERE records.stream = given.stream AND records.start_time = given.start_time
    RETURNING records.stream, records.start_time, version, records.change
"""


class Numbering(NamedTuple):
    """A way to number changes."""

    name: str
    number: str
    """Expression of a row's number in the statement that writes it."""
    locks_all: bool = False
    """Whether every write takes one lock first."""
    counts: bool = False
    """Whether a write takes its numbers from the counter, whose row stays locked until the commit."""
    has_sequencer: bool = False
    """Whether a process numbers rows that are committed."""
    notifies: bool = False
    """Whether writes wake the sequencer."""
    is_safe: bool = True
    """Whether a reader sees all changes."""


TODAY = Numbering("one lock, from the beginning", "%(before)s + at", locks_all=True, counts=True)
NUMBERINGS = (
    TODAY,
    Numbering("number taken last", "%(before)s + at", counts=True),
    Numbering("sequencer that polls", "NULL", has_sequencer=True),
    Numbering("sequencer, NOTIFY", "NULL", has_sequencer=True, notifies=True),
    Numbering("plain sequence", "nextval('numbers')", is_safe=False),
)


class WrittenChange(NamedTuple):
    """A version of a row that was committed."""

    stream: int
    start_time: int
    version: int
    change: int | None
    committing_at: float
    """When its commit began."""
    at: float
    """When its commit returned."""

    @property
    def key(self) -> tuple[int, int]:
        return self.stream, self.start_time


class Poll(NamedTuple):
    """What a reader received."""

    at: float
    rows: list[tuple[int, int, int, int]]
    """Change, stream, start time and version."""


def write_rows(url: str, numbering: Numbering, seed: int, all_ready: Barrier, seconds: float) -> list[WrittenChange]:
    """Write for some seconds, from the moment on at which all writers are ready. Return what was committed."""
    chance, written = random.Random(seed), []
    upsert = _WRITE_RECORDS.format(number=numbering.number, given=_GIVEN).encode()
    with psycopg.connect(url) as connection:
        all_ready.wait()
        ends_at = time.monotonic() + seconds
        while time.monotonic() < ends_at:
            streams = sorted(chance.sample(range(STREAMS), STREAMS_A_WRITE))
            given: dict[str, Any] = {"streams": streams, "total": time.time_ns() // 1_000_000}
            if numbering.locks_all:
                connection.execute(_LOCK_ALL)
            connection.execute(_LOCK_STREAMS, (streams,))
            connection.execute(_READ, (streams,)).fetchall()
            connection.execute(_WRITE_PARTS.encode(), given)
            if numbering.counts:
                taken = connection.execute(_TAKE, (ROWS_A_WRITE,)).fetchone()
                assert taken is not None
                given["before"] = taken[0] - ROWS_A_WRITE
            rows: list[Any] = connection.execute(upsert, given).fetchall()
            if numbering.notifies:
                connection.execute(f"NOTIFY {_CHANNEL}".encode())
            committing_at = time.monotonic()
            connection.commit()
            at = time.monotonic()
            written += [WrittenChange(*row, committing_at, at) for row in rows]
    return written


def number_rows(url: str, numbering: Numbering, over: Event) -> list[WrittenChange]:
    """Number committed rows until `over` is set. Return what was numbered."""
    numbered = []
    with psycopg.connect(url, autocommit=True) as connection:
        if numbering.notifies:
            connection.execute(f"LISTEN {_CHANNEL}".encode())
        while not over.is_set():
            with connection.transaction():
                keys = connection.execute(_UNNUMBERED).fetchall()
                if keys:
                    taken = connection.execute(_TAKE, (len(keys),)).fetchone()
                    assert taken is not None
                    numbers = list(range(taken[0] - len(keys) + 1, taken[0] + 1))
                    streams, starts = zip(*keys, strict=True)
                    rows: list[Any] = connection.execute(_NUMBER, (list(streams), list(starts), numbers)).fetchall()
                    committing_at = time.monotonic()
            if keys:
                at = time.monotonic()
                numbered += [WrittenChange(*row, committing_at, at) for row in rows]
            elif numbering.notifies:
                for _ in connection.notifies(timeout=POLL_SECONDS, stop_after=1):
                    pass
            else:
                time.sleep(POLL_SECONDS)
    return numbered


def follow_changes(url: str, over: Event) -> list[Poll]:
    """Poll for changes until `over` is set and nothing more is received."""
    polls: list[Poll] = []
    newest = 0
    with psycopg.connect(url, autocommit=True) as connection:
        while True:
            ends = over.is_set()
            rows: list[Any] = connection.execute(_CHANGES, (newest,)).fetchall()
            if rows:
                newest = rows[-1][0]
                polls.append(Poll(time.monotonic(), rows))
            elif ends:
                return polls
            time.sleep(READ_SECONDS)


@contextmanager
def throwaway_tables(url: str) -> Iterator["psycopg.Connection[Any]"]:
    """Create the tables. Yield a connection in which each statement is committed."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(TABLES.encode())
        yield connection


def count_unnumbered(connection: "psycopg.Connection[Any]") -> int:
    """Return how many committed rows have no number."""
    found = connection.execute("SELECT count(*) FROM records WHERE change IS NULL").fetchone()
    return 0 if found is None else int(found[0])


class Followed(NamedTuple):
    """How a reader's view compares with what was written."""

    delays: list[float]
    """Seconds from the commit of each seen change to the reader's poll with it, or with a newer one of its row."""
    missed: int
    """Changes that were the newest of their row when the reader passed their number without seeing them."""


def compare_followed(polls: list[Poll], written: list[WrittenChange], numbered: list[WrittenChange]) -> Followed:
    """Return how a reader's polls compare with the versions that were written.

    `numbered` are those that have a number: all of them, or those that a sequencer found.
    """
    versions: dict[tuple[int, int], list[WrittenChange]] = {}
    for item in sorted(written, key=lambda item: item.version):
        versions.setdefault(item.key, []).append(item)
    by_change = sorted(numbered, key=lambda item: item.change or 0)
    seen = dict.fromkeys(versions, 0)
    delays = []
    missed = judged = 0
    for poll in polls:
        for _, stream, start_time, version in poll.rows:
            key = (stream, start_time)
            delays += [max(0.0, poll.at - item.at) for item in versions[key][seen[key] : version]]
            seen[key] = max(seen[key], version)
        newest = poll.rows[-1][0]
        while judged < len(by_change) and (by_change[judged].change or 0) <= newest:
            item = by_change[judged]
            newer = versions[item.key][item.version : item.version + 1]
            is_newest = not newer or newer[0].committing_at > poll.at
            missed += seen[item.key] < item.version and is_newest
            judged += 1
    return Followed(delays, missed + len(by_change) - judged)
