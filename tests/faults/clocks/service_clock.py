"""The clocks of the simulated service: its wall clock, trusted time, and the machines that judge it.

Closing and retention advance with trusted time, whether anything reports or not.
"""

from collections.abc import Mapping
from random import Random

from streamusage.service.rules import trusted_time
from streamusage.service.rules.trusted_time import Evidence, MachineReading, TrustedTime
from tests.faults.clocks.machines import DAY, HOUR, KEEP_MS, MINUTE, RELEASED_BEFORE_MS, SERVICE_WRONG, WRONG


class ServiceClock:
    """A part of a simulation, which sets `now` and `clocks`. What a mutation may break is a method of its own."""

    now: int
    clocks: Random
    """Decides about clocks; other decisions stay as they are in a schedule without clocks."""

    fleet: list[int]
    """How far the clocks of the other machines that report are ahead."""
    keep_ms = KEEP_MS
    """How long the service keeps what it discards."""
    clock_faults: dict[str, int]
    """How often each fault of a clock happened."""

    released_ms: int
    """Date of the newest migration, which the product always has. Two machines of three in 1970, and a service that is
    set to 1970 together with them, would look like a service that is right: the doubt after its correction
    would not end before these machines are corrected, too.
    """

    def start_clocks(self, now: int) -> None:
        self.service_ahead = 0
        self.service_boots = 1
        self.closed_to = 0
        self.released_ms = now - RELEASED_BEFORE_MS
        self.trusted = trusted_time.start(None, "service boot 1", now, now, None, self.released_ms)

    def choose_fleet(self, seed: int) -> None:
        """Choose how many machines report besides the agent's: all of them right, but for one."""
        self.fleet = [0] * self.clocks.choice((0, 0, 2, 49))
        wrong = Random(f"fleet {seed}")
        if self.fleet and wrong.random() < 0.5:
            self.fleet[0] = wrong.choice(WRONG)
            self._count("one wrong machine of three" if len(self.fleet) < 3 else "one wrong machine of fifty")

    def _count(self, fault: str) -> None:
        self.clock_faults[fault] = self.clock_faults.get(fault, 0) + 1

    @property
    def service_now(self) -> int:
        """The service's trusted time."""
        return trusted_time.trusted_ms(self.trusted, self.now)

    @property
    def service_wall(self) -> int:
        return max(1, self.now + self.service_ahead)

    def find_newest_time(self) -> int | None:
        """Return the newest time in the store."""
        raise NotImplementedError

    def discard(self, before_ms: int) -> None:
        """Discard what is older. Raises `AssertionError` if any of it is not."""
        raise NotImplementedError

    def tick_service(self, seen: Mapping[str, MachineReading]) -> None:
        """Compare the service's clocks, with those of the machines that report; then close and discard."""
        seen = {
            **seen,
            **{f"edge {n}": MachineReading(f"boot {n}", ahead, self.now) for n, ahead in enumerate(self.fleet)},
        }
        before = self.trusted
        self.trusted = trusted_time.see_machines(self.trusted, seen, self.now)
        self.trusted = self.judge(self.trusted)
        doubt = self.trusted.doubt
        if doubt is not None:
            self._count("service's clock doubtful")
        if doubt is not None and before.doubt is None and doubt.cause == Evidence.MACHINES:
            assert abs(self.service_ahead) > MINUTE, "the service's clock is right, and wrong machines begin a doubt"
        closing_time, discarding_time = self.closing_time(), self.discarding_time()
        if closing_time is not None:
            self.closed_to = max(self.closed_to, closing_time // DAY * DAY)
            assert self.closed_to <= self.now + 2 * MINUTE, "a day is closed before it is over"
        if discarding_time is not None:
            self.discard(discarding_time - self.keep_ms)

    def judge(self, state: TrustedTime) -> TrustedTime:
        """Return the state after a look at both clocks of the service's machine."""
        return trusted_time.tick(state, state.boot, self.service_wall, self.now)

    def closing_time(self) -> int | None:
        """Return the time by which the service closes; `None` in doubt."""
        return self.service_now if self.trusted.doubt is None else None

    def discarding_time(self) -> int | None:
        """Return the time by which the service discards; `None` in doubt."""
        return self.service_now if self.trusted.doubt is None else None

    def set_service_clock(self) -> None:
        before, self.service_ahead = self.service_ahead, self.clocks.choice((0, *SERVICE_WRONG))
        if abs(before) >= HOUR and not self.service_ahead:
            self._count("service's clock set back")
        if self.service_ahead >= DAY:
            self._count("service's clock years ahead")
        elif self.service_ahead < -DAY:
            self._count("service's clock in 1970")

    def restart_service(self) -> None:
        """Restart the service, or its machine: only the store shows the time then."""
        boot, kept = self.trusted.boot, self.trusted
        if self.clocks.random() < 0.7:
            self.service_boots += 1
            boot = f"service boot {self.service_boots}"
            self._count("service's machine rebooted")
        self._start(kept, boot)

    def start_service_again(self) -> None:
        """Start the process again after a pause, on a machine that did not stop."""
        self._start(self.trusted, self.trusted.boot)

    def _start(self, kept: TrustedTime, boot: str) -> None:
        newest_ms = self.find_newest_time()
        self.trusted = trusted_time.start(kept, boot, self.service_wall, self.now, newest_ms, self.released_ms)

    def end_doubt(self) -> None:
        """Set the wall clock right and wait. Raises `AssertionError` if the doubt does not end."""
        self.service_ahead = 0
        for _ in range(27):
            self.look_at_clocks()
            if self.trusted.doubt is None:
                return
            self.now += HOUR
        raise AssertionError("a doubt has not ended")

    def look_at_clocks(self) -> None:
        """Call `tick_service` with the machines that report."""
        raise NotImplementedError
