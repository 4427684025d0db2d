"""Repair of epoch numbers that leave no room for the next ones. Pure.

Earlier versions accepted any number in an epoch request, and issued the numbers after it: near 2^53, the largest whole
number of the protocol, no further epoch could be issued, so that no new journal could report.
"""

from collections.abc import Collection, Mapping
from typing import NamedTuple

import msgspec

from streamusage.service.rules.apply import ServerState

LARGEST_EPOCH = 2**52
"""No server issues so many epochs. Above it, numbers come from a request that no honest agent made."""


class EpochRepair(NamedTuple):
    """New numbers of epochs."""

    state: ServerState
    """The state with the new numbers; not sealed."""
    numbers: Mapping[int, int]
    """The new number of each epoch in the store that was too high."""

    @property
    def ends_active_epoch(self) -> bool:
        """Whether the active epoch has a new number, which its journal does not know."""
        return self.state.epoch in self.numbers.values()


def has_exhausted_epochs(state: ServerState) -> bool:
    """Return whether epoch numbers are so high that none can be issued any more."""
    return max(state.issued, state.epoch) > LARGEST_EPOCH


def plan_epoch_repair(state: ServerState, stored: Collection[int]) -> EpochRepair | None:
    """Return new numbers after those of honest journals, in the same order; `None` if no number is too high.

    `stored` are the epochs of the server's rows.
    """
    if not has_exhausted_epochs(state):
        return None
    used = {*stored, state.epoch}
    last = max((epoch for epoch in used if epoch <= LARGEST_EPOCH), default=0)
    too_high = sorted(epoch for epoch in used if epoch > LARGEST_EPOCH)
    numbers = {epoch: last + place for place, epoch in enumerate(too_high, start=1)}
    epoch = numbers.get(state.epoch, state.epoch)
    issued = state.issued if state.issued <= LARGEST_EPOCH else 0
    return EpochRepair(
        msgspec.structs.replace(state, epoch=epoch, issued=max([issued, last, *numbers.values()])), numbers
    )
