"""When to sync up: the agent's states, its back-off and its place in the interval. Pure; elapsed time is passed in.

online -> retrying (bounded) -> accumulating -> recovering -> online. There is no limit of attempts.
"""

import hashlib
import random

from streamusage.api.report import AgentPhase

RETRIES = 5
"""After so many failures in a row the agent no longer calls it retrying: it accumulates."""

FIRST_BACKOFF_MS = 1_000
LONGEST_BACKOFF_MS = 300_000


def phase_offset_ms(server: str, interval_ms: int) -> int:
    """A server's fixed place within the interval, so that an estate does not sync up all at once."""
    digest = hashlib.blake2s(server.encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") % interval_ms


class SyncUp:
    """Decides when the next attempt is due. Times are elapsed milliseconds of one clock."""

    def __init__(self, server: str, interval_ms: int, now_ms: int, jitter: random.Random) -> None:
        self.interval_ms = interval_ms
        self.phase: AgentPhase = "online"
        self.failures = 0
        self.last_error = ""
        self._jitter = jitter
        self._origin_ms = now_ms - interval_ms + phase_offset_ms(server, interval_ms)
        self.due_ms = now_ms

    def succeeded(self, now_ms: int) -> None:
        """The service acknowledged everything. The next attempt is at the server's place in the interval."""
        self.phase, self.failures, self.last_error = "online", 0, ""
        intervals = (now_ms - self._origin_ms) // self.interval_ms + 1
        self.due_ms = self._origin_ms + intervals * self.interval_ms

    def answered(self, now_ms: int) -> None:
        """The service is there but wants something else first: the next attempt is due at once."""
        if self.phase != "online":
            self.phase = "recovering"
        self.due_ms = now_ms

    def failed(self, now_ms: int, error: str, retry_after_ms: int = 0) -> None:
        """The attempt failed. The wait doubles from 1 s to 5 min, with jitter; `retry_after_ms` is a floor."""
        self.failures += 1
        self.last_error = error
        self.phase = "retrying" if self.failures <= RETRIES else "accumulating"
        ceiling = min(LONGEST_BACKOFF_MS, FIRST_BACKOFF_MS << min(self.failures - 1, 20))
        wait_ms = self._jitter.randint(ceiling // 2, ceiling)
        self.due_ms = now_ms + max(wait_ms, retry_after_ms)

    @property
    def reporting_phase(self) -> AgentPhase:
        """The phase as a report states it: one that gets through after failures recovers."""
        return "online" if self.phase == "online" else "recovering"
