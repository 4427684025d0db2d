"""Run a module of the program under a wall clock that another process sets.

    python clocked.py CLOCK_FILE MODULE [ARGUMENT]...

Replaces the wall clock of the standard library (`time.time`, `time.time_ns`) and leaves its monotonic clocks alone, so
that timers run as ever. CLOCK_FILE holds two integers (see `CLOCK_FORMAT`): a time in UTC milliseconds and, for a clock
that runs, the reading of the monotonic clock at that time in nanoseconds. A clock with 0 there stands still.
"""

import os
import runpy
import struct
import sys
import time
from pathlib import Path

CLOCK_FORMAT = struct.Struct("<qq")


def main() -> None:
    """Run the module that the command line names."""
    clock_file, module, *arguments = sys.argv[1:]
    file = os.open(clock_file, os.O_RDONLY)

    def read_time_ns() -> int:
        at_ms, since_ns = CLOCK_FORMAT.unpack(os.pread(file, CLOCK_FORMAT.size, 0))
        return at_ms * 1_000_000 + (time.monotonic_ns() - since_ns if since_ns else 0)

    time.time_ns = read_time_ns
    time.time = lambda: read_time_ns() / 1e9
    sys.path[0] = str(Path(__file__).parents[2])
    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
