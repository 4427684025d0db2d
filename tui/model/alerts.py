"""Alerts about open gaps: each is raised once when the gap exceeds the threshold, and cleared once. Pure."""

from collections.abc import Iterable
from typing import Literal, NamedTuple

from streamusage.api.extension import ServerStatus
from tui.model import formats


class Alert(NamedTuple):
    """A message for the operator, shown in every view."""

    kind: Literal["raised", "cleared"]
    server: str
    owed_ms: int
    """Unreported time of the server in milliseconds; for a cleared alert, the last amount before it reported again."""

    def describe(self) -> str:
        """Return `edge-3 owes 4m` or `edge-3 has reported again; 4m were owed`."""
        length = formats.duration(self.owed_ms)
        if self.kind == "raised":
            return f"{self.server} owes {length}"
        return f"{self.server} has reported again; {length} were owed"


class AlertBook:
    """The alerts that are raised, by server."""

    def __init__(self, after_ms: int) -> None:
        self._after_ms = after_ms
        self._raised: dict[str, int] = {}

    def update(self, servers: Iterable[ServerStatus]) -> list[Alert]:
        """Return the alerts raised and cleared since the last call. A server that is gone has no alert any more."""
        owed = {server.server: server.owed_ms for server in servers}
        alerts = []
        for server, owed_ms in owed.items():
            if server in self._raised and owed_ms:
                self._raised[server] = owed_ms
            elif owed_ms >= self._after_ms and owed_ms:
                self._raised[server] = owed_ms
                alerts.append(Alert("raised", server, owed_ms))
        cleared = [server for server in self._raised if not owed.get(server)]
        alerts += [Alert("cleared", server, self._raised.pop(server)) for server in cleared]
        return alerts
