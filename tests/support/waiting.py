"""Limits of the tests' waits: a test waits for a condition, and its limit only ends a wait for one that never holds."""

import asyncio
import time
from collections.abc import Awaitable, Callable

from streamusage.client.http_options import HttpOptions

LONGEST_WAIT_S = 180.0
"""Limit of every wait, in seconds. It is generous because a busy machine is no failure of the program under test."""


async def wait_until(
    condition: Callable[[], object | Awaitable[object]],
    description: str,
    *,
    last_seen: Callable[[], object] | None = None,
    every_seconds: float = 0.05,
) -> None:
    """Wait until a condition, which may be a coroutine function, returns a true value.

    After `LONGEST_WAIT_S`, fail with the description, the condition's last value and what `last_seen` returns.
    """
    ends_at = time.monotonic() + LONGEST_WAIT_S
    while True:
        value = condition()
        if isinstance(value, Awaitable):
            value = await value
        if value:
            return
        if time.monotonic() > ends_at:
            raise AssertionError(_failure(description, value, last_seen))
        await asyncio.sleep(every_seconds)


def wait_until_blocking(
    condition: Callable[[], object], description: str, *, last_seen: Callable[[], object] | None = None
) -> None:
    """Wait as `wait_until` does, in a test without an event loop."""
    ends_at = time.monotonic() + LONGEST_WAIT_S
    while not (value := condition()):
        if time.monotonic() > ends_at:
            raise AssertionError(_failure(description, value, last_seen))
        time.sleep(0.05)


def _failure(description: str, value: object, last_seen: Callable[[], object] | None) -> str:
    seen = f"; last seen: {last_seen()}" if last_seen else ""
    return f"after {LONGEST_WAIT_S:g} s not yet true: {description}; last value: {value!r}{seen}"


PATIENT = HttpOptions(connect_seconds=LONGEST_WAIT_S, silence_seconds=LONGEST_WAIT_S, answer_seconds=LONGEST_WAIT_S)
"""Options of a client whose time limits do not depend on how busy the machine is."""
