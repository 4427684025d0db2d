"""Durations of key presses: printed by key, and written as JSON."""

import argparse
import asyncio
import json
import tempfile
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

LONGEST_MS = 16.0
"""How much processor time a key press may take."""

Durations = Mapping[str, list[float]]
"""Milliseconds of each press, by key."""


def run(name: str, measured: Callable[[Path], Awaitable[Durations]]) -> int:
    """Measure, print and perhaps write the durations. Return the exit code: 1 if a press is too slow."""
    parser = argparse.ArgumentParser(prog=f"python -m bench.console.{name}")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures to a file")
    given = parser.parse_args()

    async def measure(directory: Path) -> Durations:
        return await measured(directory)

    with tempfile.TemporaryDirectory() as directory:
        taken = asyncio.run(measure(Path(directory)))
    cells, slowest = max(map(len, taken)), 0.0
    for key, times in taken.items():
        slowest = max(slowest, *times)
        print(f"{key:{cells}} median {sorted(times)[len(times) // 2]:5.1f} ms   slowest {max(times):5.1f} ms")
    print(f"slowest of all: {slowest / LONGEST_MS:.2f} of the {LONGEST_MS:.0f} ms that a key press may take")
    if given.json is not None:
        figures = {
            key: {"median_ms": sorted(times)[len(times) // 2], "slowest_ms": max(times)} for key, times in taken.items()
        }
        given.json.write_text(json.dumps({"target_ms": LONGEST_MS, "keys": figures}, indent=2) + "\n")
    return 0 if slowest <= LONGEST_MS else 1
