"""The visits of clients that the setting `ignore` leaves out, counted apart from viewers. Pure."""

from collections.abc import Iterable

from streamusage.agent.reading import IgnoredViewers
from streamusage.agent.sources.hls.requests import HlsRequest


class IgnoredVisits:
    """Ignored clients by their last request. The count begins with this object, as the agent does."""

    def __init__(self, idle_after_ms: int) -> None:
        self._idle_after_ms = idle_after_ms
        self._last_at: dict[tuple[tuple[str, str], str], int] = {}
        self._connections = 0

    def add(self, requests: Iterable[HlsRequest]) -> None:
        """Take the ignored ones of these requests into account."""
        for request in requests:
            if request.standing == "ignored":
                client = (request.file.stream, request.viewer)
                last_at = self._last_at.get(client)
                if last_at is None or request.at - last_at > self._idle_after_ms:
                    self._connections += 1
                self._last_at[client] = request.at

    def count(self, at: int) -> IgnoredViewers | None:
        """Return the visits that are present at a time in UTC milliseconds, and all so far; None before the first."""
        if not self._connections:
            return None
        oldest = at - self._idle_after_ms
        self._last_at = {client: last_at for client, last_at in self._last_at.items() if last_at >= oldest}
        return IgnoredViewers(present=len(self._last_at), connections=self._connections)
