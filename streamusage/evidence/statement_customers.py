"""The customers of a statement: their sums in each closed day, their totals, and the rules that made them. Pure.

A statement has them only where rules applied to one of its days. They are sums of what was closed: corrections are of
servers, and belong to no customer.
"""

from collections.abc import Iterable, Iterator, Sequence

import msgspec
from msgspec import UNSET, UnsetType

from streamusage.core.figures import STREAM_SUM_NAMES
from streamusage.evidence.chain import SignedFigures
from streamusage.evidence.signed_customers import ClosedCustomers, CustomerRule, SignedCustomer, hash_of_rules, in_order


class StatementRules(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The rules by which days of a statement were divided, and their hash, which the closings have."""

    hash: str
    customers: tuple[CustomerRule, ...]


class CustomerTotal(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What was closed of one customer, over all days and servers of a statement."""

    customer: str | None
    """`None` for the streams of no customer."""
    connections: int
    bytes_in: int
    bytes_out: int
    view_time_ms: int


class DividedDay(msgspec.Struct, frozen=True):
    """A day of one server, as far as its customers go."""

    label: str
    figures: SignedFigures
    customers: ClosedCustomers | UnsetType


def total_customers(days: Iterable[DividedDay]) -> list[CustomerTotal] | UnsetType:
    """Return the totals by customer, in their order. Absent if no day has customers."""
    divided = [day.customers for day in days if day.customers is not UNSET]
    if not divided:
        return UNSET
    parts: dict[str | None, list[SignedCustomer]] = {}
    for day in divided:
        for row in day.sums:
            parts.setdefault(row.customer, []).append(row)
    return [
        CustomerTotal(customer=customer, **{name: sum(getattr(row, name) for row in rows) for name in STREAM_SUM_NAMES})
        for customer, rows in sorted(parts.items(), key=lambda part: (part[0] is None, part[0] or ""))
    ]


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
    if divided.sums != in_order(divided.sums) or len(customers) != len(set(customers)):
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
