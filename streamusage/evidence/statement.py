"""A statement: closed days, the corrections posted in their period, and what both rest on, as one document. Pure.

Its bytes are canonical JSON. They depend on the closings, voids and approved corrections of the period and on the key,
never on when or by whom the statement was requested: the same request gives the same bytes while these exist.

A correction is posted in the period in which it was approved, whichever day it corrects. So each closed day and each
correction is in exactly one of the statements of successive periods, and `totals.due` of all of them add up to all
that was closed and approved.
"""

from collections.abc import Iterable, Sequence
from datetime import date
from typing import Any, Literal

import msgspec
from msgspec import UNSET, UnsetType

from streamusage.api.daily import CoveredTime, CustomerDifference, DayDifference
from streamusage.core.days import UnknownZoneError, day_interval, zone
from streamusage.core.figures import NO_CUSTOMER, SUM_NAMES
from streamusage.evidence.canonical_json import NotCanonicalError, decode, encode
from streamusage.evidence.chain import ChainedEntry, SignedFigures, chained, closing_fields
from streamusage.evidence.keys import Rotation
from streamusage.evidence.signed_customers import ClosedCustomers
from streamusage.evidence.signed_disagreements import (
    SignedDisagreement,
    find_disagreement_contradictions,
    hash_of_disagreements,
)
from streamusage.evidence.statement_customers import (
    CustomerTotal,
    DividedDay,
    StatementRules,
    find_customer_contradictions,
    is_in_order,
    total_customers,
)

KIND = "streamtop-statement-v1"


class NotStatementError(ValueError):
    """The bytes are not a statement. The text says why."""


