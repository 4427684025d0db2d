"""The check of figures by customer: closed days have the sums of their streams by the rules that are stored."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Connection, select

from streamusage.service.accounting.closed_customers import decode_customers, sum_customers
from streamusage.service.accounting.ledger import IS_VOID
from streamusage.service.store.schema import CLOSING_KEY, closed_days, customer_rules
from streamusage.service.store.store import Store
from streamusage.service.store.streams.closed_streams import decode_streams
from streamusage.service.store.streams.customer_rules import load_rules

_CLOSINGS_PER_READ = 200


class WrongCustomers(NamedTuple):
    """A row by customer that is not as it must be."""

    table: str
    key: str
    what: str


def check_customers(store: Store, progress: Callable[[int, int], None]) -> tuple[str, list[WrongCustomers]]:
    """Return how much was compared, in words, and the rows that are wrong."""
    with store.reading() as connection:
        wrong = _check_rules(connection)
        query = select(closed_days.c.revision).where(~IS_VOID, closed_days.c.customers.is_not(None))
        revisions = connection.execute(query.order_by(closed_days.c.revision)).scalars().all()
    for start in range(0, len(revisions), _CLOSINGS_PER_READ):
        progress(start, len(revisions))
        with store.reading() as connection:
            wrong += _check_closings(connection, revisions[start : start + _CLOSINGS_PER_READ])
    return f"{len(revisions):,} closed days by customer, summed again from their streams", wrong


def _check_rules(connection: Connection) -> list[WrongCustomers]:
    wrong = []
    for name in connection.execute(select(customer_rules.c.hash).order_by(customer_rules.c.hash)).scalars().all():
        try:
            (rules,) = load_rules(connection, [name]).values()
        except Exception as error:  # whatever damaged rules make of their decoder
            wrong.append(WrongCustomers(customer_rules.name, f"hash={name}", f"cannot be decoded: {error}"))
            continue
        if rules.hash != name:
            wrong.append(
                WrongCustomers(customer_rules.name, f"hash={name}", "do not have their hash: they were changed")
            )
    return wrong


def _check_closings(connection: Connection, revisions: Sequence[int]) -> list[WrongCustomers]:
    columns = [closed_days.c[name] for name in (*CLOSING_KEY, "streams", "customers")]
    query = select(*columns).where(closed_days.c.revision.in_(revisions)).order_by(closed_days.c.revision)
    wrong = []
    for row in connection.execute(query).all():
        what = _difference(connection, row)
        if what is not None:
            key = " ".join(f"{name}={getattr(row, name)}" for name in CLOSING_KEY)
            wrong.append(WrongCustomers(closed_days.name, key, what))
    return wrong


def _difference(connection: Connection, row: Any) -> str | None:
    try:
        stored, streams = decode_customers(row.customers), decode_streams(row.streams)
    except Exception as error:  # whatever a damaged row makes of its decoder
        return f"its figures by customer cannot be read ({error})"
    try:
        rules = load_rules(connection, [stored.rules]).get(stored.rules)
    except Exception:  # the check of the rules names it
        return None
    if rules is None:
        return "the rules of its customers are missing"
    if rules.hash != stored.rules:
        return None  # the check of the rules names it
    return (
        None if sum_customers(streams, rules) == stored.sums else "its customers do not have the sums of their streams"
    )
