"""Run a module of the program under a wall clock that another process sets.

    python clocked.py CLOCK_FILE MODULE [ARGUMENT]...

Replaces the wall clock of the standard library (`time.time`, `time.time_ns`) and leaves its monotonic clocks alone, so
that timers run as ever. The boot clock of the service follows the wall clock: nothing is wrong with that machine.
CLOCK_FILE holds two integers (see `CLOCK_FORMAT`): a time in UTC milliseconds and, for a clock that runs, the reading
of the monotonic clock at that time in nanoseconds. A clock with 0 there stands still.

Every run believes to be on a machine that was just switched on, since the monotonic clocks of one boot compare across
processes and the wall clock of a test does not go with them.

With `COMPAT_SHORT_SLEEPS` in the environment `asyncio.sleep` takes a tenth of the time, so that tests need not wait for
what a service does every two seconds. Sleeps above five seconds are kept: hourly work would disturb.
"""

import asyncio
import builtins
import io
import os
import runpy
import struct
import sys
import time
import uuid
from pathlib import Path
from typing import Any

CLOCK_FORMAT = struct.Struct("<qq")
LONGEST_SHORTENED = 5.0
BOOT_ID = "/proc/sys/kernel/random/boot_id"


def main() -> None:
    """Run the module that the command line names."""
    clock_file, module, *arguments = sys.argv[1:]
    file = os.open(clock_file, os.O_RDONLY)

    def read_time_ns() -> int:
        at_ms, since_ns = CLOCK_FORMAT.unpack(os.pread(file, CLOCK_FORMAT.size, 0))
        return at_ms * 1_000_000 + (time.monotonic_ns() - since_ns if since_ns else 0)

    time.time_ns = read_time_ns
    time.time = lambda: read_time_ns() / 1e9
    if "serve" in arguments:
        read_clock_ns = time.clock_gettime_ns
        boot_clock = getattr(time, "CLOCK_BOOTTIME", None)
        time.clock_gettime_ns = lambda clock: read_time_ns() if clock == boot_clock else read_clock_ns(clock)
    boot_id = str(uuid.uuid4())
    open_file = io.open

    def open_other(file: Any, mode: str = "r", *more: Any, **named: Any) -> Any:
        if isinstance(file, str | os.PathLike) and os.fspath(file) == BOOT_ID:
            return io.BytesIO(boot_id.encode()) if "b" in mode else io.StringIO(boot_id)
        return open_file(file, mode, *more, **named)

    io.open = builtins.open = open_other
    if os.environ.get("COMPAT_SHORT_SLEEPS"):
        sleep = asyncio.sleep
        asyncio.sleep = lambda delay, *result: sleep(delay / 10 if delay <= LONGEST_SHORTENED else delay, *result)
    sys.path[0] = str(Path(__file__).parents[3])
    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
