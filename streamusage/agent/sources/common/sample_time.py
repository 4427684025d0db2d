"""The instant of a reading on both clocks of the agent, and ages at it of what the server dates by its own wall clock.

Time that passes is measured in elapsed time. Wall time and elapsed time of one instant are read together, because the
wall clock may be set between two calls.
"""

from collections import deque
from typing import NamedTuple

from streamusage.agent.sources.common.http_probe import ProbeResponse
from streamusage.core.clock import Clock

REMEMBERED_DATES = 60
"""How many dated responses narrow the estimate of a server's clock."""

DATE_UNIT_MS = 1000
"""A `Date` header has whole seconds."""

DRIFT_DIVISOR = 1000
"""Two clocks may drift apart by a thousandth of the time that has passed, at most."""


class Instant(NamedTuple):
    """One instant on both clocks of the agent."""

    wall_ms: int
    elapsed_ms: int

    @classmethod
    def take(cls, clock: Clock) -> "Instant":
        """Return the present instant."""
        return cls(clock.now_ms(), clock.elapsed_ms())

    def wall_at(self, elapsed_ms: int) -> int:
        """Return the wall time of another instant by this instant's wall clock, whatever set it in between."""
        return self.wall_ms + elapsed_ms - self.elapsed_ms


class ServerTime(NamedTuple):
    """A server's wall time at an instant: at least `low_ms`, at most `high_ms`."""

    low_ms: int
    high_ms: int

    @property
    def slack_ms(self) -> int:
        """How much older than `age_ms` something may be."""
        return self.high_ms - self.low_ms

    def age_ms(self, started_ms: int) -> int:
        """Return the least possible age of what started at `started_ms` by the server's clock.

        It is wrong by the step where that clock was set between the start and now. A start in the future has age 0.
        """
        return max(0, self.low_ms - started_ms)


class _Offset(NamedTuple):
    """Bounds of a server's wall clock minus the agent's elapsed time, as observed at `elapsed_ms`."""

    elapsed_ms: int
    low_ms: int
    high_ms: int


class ServerClock:
    """A media server's wall clock beside the agent's elapsed time, from the times in the server's responses.

    Each dated response bounds the offset between the two clocks by its round trip and by the unit of the date; several
    responses narrow the bounds. A response that contradicts earlier ones shows a step of the server's clock: the
    earlier ones are dropped. Before the first dated response the agent's own wall clock is taken for the server's.
    """

    def __init__(self, clock: Clock, date_lag_ms: int = 0) -> None:
        """`date_lag_ms` is how old the `Date` header may be, of a server that renews it at intervals only."""
        self._clock = clock
        self._date_lag_ms = date_lag_ms
        self._observed: deque[_Offset] = deque(maxlen=REMEMBERED_DATES)

    def observe(self, response: ProbeResponse) -> None:
        """Take the `Date` of a response into account, if it has one."""
        if response.date_s is not None:
            self.observe_time(response, response.date_s * 1000, DATE_UNIT_MS + self._date_lag_ms)

    def observe_time(self, response: ProbeResponse, server_ms: int, unit_ms: int) -> None:
        """Take a time in a response into account: the server's clock was in `[server_ms, server_ms + unit_ms]`."""
        self._observed.append(
            _Offset(response.first_byte_ms, server_ms - response.first_byte_ms, server_ms + unit_ms - response.sent_ms)
        )

    def at(self, instant: Instant) -> ServerTime:
        """Return the server's wall time at an instant."""
        low_ms, high_ms = self._bounds(instant)
        return ServerTime(instant.elapsed_ms + low_ms, instant.elapsed_ms + high_ms)

    def _bounds(self, instant: Instant) -> tuple[int, int]:
        """Return the bounds of the offset: the newest observation, narrowed by earlier ones that agree with it."""
        if not self._observed:
            offset_ms = instant.wall_ms - instant.elapsed_ms
            return offset_ms, offset_ms
        newest = self._observed[-1]
        low_ms, high_ms = newest.low_ms, newest.high_ms
        for offset in reversed(self._observed):
            drift_ms = (newest.elapsed_ms - offset.elapsed_ms) // DRIFT_DIVISOR
            narrowed = max(low_ms, offset.low_ms - drift_ms), min(high_ms, offset.high_ms + drift_ms)
            if narrowed[0] > narrowed[1]:
                self._forget_before(offset)
                break
            low_ms, high_ms = narrowed
        return low_ms, high_ms

    def _forget_before(self, contradicting: _Offset) -> None:
        """Drop an observation that contradicts later ones, and all before it."""
        while self._observed.popleft() is not contradicting:
            pass
