"""Corrections of closed days: what arrived after a closing is proposed, approved, and billed in the next statement.

The closed figures never change. What reports change in a closed day is in the ledger at once (`ledger.py`); a proposal
names the part of it that is neither approved nor proposed yet, and an approval makes that part count. A reversal is a
correction of the opposite amount, after which the amount is pending again. So for every closing

    closed + approved + pending = slots,

where `pending` is the ledger less what is approved. Corrections of a void closing do not count: its day is closed anew
with all its figures.
"""

from collections.abc import Sequence
from datetime import date
from enum import Enum
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import msgspec
from msgspec import UNSET
from sqlalchemy import Connection, Row, Select, and_, func, insert, select, update

from streamusage.api.daily import DailyFigures, DayDifference
from streamusage.api.evidence import Correction, Corrections
from streamusage.core.figures import SUM_NAMES
from streamusage.service.accounting.chain import chain_correction
from streamusage.service.accounting.customer_differences import (
    Differences,
    combine,
    decode_differences,
    encode_differences,
    from_rows,
    ledger_by_customer,
)
from streamusage.service.accounting.ledger import IS_VOID, difference
from streamusage.service.errors import ConflictError, ObjectNotFoundError
from streamusage.service.store.schema import BULK_OF_CLOSING, CLOSING_KEY, closed_days, corrections, voids

BY_SERVICE = "service"
"""Who proposes what arrived late, and approves it below the threshold."""
PROPOSALS_PER_BATCH = 500

_FIGURES = msgspec.json.Decoder(DailyFigures)
_DIFFERENCE = msgspec.json.Decoder(DayDifference)
_NONE = DayDifference()


class ApprovalRule(Enum):
    """What a correction needs to be approved."""

    NONE = "none"
    """Nothing: a proposal is approved as it is made."""
    SECOND_TOKEN = "second-token"
    """An admin's token other than the one that proposed it."""


class ApprovalPolicy(NamedTuple):
    """How corrections are approved."""

    rule: ApprovalRule = ApprovalRule.SECOND_TOKEN
    automatic_share: float = 0.0
    """Up to which share of the closed figure, in each sum, a late arrival is approved by the service; 0 for never."""


APPROVAL_BY_SECOND_TOKEN = ApprovalPolicy()
"""The default."""


class UnknownCorrectionError(ObjectNotFoundError):
    """There is no correction of that number, or no closed day of that server."""


class CorrectionConflictError(ConflictError):
    """The correction cannot be proposed, approved or reversed as things are."""


class _Balance(NamedTuple):
    """The account of one closing."""

    closed: DailyFigures
    approved: DayDifference
    pending: DayDifference
    """What is in the ledger and not approved."""
    proposed: DayDifference
    """The part of it that waits for approval."""
    customers: Differences | None
    """What is neither approved nor waits for approval, by customer; `None` where no rules applied to the day."""
    is_void: bool

    @property
    def amount(self) -> DayDifference:
        """What is neither approved nor waits for approval."""
        return _subtract(self.pending, self.proposed)

    @property
    def is_settled(self) -> bool:
        """Whether there is nothing to propose."""
        return self.amount == _NONE and not self.customers


def propose_late_arrivals(connection: Connection, policy: ApprovalPolicy, now_ms: int) -> list[Correction]:
    """Propose corrections for what arrived late and is not proposed yet, at most a batch of days. Return them.

    What the service has approved of a closing stays within the policy's share of its figures.
    """
    made = []
    for row in connection.execute(_days_to_propose(PROPOSALS_PER_BATCH)).all():
        of_closing = and_(*(closed_days.c[name] == getattr(row, name) for name in CLOSING_KEY))
        connection.execute(update(closed_days).where(of_closing).values(considered=row.entries))
        balance = _balance(connection, row)
        if balance.is_settled or balance.is_void:
            continue
        amount = balance.amount
        reason = f"arrived after the day was closed (entry {row.entries} of its ledger)"
        correction = _insert(connection, row, amount, balance.customers, reason, BY_SERVICE, now_ms)
        automatic = _add(balance.approved, amount)
        if policy.rule is ApprovalRule.NONE or _is_within(automatic, balance.closed, policy.automatic_share):
            correction = _approve(connection, correction, BY_SERVICE, now_ms)
        made.append(correction)
    return made


def is_proposal_due(connection: Connection) -> bool:
    """Return whether something arrived late in a closed day that no proposal has considered."""
    return connection.execute(_days_to_propose(1)).first() is not None


def propose(
    connection: Connection,
    tz: ZoneInfo,
    day: date,
    server: str,
    reason: str,
    who: str,
    now_ms: int,
    policy: ApprovalPolicy,
) -> Correction:
    """Propose what is pending in a closed day and not proposed yet. Raises `UnknownCorrectionError`,
    `CorrectionConflictError`.
    """
    row = _closing(connection, tz.key, day.isoformat(), server)
    balance = _balance(connection, row)
    if balance.is_settled:
        raise CorrectionConflictError(
            f"nothing is pending in {day} of {server} ({tz.key}) that is not proposed already; nothing was changed"
        )
    correction = _insert(connection, row, balance.amount, balance.customers, reason, who, now_ms)
    return _approve(connection, correction, who, now_ms) if policy.rule is ApprovalRule.NONE else correction


