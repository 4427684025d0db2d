"""The most subscribers that a session had at once, over several servers: a function of what is stored.

It is the largest sum of their samples at the end of one slot. A sample counts once the watermark of its server is past
the slot: until then the server may still change it. So the order in which servers report decides nothing. Sums of slots
are counted as they change; before samples are discarded, all of theirs are part of the record. Samples that are hidden
do not count again, whether their rows are deleted or wait for their partition.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, and_, bindparam, func, select, tuple_

from streamusage.core.coverage import SLOT_MS, slot_of
from streamusage.service.rules.apply import StoredSample
from streamusage.service.rules.session_matching import StreamStart
from streamusage.service.store.change_feed import SAMPLES_KEPT_FROM, read_counter
from streamusage.service.store.schema import samples, server_sessions, servers, stream_key
from streamusage.service.store.statements import PreparedStatement

FROM_START = 0
"""The first slot of a count that begins with the session."""

_STREAMS_A_QUERY = 300

_SERVER: Any = bindparam("of_server")
_KEYS: Any = bindparam("keys", expanding=True)
_FIRST: Any = bindparam("first")
_SESSION = (server_sessions.c.stream, server_sessions.c.session_start)


def _largest_sums() -> PreparedStatement:
    """Return the statement of `load_largest_sums`."""
    parts = (
        select(
            *_SESSION,
            server_sessions.c.server,
            func.min(server_sessions.c.start_time).label("start_time"),
            func.max(server_sessions.c.end_time).label("end_time"),
        )
        .where(tuple_(*_SESSION).in_(_KEYS))
        .group_by(*_SESSION, server_sessions.c.server)
        .subquery()
    )
    sums = (
        select(parts.c.stream, parts.c.session_start, func.sum(samples.c.active).label("active"))
        .join_from(parts, servers, servers.c.server == parts.c.server)
        .join(samples, and_(samples.c.server == parts.c.server, samples.c.stream == parts.c.stream))
        .where(
            servers.c.removed != "by force",
            samples.c.slot >= _FIRST,
            samples.c.slot >= parts.c.session_start,
            samples.c.slot > parts.c.start_time - SLOT_MS,
            samples.c.slot <= parts.c.end_time - SLOT_MS,
            samples.c.slot <= servers.c.watermark - SLOT_MS,
        )
        .group_by(parts.c.stream, parts.c.session_start, samples.c.slot)
        .subquery()
    )
    most = select(sums.c.stream, sums.c.session_start, func.max(sums.c.active).label("active"))
    return PreparedStatement(most.group_by(sums.c.stream, sums.c.session_start), listed="keys")


_LARGEST_SUMS = _largest_sums()
_OF_STREAMS = PreparedStatement(
    select(*_SESSION).where(
        server_sessions.c.stream.in_(bindparam("streams", expanding=True)),
        server_sessions.c.server == _SERVER,
        server_sessions.c.end_time >= _FIRST,
    ),
    listed="streams",
)


def load_largest_sums(connection: Connection, first_slots: Mapping[StreamStart, int]) -> dict[StreamStart, int]:
    """Return the largest sum of each of these sessions, from its given slot on. Earlier slots may count, too.

    Only slots within the server's part of the session do: samples belong to a stream, not to a publish.
    """
    whole = [key for key, first in first_slots.items() if first <= key.start_time]
    later = [key for key, first in first_slots.items() if first > key.start_time]
    kept_from = read_counter(connection, SAMPLES_KEPT_FROM) if first_slots else 0
    most: dict[StreamStart, int] = {}
    for keys in (whole, later):
        if keys:
            first = max(kept_from, min(first_slots[key] for key in keys))
            for row in _LARGEST_SUMS.rows(connection, keys=sorted(keys), first=first):
                most[StreamStart(bytes(row.stream), row.session_start)] = int(row.active)
    return most


def find_changed_sums(
    connection: Connection,
    server: str,
    watermarks: tuple[int | None, int | None],
    touched: Iterable[StreamStart],
    written: Sequence[StoredSample],
) -> dict[StreamStart, int]:
    """Return the sessions of which a server's report changed sums, each with the first such slot.

    `watermarks` are those before and after the report, `touched` the sessions of its publishes, which all live ones are
    among, and `written` its samples.
    """
    before, after = watermarks
    if after is None:
        return {}
    complete = slot_of(after)
    first_slots: dict[bytes, int] = {}
    for sample in written:
        slot = sample.row.slot
        if slot < complete:
            stream = stream_key(sample.row.scope, sample.row.name)
            first_slots[stream] = min(slot, first_slots.get(stream, slot))
    reached = complete if before is None else min(complete, slot_of(before))
    first_of = {key: min(reached, first_slots.get(key.stream, reached)) for key in touched}
    changed = {key: first for key, first in first_of.items() if first < complete}
    # Samples from before the report's publishes, and those of publishes that came in another part of a report.
    named = {key.stream for key in changed}
    streams = sorted(stream for stream, first in first_slots.items() if first < reached or stream not in named)
    for start in range(0, len(streams), _STREAMS_A_QUERY):
        some = streams[start : start + _STREAMS_A_QUERY]
        first = min(first_slots[stream] for stream in some)
        for stream, start_time in _OF_STREAMS.rows(connection, of_server=server, streams=some, first=first):
            key = StreamStart(bytes(stream), start_time)
            changed[key] = min(first_slots[key.stream], changed.get(key, first_slots[key.stream]))
    return changed
