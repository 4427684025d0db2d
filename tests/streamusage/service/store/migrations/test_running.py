"""What an operator sees of migrations, and how long they may take."""

import threading
from collections.abc import Iterator

import psycopg
import pytest
from sqlalchemy import insert

from streamusage.service.store.engines import postgresql as engine
from streamusage.service.store.migrations import running
from streamusage.service.store.migrations.estimates import (
    CUT_SECONDS_PER_MILLION,
    MigrationEstimate,
    describe_estimate,
    estimate_migrations,
)
from streamusage.service.store.migrations.running import MigrationProgress, missing_migrations, newest_schema_version
from streamusage.service.store.schema import spans
from streamusage.service.store.store import open_store
from tests.support.postgresql import Cluster
from tests.support.service.migrating.earlier_schema import writing_at
from tests.support.waiting import wait_until_blocking


def open_and_report(url: str) -> list[str]:
    lines: list[str] = []
    open_store(url, 0, lines.append).close()
    return lines


def test_migration_is_announced_with_an_estimate(store_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "LONG_SECONDS", 0)
    with writing_at(store_url, "0023_cross_checks_and_folds"):
        pass
    first, *steps, last = [line for line in open_and_report(store_url) if "reading the table" not in line]
    newest = newest_schema_version()
    assert first.startswith(f"migrating the store from 0023_cross_checks_and_folds to {newest} in 2 steps, in about a ")
    assert "if this is interrupted, the store stays as it was" in first
    assert [line.partition(": done after")[0] for line in (*steps, last) if "done" in line] == [
        "migration 1 of 2, 0024_metrics",
        "migration 2 of 2, 0025_alerts",
        "committing the migrations",
    ]
    assert any(line.startswith(f"migrated the store to {newest} in ") for line in steps)


def test_estimate_has_the_days_into_which_spans_are_cut(store_url: str) -> None:
    days = 20_000
    with writing_at(store_url, "0016_feed_history") as connection:
        values = {"server": "edge-1", "from_ms": 5, "to_ms": days * 86_400_000 + 5, "state": "live", "reason": ""}
        connection.execute(insert(spans).values(**values))
        found = estimate_migrations(connection, missing_migrations("0016_feed_history"))
        assert found.rows >= days
        assert found.seconds == pytest.approx(CUT_SECONDS_PER_MILLION[connection.dialect.name] / 50, rel=0.01)
        assert estimate_migrations(connection, ["0025_alerts"]).seconds < 0.001


def test_estimate_has_the_spans_that_are_cut_in_two(store_url: str) -> None:
    """A span of a day or less, too, where it contains a midnight."""
    day, count = 86_400_000, 5_000
    with writing_at(store_url, "0016_feed_history") as connection:
        values = {"server": "edge-1", "state": "live", "reason": ""}
        rows = [values | {"from_ms": number * day + 5, "to_ms": (number + 1) * day + 5} for number in range(count)]
        whole = [values | {"from_ms": number * day, "to_ms": number * day + 5} for number in range(count)]
        connection.execute(insert(spans), [*rows, *(row | {"server": "edge-2"} for row in whole)])
        found = estimate_migrations(connection, missing_migrations("0016_feed_history"))
        of_cuts = CUT_SECONDS_PER_MILLION[connection.dialect.name] * 2 * count / 1_000_000
        assert of_cuts <= found.seconds < of_cuts + 0.1


@pytest.mark.parametrize(
    ("estimate", "text"),
    [
        (MigrationEstimate(10, 0.2), "in about a second for 10 rows"),
        (MigrationEstimate(4_000, 12), "in about 12 s for 4,000 rows, up to 48 s on a slow disk"),
        (MigrationEstimate(50_000_000, 600), "in about 10 min for 50,000,000 rows, up to 40 min on a slow disk"),
        (MigrationEstimate(1, 3_600), "in about 60 min for 1 rows, up to 4.0 h on a slow disk"),
    ],
)
def test_estimate_in_words(estimate: MigrationEstimate, text: str) -> None:
    assert describe_estimate(estimate) == text


def test_nothing_is_reported_of_a_store_that_is_made_or_complete(store_url: str) -> None:
    assert open_and_report(store_url) == []
    assert open_and_report(store_url) == []


def test_long_work_is_reported_again_and_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "BEAT_SECONDS", 0.005)
    lines: list[str] = []
    progress = MigrationProgress(lines.append)
    with progress.beating():
        progress.begin("migration 1 of 2, a")
        wait_until_blocking(lambda: len(lines) >= 2, "two lines")
    assert set(lines) == {"migration 1 of 2, a: for 0 s now"}


@pytest.fixture
def url(postgresql: Cluster) -> Iterator[str]:
    with postgresql.database() as url:
        yield url


@pytest.mark.postgresql
def test_start_waits_for_a_process_that_migrates(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Longer than any lock or statement of a write may take."""
    monkeypatch.setattr(running, "BEAT_SECONDS", 0.05)
    monkeypatch.setattr(engine, "LOCK_MS", 100)
    monkeypatch.setattr(engine, "STATEMENT_MS", 200)
    lines: list[str] = []
    opened = threading.Thread(target=lambda: open_store(url, 0, lines.append).close())
    with psycopg.connect(url) as migrating:
        migrating.execute("SELECT pg_advisory_xact_lock(%s)", (engine._MAKING_TABLES,))
        opened.start()
        wait_until_blocking(lambda: len(lines) >= 10, "ten lines")
        assert opened.is_alive()
    opened.join()
    assert {line.partition(":")[0] for line in lines} == {"waiting for other processes that open or migrate the store"}
    with psycopg.connect(url) as connection:
        assert connection.execute("SELECT version_num FROM alembic_version").fetchone() == (newest_schema_version(),)


@pytest.mark.postgresql
def test_statements_of_migrations_have_no_time_limit(url: str) -> None:
    """0010 reads every usage record. 0013 and 0017 lift the limit themselves."""
    with writing_at(url, "0012_source_errors") as connection:
        assert connection.exec_driver_sql("SHOW statement_timeout").scalar_one() == "0"
        assert connection.exec_driver_sql("SHOW lock_timeout").scalar_one() == "30s"
