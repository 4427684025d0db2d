"""Checks the stored chain: that it has no break, and that the closings and corrections are those that it states."""

import zlib
from collections.abc import Iterator
from typing import Any

import msgspec
from sqlalchemy import Connection, and_, select

from streamusage.api.daily import DailyFigures
from streamusage.evidence.canonical_json import NotCanonicalError, decode
from streamusage.evidence.chain import ChainedEntry, closing_fields, find_break, signed_figures
from streamusage.service.accounting.closed_customers import customers_in_chain
from streamusage.service.accounting.closed_streams import hash_of_closing
from streamusage.service.accounting.disagreements import disagreements_in_chain
from streamusage.service.store.schema import CLOSING_KEY, chain, closed_days

_PLACE = {"kind", "number", "previous"}
_ENTRIES_PER_READ = 1_000
_FIGURES = msgspec.json.Decoder(DailyFigures)


def read_entries(connection: Connection, after: int) -> list[Any]:
    """Return the next entries after a number, each with the row of its closing, if it is one."""
    same = and_(*(closed_days.c[name] == chain.c[name] for name in CLOSING_KEY), chain.c.kind == "closing")
    columns = [
        closed_days.c[name].label(f"closed_{name}")
        for name in (
            "from_ms",
            "to_ms",
            "rule",
            "closed_at",
            "closed_by",
            "watermark",
            "figures",
            "streams",
            "customers",
            "disagreements",
        )
    ]
    query = select(chain, *columns).outerjoin(closed_days, same).where(chain.c.number > after)
    return list(connection.execute(query.order_by(chain.c.number).limit(_ENTRIES_PER_READ)).all())


def find_chain_faults(
    rows: list[Any], before: ChainedEntry | None
) -> tuple[list[tuple[int, str]], ChainedEntry | None]:
    """Return the faults in successive rows of the chain, by number, and the last entry. `before` is the one before."""
    faults: list[tuple[int, str]] = []
    for row in rows:
        try:
            content = decode(row.content)
        except NotCanonicalError as error:
            faults.append((row.number, f"cannot be decoded: {error}"))
            before = None
            continue
        entry = ChainedEntry(row.number, row.hash, content)
        pair = [entry] if before is None else [before, entry]
        if problem := find_break(pair):
            faults.append((row.number, problem))
        if before is not None and entry.number != before.number + 1:
            faults.append((row.number, f"follows entry {before.number}: entries are missing"))
        faults += ((row.number, what) for what in _differences(row, content))
        before = entry
    return faults, before


def _differences(row: Any, content: dict[str, Any]) -> Iterator[str]:
    if any(content.get(name, getattr(row, name)) != getattr(row, name) for name in ("kind", "number", *CLOSING_KEY)):
        yield "is stored under another key than it states"
    if row.kind != "closing":
        return
    if row.closed_figures is None:
        yield "states a closing that is missing"
        return
    try:
        figures = signed_figures(_FIGURES.decode(row.closed_figures))
        streams = hash_of_closing(row.closed_streams)
        customers = customers_in_chain(row.closed_customers)
        disagreements = disagreements_in_chain(row.closed_disagreements)
    except (msgspec.MsgspecError, ValueError, zlib.error):
        return  # the ledger's check names it
    stored = closing_fields(
        **{name: getattr(row, name) for name in CLOSING_KEY},
        from_ms=row.closed_from_ms,
        to_ms=row.closed_to_ms,
        rule=row.closed_rule,
        closed_at=row.closed_closed_at,
        closed_by=row.closed_closed_by,
        watermark=row.closed_watermark,
        program=content.get("program", ""),
        zone_data=content.get("zone_data", ""),
        figures=figures,
        streams=streams,
        customers=customers,
        disagreements=disagreements,
    )
    other = [name for name in {*stored, *content} - _PLACE if content.get(name) != stored.get(name)]
    if other:
        yield f"states another {', '.join(sorted(other))} than the closing has: it was changed after the day was closed"
