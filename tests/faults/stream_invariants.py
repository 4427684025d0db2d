"""Invariants of figures by stream: with what is not by stream they are the server's, and they are the streams' own."""

from collections import Counter

from streamusage.core.coverage import Interval, by_slot, slot_of
from streamusage.core.figures import SLOT_SUM_NAMES, STREAM_SUM_NAMES
from tests.faults.simulator import Simulation

UNSURE = {"journal destroyed", "older journal replaced", "older journal continued", "repaired"}
"""After these a new journal inherits counters, of which it does not know to which stream their last bytes belong."""


def check_parts(simulation: Simulation) -> None:
    """Check that in every slot the streams are parts of it: what is not by stream is not negative."""
    for (epoch, slot), streams in simulation.store.streams.items():
        stored = simulation.store.slots.get((epoch, slot))
        assert stored is not None, f"slot {slot} has streams, but no figures"
        assert streams.shares, f"slot {slot} has a row without streams"
        whole = {name: getattr(stored.row, name) for name in SLOT_SUM_NAMES}
        whole["connections"] = sum(stored.row.connections.values())
        for name in STREAM_SUM_NAMES:
            parts = [getattr(share, name) for share in streams.shares]
            late = [getattr(share, f"late_{name}") for share in streams.shares]
            assert min(parts) >= 0
            assert all(0 <= came_late <= part for came_late, part in zip(late, parts, strict=True)), (
                f"{late} of {parts}"
            )
            assert sum(parts) <= whole[name], f"{name} of the streams of slot {slot}: {parts}, the slot: {whole[name]}"


def sums_by_stream(simulation: Simulation) -> dict[str, Counter[str]]:
    """Return the sums of each stream at the service."""
    sums: dict[str, Counter[str]] = {}
    for streams in simulation.store.streams.values():
        for share in streams.shares:
            sums.setdefault(share.name, Counter()).update({name: getattr(share, name) for name in STREAM_SUM_NAMES})
    return sums


def check_streams(simulation: Simulation, whole: dict[str, int]) -> None:
    """Check the figures by stream. `whole` are those of the server.

    No stream has more than the truth, and what it lacks is not by stream, or lost as for the server. Where nothing is
    lost, connections and view time are exact in every slot, and bytes that counters measure are exact.
    """
    check_parts(simulation)
    truth, counted = simulation.server.truth.streams, sums_by_stream(simulation)
    assert counted.keys() <= truth.keys(), f"{counted.keys()}, but {truth.keys()} exist"
    names = ["connections", "view_time_ms"]
    if _is_measured(simulation):
        names += ["bytes_in", "bytes_out"]
    for stream, known in truth.items():
        for name in names:
            figure = counted.get(stream, Counter())[name]
            assert figure <= known.sums[name], f"{name} of {stream}: {figure} of {known.sums[name]}"
    if not simulation.server.keeps_log or simulation.server.crashes:
        return
    for name in names:
        lacking = {stream: known.sums[name] - counted.get(stream, Counter())[name] for stream, known in truth.items()}
        rest = whole[name] - sum(figures[name] for figures in counted.values())
        assert sum(lacking.values()) == rest, f"{name}: the streams lack {lacking}, but {rest} are not by stream"
        is_exact = name not in SLOT_SUM_NAMES or name == "view_time_ms" or _counts_all(simulation)
        assert not (rest and is_exact), f"{name}: the streams lack {lacking}"
    _check_slots(simulation)


def _is_measured(simulation: Simulation) -> bool:
    """Return whether counters show the bytes of each stream. Of an earlier boot only the log has the last bytes."""
    server = simulation.server
    return server.counts_by != "server" and (server.counts_by != "server and streams" or server.boots == 1)


def _counts_all(simulation: Simulation) -> bool:
    """Return whether no byte can be of an unknown stream."""
    return simulation.server.counts_by == "server and streams" or not UNSURE & simulation.happened().keys()


def _check_slots(simulation: Simulation) -> None:
    """Check that connections and view time of each stream are in their true slots."""
    truth, counted = Counter[tuple[str, int, str]](), Counter[tuple[str, int, str]]()
    for stream, known in simulation.server.truth.streams.items():
        truth.update((stream, slot_of(at), "connections") for at in known.connections)
        for view in known.views:
            for slot, piece in by_slot(Interval(*view)):
                truth[stream, slot, "view_time_ms"] += piece.length_ms
    for (_, slot), streams in simulation.store.streams.items():
        for share in streams.shares:
            counted[share.name, slot, "connections"] += share.connections
            counted[share.name, slot, "view_time_ms"] += share.view_time_ms
    assert +counted == +truth, f"by stream and slot: {counted}, the truth: {truth}"
