"""How long the migrations of a store may take, by their rows and rates (`python -m bench.service.migrations`)."""

from collections.abc import Collection
from typing import NamedTuple

from sqlalchemy import BigInteger, ColumnElement, Connection, column, func, inspect, select, table, text

TABLES_READ = {
    "0009_void_closings": ("closed_days", "adjustments"),
    "0010_ledger_checksums": ("usage", "server_sessions"),
    "0013_samples_by_stream": ("samples", "usage", "server_sessions", "held", "tombstones", "orphans"),
    "0014_unseen_subscribers": ("server_sessions", "usage"),
    "0017_partitions": ("slots", "slot_connections", "samples", "spans"),
    "0018_chain_and_corrections": ("closed_days",),
    "0025_alerts": ("spans",),
}
"""The migrations whose duration depends on the rows of a store, with the tables that they read or write.

All others change the definition of a table, whatever its size.
"""
SECONDS_PER_MILLION = {
    "sqlite": {
        "0009_void_closings": 20.0,
        "0010_ledger_checksums": 7.0,
        "0013_samples_by_stream": 4.0,
        "0014_unseen_subscribers": 0.5,
        "0017_partitions": 0.5,
        "0018_chain_and_corrections": 1.0,
        "0025_alerts": 0.5,
    },
    "postgresql": {
        "0009_void_closings": 20.0,
        "0010_ledger_checksums": 13.0,
        "0013_samples_by_stream": 3.0,
        "0014_unseen_subscribers": 0.5,
        "0017_partitions": 1.2,
        "0018_chain_and_corrections": 1.0,
        "0025_alerts": 1.5,
    },
}
"""By engine and migration: the seconds that a million of these rows take on two shared cores and a local disk."""
CUT_SECONDS_PER_MILLION = {"sqlite": 25.0, "postgresql": 80.0}
"""By engine: the seconds that a million rows take that 0017 writes where it cuts spans at midnight."""
DAY_MS = 86_400_000
LEAST_SECONDS = 1
DISK_FACTOR = 4
"""How much longer a slow disk may take."""


class MigrationEstimate(NamedTuple):
    """How long migrations take."""

    rows: int
    """The rows that they read or write."""
    seconds: float


def estimate_migrations(connection: Connection, missing: Collection[str]) -> MigrationEstimate:
    """Return how long the migrations that a store lacks take on a machine like that of the rates."""
    rates = SECONDS_PER_MILLION.get(connection.dialect.name, {})
    present = set(inspect(connection).get_table_names())
    counts: dict[str, int] = {}
    seconds = 0.0
    for revision in missing:
        for name in TABLES_READ.get(revision, ()):
            if name in present:
                if name not in counts:
                    counts[name] = _count(connection, name)
                seconds += rates.get(revision, 0.0) * counts[name] / 1_000_000
    if "0017_partitions" in missing and "spans" in present:
        cut = counts["days of spans"] = _count_cut_rows(connection)
        seconds += CUT_SECONDS_PER_MILLION.get(connection.dialect.name, 0.0) * cut / 1_000_000
    return MigrationEstimate(sum(counts.values()), seconds)


def _count_cut_rows(connection: Connection) -> int:
    """Return how many rows 0017 writes to cut spans: the span itself, and one for each midnight inside it."""
    from_ms, to_ms = column("from_ms", BigInteger), column("to_ms", BigInteger)
    midnights: ColumnElement[int] = (to_ms - 1) // DAY_MS - from_ms // DAY_MS
    written = select(func.coalesce(func.sum(midnights + 1), 0)).select_from(table("spans")).where(midnights > 0)
    return int(connection.execute(written).scalar_one())


def _count(connection: Connection, name: str) -> int:
    """Return the number of rows of a table, on PostgreSQL about as many as its statistics know, if they do."""
    if connection.dialect.name == "postgresql":
        known = connection.execute(
            text("SELECT reltuples::bigint FROM pg_class WHERE oid = to_regclass(:name)"), {"name": name}
        ).scalar()
        if known is not None and known >= 0:
            return int(known)
    return int(connection.execute(select(func.count()).select_from(table(name))).scalar_one())


def describe_estimate(estimate: MigrationEstimate) -> str:
    """Return an estimate in words."""
    longest = describe_seconds(DISK_FACTOR * estimate.seconds)
    if estimate.seconds < LEAST_SECONDS:
        return f"in about a second for {estimate.rows:,} rows"
    return f"in about {describe_seconds(estimate.seconds)} for {estimate.rows:,} rows, up to {longest} on a slow disk"


def describe_seconds(seconds: float) -> str:
    """Return a rough duration in words."""
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    return f"{round(seconds / 60)} min" if seconds < 5_400 else f"{seconds / 3_600:.1f} h"