def reverse(
    connection: Connection, number: int, reason: str, who: str, now_ms: int, policy: ApprovalPolicy
) -> Correction:
    """Propose to take an approved correction back: its amount becomes pending again once this is approved."""
    found = _require(connection, number)
    if found.state != "approved":
        raise CorrectionConflictError(f"correction {number} is {found.state}, so there is nothing to reverse")
    if found.reverses is not None:
        raise CorrectionConflictError(
            f"correction {number} is a reversal itself; propose the day's pending figures again instead"
        )
    if found.reversed_by is not None:
        raise CorrectionConflictError(f"correction {number} is reversed by correction {found.reversed_by} already")
    row = _closing(connection, found.tz, found.day, found.server)
    opposite = _subtract(_NONE, found.difference)
    customers = None if found.customers is UNSET else combine({}, from_rows(found.customers), -1)
    correction = _insert(connection, row, opposite, customers, reason, who, now_ms, reverses=number)
    return _approve(connection, correction, who, now_ms) if policy.rule is ApprovalRule.NONE else correction


def approve(connection: Connection, number: int, who: str, now_ms: int) -> Correction:
    """Approve a proposed correction by another token than the one that proposed it."""
    found = _require(connection, number)
    if found.state != "proposed":
        raise CorrectionConflictError(f"correction {number} is {found.state}; nothing was changed")
    if found.proposed_by == who:
        raise CorrectionConflictError(
            f"correction {number} was proposed with this token ({who}); another admin's token must approve it"
        )
    return _approve(connection, found, who, now_ms)


def list_corrections(
    connection: Connection, tz: ZoneInfo, first: date, last: date, server: str | None, now_ms: int
) -> Corrections:
    """Return the corrections of the days of a zone from `first` to `last`, of one server or of all."""
    query = _corrections().where(
        corrections.c.tz == tz.key, corrections.c.day >= first.isoformat(), corrections.c.day <= last.isoformat()
    )
    if server is not None:
        query = query.where(corrections.c.server == server)
    return Corrections(now=now_ms, corrections=[_correction(row) for row in connection.execute(query)])


def approved_between(
    connection: Connection, tz: ZoneInfo, from_ms: int, to_ms: int, server: str | None
) -> list[Correction]:
    """Return the corrections of a zone that were approved in an interval and count, of one server or of all."""
    query = _corrections().where(
        corrections.c.tz == tz.key,
        corrections.c.approved_at >= from_ms,
        corrections.c.approved_at < to_ms,
        voids.c.at.is_(None),
    )
    if server is not None:
        query = query.where(corrections.c.server == server)
    return [_correction(row) for row in connection.execute(query)]


def approved_by_day(
    connection: Connection, tz: ZoneInfo, first: date, last: date, only: Sequence[str] | None
) -> dict[tuple[str, str], DayDifference]:
    """Return what is approved of the days of a zone from `first` to `last`, by day and server."""
    is_void = select(voids.c.at).where(*(voids.c[name] == corrections.c[name] for name in CLOSING_KEY)).exists()
    query = select(corrections.c.day, corrections.c.server, corrections.c.difference).where(
        corrections.c.tz == tz.key,
        corrections.c.day >= first.isoformat(),
        corrections.c.day <= last.isoformat(),
        corrections.c.approved_at.is_not(None),
        ~is_void,
    )
    if only is not None:
        query = query.where(corrections.c.server.in_(only))
    sums: dict[tuple[str, str], DayDifference] = {}
    for row in connection.execute(query):
        key = row.day, row.server
        sums[key] = _add(sums.get(key, _NONE), _DIFFERENCE.decode(row.difference))
    return sums


def correction_fields(correction: Correction) -> dict[str, Any]:
    """Return the fields of an approved correction in the chain and in statements."""
    names = (
        *("id", "tz", "day", "server", "revision", "difference", "reason", "proposed_at", "proposed_by"),
        *("approved_at", "approved_by", "reverses"),
    )
    divided = () if correction.customers is UNSET else ("customers",)
    return {name: msgspec.to_builtins(getattr(correction, name)) for name in (*names, *divided)}


def _corrections() -> Select[Any]:
    reversal = corrections.alias("reversal")
    same = and_(*(voids.c[name] == corrections.c[name] for name in CLOSING_KEY))
    taken_back = and_(reversal.c.reverses == corrections.c.id, reversal.c.approved_at.is_not(None))
    return (
        select(corrections, voids.c.at.label("voided_at"), reversal.c.id.label("reversed_by"))
        .outerjoin(voids, same)
        .outerjoin(reversal, taken_back)
        .order_by(corrections.c.id)
    )


