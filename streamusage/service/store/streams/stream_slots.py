"""Figures by stream in the store: one row for each slot and epoch with the parts of all its streams, compressed.

A report changes nearly all streams of the present slot, and reads of a time need all streams of it: one row is a tenth
of the bytes and of the work of a row for each stream (docs/decisions/0019-streams-of-a-slot-in-one-row.md). The parts
are stored by column, because equal kinds of numbers compress best. A slot in which no stream has figures has no row.
"""

import zlib
from collections.abc import Collection, Iterator, Sequence
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import Connection, bindparam, func, select

from streamusage.core.coverage import Interval
from streamusage.service.rules.stream_slots import ShareColumns, StoredStreams, StreamShare, share_columns
from streamusage.service.store.change_feed import SLOTS_KEPT_FROM, read_counter
from streamusage.service.store.schema import servers as servers_table
from streamusage.service.store.schema import stream_slots
from streamusage.service.store.sql import upsert
from streamusage.service.store.statements import PreparedStatement

_SLOTS_A_QUERY = 300
_LEVEL = 1
"""Compression level: higher ones take longer for a few per cent."""
_COLUMNS = len(StreamShare.__struct_fields__)
_DECODER = msgspec.msgpack.Decoder(tuple[list[Any], ...])

_STARTS: Any = bindparam("starts", expanding=True)
_STREAMS = PreparedStatement(
    select(stream_slots).where(
        stream_slots.c.server == bindparam("of_server"),
        stream_slots.c.epoch == bindparam("of_epoch"),
        stream_slots.c.slot.in_(_STARTS),
        stream_slots.c.slot >= bindparam("first"),
        stream_slots.c.slot <= bindparam("last"),
    ),
    listed="starts",
)


def encode_shares(shares: Sequence[StreamShare]) -> bytes:
    """Return the parts of the streams of a slot as they are stored."""
    return zlib.compress(msgspec.msgpack.encode(share_columns(shares)), _LEVEL)


def decode_shares(body: bytes) -> tuple[StreamShare, ...]:
    """Return stored parts. Raises `ValueError` or `zlib.error` for anything else.

    Columns that a later version adds are ignored.
    """
    columns = decode_columns(body)
    return tuple(msgspec.convert(list(map(list, zip(*columns, strict=True))), list[StreamShare]))


def decode_columns(body: bytes) -> ShareColumns:
    """Return stored parts by column, which is faster where all of them are added up. Their values are not checked."""
    return _DECODER.decode(zlib.decompress(body))[:_COLUMNS]


def load_epoch_streams(
    connection: Connection, server: str, epoch: int, slots: Collection[int]
) -> dict[int, StoredStreams]:
    """Return the stored streams of these slots in one epoch."""
    stored = {}
    ordered = sorted(slots)
    for start in range(0, len(ordered), _SLOTS_A_QUERY):
        starts = ordered[start : start + _SLOTS_A_QUERY]
        values = {"of_server": server, "of_epoch": epoch, "starts": starts, "first": starts[0], "last": starts[-1]}
        for row in _STREAMS.rows(connection, **values):
            stored[row.slot] = StoredStreams(row.slot, row.revision, decode_shares(row.streams))
    return stored


def save_streams(connection: Connection, server: str, epoch: int, stored: Sequence[StoredStreams]) -> None:
    """Write the streams of slots."""
    upsert(
        connection,
        stream_slots,
        (
            {
                "server": server,
                "epoch": epoch,
                "slot": streams.slot,
                "revision": streams.revision,
                "streams": encode_shares(streams.shares),
            }
            for streams in stored
        ),
    )


class SlotShares(NamedTuple):
    """Parts of the streams of a server in a slot, as one of its epochs counted them."""

    server: str
    slot: int
    shares: Sequence[StreamShare]


def read_streams(
    connection: Connection, window: Interval, servers: Collection[str] | None = None
) -> Iterator[SlotShares]:
    """Yield the figures by stream of the slots that begin in a window, oldest first, of these servers or of all.

    A slot that several epochs counted occurs several times: parts of it add up. What the streams leave of the slots
    (`slots`) is not by stream. Slots that retention discarded or folded are left out. Rows are decoded one at a time.
    """
    first = max(window.from_ms, read_counter(connection, SLOTS_KEPT_FROM))
    of_server = stream_slots.c.server == servers_table.c.server
    query = (
        select(stream_slots.c.server, stream_slots.c.slot, stream_slots.c.streams)
        .join(servers_table, of_server, isouter=True)
        .where(stream_slots.c.slot >= first, stream_slots.c.slot < window.to_ms)
        .where(stream_slots.c.slot >= func.coalesce(servers_table.c.minutes_kept_from, 0))
        .order_by(stream_slots.c.slot, stream_slots.c.server, stream_slots.c.epoch)
    )
    if servers is not None:
        query = query.where(stream_slots.c.server.in_(sorted(servers)))
    for row in connection.execute(query):
        yield SlotShares(row.server, row.slot, decode_shares(row.streams))
