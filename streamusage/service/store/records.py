"""Usage records in the store: reading them, deleting them permanently, and importing exported ones.

A key is in `usage` or in `tombstones`, never in both.
"""

from collections.abc import Iterator, Sequence
from itertools import starmap

import msgspec
from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    and_,
    case,
    delete,
    func,
    insert,
    literal,
    literal_column,
    select,
    true,
    tuple_,
    update,
)

from streamusage.core.coverage import IMPORTED
from streamusage.core.usage import SessionKey, StreamId, UsageRecord
from streamusage.service.store.audit import record_audit
from streamusage.service.store.change_feed import allocate_changes
from streamusage.service.store.schema import (
    RELAYS,
    RELAYS_DELETED,
    server_sessions,
    stream_key,
    tombstones,
    usage,
)
from streamusage.service.store.writing.write_group import finish_writes

_PRESENT_MAX = case(
    (and_(usage.c.live == literal_column("1"), usage.c.active_subscribers > usage.c.max_subscribers),
     usage.c.active_subscribers),
    else_=usage.c.max_subscribers,
).label("max_subscribers")  # fmt: skip
RECORD_COLUMNS = tuple(
    _PRESENT_MAX if name == "max_subscribers" else usage.c[name] for name in UsageRecord.__struct_fields__
)
"""The columns of a `UsageRecord`, in its order. The maximum of a live session is no less than its present sum, which is
not stored as its maximum: it depends on when servers report.
"""

FINAL_REASONS = ("deleted", "discarded")
"""The reasons of tombstones that no report replaces by a record again."""

_ROWS_PER_BATCH = 2_000
_KEYS_PER_BATCH = 300


def encode_stream_records(connection: Connection, stream: StreamId) -> bytes | None:
    """Return the records of one stream, newest first, as a JSON array; `None` if there are none."""
    body = _array(connection, _of_stream(stream))
    return None if body == b"[]" else body


def delete_session(connection: Connection, key: SessionKey, actor: str, now_ms: int) -> UsageRecord | None:
    """Delete one record permanently and return it; return `None` if it does not exist."""
    finish_writes(connection)
    of_session = and_(_of_stream(StreamId(key.scope, key.name)), usage.c.start_time == key.start_time)
    row = connection.execute(select(*RECORD_COLUMNS).where(of_session)).first()
    if row is None:
        return None
    replace_with_tombstones(connection, of_session, "deleted", now_ms)
    stream = StreamId(key.scope, key.name)
    record_audit(connection, actor, "delete session", now_ms, records=1, stream=stream, start_time=key.start_time)
    return UsageRecord(*row)


def delete_stream(connection: Connection, stream: StreamId, actor: str, now_ms: int) -> int:
    """Delete the records of one stream permanently and return how many there were."""
    count = replace_with_tombstones(connection, _of_stream(stream), "deleted", now_ms)
    if count:
        record_audit(connection, actor, "delete stream", now_ms, records=count, stream=stream)
    return count


def delete_all(connection: Connection, actor: str, now_ms: int) -> int:
    """Delete every record permanently and return how many there were."""
    count = replace_with_tombstones(connection, true(), "deleted", now_ms)
    record_audit(connection, actor, "delete all", now_ms, records=count)
    return count


def import_records(connection: Connection, records: Sequence[UsageRecord], actor: str, now_ms: int) -> int:
    """Import the records whose key is not stored, deleted keys included, and return how many were imported."""
    finish_writes(connection)
    imported = 0
    for batch in _batches(records, _KEYS_PER_BATCH):
        new: dict[tuple[bytes, int], UsageRecord] = {}
        for record in batch:
            new.setdefault((stream_key(record.scope, record.name), record.start_time), record)
        there = select(usage.c.stream, usage.c.start_time).where(
            tuple_(usage.c.stream, usage.c.start_time).in_(list(new))
        )
        for stream, start_time in connection.execute(there).all():
            del new[bytes(stream), start_time]
        if new:
            keys = tuple_(tombstones.c.stream, tombstones.c.start_time).in_(list(new))
            connection.execute(delete(tombstones).where(keys))
            parts = tuple_(server_sessions.c.stream, server_sessions.c.session_start).in_(list(new))
            reported_later = and_(parts, server_sessions.c.anchors == RELAYS_DELETED)
            connection.execute(update(server_sessions).where(reported_later).values(anchors=RELAYS))
            change = allocate_changes(connection, len(new))
            rows = [
                {"stream": stream, "live": 0, "provenance": IMPORTED, "touched_at": now_ms}
                | {"change": number}
                | {name: getattr(record, name) for name in UsageRecord.__struct_fields__}
                for number, ((stream, _), record) in enumerate(new.items(), start=change + 1)
            ]
            connection.execute(insert(usage), rows)
        imported += len(new)
    if imported:
        record_audit(connection, actor, "import", now_ms, records=imported)
    return imported


def _of_stream(stream: StreamId) -> ColumnElement[bool]:
    return usage.c.stream == stream_key(stream.scope, stream.name)


def _array(connection: Connection, where: ColumnElement[bool]) -> bytes:
    encoder = msgspec.json.Encoder()
    query = select(*RECORD_COLUMNS).where(where).order_by(usage.c.stream, usage.c.start_time.desc())
    result = connection.execution_options(stream_results=True).execute(query)
    pieces = [encoder.encode(list(starmap(UsageRecord, rows)))[1:-1] for rows in result.partitions(_ROWS_PER_BATCH)]
    return b"[" + b",".join(pieces) + b"]"


def replace_with_tombstones(connection: Connection, where: ColumnElement[bool], reason: str, now_ms: int) -> int:
    """Replace each of these records by a tombstone and return how many there were."""
    finish_writes(connection)
    count = connection.execute(select(func.count()).select_from(usage).where(where)).scalar_one()
    if count:
        change = allocate_changes(connection, count)
        tombstone_rows = select(
            usage.c.stream,
            usage.c.start_time,
            usage.c.scope,
            usage.c.name,
            literal(now_ms, BigInteger),
            literal(reason),
            literal(change, BigInteger) + func.row_number().over(order_by=usage.c.change),
        ).where(where)
        columns = ["stream", "start_time", "scope", "name", "deleted_at", "reason", "change"]
        connection.execute(insert(tombstones).from_select(columns, tombstone_rows))
        connection.execute(delete(usage).where(where))
    return count


def _batches(records: Sequence[UsageRecord], size: int) -> Iterator[Sequence[UsageRecord]]:
    for start in range(0, len(records), size):
        yield records[start : start + size]
