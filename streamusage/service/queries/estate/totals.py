"""All that each server reported since the store counts it: what counters of metrics show. It only grows."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from sqlalchemy import Connection, select

from streamusage.core.figures import SLOT_SUM_NAMES
from streamusage.service.store.schema import totals


@dataclass
class ServerTotals:
    """Sums of one server, or of several."""

    connections: dict[str, int] = field(default_factory=dict)
    """By protocol."""
    late_connections: dict[str, int] = field(default_factory=dict)
    sums: dict[str, int] = field(default_factory=lambda: dict.fromkeys(SLOT_SUM_NAMES, 0))
    late_sums: dict[str, int] = field(default_factory=lambda: dict.fromkeys(SLOT_SUM_NAMES, 0))
    """The parts that arrived too late to be live."""

    def add(self, other: "ServerTotals") -> None:
        """Add the sums of another server."""
        for mine, more in (
            (self.connections, other.connections),
            (self.late_connections, other.late_connections),
            (self.sums, other.sums),
            (self.late_sums, other.late_sums),
        ):
            for name, count in more.items():
                mine[name] = mine.get(name, 0) + count


class EstateTotals(NamedTuple):
    """All that was reported."""

    servers: dict[str, ServerTotals]
    whole: ServerTotals
    """Of all servers that ever reported: unlike the sum of present ones, it never falls."""


def load_totals(connection: Connection, names: Sequence[str]) -> EstateTotals:
    """Return the totals of each of these servers, zeros for one that reported no figure, and those of all servers."""
    present = {name: ServerTotals() for name in names}
    found = dict(present)
    for row in connection.execute(select(totals)):
        of_server = found.setdefault(row.server, ServerTotals())
        if row.protocol or row.connections:
            of_server.connections[row.protocol] = row.connections
            of_server.late_connections[row.protocol] = row.late_connections
        for name in SLOT_SUM_NAMES:
            of_server.sums[name] += getattr(row, name)
            of_server.late_sums[name] += getattr(row, f"late_{name}")
    whole = ServerTotals()
    for of_server in found.values():
        whole.add(of_server)
    return EstateTotals(present, whole)