def _correction(row: Row[Any]) -> Correction:
    is_approved = row.approved_at is not None
    return Correction(
        id=row.id,
        server=row.server,
        day=row.day,
        tz=row.tz,
        revision=row.revision,
        state="void" if row.voided_at is not None else "approved" if is_approved else "proposed",
        difference=_DIFFERENCE.decode(row.difference),
        reason=row.reason,
        proposed_at=row.proposed_at,
        proposed_by=row.proposed_by,
        approved_at=row.approved_at,
        approved_by=row.approved_by if is_approved else None,
        reverses=row.reverses,
        reversed_by=row.reversed_by,
        customers=UNSET if row.customers is None else decode_differences(row.customers) or [],
    )


def _require(connection: Connection, number: int) -> Correction:
    row = connection.execute(_corrections().where(corrections.c.id == number)).first()
    if row is None:
        raise UnknownCorrectionError(f"there is no correction {number}")
    return _correction(row)


def _closing(connection: Connection, tz: str, day: str, server: str) -> Row[Any]:
    of_day = (closed_days.c.tz == tz, closed_days.c.day == day, closed_days.c.server == server)
    columns = [column for column in closed_days.c if column.name not in BULK_OF_CLOSING]
    row = connection.execute(select(*columns).where(~IS_VOID, *of_day)).first()
    if row is None:
        raise UnknownCorrectionError(
            f"{day} of {server} is not closed in {tz}: its figures still change by themselves; nothing was changed"
        )
    return row


def _balance(connection: Connection, closing: Row[Any]) -> _Balance:
    of_closing = and_(*(corrections.c[name] == getattr(closing, name) for name in CLOSING_KEY))
    approved = proposed = _NONE
    customers = ledger_by_customer(connection, closing)
    for row in connection.execute(select(corrections).where(of_closing)):
        if row.approved_at is not None:
            approved = _add(approved, _DIFFERENCE.decode(row.difference))
        elif row.reverses is None:
            proposed = _add(proposed, _DIFFERENCE.decode(row.difference))
        else:
            continue
        if customers is not None:
            customers = combine(customers, from_rows(decode_differences(row.customers) or []), -1)
    closed = _FIGURES.decode(closing.figures)
    ledger = _NONE if closing.current is None else difference(_FIGURES.decode(closing.current), closed)
    is_void = connection.execute(
        select(voids.c.at).where(*(voids.c[name] == getattr(closing, name) for name in CLOSING_KEY))
    )
    return _Balance(closed, approved, _subtract(ledger, approved), proposed, customers, is_void.first() is not None)


def _days_to_propose(at_most: int) -> Select[Any]:
    """Return the query for closings with entries of the ledger that no proposal has considered."""
    columns = [column for column in closed_days.c if column.name not in BULK_OF_CLOSING]
    unconsidered = closed_days.c.entries > closed_days.c.considered
    return select(*columns).where(unconsidered).order_by(closed_days.c.revision).limit(at_most)


def _insert(
    connection: Connection, closing: Row[Any], amount: DayDifference, customers: Differences | None, reason: str,
    who: str, now_ms: int, reverses: int | None = None,
) -> Correction:  # fmt: skip
    number = (connection.execute(select(func.max(corrections.c.id))).scalar() or 0) + 1
    key = {name: getattr(closing, name) for name in CLOSING_KEY}
    connection.execute(
        insert(corrections).values(
            id=number,
            **key,
            difference=msgspec.json.encode(amount),
            reason=reason,
            proposed_at=now_ms,
            proposed_by=who,
            approved_at=None,
            approved_by="",
            reverses=reverses,
            customers=encode_differences(customers),
        )
    )
    return _require(connection, number)


def _approve(connection: Connection, correction: Correction, who: str, now_ms: int) -> Correction:
    approved = {"approved_at": now_ms, "approved_by": who}
    connection.execute(update(corrections).where(corrections.c.id == correction.id).values(approved))
    found = _require(connection, correction.id)
    chain_correction(connection, found.id, correction_fields(found), now_ms)
    return found


def _is_within(amount: DayDifference, closed: DailyFigures, share: float) -> bool:
    return share > 0 and all(abs(getattr(amount, name)) <= share * getattr(closed, name) for name in SUM_NAMES)


def _add(one: DayDifference, other: DayDifference) -> DayDifference:
    return _combine(one, other, 1)


def _subtract(one: DayDifference, other: DayDifference) -> DayDifference:
    return _combine(one, other, -1)


def _combine(one: DayDifference, other: DayDifference, sign: int) -> DayDifference:
    sums = {name: getattr(one, name) + sign * getattr(other, name) for name in SUM_NAMES}
    counted, more = one.connections_by_protocol, other.connections_by_protocol
    by_protocol = {
        name: count for name in sorted({*counted, *more}) if (count := counted.get(name, 0) + sign * more.get(name, 0))
    }
    return DayDifference(**sums, connections_by_protocol=by_protocol)
