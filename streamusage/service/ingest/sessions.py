"""Keeps `usage` consistent with the publishes that servers report, in the transaction of the report.

A deleted record stays deleted: later figures for it go to the orphan ledger.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple, TypeVar

from sqlalchemy import ColumnElement, Connection, Row, and_, bindparam, delete, or_, select, tuple_, update

from streamusage.api.report import Role, SessionRow
from streamusage.core.coverage import IMPORTED, Provenance
from streamusage.service.ingest.moved_streams import load_newest_starts, load_unseen_sessions
from streamusage.service.ingest.session_maximum import FROM_START, load_largest_sums
from streamusage.service.rules.repair import Relocation
from streamusage.service.rules.session_matching import (
    Anchor,
    Anchors,
    SessionFigures,
    SessionPart,
    StreamStart,
    is_unseen,
    session_figures,
)
from streamusage.service.store.change_feed import SAMPLES_KEPT_FROM, allocate_changes, read_counter
from streamusage.service.store.records import FINAL_REASONS
from streamusage.service.store.schema import (
    ANCHORS,
    RELAYS,
    RELAYS_DELETED,
    orphans,
    server_sessions,
    servers,
    stream_key,
    tombstones,
    usage,
)
from streamusage.service.store.sql import upsert
from streamusage.service.store.statements import PreparedStatement
from streamusage.service.store.writing.write_group import lock_streams

Item = TypeVar("Item")

_BATCH_SIZE = 300

_FIELDS = SessionRow.__struct_fields__
_ORPHAN_COLUMNS = ("server", "epoch", "publish_id", "stream", "scope", "name", "end_time", "active", "highest", "total")

_SERVER: Any = bindparam("of_server")
_KEYS: Any = bindparam("keys", expanding=True)
_LIVE = PreparedStatement(
    select(server_sessions.c.stream, server_sessions.c.session_start).where(
        server_sessions.c.live == 1, server_sessions.c.server == _SERVER
    )
)
_TOMBSTONES = PreparedStatement(
    select(tombstones.c.stream, tombstones.c.start_time, tombstones.c.reason).where(
        tuple_(tombstones.c.stream, tombstones.c.start_time).in_(_KEYS)
    ),
    listed="keys",
)
_RECORDS = PreparedStatement(select(usage).where(tuple_(usage.c.stream, usage.c.start_time).in_(_KEYS)), listed="keys")
_PARTS = PreparedStatement(
    select(
        server_sessions,
        servers.c.epoch.label("active_epoch"),
        servers.c.owes,
        servers.c.unreachable,
        servers.c.removed,
    )
    .join(servers, servers.c.server == server_sessions.c.server)
    .where(
        tuple_(server_sessions.c.stream, server_sessions.c.session_start).in_(_KEYS),
        servers.c.removed != "by force",
    ),
    listed="keys",
)
_JOINED_BEFORE = PreparedStatement(
    select(
        server_sessions.c.publish_id,
        server_sessions.c.stream,
        server_sessions.c.anchors,
        server_sessions.c.session_start,
    )
    .where(server_sessions.c.server == _SERVER, server_sessions.c.publish_id.in_(_KEYS))
    .order_by(server_sessions.c.epoch),
    listed="keys",
)
_ANCHORS = PreparedStatement(
    select(
        server_sessions.c.stream, server_sessions.c.session_start, server_sessions.c.end_time, server_sessions.c.live
    ).where(server_sessions.c.stream.in_(_KEYS), server_sessions.c.anchors == 1),
    listed="keys",
)
_EDGE_PUBLISHES = PreparedStatement(
    select(
        server_sessions.c.server,
        server_sessions.c.publish_id,
        server_sessions.c.stream,
        server_sessions.c.start_time,
        server_sessions.c.session_start,
        server_sessions.c.anchors,
    )
    .outerjoin(
        tombstones,
        and_(
            tombstones.c.stream == server_sessions.c.stream,
            tombstones.c.start_time == server_sessions.c.session_start,
            tombstones.c.reason.in_(FINAL_REASONS),
        ),
    )
    .where(
        server_sessions.c.stream.in_(_KEYS),
        or_(
            and_(server_sessions.c.anchors == RELAYS, tombstones.c.stream.is_(None)),
            server_sessions.c.anchors == RELAYS_DELETED,
        ),
    ),
    listed="keys",
)
_JOIN_SESSION = (
    update(server_sessions)
    .where(
        server_sessions.c.server == _SERVER,
        server_sessions.c.publish_id == bindparam("of_publish"),
        server_sessions.c.stream == bindparam("of_stream"),
    )
    .values(session_start=bindparam("joined"), anchors=RELAYS)
)
_FORGET_ORPHAN = delete(orphans).where(
    orphans.c.stream == bindparam("of_stream"),
    orphans.c.start_time == bindparam("of_start"),
    orphans.c.server == bindparam("of_server"),
    orphans.c.publish_id == bindparam("of_publish"),
)


class WrittenSessions(NamedTuple):
    """Sessions that the publishes of a report touch."""

    touched: set[StreamStart]
    recounted: set[StreamStart]
    """Those with other parts than before, and those of which a part has ended: their maximum is counted again."""


def write_sessions(
    connection: Connection,
    server: str,
    role: Role,
    epoch: int,
    rows: Sequence[SessionRow],
    late_before: int,
    now_ms: int,
) -> WrittenSessions:
    """Write the publishes of a report and return the sessions that this touches.

    Figures from before `late_before` arrived too late to be live.
    """
    streams = [stream_key(row.scope, row.name) for row in rows]
    lock_streams(connection, streams)
    joined = _joined_before(connection, server, rows)
    known = frozenset(joined)
    anchors_of: Mapping[bytes, Anchors] = {}
    if role == "edge":
        new = {stream for row, stream in zip(rows, streams, strict=True) if (row.publish_id, stream) not in joined}
        anchors_of = _load_anchors(connection, new)
    touched: set[StreamStart] = set()
    recounted: set[StreamStart] = set()
    anchored: set[StreamStart] = set()
    for row, stream in zip(rows, streams, strict=True):
        before = joined.get((row.publish_id, stream))
        anchors, session_start = before or _join(role, row, anchors_of.get(stream))
        if anchors == ANCHORS and before is None:
            anchored.add(StreamStart(stream, session_start))
        joined[row.publish_id, stream] = anchors, session_start
        touched.add(StreamStart(stream, session_start))
        if before is None or not row.live:
            recounted.add(StreamStart(stream, session_start))
    deleted = _find_deleted(connection, touched)
    written = []
    for row, stream in zip(rows, streams, strict=True):
        anchors, session_start = joined[row.publish_id, stream]
        if (
            anchors == RELAYS
            and StreamStart(stream, session_start) in deleted
            and (row.publish_id, stream) not in known
        ):
            anchors = RELAYS_DELETED
        written.append(
            {name: getattr(row, name) for name in _FIELDS}
            | {"server": server, "epoch": epoch, "stream": stream, "live": int(row.live)}
            | {"anchors": anchors, "late": int(row.end_time < late_before), "session_start": session_start}
        )
    upsert(connection, server_sessions, written)
    recounted |= _rejoin(connection, anchored)
    touched |= recounted | unseen_sessions(connection, anchored)
    _keep_orphans(connection, written, deleted, now_ms)
    return WrittenSessions(touched, recounted)


def live_sessions(connection: Connection, server: str) -> set[StreamStart]:
    """Return the sessions in which a publish of the server is stored as live, whatever its epoch."""
    return {StreamStart(bytes(stream), start_time) for stream, start_time in _LIVE.rows(connection, of_server=server)}


def unseen_sessions(connection: Connection, of: Collection[StreamStart]) -> set[StreamStart]:
    """Return the sessions of the same streams on servers that are not seen: a newer one may have ended them."""
    return {StreamStart(*session) for session in load_unseen_sessions(connection, {key.stream for key in of})}


def sessions_of(connection: Connection, server: str) -> set[StreamStart]:
    """Return every session that the server had a part in."""
    query = select(server_sessions.c.stream, server_sessions.c.session_start).where(server_sessions.c.server == server)
    return {StreamStart(bytes(stream), start_time) for stream, start_time in connection.execute(query.distinct())}


def move_sessions(connection: Connection, server: str, relocation: Relocation, now_ms: int) -> set[StreamStart]:
    """Move the times of the server's publishes as a repair moves its figures. Return the sessions that this touches.

    A session whose start moves has another key: its parts on other servers move along, and its record is replaced.
    A deleted record stays deleted.
    """
    move, end = relocation.move_instant, relocation.end
    own = server_sessions.c.server == server
    ahead = and_(own, or_(server_sessions.c.start_time > end, server_sessions.c.end_time > end))
    rows = connection.execute(select(server_sessions).where(ahead)).all()
    touched = {StreamStart(bytes(row.stream), row.session_start) for row in rows}
    for row in rows:
        of_row = and_(own, server_sessions.c.epoch == row.epoch, server_sessions.c.publish_id == row.publish_id)
        start_time = move(row.start_time)
        values = {"start_time": start_time, "end_time": max(start_time, move(row.end_time)), "late": 1}
        connection.execute(update(server_sessions).where(of_row).values(values))
    moved = {
        StreamStart(bytes(row.stream), row.session_start): StreamStart(bytes(row.stream), move(row.session_start))
        for row in rows
        if row.anchors == ANCHORS and row.session_start > end
    }
    for old, new in moved.items():
        _move_session(connection, server_sessions.c.session_start == old.start_time, old, new, now_ms)
        touched |= {new, *_rejoin(connection, {new})}
    for row in rows:
        old = StreamStart(bytes(row.stream), row.session_start)
        if row.anchors == ANCHORS or row.session_start <= end or old in moved:
            continue
        start_time = move(row.start_time)
        anchors = _load_anchors(connection, {old.stream}).get(old.stream)
        new = StreamStart(old.stream, start_time if anchors is None else anchors.match_session(start_time))
        _move_session(connection, and_(own, server_sessions.c.publish_id == row.publish_id), old, new, now_ms)
        touched.add(new)
    return touched


def _move_session(
    connection: Connection, parts: ColumnElement[bool], old: StreamStart, new: StreamStart, now_ms: int
) -> None:
    connection.execute(
        update(server_sessions)
        .where(parts, server_sessions.c.stream == old.stream)
        .values(session_start=new.start_time)
    )
    buried = connection.execute(
        select(tombstones).where(
            tombstones.c.stream == old.stream,
            tombstones.c.start_time == old.start_time,
            tombstones.c.reason.in_(FINAL_REASONS),
        )
    ).first()
    if buried is not None:
        copy = buried._asdict() | {"start_time": new.start_time, "deleted_at": min(buried.deleted_at, now_ms)}
        upsert(connection, tombstones, [copy | {"change": allocate_changes(connection, 1) + 1}])


def refresh_records(
    connection: Connection,
    touched: Iterable[StreamStart],
    now_ms: int,
    *,
    changed_sums: Mapping[StreamStart, int] = MappingProxyType({}),
    forget_max: bool = False,
) -> None:
    """Update the usage records of these sessions. A record whose figures stay the same is not written.

    `changed_sums` are those of which the sum over several servers has changed, each with the first such slot. With
    `forget_max` the maximum of all is computed again, because its sources may no longer be accounted for.
    """
    ordered = sorted(touched)
    lock_streams(connection, {key.stream for key in ordered})
    changes = _RecordChanges([], [], [])
    for keys in _batches(ordered, _BATCH_SIZE):
        sums = (
            dict.fromkeys(keys, FROM_START)
            if forget_max
            else {key: changed_sums[key] for key in keys if key in changed_sums}
        )
        _find_changes(connection, keys, sums, forget_max, changes)
    _write_changes(connection, changes, now_ms)


class _RecordChanges(NamedTuple):
    """What is to be written to usage records and tombstones."""

    written: list[dict[str, Any]]
    emptied: list[Row[Any]]
    """Records without any part left."""
    restored: list[StreamStart]
    """Keys of tombstones that a record replaces again."""


def _find_changes(
    connection: Connection,
    keys: list[StreamStart],
    changed_sums: Mapping[StreamStart, int],
    forget_max: bool,
    changes: _RecordChanges,
) -> None:
    buried = {
        StreamStart(bytes(row.stream), row.start_time): row.reason for row in _TOMBSTONES.rows(connection, keys=keys)
    }
    keys = [key for key in keys if buried.get(key) not in FINAL_REASONS]
    if not keys:
        return
    before = {StreamStart(bytes(row.stream), row.start_time): row for row in _RECORDS.rows(connection, keys=keys)}
    parts: dict[StreamStart, list[Row[Any]]] = {key: [] for key in keys}
    for row in _PARTS.rows(connection, keys=keys):
        parts[StreamStart(bytes(row.stream), row.session_start)].append(row)

    figures = {key: [_part(row) for row in rows] for key, rows in parts.items()}
    newest_starts = load_newest_starts(connection, {key.stream for key in keys if is_unseen(figures[key])})
    on_several = {key for key in keys if len({row.server for row in parts[key]}) > 1}
    largest_sums = load_largest_sums(connection, {key: slot for key, slot in changed_sums.items() if key in on_several})
    kept_from = read_counter(connection, SAMPLES_KEPT_FROM) if changed_sums else 0
    for key in keys:
        old = before.get(key)
        if not parts[key]:
            if old is not None:
                changes.emptied.append(old)
            continue
        largest_sum = largest_sums.get(key, 0)
        first = changed_sums.get(key, key.start_time + 1)
        # Counted whole, and none of its samples was discarded.
        is_counted_anew = first <= key.start_time and kept_from <= key.start_time
        if old is not None and not forget_max and not is_counted_anew:
            largest_sum = max(largest_sum, old.max_subscribers)
        new = session_figures(key.start_time, figures[key], largest_sum, newest_starts.get(key.stream))
        if old is None or new != _figures_of(old):
            names = {"scope": parts[key][0].scope, "name": parts[key][0].name}
            columns = new._asdict() | {"live": int(new.live), "provenance": new.provenance.value}
            changes.written.append(key._asdict() | names | columns)
        if key in buried:
            changes.restored.append(key)


def _write_changes(connection: Connection, changes: _RecordChanges, now_ms: int) -> None:
    written, emptied, restored = changes
    for batch in _batches(restored, _BATCH_SIZE):
        connection.execute(delete(tombstones).where(tuple_(tombstones.c.stream, tombstones.c.start_time).in_(batch)))
    gone = [StreamStart(bytes(row.stream), row.start_time) for row in emptied]
    for batch in _batches(gone, _BATCH_SIZE):
        connection.execute(delete(usage).where(tuple_(usage.c.stream, usage.c.start_time).in_(batch)))
    if not written and not emptied:
        return
    change = allocate_changes(connection, len(written) + len(emptied))
    times = {"updated": now_ms, "touched_at": now_ms}
    upsert(connection, usage, [row | times | {"change": number} for number, row in enumerate(written, change + 1)])
    tombstone_rows = [
        key._asdict()
        | {"scope": row.scope, "name": row.name, "deleted_at": now_ms, "reason": "joined", "change": number}
        for number, (key, row) in enumerate(zip(gone, emptied, strict=True), change + len(written) + 1)
    ]
    upsert(connection, tombstones, tombstone_rows)


def _joined_before(
    connection: Connection, server: str, rows: Sequence[SessionRow]
) -> dict[tuple[str, bytes], tuple[int, int]]:
    """Return by publish and stream: whether it anchors and which session it is part of, as first decided in any
    epoch.
    """
    decided: dict[tuple[str, bytes], tuple[int, int]] = {}
    for batch in _batches([row.publish_id for row in rows], _BATCH_SIZE):
        for publish_id, stream, anchors, session_start in _JOINED_BEFORE.rows(connection, of_server=server, keys=batch):
            decided.setdefault((publish_id, bytes(stream)), (anchors, session_start))
    return decided


def _join(role: Role, row: SessionRow, anchors: Anchors | None) -> tuple[int, int]:
    if role != "edge":
        return ANCHORS, row.start_time
    return RELAYS, row.start_time if anchors is None else anchors.match_session(row.start_time)


def _load_anchors(connection: Connection, streams: Collection[bytes]) -> dict[bytes, Anchors]:
    """Return the sessions that an edge's publish can join, by stream."""
    found: defaultdict[bytes, list[Anchor]] = defaultdict(list)
    for batch in _batches(sorted(streams), _BATCH_SIZE):
        for stream, start_time, end_time, live in _ANCHORS.rows(connection, keys=batch):
            found[bytes(stream)].append(Anchor(start_time, end_time, bool(live)))
    return {stream: Anchors(anchors) for stream, anchors in found.items()}


