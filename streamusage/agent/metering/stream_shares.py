"""Deal the bytes of a server over its streams, in whole bytes that add up. Pure.

A server's own counters decide how many bytes there are; streams only share them. What no stream explains is the share
of `NOT_BY_STREAM`, so that the shares always sum to what was dealt, in every slot.

Shares are rounded by largest remainder: each is within one unit of its proportion, none is negative, and the order of
the streams does not matter.
"""

from collections.abc import Hashable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

from streamusage.core.usage import StreamId

NOT_BY_STREAM = StreamId("", "")
"""Receives what belongs to no stream. No stream has an empty name."""

Key = TypeVar("Key", bound=Hashable)


class SlotAmount(NamedTuple):
    """Units that are filed in one slot."""

    slot: int
    amount: int


def deal(total: int, weights: Mapping[Key, int]) -> dict[Key, int]:
    """Return the shares of a total in proportion to weights of at least 0. They sum to `total`; shares of 0 are absent.

    Empty where no weight is above 0. Of equal remainders the one with the lower key is rounded up.
    """
    whole = sum(weights.values())
    if whole <= 0 or total <= 0:
        return {}
    if total == whole:
        return {key: weight for key, weight in weights.items() if weight}
    shares: dict[Key, int] = {}
    remainders: list[tuple[int, Any]] = []
    for key, weight in weights.items():
        shares[key], remainder = divmod(total * weight, whole)
        remainders.append((-remainder, key))
    left = total - sum(shares.values())
    if left:
        remainders.sort()
        for _, key in remainders[:left]:
            shares[key] += 1
    return {key: share for key, share in shares.items() if share}


def deal_over_slots(amounts: Sequence[SlotAmount], weights: Mapping[Key, int]) -> Iterator[tuple[int, dict[Key, int]]]:
    """Yield the shares of each slot, so that they sum to the slot's amount, and over all slots to those of `deal`.

    Nothing where no weight is above 0.
    """
    rest = deal(sum(amount for _, amount in amounts), weights)
    if not rest:
        return
    for slot, amount in amounts:
        # What is left of a share is at least its part of the slot, since so much is left of the amounts.
        shares = deal(amount, rest)
        for key, share in shares.items():
            rest[key] -= share
        yield slot, shares
