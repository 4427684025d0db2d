"""The engines of the store. The service runs on one that this test adds with a class and an entry in the registry."""

import sqlite3
from pathlib import Path

import pytest
from alembic.ddl.sqlite import SQLiteImpl
from sqlalchemy import Engine, create_engine, event
from sqlalchemy.dialects import registry
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite
from sqlalchemy.engine import URL

from streamusage.api.report import SlotRow
from streamusage.service.errors import StoreError
from streamusage.service.store.engines import ENGINES, find_engine
from streamusage.service.store.engines.sqlite import SqliteEngine
from tests.streamusage.service.conftest import NOW, a_record, an_estate
from tests.support.service.parties.reporting import ReportingAgent, a_session


class PlainDialect(SQLiteDialect_pysqlite):
    """A dialect of its own name, over the SQLite of the standard library."""

    name = "plain"
    supports_statement_cache = True


class PlainMigrations(SQLiteImpl):
    __dialect__ = "plain"


class PlainEngine(SqliteEngine):
    """An engine whose statements all run through SQLAlchemy."""

    name = "plain"
    direct_driver = None  # type: ignore[assignment]

    def writer(self, url: URL) -> Engine:
        return self._connect(url, "BEGIN IMMEDIATE")

    def readers(self, url: URL) -> Engine:
        return self._connect(url, "BEGIN")

    def _connect(self, url: URL, begin: str) -> Engine:
        engine = create_engine(url, module=sqlite3, connect_args={"isolation_level": None, "timeout": 60})
        event.listen(engine, "begin", lambda connection: connection.exec_driver_sql(begin))
        return engine


async def test_service_runs_on_an_added_engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    registry.register("plain", __name__, "PlainDialect")
    monkeypatch.setitem(ENGINES, "plain", PlainEngine())
    path = tmp_path / "usage.plain"
    async with an_estate(tmp_path, store_url=f"plain:///{path}") as estate:
        agent = ReportingAgent(estate, "edge-1")
        await agent.begin()
        estate.clock.now += 10_000
        await agent.sync_up(SlotRow(slot=NOW, revision=0, bytes_out=700, connections={"rtmp": 3}), a_session("e"))
        await estate.import_records(a_record("imported"))
        (day,) = (await estate.request("GET", "/api/v1/daily?from=2026-11-18&to=2026-11-18")).json()["days"]
        assert (day["bytes_out"], day["connections"]) == (700, 3)
        assert {record["name"] for record in await estate.records()} == {a_session("e").name, "imported"}
    with sqlite3.connect(path) as connection:
        assert ("imported",) in connection.execute("SELECT name FROM usage").fetchall()


def test_url_selects_the_engine() -> None:
    assert find_engine("sqlite:////x.db").name == "sqlite"
    assert find_engine("postgresql://user@host/database").name == "postgresql"


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("nonsense", "must be a URL such as sqlite:////var/lib/streamtop/usage.db or postgresql://user@host/database"),
        ("mysql://h/d", "unknown kind of store 'mysql'; use sqlite:///PATH or postgresql://HOST/DATABASE"),
    ],
)
def test_unknown_engine_is_refused_with_the_known_ones(url: str, problem: str) -> None:
    with pytest.raises(StoreError) as refused:
        find_engine(url)
    assert problem in str(refused.value)