def _rejoin(connection: Connection, anchored: Collection[StreamStart]) -> set[StreamStart]:
    """Let edges' publishes that arrived before their session's anchor join it; return the sessions that they left.

    A publish whose record was deleted stays where it is: joining would restore deleted figures. One that was reported
    after the delete does not, and is no orphan any more.
    """
    candidates = []
    for batch in _batches(sorted({key.stream for key in anchored}), _BATCH_SIZE):
        candidates += _EDGE_PUBLISHES.rows(connection, keys=batch)
    if not candidates:
        return set()
    anchors_of = _load_anchors(connection, {bytes(row.stream) for row in candidates})
    left = set()
    moved, adopted = [], []
    for row in candidates:
        stream = bytes(row.stream)
        start_time = anchors_of[stream].match_session(row.start_time)
        if start_time != row.session_start and (stream, start_time) in anchored:
            moved.append(
                {"of_server": row.server, "of_publish": row.publish_id, "of_stream": stream, "joined": start_time}
            )
            left.add(StreamStart(stream, row.session_start))
            if row.anchors == RELAYS_DELETED:
                adopted.append(
                    {"of_stream": stream, "of_start": row.session_start, "of_server": row.server}
                    | {"of_publish": row.publish_id}
                )
    if moved:
        connection.execute(_JOIN_SESSION, moved)
    if adopted:
        connection.execute(_FORGET_ORPHAN, adopted)
    return left


