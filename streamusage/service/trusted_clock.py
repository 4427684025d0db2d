"""The service's clock: trusted time by the rules of `rules/trusted_time.py`, kept in the store, with its log lines."""

import logging
from datetime import UTC, datetime

from streamusage.api.extension import ServiceClock
from streamusage.api.report import ClockState, MachineClock
from streamusage.core.clock import Clock, is_synchronised
from streamusage.service.errors import ClockDoubtError
from streamusage.service.retention_round import StoreAccess
from streamusage.service.rules.trusted_time import (
    Ended,
    Evidence,
    MachineReading,
    TrustedTime,
    accept,
    count_machines,
    see_machines,
    start,
    tick,
    trusted_ms,
)
from streamusage.service.store.clock_rows import (
    load_clock,
    newest_accepted_time,
    newest_migration_ms,
    newest_time,
    save_clock,
)
from streamusage.service.store.engines.locks import LockSet
from streamusage.service.store.store import Store

log = logging.getLogger(__name__)

CHECK_SECONDS = 2.0
"""How often the wall clock is compared with trusted time, in the clock's time."""
SAVE_MS = 30_000
"""How often trusted time is stored."""
ACCEPTED_AT_START_MS = 600_000
"""How long before its start an operator may have accepted the wall clock."""
ACCEPTED_WITHIN_MS = 120_000
"""How far an accepted wall clock may be from this machine's."""

EVIDENCE = {
    Evidence.STEP: "it stepped while the machine was running",
    Evidence.RELEASE: "it is earlier than the newest migration of the store",
    Evidence.STORE: "after a reboot it is more than a day from the newest time in the store",
    Evidence.MACHINES: "after a reboot it is more than a minute from the median of the agents' machines",
}
"""What raised a doubt about the wall clock, in words."""
_ENDED = {
    Ended.BACK: "the wall clock is back",
    Ended.AGREED: "three machines agreed with the wall clock for 10 min",
    Ended.QUIET: "there was no contrary evidence for 24 h",
    Ended.ACCEPTED: "an operator accepted the wall clock",
}


