"""The statement of a period: what was closed and approved, as the store has it and the chain confirms it."""

from collections.abc import Collection
from datetime import date
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
from msgspec import UNSET
from sqlalchemy import Connection, and_, select

from streamusage.api.daily import DailyFigures
from streamusage.api.evidence import Correction
from streamusage.core.days import day_interval, days_between
from streamusage.core.instants import format_utc
from streamusage.evidence.chain import signed_figures
from streamusage.evidence.statement import (
    ClosingOfDay,
    NamedKey,
    Statement,
    StatementCorrection,
    StatementDay,
    StatementVoid,
    compose,
)
from streamusage.evidence.statement_customers import StatementRules
from streamusage.service.accounting.chain import read_service_name
from streamusage.service.accounting.closed_customers import decode_customers
from streamusage.service.accounting.closing import expected_servers
from streamusage.service.accounting.corrections import approved_between, correction_fields
from streamusage.service.accounting.disagreements import decode_closed
from streamusage.service.accounting.ledger import DISCOVERED_LATE, IS_VOID, closed_servers, closed_until, list_voids
from streamusage.service.errors import ConflictError, DayNotOverError, NotAccountZoneError, StoreError
from streamusage.service.store.schema import BULK_OF_CLOSING, CLOSING_KEY, chain, closed_days
from streamusage.service.store.streams.customer_rules import load_rules

_FIGURES = msgspec.json.Decoder(DailyFigures)


class NotFinalError(ConflictError):
    """A day of the period is not closed."""


class BrokenChainError(StoreError):
    """What is stored of a closing or a correction is not what the chain has of it."""


def compose_statement(
    connection: Connection,
    first: date,
    last: date,
    tz: ZoneInfo,
    server: str | None,
    zones: Collection[str],
    key: NamedKey | None,
    now_ms: int,
) -> Statement:
    """Return the statement of the days from `first` to `last`, of one server or of all.

    A server that was unknown when its day was closed is not part of it: its figures are a correction. Raises
    `NotAccountZoneError`, `DayNotOverError`, `NotFinalError`, and `BrokenChainError` for damaged rows.
    """
    if tz.key not in zones:
        raise NotAccountZoneError(
            f"{tz.key} is not an account zone of this service ({', '.join(zones)}), so its days are never closed; "
            f"start the service with --account-zone {tz.key}"
        )
    period = day_interval(first, tz)._replace(to_ms=day_interval(last, tz).to_ms)
    _refuse_open_days(connection, last, tz, server, period.to_ms, now_ms)
    _refuse_folded_days(connection, first, last, tz, server, now_ms)
    only = None if server is None else [server]
    days = _days(connection, tz, first, last, only)
    return compose(
        service=read_service_name(connection),
        key=key,
        account_zone=tz.key,
        first=first,
        last=last,
        only_server=server,
        days=days,
        voids=[
            StatementVoid(
                server=entry.server,
                day=entry.day,
                revision=entry.revision,
                at=entry.at,
                by=entry.by,
                reason=entry.reason,
            )
            for entry in list_voids(connection, tz, first, last, only)
        ],
        corrections=_corrections(connection, approved_between(connection, tz, *period, server)),
        rules=_rules(connection, {day.customers.rules for day in days if day.customers is not UNSET}),
    )


def _refuse_open_days(
    connection: Connection, last: date, tz: ZoneInfo, server: str | None, to_ms: int, now_ms: int
) -> None:
    if now_ms < to_ms:
        raise DayNotOverError(f"{last} of {tz.key} is not over; nothing was signed")
    if server is None:
        if (closed_until(connection, tz) or 0) < to_ms:
            raise NotFinalError(f"not every day up to {last} of {tz.key} is closed; nothing was signed")
        return
    known = next((item for item in expected_servers(connection, now_ms) if item.server == server), None)
    interval = day_interval(last, tz)
    if known is not None and known.ran(interval) and server not in closed_servers(connection, tz, last):
        raise NotFinalError(f"{last} of {server} is not closed in {tz.key}; nothing was signed")


