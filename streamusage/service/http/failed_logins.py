"""Requests without a valid token: a log line with the peer's address, and 429 for a peer that fails very often.

Only requests whose token is invalid are counted and refused: valid tokens behind the same address are never affected.
"""

import logging
from collections import Counter

from streamusage.core.clock import Clock
from streamusage.service.http.errors import ApiError

log = logging.getLogger(__name__)

WINDOW_MS = 60_000
FAILURES_BEFORE_429 = 60
"""How many requests with an invalid token a peer may send in a minute until their answers become 429."""

LOGGED_PEERS = 10
"""How many peers are logged in a minute; the other failures are counted in the next line."""

_MOST_PEERS = 10_000


class FailedLogins:
    """The requests without a valid token in the present minute. For the thread of the event loop only."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._window = -1
        self._by_peer: Counter[str] = Counter()
        self._logged = 0
        self._unlogged = 0

    def record(self, peer: str, method: str, path: str) -> None:
        """Log and count a request. `path` must be safe to log. Raises 429 for a peer that fails very often."""
        window = self._clock.elapsed_ms() // WINDOW_MS
        if window != self._window:
            self._start(window)
        if peer in self._by_peer or len(self._by_peer) < _MOST_PEERS:
            self._by_peer[peer] += 1
        count = self._by_peer[peer]
        if count == 1 and self._logged < LOGGED_PEERS:
            self._logged += 1
            log.warning("authentication failed: %s %s from %s", method, path, peer)
        else:
            self._unlogged += 1
        if count > FAILURES_BEFORE_429:
            raise ApiError(
                429,
                f"more than {FAILURES_BEFORE_429} requests with a wrong or missing token from {peer} in a minute; "
                "nothing was done; send a valid token",
            )

    def _start(self, window: int) -> None:
        if self._unlogged:
            log.warning(
                "authentication failed %d more times in the minute before, most often from %s",
                self._unlogged,
                self._by_peer.most_common(1)[0][0],
            )
        self._window, self._logged, self._unlogged = window, 0, 0
        self._by_peer.clear()