class TrustedClock:
    """A `Clock` whose `now_ms` is trusted time. For the event loop, except the readings of time."""

    def __init__(self, machine: Clock, state: TrustedTime) -> None:
        self._machine = machine
        self._state = state
        self._readings: dict[str, MachineReading] = {}
        self._saved: TrustedTime | None = None
        self._accepted_number = 0
        self._is_logged = False
        """Whether the present doubt is logged: one of the start is logged once the service listens."""

    @classmethod
    def open(cls, machine: Clock, boot: str, store: Store, released_ms: int | None = None) -> "TrustedClock":
        """Return the clock by the store and the machine. `released_ms` is the date of the newest migration,
        unless it is given.
        """
        released_ms = newest_migration_ms() if released_ms is None else released_ms
        with store.reading() as connection:
            kept, newest_ms = load_clock(connection, boot), newest_time(connection)
            accepted = newest_accepted_time(connection)
        wall_ms, elapsed_ms = machine.now_ms(), machine.elapsed_ms()
        clock = cls(machine, start(kept, boot, wall_ms, elapsed_ms, newest_ms, released_ms))
        if accepted is not None:
            clock._accepted_number = accepted.number
            if 0 <= wall_ms - accepted.at_ms <= ACCEPTED_AT_START_MS:
                clock._state = accept(clock._state, wall_ms, elapsed_ms)
        return clock

    def now_ms(self) -> int:
        """Return trusted time in UTC milliseconds."""
        return trusted_ms(self._state, self._machine.elapsed_ms())

    def elapsed_ms(self) -> int:
        """Return the elapsed milliseconds of the machine's clock."""
        return self._machine.elapsed_ms()

    async def sleep(self, seconds: float) -> None:
        """Sleep for `seconds` of the machine's clock."""
        await self._machine.sleep(seconds)

    @property
    def state(self) -> TrustedTime:
        """What trusted time rests on."""
        return self._state

    @property
    def word(self) -> ClockState:
        """The state of the clock as replies carry it."""
        return "trusted" if self._state.doubt is None else "doubtful"

    def require_trust(self, unchanged: str) -> None:
        """Raise `ClockDoubtError` in a doubt, with what was left undone."""
        if self._state.doubt is not None:
            raise ClockDoubtError(f"{self.describe_doubt()}; {unchanged}; {_WAY_OUT}")

    def describe_doubt(self) -> str:
        """Return a sentence about the present doubt; empty if there is none."""
        state = self._state
        if state.doubt is None:
            return ""
        wall_ms = self._machine.now_ms()
        ahead_ms = wall_ms - self.now_ms()
        return (
            f"the clock of the service is in doubt: {_utc(wall_ms)} is {_length(ahead_ms)} "
            f"{'ahead of' if ahead_ms >= 0 else 'behind'} trusted time, and {EVIDENCE[state.doubt.cause]}"
        )

    def status(self) -> ServiceClock:
        """Return the clock's state for operators."""
        state, now_ms = self._state, self.now_ms()
        doubt = state.doubt
        return ServiceClock(
            state=self.word,
            wall_ahead_ms=self._machine.now_ms() - now_ms,
            machines=count_machines(state, self._machine.elapsed_ms()),
            synchronised=is_synchronised(),
            cause=None if doubt is None else doubt.cause.value,
            since=None if doubt is None else doubt.since_ms,
            message=self.describe_doubt() or None,
        )

    def see_machine(self, server: str, machine: MachineClock | None) -> None:
        """Record the clock of an agent's machine, from a message that has just arrived."""
        if machine is not None:
            elapsed_ms = self._machine.elapsed_ms()
            self._readings[server] = MachineReading(machine.boot, machine.at - elapsed_ms, elapsed_ms)

    def check(self) -> None:
        """Compare the clocks, and log a doubt that begins or ends."""
        before = self._state
        readings, self._readings = self._readings, {}
        wall_ms, elapsed_ms = self._machine.now_ms(), self._machine.elapsed_ms()
        state = see_machines(before, readings, elapsed_ms) if readings else before
        self._change(tick(state, state.boot, wall_ms, elapsed_ms))

    def accept(self) -> None:
        """Take the wall clock as an operator accepted it."""
        self._change(accept(self._state, self._machine.now_ms(), self._machine.elapsed_ms()))

    async def keep(self, access: StoreAccess) -> None:
        """Check once. Store the state if it is due, and follow an operator who accepted the wall clock."""
        self.check()
        if self._state.doubt is not None:
            await self._follow_operator(access)
        await self.save(access)

    async def save(self, access: StoreAccess) -> None:
        """Store the state if it is due."""
        saved, state = self._saved, self._state
        if saved is None or state.doubt != saved.doubt or state.elapsed_ms - saved.elapsed_ms >= SAVE_MS:
            await access.write(lambda connection: save_clock(connection, state), LockSet())
            self._saved = state

    async def _follow_operator(self, access: StoreAccess) -> None:
        accepted = await access.read(newest_accepted_time)
        if accepted is None or accepted.number <= self._accepted_number:
            return
        self._accepted_number = accepted.number
        ahead_ms = self._machine.now_ms() - accepted.at_ms
        if abs(ahead_ms) <= ACCEPTED_WITHIN_MS:
            self.accept()
        else:
            log.warning(
                "an operator accepted a time from which the wall clock of this machine differs by %s; the doubt stays",
                _length(ahead_ms),
            )

    def _change(self, state: TrustedTime) -> None:
        before, self._state = self._state, state
        if state.doubt is not None and not self._is_logged:
            self._log_doubt()
        elif state.doubt is None and before.doubt is not None and state.ended is not None:
            self._is_logged = False
            lasted_ms = state.elapsed_ms - before.doubt.began_elapsed_ms
            log.warning(
                "the clock of the service is trusted again after %s: %s; it is %s",
                _length(lasted_ms),
                _ENDED[state.ended],
                _utc(state.instant_ms),
            )

    def _log_doubt(self) -> None:
        self._is_logged = True
        log.warning(
            "%s; reports are accepted by trusted time, %s; nothing is closed, discarded or exported; %s",
            self.describe_doubt(),
            _utc(self.now_ms()),
            _WAY_OUT,
        )


_WAY_OUT = "correct the machine's clock, or accept it with: streamtop store accept-time"


def _utc(at_ms: int) -> str:
    try:
        return datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    except (ValueError, OverflowError, OSError):
        return f"{at_ms} ms"


def _length(length_ms: int) -> str:
    """Return a length without its sign, such as `365 d 2 h` or `20 s`."""
    seconds = abs(length_ms) // 1000
    for unit, smaller, unit_seconds, smaller_seconds in (
        ("d", "h", 86_400, 3_600),
        ("h", "min", 3_600, 60),
        ("min", "s", 60, 1),
    ):
        if seconds >= unit_seconds:
            rest = seconds % unit_seconds // smaller_seconds
            return f"{seconds // unit_seconds} {unit}" + (f" {rest} {smaller}" if rest else "")
    return f"{seconds} s"
