"""Servers that are not seen at the moment: who they are, since when, and how many watched there. Pure.

While a server is not seen, every sum over servers is a lower bound.
"""

from collections.abc import Collection, Sequence
from datetime import tzinfo

from streamusage.api.extension import ServerStatus
from streamusage.core.coverage import LATE_AFTER_INTERVALS
from tui.model import formats
from tui.model.text import sanitize, shortened

_NAME_CELLS = 16


def is_unseen(server: ServerStatus) -> bool:
    """Return whether a server owes its newest figures: for more than three sync intervals, or all of them."""
    if server.state == "removed":
        return False
    return server.state == "unreachable" or server.owed_ms > LATE_AFTER_INTERVALS * server.sync_interval_ms


def watching(server: ServerStatus) -> int | None:
    """Return how many watch at a server; `None` while it is not seen: the service counts nobody, or the last ones."""
    was_never_read = server.is_unread and server.watermark is None
    return None if was_never_read or is_unseen(server) else server.active_subscribers


def outdated_subscribers(server: ServerStatus) -> int:
    """Return how many subscribers of an unseen server are counted in the records without being given apart."""
    return server.active_subscribers - (server.unseen_subscribers or 0)


class UnseenServers:
    """The servers that the last poll did not see, the one that owes most first."""

    def __init__(self) -> None:
        self._unseen: Sequence[ServerStatus] = ()
        self._watched: dict[str, int] = {}
        """Subscribers of each server when it was seen last."""

    def __bool__(self) -> bool:
        return bool(self._unseen)

    def update(self, servers: Sequence[ServerStatus]) -> None:
        """Follow a poll."""
        unseen = []
        for server in servers:
            if is_unseen(server):
                unseen.append(server)
            if server.active_subscribers or not is_unseen(server):
                self._watched[server.server] = server.active_subscribers
        self._unseen = sorted(unseen, key=lambda server: -server.owed_ms)

    @property
    def owing_most(self) -> ServerStatus | None:
        """The server that owes the longest time."""
        return next(iter(self._unseen), None)

    @property
    def outdated(self) -> int:
        """Subscribers that the records still count on these servers, by reports from before they were missed.

        Only with a service of an earlier version, whose records do not give them apart.
        """
        return sum(map(outdated_subscribers, self._unseen))

    @property
    def services(self) -> Collection[str]:
        """The services that are not seen, where there are several: what watched there is left out of every sum."""
        return ()

    def names(self) -> str:
        """Return `edge-3`, `edge-3, edge-4` or `edge-3 and 4 more`, safe to draw."""
        names = [shortened(sanitize(server.server), _NAME_CELLS) for server in self._unseen]
        return ", ".join(names) if len(names) < 3 else f"{names[0]} and {len(names) - 1} more"

    def describe(self, now_ms: int, tz: tzinfo | None) -> str:
        """Return `edge-3 unseen since 23:57: had 437`, as far as it is known."""
        since = self._seen_until()
        known = [at_ms for at_ms in since if at_ms is not None]
        when = f" since {formats.moment(min(known), now_ms, tz)}" if known and len(known) == len(since) else ""
        return f"{self.names()} unseen{when}{self._describe_watched()}"

    def describe_briefly(self) -> str:
        """Return `edge-3 unseen: had 437`."""
        return f"{self.names()} unseen{self._describe_watched()}"

    def _describe_watched(self) -> str:
        had = self.watched_there()
        return f": had {formats.count(had)}" if had else ""

    def _seen_until(self) -> Sequence[int | None]:
        """Return when each of them was seen last."""
        return [server.watermark for server in self._unseen]

    def watched_there(self) -> int:
        """Return how many watched there when they were seen last; 0 where that is not known of all."""
        watched = [self._watched.get(server.server) for server in self._unseen]
        return 0 if None in watched else sum(figure or 0 for figure in watched)
