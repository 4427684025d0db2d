"""The sums by customer of a closed day, and the rules that made them, as the chain of closings covers them. Pure."""

from collections.abc import Iterable, Sequence
from hashlib import sha256

import msgspec

from streamusage.evidence.canonical_json import encode
from streamusage.evidence.signed_streams import SignedSums


class CustomerRule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What belongs to one customer on a day, as the configuration states it. Texts are in order."""

    name: str
    scopes: tuple[str, ...]
    streams: tuple[str, ...]


RulesOfDay = tuple[CustomerRule, ...]
"""The rules of a day, by name."""


class SignedCustomer(SignedSums, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Sums of one customer on one server in a closed day."""

    customer: str | None
    """`None` for the streams of no customer. What is not by stream is of no customer either, and not in these sums."""


class ClosingCustomers(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the entry of a closing has of its customers."""

    rules: str
    """Hash of the rules, see `hash_of_rules`."""
    sums: str
    """Hash of the sums, see `hash_of_customers`."""


class ClosedCustomers(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The customers of one server in a closed day, as they are stored."""

    rules: str
    """Hash of the rules, see `hash_of_rules`."""
    sums: list[SignedCustomer]
    """In their order."""

    def in_chain(self) -> ClosingCustomers:
        """Return what the entry of the closing has of them."""
        return ClosingCustomers(rules=self.rules, sums=hash_of_customers(self.sums))


def in_order(rows: Iterable[SignedCustomer]) -> list[SignedCustomer]:
    """Return sums by customer in their order: by name, those of no customer last."""
    return sorted(rows, key=lambda row: (row.customer is None, row.customer or ""))


def hash_of_rules(rules: Sequence[CustomerRule]) -> str:
    """Return the SHA-256 of the canonical JSON of rules, which are by name."""
    return sha256(encode(rules)).hexdigest()


def hash_of_customers(rows: Iterable[SignedCustomer]) -> str:
    """Return the SHA-256 of the canonical JSON of the hashes of the sums, in their order.

    Each row has a hash of its own, so that the sums of one customer can be shown without those of the others.
    """
    return sha256(encode([sha256(encode(row)).hexdigest() for row in in_order(rows)])).hexdigest()
