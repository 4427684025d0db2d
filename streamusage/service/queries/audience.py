"""Subscribers of the whole estate, minute by minute: the sums of all servers, and how far they are known. Pure."""

from collections.abc import Iterable, Mapping

from streamusage.api.extension import HistoryPoint
from streamusage.core.coverage import SLOT_MS, Provenance, slot_of, worst
from streamusage.service.rules.apply import ServerState
from streamusage.service.rules.coverage import is_overdue


def sum_audience(
    servers: Iterable[ServerState],
    estate: Mapping[str, Mapping[int, HistoryPoint]],
    sums: Mapping[str, Mapping[int, int]],
    now_ms: int,
) -> dict[int, HistoryPoint]:
    """Return the slots of the estate.

    `estate` has each server's slots without samples, and `sums` the samples of each server added up by slot. A slot
    that a server has not reported yet and need not have makes the sum partial: without that server it is too low.
    """
    figures: dict[int, int] = {}
    states: dict[int, set[Provenance]] = {}
    for server, slots in estate.items():
        sampled = sums.get(server, {})
        for slot, point in slots.items():
            figure = sampled.get(slot, point.active)
            if figure is not None:
                figures[slot] = figures.get(slot, 0) + figure
            if point.state is not None:
                states.setdefault(slot, set()).add(point.state)
    for state in servers:
        for slot in _awaited_slots(state, now_ms):
            if slot in states and slot not in estate[state.server]:
                states[slot].add(Provenance.PARTIAL)
    return {
        slot: HistoryPoint(slot, figures.get(slot), figures.get(slot), worst(present))
        for slot, present in states.items()
    }


def _awaited_slots(state: ServerState, now_ms: int) -> range:
    """Return the slots up to now that a server may still report in time."""
    if state.watermark is None or is_overdue(state, now_ms):
        return range(0)
    return range(slot_of(state.watermark), slot_of(now_ms) + 1, SLOT_MS)