def _find_deleted(connection: Connection, keys: Collection[StreamStart]) -> set[StreamStart]:
    """Return those of the sessions whose records are deleted for good."""
    return {
        StreamStart(bytes(row.stream), row.start_time)
        for batch in _batches(sorted(keys), _BATCH_SIZE)
        for row in _TOMBSTONES.rows(connection, keys=batch)
        if row.reason in FINAL_REASONS
    }


def _keep_orphans(
    connection: Connection, rows: list[dict[str, Any]], deleted: Collection[StreamStart], now_ms: int
) -> None:
    if not deleted:
        return
    ledger = [
        {name: row[name] for name in _ORPHAN_COLUMNS} | {"start_time": row["session_start"], "last_at": now_ms}
        for row in rows
        if StreamStart(row["stream"], row["session_start"]) in deleted
    ]
    upsert(connection, orphans, [row | {"first_at": now_ms} for row in ledger], keep=("first_at",))


def _part(row: Row[Any]) -> SessionPart:
    return SessionPart(
        server=row.server,
        epoch=row.epoch,
        publish_id=row.publish_id,
        end_time=row.end_time,
        live=bool(row.live),
        active=row.active,
        highest=row.highest,
        total=row.total,
        late=bool(row.late),
        epoch_is_active=row.epoch == row.active_epoch,
        owes=Provenance(row.owes) if row.owes else None,
        unreachable=bool(row.unreachable),
        removed=bool(row.removed),
    )


def _figures_of(row: Row[Any]) -> SessionFigures:
    return SessionFigures(
        row.end_time,
        row.duration,
        row.active_subscribers,
        row.max_subscribers,
        row.lost_subscribers,
        row.total_subscribers,
        bool(row.live),
        Provenance.PARTIAL if row.provenance == IMPORTED else Provenance(row.provenance),
        row.unseen_subscribers,
    )


def _batches(items: Sequence[Item], size: int) -> Iterator[list[Item]]:
    for start in range(0, len(items), size):
        yield list(items[start : start + size])
