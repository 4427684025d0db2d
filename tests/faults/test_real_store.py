"""The same histories with the service's real store, on both engines, with rollbacks and restores of older copies.

Choose more histories with STREAMTOP_STORE_HISTORIES.
"""

import os
from pathlib import Path

import pytest
from sqlalchemy import select

from streamusage.service.store.schema import usage
from tests.faults.invariants import check
from tests.faults.store_simulation import (
    PostgresqlSimulation,
    SqliteSimulation,
    StoreSimulation,
    check_days,
    check_ledger,
)
from tests.support.postgresql import Cluster

HISTORIES = int(os.environ.get("STREAMTOP_STORE_HISTORIES", "50"))
"""On SQLite. On PostgreSQL there are two fifths as many."""


@pytest.mark.parametrize("seed", range(HISTORIES))
def test_histories_with_an_sqlite_store_violate_no_invariant(seed: int, tmp_path: Path) -> None:
    _check(SqliteSimulation(seed, tmp_path))


@pytest.mark.postgresql
@pytest.mark.parametrize("seed", range(HISTORIES * 2 // 5))
def test_histories_with_a_postgresql_store_violate_no_invariant(seed: int, postgresql: Cluster) -> None:
    with postgresql.database() as url:
        _check(PostgresqlSimulation(seed, url))


def _check(simulation: StoreSimulation) -> None:
    try:
        simulation.run()
        check(simulation)
        check_days(simulation)
        check_ledger(simulation)
        with simulation.sql.reading() as connection:
            records = connection.execute(select(usage)).all()
        assert all(row.live == 0 for row in records), "all viewers have left, so that no session is live"
        assert all(row.total_subscribers == row.active_subscribers + row.lost_subscribers for row in records)
    finally:
        simulation.sql.close()
