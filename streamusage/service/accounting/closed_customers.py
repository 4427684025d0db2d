"""Figures by customer of closed days: the sums of their streams by the rules that applied at the closing.

They are written once, with the closing. A day to which no rules applied has none.
"""

from functools import reduce

import msgspec

from streamusage.core.figures import STREAM_SUM_NAMES, StreamTraffic, least_exact
from streamusage.evidence.canonical_json import encode
from streamusage.evidence.signed_customers import ClosedCustomers, ClosingCustomers, SignedCustomer, in_order
from streamusage.service.rules.customers import DayCustomers
from streamusage.service.rules.stream_days import StreamDay, StreamsOfDay, sum_figures

_DECODER = msgspec.json.Decoder(ClosedCustomers)
_NAMES = (*STREAM_SUM_NAMES, *(f"backfilled_{name}" for name in STREAM_SUM_NAMES))
"""In the order of `FIGURE_NAMES`."""


def sum_customers(streams: StreamsOfDay, customers: DayCustomers) -> list[SignedCustomer]:
    """Return the sums by customer of the streams of one server, in their order."""
    parts: dict[str | None, list[StreamDay]] = {}
    for stream, figures in streams.items():
        parts.setdefault(customers.customer_of(stream), []).append(figures)
    return in_order(
        SignedCustomer(
            customer=name,
            traffic=_traffic(of_customer),
            **dict(zip(_NAMES, sum_figures(of_customer), strict=True)),
        )
        for name, of_customer in parts.items()
    )


def customers_as_closed(streams: StreamsOfDay, customers: DayCustomers) -> bytes | None:
    """Return the sums by customer as a closing stores them; `None` where no rules apply."""
    if not customers:
        return None
    return encode(ClosedCustomers(rules=customers.hash, sums=sum_customers(streams, customers)))


def decode_customers(stored: bytes) -> ClosedCustomers:
    """Return the customers of a closing as they are stored. Raises `msgspec.MsgspecError` for anything else."""
    return _DECODER.decode(stored)


def customers_in_chain(stored: bytes | None) -> ClosingCustomers | None:
    """Return what the entry of a closing in the chain has of its customers; `None` without any.

    Raises `msgspec.MsgspecError` for anything that is not stored by a closing.
    """
    return None if stored is None else decode_customers(stored).in_chain()


def _traffic(parts: list[StreamDay]) -> StreamTraffic:
    return reduce(least_exact, (part.traffic for part in parts if part.traffic is not None))
