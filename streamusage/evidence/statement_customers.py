"""The customers of a statement: their sums in each closed day, their totals, and the rules that made them. Pure.

A statement has them only where rules applied to one of the days that it closes or corrects. What customers leave of the
totals is not by stream, or of days without rules.
"""

from collections.abc import Iterable, Iterator, Sequence

import msgspec
from msgspec import UNSET, UnsetType

from streamusage.api.daily import CustomerDifference
from streamusage.core.figures import STREAM_SUM_NAMES
from streamusage.evidence.chain import SignedFigures
from streamusage.evidence.signed_customers import ClosedCustomers, CustomerRule, SignedCustomer, hash_of_rules


class StatementRules(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The rules by which days of a statement were divided, and their hash, which the closings have."""

    hash: str
    customers: tuple[CustomerRule, ...]


class StreamSums(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Sums that exist by stream."""

    connections: int
    bytes_in: int
    bytes_out: int
    view_time_ms: int


class CustomerTotal(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The sums of one customer, over all days, servers and corrections of a statement."""

    customer: str | None
    """`None` for the streams of no customer."""
    closed: StreamSums
    corrections: StreamSums
    due: StreamSums
    """Closed and corrections together."""


class DividedDay(msgspec.Struct, frozen=True):
    """A day of one server, as far as its customers go."""

    label: str
    figures: SignedFigures
    customers: ClosedCustomers | UnsetType


def total_customers(
    days: Iterable[DividedDay], corrections: Iterable[list[CustomerDifference] | UnsetType]
) -> list[CustomerTotal] | UnsetType:
    """Return the totals by customer, in their order. Absent if no day and no correction has customers."""
    divided = [day.customers.sums for day in days if day.customers is not UNSET]
    corrected = [rows for rows in corrections if rows is not UNSET]
    if not divided and not corrected:
        return UNSET
    closed, moved = _by_customer(divided), _by_customer(corrected)
    return [
        CustomerTotal(
            customer=customer,
            closed=_sums(closed.get(customer, [])),
            corrections=_sums(moved.get(customer, [])),
            due=_sums([*closed.get(customer, []), *moved.get(customer, [])]),
        )
        for customer in sorted({*closed, *moved}, key=_place)
    ]


def is_in_order(rows: Sequence[SignedCustomer | CustomerDifference]) -> bool:
    """Return whether rows are by name, those of no customer last, each once."""
    names = [row.customer for row in rows]
    return names == sorted(set(names), key=_place)


def _place(customer: str | None) -> tuple[bool, str]:
    return customer is None, customer or ""


def _by_customer(
    parts: Iterable[Sequence[SignedCustomer | CustomerDifference]],
) -> dict[str | None, list[SignedCustomer | CustomerDifference]]:
    found: dict[str | None, list[SignedCustomer | CustomerDifference]] = {}
    for rows in parts:
        for row in rows:
            found.setdefault(row.customer, []).append(row)
    return found


def _sums(rows: Sequence[SignedCustomer | CustomerDifference]) -> StreamSums:
    return StreamSums(**{name: sum(getattr(row, name) for row in rows) for name in STREAM_SUM_NAMES})


def find_customer_contradictions(
    days: Sequence[DividedDay], rules: Sequence[StatementRules] | UnsetType
) -> Iterator[str]:
    """Yield what contradicts itself: sums of customers against those of their servers, and against the rules."""
    listed = {} if rules is UNSET else {entry.hash: {rule.name for rule in entry.customers} for entry in rules}
    for entry in () if rules is UNSET else rules:
        if hash_of_rules(entry.customers) != entry.hash:
            yield f"the rules {entry.hash[:12]} do not have the hash that they are listed with"
    used = {day.customers.rules for day in days if day.customers is not UNSET}
    for hash_ in sorted(used - listed.keys()):
        yield f"days were divided by the rules {hash_[:12]}, which the statement does not have"
    for hash_ in sorted(listed.keys() - used):
        yield f"no day was divided by the rules {hash_[:12]}"
    if rules is not UNSET and [entry.hash for entry in rules] != sorted({entry.hash for entry in rules}):
        yield "rules are listed twice, or not in order"
    for day in days:
        if day.customers is not UNSET:
            yield from _contradictions_of_day(day, day.customers, listed.get(day.customers.rules))


def _contradictions_of_day(day: DividedDay, divided: ClosedCustomers, names: set[str] | None) -> Iterator[str]:
    customers = [row.customer for row in divided.sums]
    if not is_in_order(divided.sums):
        yield f"a customer of {day.label} is listed twice, or the customers are not in order"
    if names is not None:
        yield from (
            f"{day.label} has figures of {name}, whom its rules do not name"
            for name in customers
            if name is not None and name not in names
        )
    for name in STREAM_SUM_NAMES:
        total, most = sum(getattr(row, name) for row in divided.sums), getattr(day.figures, name)
        if total > most:
            yield f"the customers of {day.label} have {total} {name}, their server has {most}"