def _refuse_folded_days(
    connection: Connection, first: date, last: date, tz: ZoneInfo, server: str | None, now_ms: int
) -> None:
    """Raise `NotFinalError` if a day was not closed before its hours were folded: the account zone was added later."""
    expected = [item for item in expected_servers(connection, now_ms) if server in (None, item.server)]
    for day in days_between(first, last):
        interval = day_interval(day, tz)
        folded = [item for item in expected if item.ran(interval) and interval.from_ms < item.hours_kept_from]
        if not folded:
            continue
        closed = closed_servers(connection, tz, day)
        never = next((item for item in folded if item.server not in closed), None)
        if never is not None:
            raise NotFinalError(
                f"{day} of {never.server} was not closed in {tz.key} before its hours were discarded, and no longer "
                f"can be; nothing was signed; days of {tz.key} are closed from {format_utc(never.hours_kept_from)} on"
            )


def _days(
    connection: Connection, tz: ZoneInfo, first: date, last: date, only: Collection[str] | None
) -> list[StatementDay]:
    left_out = {*BULK_OF_CLOSING, "current"} - {"customers", "disagreements"}
    columns = [column for column in closed_days.c if column.name not in left_out]
    same = and_(*(chain.c[name] == closed_days.c[name] for name in CLOSING_KEY), chain.c.kind == "closing")
    query = (
        select(*columns, chain.c.content, chain.c.hash)
        .outerjoin(chain, same)
        .where(
            ~IS_VOID,
            closed_days.c.tz == tz.key,
            closed_days.c.day >= first.isoformat(),
            closed_days.c.day <= last.isoformat(),
            closed_days.c.rule != DISCOVERED_LATE,
        )
    )
    if only is not None:
        query = query.where(closed_days.c.server.in_(only))
    return [_day(row, tz.key) for row in connection.execute(query)]


def _day(row: Any, tz: str) -> StatementDay:
    if row.content is None:
        raise StoreError(f"the closing of {row.day} of {row.server} is not in the chain yet; retry in a minute")
    content = msgspec.json.decode(row.content)
    try:
        day = _decode_day(row, content)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        day = None
    if day is None or day.entry(tz).hash != row.hash:
        raise BrokenChainError(
            f"the stored figures of {row.day} of {row.server} are not those that were closed: the chain has another "
            f"hash in entry {content['number']}; nothing was signed; check the store with streamtop store verify"
        )
    return day


def _decode_day(row: Any, content: dict[str, Any]) -> StatementDay:
    """Return a closed day. Raises `msgspec.MsgspecError` or `UnicodeDecodeError` for damaged columns."""
    return StatementDay(
        server=row.server,
        day=row.day,
        from_ms=row.from_ms,
        to_ms=row.to_ms,
        figures=signed_figures(_FIGURES.decode(row.figures)),
        closing=ClosingOfDay(
            revision=row.revision,
            rule=row.rule,
            at=row.closed_at,
            by=row.closed_by,
            watermark=row.watermark,
            program=content["program"],
            zone_data=content["zone_data"],
            number=content["number"],
            previous=content["previous"],
            streams=content.get("streams", UNSET),
        ),
        customers=UNSET if row.customers is None else decode_customers(row.customers),
        disagreements=UNSET if row.disagreements is None else decode_closed(row.disagreements),
    )


def _rules(connection: Connection, hashes: Collection[str]) -> list[StatementRules]:
    stored = load_rules(connection, hashes)
    wrong = [name for name in sorted(hashes) if name not in stored or stored[name].hash != name]
    if wrong:
        raise BrokenChainError(
            f"the customer rules {wrong[0]} are not stored as they were when days were closed by them; nothing was "
            "signed; check the store with streamtop store verify"
        )
    return [StatementRules(hash=name, customers=stored[name].rules) for name in sorted(hashes)]


def _corrections(connection: Connection, approved: Collection[Correction]) -> list[StatementCorrection]:
    query = select(chain).where(chain.c.kind == "correction", chain.c.correction.in_([row.id for row in approved]))
    entries = {row.correction: row for row in connection.execute(query)} if approved else {}
    listed = []
    for correction in approved:
        fields = correction_fields(correction)
        entry = entries.get(correction.id)
        content = {} if entry is None else msgspec.json.decode(entry.content)
        tz = fields.pop("tz")
        listed.append(
            msgspec.convert(
                {**fields, "number": content.get("number", 0), "previous": content.get("previous", "")},
                StatementCorrection,
            )
        )
        if entry is None or listed[-1].entry(tz).hash != entry.hash:
            raise BrokenChainError(
                f"correction {correction.id} is not stored as it was approved; nothing was signed; check the store "
                "with streamtop store verify"
            )
    return listed
