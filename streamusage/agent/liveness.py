"""Whether all loops of all agents of a process work. Only the loops themselves notify the service manager, so that it
notices one that hangs.
"""

import time
from collections.abc import Callable, Iterable

from streamusage.core.service_manager import ServiceManager

PINGS_PER_PERIOD = 4
"""How often the watchdog is notified at most in the time after which it would act."""


class LoopBeat:
    """The sign of life of one loop. It counts from `__init__` until `end`."""

    def __init__(self, liveness: "Liveness", longest_seconds: float) -> None:
        self._liveness = liveness
        self._longest_seconds = longest_seconds
        self._last = liveness.now()

    def beat(self) -> None:
        """Report that the loop works."""
        self._last = self._liveness.now()
        self._liveness.notify_watchdog()

    def is_late(self) -> bool:
        """Whether the loop took longer for one round than it ever may."""
        return self._liveness.now() - self._last > self._longest_seconds

    def end(self) -> None:
        """Stop counting: the loop has ended."""
        self._liveness.beats.discard(self)


class Liveness:
    """The agents of a process: whether they have started, and whether one of their loops hangs."""

    def __init__(
        self,
        manager: ServiceManager,
        servers: Iterable[str],
        describe: Callable[[], str] = lambda: "",
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        """`describe` returns the state of the agents in a line; `now` returns seconds."""
        self.manager = manager
        self.now = now
        self.beats: set[LoopBeat] = set()
        self._starting = set(servers)
        self._describe = describe
        self._shown = ""
        self._pinged: float | None = None

    def add_loop(self, longest_seconds: float) -> LoopBeat:
        """Return the sign of life of a loop whose rounds never take longer."""
        beat = LoopBeat(self, longest_seconds)
        self.beats.add(beat)
        return beat

    def note_start(self, server: str) -> None:
        """Note that an agent has opened its journal, or has failed. After the last one the process is ready."""
        if server in self._starting:
            self._starting.remove(server)
            if not self._starting:
                self._shown = self._describe()
                self.manager.ready(self._shown)

    def notify_watchdog(self) -> None:
        """Notify the watchdog, unless a loop is late."""
        period = self.manager.watchdog_seconds
        if not self.manager.is_present or any(beat.is_late() for beat in self.beats):
            return
        if not self._starting and (description := self._describe()) != self._shown:
            self._shown = description
            self.manager.set_status(description)
        now = self.now()
        if period is not None and (self._pinged is None or now - self._pinged >= period / PINGS_PER_PERIOD):
            self._pinged = now
            self.manager.ping()
