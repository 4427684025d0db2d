"""Which open gaps have become an alarm: each is raised once it is older than the threshold, and cleared once. Pure."""

from collections.abc import Iterable
from typing import Literal, NamedTuple

from streamusage.api.extension import ServerStatus
from tui.model import formats


class Alert(NamedTuple):
    """Something that an operator is told of, wherever they look."""

    kind: Literal["raised", "cleared"]
    server: str
    owed_ms: int
    """How much the server owes; of one that is cleared, how much it did when it was looked at last."""

    def in_words(self) -> str:
        """`edge-3 owes 4 min`, `edge-3 has reported again; 4 min were owed`."""
        length = formats.duration_in_words(self.owed_ms)
        if self.kind == "raised":
            return f"{self.server} owes {length}"
        return f"{self.server} has reported again; {length} were owed"


class AlertBook:
    """The alarms that are raised."""

    def __init__(self, after_ms: int) -> None:
        self._after_ms = after_ms
        self._raised: dict[str, int] = {}

    def look(self, servers: Iterable[ServerStatus]) -> list[Alert]:
        """What changed since the servers were looked at last. A server that is gone is not an alarm any more."""
        owed = {server.server: server.owed_ms for server in servers}
        alerts = []
        for server, owed_ms in owed.items():
            if server in self._raised and owed_ms:
                self._raised[server] = owed_ms
            elif owed_ms >= self._after_ms and owed_ms:
                self._raised[server] = owed_ms
                alerts.append(Alert("raised", server, owed_ms))
        for server in [server for server in self._raised if not owed.get(server)]:
            alerts.append(Alert("cleared", server, self._raised.pop(server)))
        return alerts
