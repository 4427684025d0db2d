"""What changed in a closed day by customer: each one's part of its ledger, by the rules of the closing."""

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
from sqlalchemy import Connection, Row, select

from streamusage.api.daily import CustomerDifference
from streamusage.core.figures import STREAM_SUM_NAMES
from streamusage.service.accounting.closed_customers import decode_customers
from streamusage.service.errors import StoreError
from streamusage.service.rules.customers import DayCustomers
from streamusage.service.rules.stream_days import StreamsOfDay
from streamusage.service.store.schema import CLOSING_KEY, closed_days
from streamusage.service.store.streams.closed_streams import decode_streams
from streamusage.service.store.streams.customer_rules import load_rules

Differences = Mapping[str | None, tuple[int, ...]]
"""Sums in the order of `STREAM_SUM_NAMES` by customer; `None` for the streams of no customer. No row is zero."""

_DECODER = msgspec.json.Decoder(list[CustomerDifference])
_NONE = (0,) * len(STREAM_SUM_NAMES)


def ledger_by_customer(connection: Connection, closing: Row[Any]) -> Differences | None:
    """Return what changed since a closing by customer; `None` where no rules applied to it.

    Raises `StoreError` if its rules are missing.
    """
    columns = [closed_days.c[name] for name in ("customers", "streams", "current_streams")]
    of_closing = [closed_days.c[name] == getattr(closing, name) for name in CLOSING_KEY]
    row = connection.execute(select(*columns).where(*of_closing)).one()
    if row.customers is None:
        return None
    rules = _rules_of(connection, row.customers)
    if rules is None:
        raise StoreError(
            f"the customer rules of {closing.day} of {closing.server} are missing; no correction was proposed; check "
            "the store with streamtop store verify"
        )
    if row.current_streams is None:
        return {}
    return differences_by_customer(decode_streams(row.streams), decode_streams(row.current_streams), rules)


def have_customers_changed(connection: Connection, closing: Row[Any], present: bytes) -> bool:
    """Return whether stored streams divide among customers otherwise than the streams that were present before.

    `closing` is a row of `closed_days`. Not if its rules are missing: a report is accepted all the same.
    """
    rules = None if closing.customers is None else _rules_of(connection, closing.customers)
    if rules is None:
        return False
    before = closing.streams if closing.current_streams is None else closing.current_streams
    return bool(differences_by_customer(decode_streams(before), decode_streams(present), rules))


def differences_by_customer(closed: StreamsOfDay, present: StreamsOfDay, customers: DayCustomers) -> Differences:
    """Return by how much the sums of each customer changed from the closed to the present streams."""
    moved: dict[str | None, tuple[int, ...]] = {}
    for streams, sign in ((present, 1), (closed, -1)):
        for stream, figures in streams.items():
            customer = customers.customer_of(stream)
            moved[customer] = _add(moved.get(customer, _NONE), figures.sums, sign)
    return _without_zeros(moved)


def combine(one: Differences, other: Differences, sign: int) -> Differences:
    """Return the sum of two differences, or with the sign -1 the first without the second."""
    names = {*one, *other}
    return _without_zeros({name: _add(one.get(name, _NONE), other.get(name, _NONE), sign) for name in names})


def to_rows(differences: Differences) -> list[CustomerDifference]:
    """Return differences as the API has them, by name, those of no customer last."""
    return [
        CustomerDifference(customer=name, **dict(zip(STREAM_SUM_NAMES, sums, strict=True)))
        for name, sums in sorted(differences.items(), key=lambda part: (part[0] is None, part[0] or ""))
    ]


def from_rows(rows: Iterable[CustomerDifference]) -> Differences:
    """Return the differences of rows of the API."""
    return {row.customer: tuple(getattr(row, name) for name in STREAM_SUM_NAMES) for row in rows}


def encode_differences(differences: Differences | None) -> bytes | None:
    """Return differences as they are stored; `None` where no rules apply."""
    return None if differences is None else msgspec.json.encode(to_rows(differences))


def decode_differences(stored: bytes | None) -> list[CustomerDifference] | None:
    """Return stored differences. Raises `msgspec.MsgspecError` for anything else."""
    return None if stored is None else _DECODER.decode(stored)


def _rules_of(connection: Connection, customers: bytes) -> DayCustomers | None:
    rules_hash = decode_customers(customers).rules
    return load_rules(connection, [rules_hash]).get(rules_hash)


def _add(one: tuple[int, ...], other: tuple[int, ...], sign: int) -> tuple[int, ...]:
    return tuple(mine + sign * more for mine, more in zip(one, other, strict=False))


def _without_zeros(differences: Mapping[str | None, tuple[int, ...]]) -> Differences:
    return {name: sums for name, sums in differences.items() if any(sums)}
