"""The rules by which closed days were divided among customers, by their hash. They are written once."""

from collections.abc import Collection
from functools import lru_cache

import msgspec
from sqlalchemy import Connection, select

from streamusage.evidence.canonical_json import encode
from streamusage.evidence.signed_customers import RulesOfDay
from streamusage.service.rules.customers import DayCustomers
from streamusage.service.store.schema import customer_rules
from streamusage.service.store.sql import upsert

_RULES = msgspec.json.Decoder(RulesOfDay)


def keep_rules(connection: Connection, customers: DayCustomers) -> None:
    """Store the rules of a closing."""
    upsert(connection, customer_rules, [{"hash": customers.hash, "rules": encode(customers.rules)}], keep=["rules"])


def load_rules(connection: Connection, hashes: Collection[str]) -> dict[str, DayCustomers]:
    """Return stored rules with these hashes, by hash. Unknown ones are absent."""
    query = select(customer_rules).where(customer_rules.c.hash.in_(sorted(hashes)))
    return {row.hash: _decode(bytes(row.rules)) for row in connection.execute(query)} if hashes else {}


@lru_cache(maxsize=8)
def _decode(rules: bytes) -> DayCustomers:
    return DayCustomers(_RULES.decode(rules))
