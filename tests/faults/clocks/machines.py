"""Clocks of simulated machines, and how far they may be off."""

from dataclasses import dataclass

SECOND, MINUTE, HOUR, DAY = 1_000, 60_000, 3_600_000, 86_400_000

WRONG = (0, 0, 300, -700, 5 * SECOND, -10 * SECOND, -5 * MINUTE, 3 * HOUR, -50 * 365 * DAY, 400 * DAY)
"""How far a machine's wall clock may be off."""

SERVICE_WRONG = (-50 * 365 * DAY, -HOUR, -30 * SECOND, 30 * SECOND, 366 * DAY, 500 * DAY)
"""How far the service's wall clock may be off."""

RELEASED_BEFORE_MS = 40 * DAY
"""How long before a schedule the newest migration of the service was written: its wall clock can show no earlier time.
"""

KEEP_MS = 30 * DAY
"""How long the service keeps slots."""


@dataclass
class Machine:
    """The clocks of a machine in one boot. `ahead` is how far its wall clock is ahead of true time."""

    boot: str
    booted_at: int
    ahead: int
    first_elapsed: int
    drift_ppm: int = 0

    def wall(self, now: int) -> int:
        return max(1, now + self.ahead + self._drift(now))

    def elapsed(self, now: int) -> int:
        return now - self.booted_at + self.first_elapsed + self._drift(now)

    def _drift(self, now: int) -> int:
        return (now - self.booted_at) * self.drift_ppm // 1_000_000
