"""What the slots of a report add to all that their server reported. Pure."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple, Protocol

from streamusage.api.report import SlotRow
from streamusage.core.figures import SLOT_SUM_NAMES, slot_sums


class GainedFigures(NamedTuple):
    """What a report adds: connections of a protocol, or, with an empty protocol, what is not kept by protocol.

    The fields after `protocol` are the sums of `STREAM_SUM_NAMES`, then their late parts. None is negative.
    """

    protocol: str
    connections: int = 0
    bytes_in: int = 0
    bytes_out: int = 0
    view_time_ms: int = 0
    late_connections: int = 0
    late_bytes_in: int = 0
    late_bytes_out: int = 0
    late_view_time_ms: int = 0


class _LatePart(Protocol):
    """The late part of a slot, see `apply.LateFigures`."""

    @property
    def connections(self) -> dict[str, int]: ...


def gained_figures(
    before: Mapping[int, tuple[SlotRow, _LatePart]], after: Iterable[tuple[SlotRow, _LatePart]]
) -> list[GainedFigures]:
    """Return what these slots have more than before, by protocol. `before` has stored slots by their start."""
    connections: dict[str, list[int]] = {}
    sums = dict.fromkeys((*SLOT_SUM_NAMES, *(f"late_{name}" for name in SLOT_SUM_NAMES)), 0)
    for row, late in after:
        old = before.get(row.slot)
        for part, counted in enumerate((row.connections, late.connections)):
            known = {} if old is None else old[part].connections
            for protocol, count in counted.items():
                if more := count - known.get(protocol, 0):
                    connections.setdefault(protocol, [0, 0])[part] += more
        for prefix, part in (("", 0), ("late_", 1)):
            known = {} if old is None else slot_sums(old[part])
            for name, total in slot_sums((row, late)[part]).items():
                sums[prefix + name] += total - known.get(name, 0)
    gained = [
        GainedFigures(protocol, connections=count, late_connections=late_count)
        for protocol, (count, late_count) in sorted(connections.items())
    ]
    return [*gained, GainedFigures("", **sums)] if any(sums.values()) else gained
