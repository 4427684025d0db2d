"""Migrations of stores with rows."""

from typing import Any

from sqlalchemy import Connection, Integer, Table, insert, inspect, select

from streamusage.service.store.change_feed import last_change
from streamusage.service.store.schema import counters, samples, server_sessions, servers, spans, stream_key, usage
from streamusage.service.store.store import open_store
from tests.support.service.migrating.earlier_schema import writing_at


def test_samples_are_kept_in_the_order_of_their_streams(store_url: str) -> None:
    rows: list[dict[str, Any]] = [
        {"server": server, "stream": stream_key("live", name), "slot": slot * 60_000, "epoch": 2, "revision": slot,
         "active": slot + len(name), "highest": slot + 9, "late": slot % 2}
        for slot in (3, 1, 2)
        for name in ("a", "bb", "ccc")
        for server in ("edge-2", "edge-1")
    ]  # fmt: skip
    with writing_at(store_url, "0012_source_errors") as connection:
        connection.execute(insert(samples), rows)
        assert inspect(connection).get_pk_constraint("samples")["constrained_columns"] == ["server", "slot", "stream"]
        assert [index["name"] for index in inspect(connection).get_indexes("samples")] == ["samples_by_stream"]
    store = open_store(store_url, 0)
    try:
        with store.reading() as connection:
            inspector = inspect(connection)
            assert inspector.get_pk_constraint("samples")["constrained_columns"] == ["server", "stream", "slot"]
            assert inspector.get_indexes("samples") == []
            assert "samples_before" not in inspector.get_table_names()
            found = [
                {name: bytes(value) if name == "stream" else value for name, value in row._asdict().items()}
                for row in connection.execute(select(samples))
            ]
    finally:
        store.close()

    def by_key(row: dict[str, Any]) -> tuple[Any, ...]:
        return row["server"], row["stream"], row["slot"]

    assert sorted(found, key=by_key) == sorted(rows, key=by_key)


def test_subscribers_of_overdue_servers_are_given_apart_and_their_records_are_sent_again(store_url: str) -> None:
    owing = [("seen", "", 0), ("overdue", "missing", 0), ("held", "held", 0), ("silent", "missing", 1)]
    active = {("a", "seen"): 5, ("a", "overdue"): 30, ("a", "held"): 4, ("b", "seen"): 7, ("c", "silent"): 9}
    with writing_at(store_url, "0013_samples_by_stream") as connection:
        for server, owes, unreachable in owing:
            fill(connection, servers, server=server, owes=owes, unreachable=unreachable, epoch=1)
        for (name, server), figure in active.items():
            key = {"stream": stream_key("live", name), "scope": "live", "name": name, "start_time": 1}
            fill(
                connection,
                server_sessions,
                **key,
                server=server,
                epoch=1,
                session_start=1,
                publish_id=name,
                live=1,
                active=figure,
            )
        for change, name in enumerate("abc", start=1):
            key = {"stream": stream_key("live", name), "scope": "live", "name": name, "start_time": 1}
            fill(connection, usage, **key, change=change, live=1)
        fill(connection, counters, name="change", value=3)
    store = open_store(store_url, 0)
    try:
        with store.reading() as connection:
            found = connection.execute(select(usage.c.name, usage.c.unseen_subscribers, usage.c.change)).all()
            assert sorted(map(tuple, found)) == [("a", 34, 4), ("b", 0, 2), ("c", 0, 3)]
            assert last_change(connection) == 4
    finally:
        store.close()


def test_spans_of_several_days_are_cut_at_midnight(store_url: str) -> None:
    day = 86_400_000
    others = {"state": "lost", "reason": "journal lost", "detected_at": 7, "filled_at": None}
    stored = [("a", 5, 3 * day), ("a", 3 * day, 3 * day + 9), ("b", 2 * day - 1, 2 * day), ("c", day, 4 * day + 1)]
    with writing_at(store_url, "0016_feed_history") as connection:
        for server, from_ms, to_ms in stored:
            connection.execute(insert(spans).values(server=server, from_ms=from_ms, to_ms=to_ms, **others))
    store = open_store(store_url, 0)
    try:
        with store.reading() as connection:
            found = connection.execute(select(spans).order_by(spans.c.server, spans.c.from_ms)).all()
    finally:
        store.close()
    assert [(row.server, row.from_ms, row.to_ms) for row in found] == [
        *[("a", 5, day), ("a", day, 2 * day), ("a", 2 * day, 3 * day), ("a", 3 * day, 3 * day + 9)],
        ("b", 2 * day - 1, 2 * day),
        *[("c", day, 2 * day), ("c", 2 * day, 3 * day), ("c", 3 * day, 4 * day), ("c", 4 * day, 4 * day + 1)],
    ]
    assert all({name: getattr(row, name) for name in others} == others for row in found)


def fill(connection: Connection, table: Table, **values: Any) -> None:
    """Insert a row. Its other columns of the present table are 0 or empty."""
    there = {column["name"] for column in inspect(connection).get_columns(table.name)}
    empty = {
        column.name: 0 if isinstance(column.type, Integer) else ""
        for column in table.columns
        if column.name in there and not column.nullable
    }
    connection.execute(insert(table), empty | values)
