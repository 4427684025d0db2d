"""A machine of the service whose wall clock and boot clock a test moves apart."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from tests.streamusage.service.conftest import NOW, Estate, OwnedClock, an_estate

MINUTE = 60_000


class MachineClocks(OwnedClock):
    """The clocks of the service's machine: `now` is the true time, which its boot clock follows."""

    def __init__(self, now: int = NOW, booted: int = NOW - 3_600_000) -> None:
        super().__init__()
        self.now = now
        self.booted = booted
        self.off_ms = 0

    def now_ms(self) -> int:
        return self.now + self.off_ms

    def elapsed_ms(self) -> int:
        return self.now - self.booted


class ServiceMachine:
    """A machine on which the service is started, stopped and rebooted, and its store."""

    def __init__(self, directory: Path, store_url: str | None = None, released_ms: int | None = None) -> None:
        self.directory = directory
        self.store_url = store_url
        self.clock = MachineClocks()
        self.boot = "boot-1"
        self.released_ms = released_ms

    @asynccontextmanager
    async def service(self, **options: object) -> AsyncIterator[Estate]:
        async with an_estate(
            self.directory,
            clock=self.clock,
            store_url=self.store_url,
            boot=self.boot,
            released_ms=self.released_ms,
            **options,
        ) as estate:
            yield estate

    def reboot(self, off_ms: int, down_ms: int = MINUTE) -> None:
        self.clock.now += down_ms
        self.clock.booted = self.clock.now - 10_000
        self.clock.off_ms = off_ms
        self.boot += "+"
