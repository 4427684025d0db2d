"""Compares figures by stream with the slots of which they are parts."""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from sqlalchemy import Connection, and_, func, select

from streamusage.core.coverage import Interval
from streamusage.core.figures import SLOT_SUM_NAMES, STREAM_SUM_NAMES
from streamusage.service.accounting.folding import read_minutes_kept_from
from streamusage.service.rules.utc_days import DAY_MS, utc_day_of
from streamusage.service.store.schema import slot_connections, slots, stream_slots
from streamusage.service.store.store import Store
from streamusage.service.store.streams.stream_slots import decode_shares


class StreamDifference(NamedTuple):
    """A row by stream that is no part of its slot."""

    server: str
    epoch: int
    slot: int
    what: str


def compare_all_streams(store: Store, progress: Callable[[int, int], None]) -> tuple[int, list[StreamDifference]]:
    """Return how many rows by stream a store has, and those that are wrong. Each read is of a server and day."""
    with store.reading() as connection:
        of_server = select(stream_slots.c.server, func.min(stream_slots.c.slot), func.max(stream_slots.c.slot))
        known = connection.execute(of_server.group_by(stream_slots.c.server).order_by(stream_slots.c.server)).all()
    found: list[StreamDifference] = []
    compared = 0
    for number, (server, first, last) in enumerate(known):
        progress(number, len(known))
        for day_ms in range(utc_day_of(first), last + 1, DAY_MS):
            with store.reading() as connection:
                # Retention discards slots and their streams in different writes.
                kept_from = read_minutes_kept_from(connection, server)
                day = Interval(day_ms, day_ms + DAY_MS).clip(kept_from, last + 1)
                count, wrong = compare_streams(connection, server, day)
            compared += count
            found += wrong
    return compared, found


def compare_streams(connection: Connection, server: str, window: Interval) -> tuple[int, list[StreamDifference]]:
    """Return how many rows by stream a server has in a window, and those that are wrong."""
    found = []
    count = 0
    for row in connection.execute(_query(server, window)):
        count += 1
        found += [StreamDifference(server, row.epoch, row.slot, what) for what in _differences(row)]
    return count, found


def _query(server: str, window: Interval) -> Any:
    connections = (
        select(func.sum(slot_connections.c.connections))
        .where(
            slot_connections.c.server == slots.c.server,
            slot_connections.c.epoch == slots.c.epoch,
            slot_connections.c.slot == slots.c.slot,
        )
        .scalar_subquery()
    )
    same = and_(*(slots.c[name] == stream_slots.c[name] for name in ("server", "epoch", "slot")))
    return (
        select(
            stream_slots.c.epoch,
            stream_slots.c.slot,
            stream_slots.c.streams,
            slots.c.revision.label("slot_revision"),
            func.coalesce(connections, 0).label("connections"),
            *(slots.c[name] for name in SLOT_SUM_NAMES),
        )
        .join(slots, same, isouter=True)
        .where(
            stream_slots.c.server == server, stream_slots.c.slot >= window.from_ms, stream_slots.c.slot < window.to_ms
        )
        .order_by(stream_slots.c.slot, stream_slots.c.epoch)
    )


def _differences(row: Any) -> Iterator[str]:
    try:
        shares = decode_shares(row.streams)
    except Exception as error:  # whatever a damaged row makes of its decoder
        yield f"cannot be decoded: {error}"
        return
    if row.slot_revision is None:
        yield "has no slot"
        return
    for name in STREAM_SUM_NAMES:
        total, most = sum(getattr(share, name) for share in shares), int(getattr(row, name))
        if total > most:
            yield f"{name} of its streams sum to {total}, its slot has {most}"
