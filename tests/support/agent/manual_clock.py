"""A clock that a test moves, so that figures do not depend on the speed of the machine."""


class HandClock:
    """A clock whose wall time is its elapsed time. Sleeping moves it forward."""

    def __init__(self, now: int) -> None:
        self.now = now

    def now_ms(self) -> int:
        return self.now

    def elapsed_ms(self) -> int:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.now += round(seconds * 1000)


class SteppedClock(HandClock):
    """A clock whose wall time is ahead of its elapsed time by `wall_ahead_ms`, which a test changes."""

    def __init__(self, now: int, wall_ahead_ms: int = 0) -> None:
        super().__init__(now)
        self.wall_ahead_ms = wall_ahead_ms

    def now_ms(self) -> int:
        return self.now + self.wall_ahead_ms