class Period(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The days of a statement, in its account zone."""

    first_day: str
    last_day: str
    """Included."""
    from_ms: int
    to_ms: int


class NamedKey(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The key that signs a statement, and the rotations that led to it, oldest first."""

    name: str
    rotations: list[Rotation] = []


class ClosingOfDay(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """When and how a day of a statement was closed, and its place in the chain."""

    revision: int
    rule: str
    at: int
    by: str
    """Name of a token; empty for the watermark."""
    watermark: int | None
    program: str
    zone_data: str
    number: int
    """Of the entry in the chain."""
    previous: str
    """Hash of the entry before."""
    streams: str | UnsetType = UNSET
    """Hash of the sums by stream of the closing, see `hash_of_streams`. Absent for a closing without any."""


class StatementDay(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The closed day of one server."""

    server: str
    day: str
    from_ms: int
    to_ms: int
    figures: SignedFigures
    closing: ClosingOfDay
    customers: ClosedCustomers | UnsetType = UNSET
    """The sums by customer. Absent for a day to which no rules applied."""
    disagreements: list[SignedDisagreement] | UnsetType = UNSET
    """Figures of the day that were counted in two ways and differed when it was closed. Absent for a day without any.
    """

    def entry(self, tz: str) -> ChainedEntry:
        """Return the entry of the closing in the chain."""
        closing = self.closing
        fields = closing_fields(
            tz=tz,
            day=self.day,
            server=self.server,
            from_ms=self.from_ms,
            to_ms=self.to_ms,
            revision=closing.revision,
            rule=closing.rule,
            closed_at=closing.at,
            closed_by=closing.by,
            watermark=closing.watermark,
            program=closing.program,
            zone_data=closing.zone_data,
            figures=self.figures,
            streams=None if closing.streams is UNSET else closing.streams,
            customers=None if self.customers is UNSET else self.customers.in_chain(),
            disagreements=None if self.disagreements is UNSET else hash_of_disagreements(self.disagreements),
        )
        return chained("closing", fields, closing.number, closing.previous)


class StatementVoid(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An earlier closing of a day of the statement that no longer counts."""

    server: str
    day: str
    revision: int
    at: int
    by: str
    reason: str


class StatementCorrection(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A correction that was approved in the period, of a day in it or before it."""

    id: int
    server: str
    day: str
    revision: int
    """Of the closing that it corrects."""
    difference: DayDifference
    reason: str
    proposed_at: int
    proposed_by: str
    approved_at: int
    approved_by: str
    reverses: int | None
    """The correction that this one takes back."""
    customers: list[CustomerDifference] | UnsetType = UNSET
    """The difference by customer. Absent where no rules applied to the day."""
    number: int
    """Of the entry in the chain."""
    previous: str

    def entry(self, tz: str) -> ChainedEntry:
        """Return the entry of the correction in the chain."""
        fields = msgspec.to_builtins(self)
        number, previous = fields.pop("number"), fields.pop("previous")
        return chained("correction", {**fields, "tz": tz}, number, previous)


class Totals(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The sums of a statement."""

    closed: DayDifference
    corrections: DayDifference
    due: DayDifference
    """Closed and corrections together."""


class ChainEnd(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The last entry of the chain that a statement contains."""

    number: int
    hash: str


class Statement(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All that a statement says."""

    kind: Literal["streamtop-statement-v1"] = "streamtop-statement-v1"
    service: str
    """Name of the service: it has one chain."""
    key: NamedKey | None
    """`None` if the service has no key: then the statement is not signed."""
    account_zone: str
    period: Period
    only_server: str | None
    servers: list[str]
    programs: list[str]
    """Versions of streamtop that closed the days."""
    zone_data: list[str]
    """Versions of the time zone database with which they were closed."""
    revision: int
    """Of the newest closing."""
    coverage: CoveredTime
    totals: Totals
    days: list[StatementDay]
    voids: list[StatementVoid]
    corrections: list[StatementCorrection]
    chain: ChainEnd | None
    """`None` for a statement without days and corrections."""
    customers: list[CustomerTotal] | UnsetType = UNSET
    """What was closed and corrected by customer. Absent if no rules applied to any day."""
    rules: list[StatementRules] | UnsetType = UNSET
    """The rules that divided the days among customers, by hash; absent as `customers` are."""

    def entries(self) -> list[ChainedEntry]:
        """Return the entries of the chain that the statement contains, by number."""
        found = [day.entry(self.account_zone) for day in self.days]
        found += [correction.entry(self.account_zone) for correction in self.corrections]
        return sorted(found, key=lambda entry: entry.number)


def compose(
    *,
    service: str,
    key: NamedKey | None,
    account_zone: str,
    first: date,
    last: date,
    only_server: str | None,
    days: Iterable[StatementDay],
    voids: Iterable[StatementVoid],
    corrections: Iterable[StatementCorrection],
    rules: Iterable[StatementRules] = (),
) -> Statement:
    """Return the statement of these rows, with its sums."""
    tz = zone(account_zone)
    listed = sorted(days, key=lambda day: (day.day, day.server))
    posted = sorted(corrections, key=lambda correction: correction.id)
    statement = Statement(
        service=service,
        key=key,
        account_zone=account_zone,
        period=Period(
            first_day=first.isoformat(),
            last_day=last.isoformat(),
            from_ms=day_interval(first, tz).from_ms,
            to_ms=day_interval(last, tz).to_ms,
        ),
        only_server=only_server,
        days=listed,
        voids=sorted(voids, key=lambda void: (void.day, void.server, void.revision)),
        corrections=posted,
        chain=None,
        rules=sorted(rules, key=lambda entry: entry.hash) or UNSET,
        **_sums(listed, posted),
    )
    entries = statement.entries()
    if not entries:
        return statement
    end = entries[-1]
    return msgspec.structs.replace(statement, chain=ChainEnd(number=end.number, hash=end.hash))


def to_bytes(statement: Statement) -> bytes:
    """Return the bytes that are signed."""
    return encode(statement)


def parse(content: bytes) -> Statement:
    """Return the statement in these bytes. Raises `NotStatementError`."""
    try:
        document = decode(content)
        if not isinstance(document, dict) or document.get("kind") != KIND:
            raise NotStatementError("it is not a signed statement of streamtop")
        statement = msgspec.convert(document, Statement)
    except NotCanonicalError as error:
        raise NotStatementError(str(error)) from None
    except msgspec.ValidationError as error:
        raise NotStatementError(f"it does not have the form of a statement: {error}") from None
    if encode(statement) != content:
        raise NotStatementError("it does not have the form of a statement: a field is missing")
    return statement


def find_contradictions(statement: Statement) -> list[str]:
    """Return what in a statement contradicts itself: sums, order, period. Empty if nothing does."""
    found = []
    for name, value in _sums(statement.days, statement.corrections).items():
        if getattr(statement, name) != value:
            found += _differences(name, getattr(statement, name), value)
    period = statement.period
    keys = [(day.day, day.server) for day in statement.days]
    if keys != sorted(set(keys)):
        found.append("a day is listed twice, or the days are not in order")
    of_period = keys + [(void.day, void.server) for void in statement.voids]
    found += [
        f"{day} of {server} is not in the period"
        for day, server in of_period
        if not period.first_day <= day <= period.last_day
    ]
    found += [
        f"{day.day} of {day.server} was closed before it was over"
        for day in statement.days
        if day.closing.at < day.to_ms
    ]
    found += [
        f"correction {row.id} was not approved in the period"
        for row in statement.corrections
        if not period.from_ms <= row.approved_at < period.to_ms
    ]
    if statement.only_server is not None:
        named = {server for _, server in of_period} | {row.server for row in statement.corrections}
        others = sorted(named - {statement.only_server})
        found += [f"it has figures of {name}, but is a statement of {statement.only_server} only" for name in others]
    found += find_customer_contradictions(_divided(statement.days), statement.rules)
    found += [
        f"a customer of correction {row.id} is listed twice, or its customers are not in order"
        for row in statement.corrections
        if row.customers is not UNSET and not is_in_order(row.customers)
    ]
    for day in statement.days:
        if day.disagreements is not UNSET:
            label = f"{day.day} of {day.server}"
            found += find_disagreement_contradictions(label, day.server, day.disagreements)
    ids = [row.id for row in statement.corrections]
    if ids != sorted(set(ids)):
        found.append("a correction is listed twice, or the corrections are not in order")
    return found


def find_moved_bounds(statement: Statement) -> list[str]:
    """Return the days whose bounds differ from those in this machine's time zone database."""
    try:
        tz = zone(statement.account_zone)
    except UnknownZoneError:
        return [f"this machine does not know the time zone {statement.account_zone}"]
    moved = []
    for day in sorted({(row.day, row.from_ms, row.to_ms) for row in statement.days}):
        try:
            bounds = day_interval(date.fromisoformat(day[0]), tz)
        except (ValueError, OverflowError):
            moved.append(f"{day[0]!r} is not a day")
            continue
        if tuple(bounds) != day[1:]:
            moved.append(f"{day[0]} begins or ends at another time in this machine's time zone data")
    return moved


def _sums(days: Sequence[StatementDay], corrections: Sequence[StatementCorrection]) -> dict[str, Any]:
    """Return the fields of a statement that follow from its days and corrections."""
    closed = _add([day.figures for day in days])
    corrected = _add([correction.difference for correction in corrections])
    coverage = dict.fromkeys(CoveredTime.__struct_fields__, 0)
    for day in days:
        for name in coverage:
            coverage[name] += getattr(day.figures.coverage, name)
    return {
        "servers": sorted({day.server for day in days} | {correction.server for correction in corrections}),
        "programs": sorted({day.closing.program for day in days}),
        "zone_data": sorted({day.closing.zone_data for day in days}),
        "revision": max((day.closing.revision for day in days), default=0),
        "coverage": CoveredTime(**coverage),
        "totals": Totals(closed=closed, corrections=corrected, due=_add([closed, corrected])),
        "customers": total_customers(_divided(days), (row.customers for row in corrections)),
    }


def _divided(days: Sequence[StatementDay]) -> list[DividedDay]:
    return [DividedDay(f"{day.day} of {day.server}", day.figures, day.customers) for day in days]


def _add(rows: Sequence[SignedFigures | DayDifference]) -> DayDifference:
    sums = {name: sum(getattr(row, name) for row in rows) for name in SUM_NAMES}
    by_protocol: dict[str, int] = {}
    for row in rows:
        for name, count in row.connections_by_protocol.items():
            by_protocol[name] = by_protocol.get(name, 0) + count
    return DayDifference(**sums, connections_by_protocol=dict(sorted(by_protocol.items())))


def _differences(name: str, stated: Any, computed: Any) -> list[str]:
    """Return in which parts two values differ, with both."""
    if isinstance(stated, msgspec.Struct):
        return [
            text
            for field in stated.__struct_fields__
            if getattr(stated, field) != getattr(computed, field)
            for text in _differences(f"{name}.{field}", getattr(stated, field), getattr(computed, field))
        ]
    if name == "customers" and _names_of(stated) == _names_of(computed):
        pairs = zip(stated, computed, strict=True)
        return [text for one, other in pairs if one != other for text in _differences(_name_of(one), one, other)]
    if name == "customers":
        return [f"it has the totals of {_names_of(stated)}, but its days and corrections are of {_names_of(computed)}"]
    return [f"{name} is {stated}, but its days and corrections give {computed}"]


def _name_of(total: CustomerTotal) -> str:
    return NO_CUSTOMER if total.customer is None else total.customer


def _names_of(totals: list[CustomerTotal] | UnsetType) -> str:
    return "nobody" if totals is UNSET else ", ".join(map(_name_of, totals)) or "nobody"
