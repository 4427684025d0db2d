"""Schedule of the syncs: the agent's phases, its back-off, and its offset in the interval. Pure; time is passed in.

online -> retrying (bounded) -> accumulating -> recovering -> online. The number of attempts is not limited.
"""

import hashlib
import random

from streamusage.api.report import AgentPhase

RETRIES = 5
"""After this many consecutive failures the phase is `accumulating`, no longer `retrying`."""

FIRST_BACKOFF_MS = 1_000
LONGEST_BACKOFF_MS = 300_000


def phase_offset_ms(server: str, interval_ms: int) -> int:
    """Return the fixed offset of a server within the interval, so that the servers do not sync all at once."""
    digest = hashlib.blake2s(server.encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") % interval_ms


class SyncSchedule:
    """Decides when the next sync is due. Times are elapsed milliseconds of one clock."""

    def __init__(self, server: str, interval_ms: int, now_ms: int, jitter: random.Random) -> None:
        self.interval_ms = interval_ms
        self.phase: AgentPhase = "online"
        self.failures = 0
        self.last_error = ""
        self._jitter = jitter
        self._origin_ms = now_ms - interval_ms + phase_offset_ms(server, interval_ms)
        self.due_ms = now_ms

    def record_success(self, now_ms: int) -> None:
        """Record that the service acknowledged everything. The next sync is due at the server's next offset."""
        self.phase, self.failures, self.last_error = "online", 0, ""
        intervals = (now_ms - self._origin_ms) // self.interval_ms + 1
        self.due_ms = self._origin_ms + intervals * self.interval_ms

    def record_reply(self, now_ms: int) -> None:
        """Record a reply that calls for another request first, which is due at once."""
        if self.phase != "online":
            self.phase = "recovering"
        self.due_ms = now_ms

    def record_failure(self, now_ms: int, error: str, retry_after_ms: int = 0) -> None:
        """Record a failed sync. The delay doubles from 1 s to 5 min, with jitter; `retry_after_ms` is its minimum."""
        self.failures += 1
        self.last_error = error
        self.phase = "retrying" if self.failures <= RETRIES else "accumulating"
        ceiling = min(LONGEST_BACKOFF_MS, FIRST_BACKOFF_MS << min(self.failures - 1, 20))
        delay_ms = self._jitter.randint(ceiling // 2, ceiling)
        self.due_ms = now_ms + max(delay_ms, retry_after_ms)

    @property
    def reporting_phase(self) -> AgentPhase:
        """The phase for the next report: a report that arrives after failures is `recovering`."""
        return "online" if self.phase == "online" else "recovering"
