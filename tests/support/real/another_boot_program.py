"""Run a module of the program on a machine that booted at another time.

    python another_boot_program.py BOOT_ID BOOTED_NS -m MODULE [ARGUMENT]...

Replaces the boot id that the kernel shows, and starts the standard library's boot clock at BOOTED_NS of the real one.
"""

import builtins
import io
import os
import runpy
import sys
import time
from pathlib import Path
from typing import Any

BOOT_ID = "/proc/sys/kernel/random/boot_id"


def main() -> None:
    """Run the module that the command line names."""
    boot_id, booted_ns, _, module, *arguments = sys.argv[1:]
    read_clock_ns, open_file = time.clock_gettime_ns, io.open

    def read_own_clock_ns(clock: int) -> int:
        return read_clock_ns(clock) - (int(booted_ns) if clock == time.CLOCK_BOOTTIME else 0)

    def open_own(file: Any, mode: str = "r", *more: Any, **named: Any) -> Any:
        if isinstance(file, str | os.PathLike) and os.fspath(file) == BOOT_ID:
            return io.BytesIO(boot_id.encode()) if "b" in mode else io.StringIO(boot_id)
        return open_file(file, mode, *more, **named)

    time.clock_gettime_ns = read_own_clock_ns
    io.open = builtins.open = open_own
    sys.path[0] = str(Path(__file__).parents[3])
    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
