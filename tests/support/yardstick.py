"""How much slower than idle the machine is while a test runs.

A time limit for a program is meant for a machine that has the time for it. Beside other programs, work that needs a
processor takes longer by a factor that this module measures with work of its own.
"""

import asyncio
import statistics
import sys
from types import TracebackType
from typing import Self

_MEASURE = """
import sys, time
while True:
    wall, used = time.perf_counter(), time.thread_time()
    while time.thread_time() - used < 0.05:
        sum(range(500))
    print((time.perf_counter() - wall) / (time.thread_time() - used), flush=True)
    time.sleep(0.45)
"""
"""Prints how much longer than its processor time 50 ms of work took, twice a second."""
_QUARTILES = 4


class Yardstick:
    """Measures from `async with` to its end."""

    def __init__(self) -> None:
        self._factors: list[float] = []

    async def __aenter__(self) -> Self:
        self._process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", _MEASURE, stdout=asyncio.subprocess.PIPE
        )
        self._reading = asyncio.create_task(self._read())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        await self._process.wait()
        await self._reading

    async def _read(self) -> None:
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            self._factors.append(float(line))

    @property
    def slowdown(self) -> float:
        """The lower quartile of the factors so far: 1 on a machine where a quarter of the work ran undisturbed."""
        if len(self._factors) < _QUARTILES:
            return 1.0
        return max(1.0, statistics.quantiles(self._factors, n=_QUARTILES)[0])
