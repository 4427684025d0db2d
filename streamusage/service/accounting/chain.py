"""Stores the chain of closings, void entries and approved corrections, see `streamusage/evidence/chain.py`.

Every entry is written in the transaction of what it states, which has the whole store: the number and hash of the last
entry stay unchanged until its commit. Closings and void entries without an entry, those of earlier versions of the
program, get theirs by `extend_chain`. The counter `chained` is the revision up to which every closing has an entry.
"""

import secrets
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import Connection, Select, and_, insert, select

from streamusage import __version__
from streamusage.api.daily import DailyFigures
from streamusage.api.evidence import Chain, ChainRow
from streamusage.core.zone_data import zone_data_version
from streamusage.evidence.canonical_json import encode
from streamusage.evidence.chain import (
    NOTHING_BEFORE,
    ChainedEntry,
    EntryKind,
    chained,
    closing_fields,
    service_of,
    signed_figures,
    void_fields,
)
from streamusage.service.accounting.closed_customers import customers_in_chain
from streamusage.service.accounting.closed_streams import hash_of_closing
from streamusage.service.accounting.disagreements import disagreements_in_chain
from streamusage.service.store.change_feed import read_counter, set_counter
from streamusage.service.store.schema import CLOSING_KEY, chain, closed_days, voids

ENTRIES_PER_BATCH = 500
"""How many missing entries one transaction writes: limits how long reports wait for it."""

_CLOSED, _CHAINED = "closed", "chained"
_VOID = (*CLOSING_KEY, "at", "by", "reason")
_FIGURES = msgspec.json.Decoder(DailyFigures)
_NO_CLOSING: Mapping[str, Any] = {"tz": "", "day": "", "server": "", "revision": 0}


class _Entry(NamedTuple):
    kind: EntryKind
    fields: Mapping[str, Any]
    correction: int = 0


def chain_closings(connection: Connection, rows: Sequence[Mapping[str, Any]], now_ms: int) -> None:
    """Append entries of closings that are written now. `rows` are of `closed_days`, with successive revisions."""
    if not rows:
        return
    _append(connection, [_closing(row) for row in rows], now_ms)
    if read_counter(connection, _CHAINED) == rows[0]["revision"] - 1:
        set_counter(connection, _CHAINED, rows[-1]["revision"])


def chain_voids(connection: Connection, rows: Sequence[Mapping[str, Any]], now_ms: int) -> None:
    """Append the entries of void entries that are written now. `rows` are of `voids`."""
    _append(connection, [_Entry("void", void_fields(**{name: row[name] for name in _VOID})) for row in rows], now_ms)


def chain_correction(connection: Connection, correction: int, fields: Mapping[str, Any], now_ms: int) -> None:
    """Append the entry of a correction that is approved now."""
    _append(connection, [_Entry("correction", fields, correction)], now_ms)


def is_chain_behind(connection: Connection) -> bool:
    """Return whether a closing or a void entry has no entry in the chain."""
    if read_counter(connection, _CHAINED) < read_counter(connection, _CLOSED):
        return True
    return connection.execute(_voids_without_entry().limit(1)).first() is not None


def extend_chain(connection: Connection, now_ms: int, at_most: int = ENTRIES_PER_BATCH) -> int:
    """Append a batch of missing entries, closings before void entries, and return how many."""
    done, closed = read_counter(connection, _CHAINED), read_counter(connection, _CLOSED)
    columns = [column for column in closed_days.c if column.name not in ("samples", "current", "stream_minutes")]
    query = select(*columns).where(closed_days.c.revision > done, closed_days.c.revision <= closed)
    rows = connection.execute(query.order_by(closed_days.c.revision).limit(at_most)).mappings().all()
    known = _closings_with_entry(connection, done)
    missing = [_closing(dict(row)) for row in rows if row["revision"] not in known]
    _append(connection, missing, now_ms)
    if done < closed:
        set_counter(connection, _CHAINED, rows[-1]["revision"] if len(rows) == at_most else closed)
    if len(rows) == at_most:
        return len(missing)
    late = connection.execute(_voids_without_entry().limit(at_most)).mappings().all()
    chain_voids(connection, [dict(row) for row in late], now_ms)
    return len(missing) + len(late)


def read_chain(connection: Connection, first: int, last: int, limit: int, now_ms: int) -> Chain:
    """Return the entries from one number to another, both included, at most `limit`."""
    query = select(chain).where(chain.c.number >= first, chain.c.number <= last).order_by(chain.c.number)
    rows = connection.execute(query.limit(limit + 1)).all()
    return Chain(
        now=now_ms,
        service=read_service_name(connection),
        entries=[
            ChainRow(number=row.number, hash=row.hash, content=msgspec.json.decode(row.content)) for row in rows[:limit]
        ],
        more=len(rows) > limit,
    )


def read_service_name(connection: Connection) -> str:
    """Return the name of the service, see `service_of`; empty while nothing was closed."""
    first = connection.execute(select(chain.c.hash).where(chain.c.number == 0)).scalar()
    return "" if first is None else service_of(first)


def _closing(row: Mapping[str, Any]) -> _Entry:
    fields = closing_fields(
        **{
            name: row[name]
            for name in (*CLOSING_KEY, "from_ms", "to_ms", "rule", "closed_at", "closed_by", "watermark")
        },
        program=__version__,
        zone_data=zone_data_version(),
        figures=signed_figures(_FIGURES.decode(row["figures"])),
        streams=hash_of_closing(row["streams"]),
        customers=customers_in_chain(row.get("customers")),
        disagreements=disagreements_in_chain(row.get("disagreements")),
    )
    return _Entry("closing", fields)


def _append(connection: Connection, entries: Iterable[_Entry], now_ms: int) -> None:
    """Append entries in their order; the first ever follows the beginning of the chain."""
    wanted = list(entries)
    if not wanted:
        return
    rows = []
    number, previous = _last(connection)
    if number < 0:
        wanted.insert(0, _Entry("beginning", {"at": now_ms, "name": secrets.token_hex(32), "program": __version__}))
    for entry in wanted:
        number += 1
        placed = chained(entry.kind, entry.fields, number, previous)
        previous = placed.hash
        rows.append(_row(placed, entry))
    connection.execute(insert(chain), rows)


def _row(placed: ChainedEntry, entry: _Entry) -> dict[str, Any]:
    key = {name: entry.fields.get(name, _NO_CLOSING[name]) for name in CLOSING_KEY}
    return {
        "number": placed.number,
        "kind": entry.kind,
        **key,
        "correction": entry.correction,
        "content": encode(placed.content),
        "hash": placed.hash,
    }


def _last(connection: Connection) -> tuple[int, str]:
    """Return number and hash of the last entry; -1 and the hash before the first for none."""
    row = connection.execute(select(chain.c.number, chain.c.hash).order_by(chain.c.number.desc()).limit(1)).first()
    return (-1, NOTHING_BEFORE) if row is None else (row.number, row.hash)


def _closings_with_entry(connection: Connection, after: int) -> set[int]:
    query = select(chain.c.revision).where(chain.c.kind == "closing", chain.c.revision > after)
    return set(connection.execute(query).scalars())


def _voids_without_entry() -> Select[Any]:
    same = and_(*(chain.c[name] == voids.c[name] for name in CLOSING_KEY), chain.c.kind == "void")
    has_closing = and_(*(chain.c[name] == voids.c[name] for name in CLOSING_KEY), chain.c.kind == "closing")
    return (
        select(voids)
        .where(~select(chain.c.number).where(same).exists(), select(chain.c.number).where(has_closing).exists())
        .order_by(voids.c.at, voids.c.revision)
    )
