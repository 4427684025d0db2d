"""A clock that a test moves: how long the machine really took shows in no figure."""


class HandClock:
    """Wall time and elapsed time are one; waiting moves it on."""

    def __init__(self, now: int) -> None:
        self.now = now

    def now_ms(self) -> int:
        return self.now

    def elapsed_ms(self) -> int:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.now += round(seconds * 1000)
