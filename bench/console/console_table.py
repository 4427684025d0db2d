"""The console's table over a plain Stream Manager: `python -m bench.console.console_table [SESSIONS …] [--json FILE]`.

Each size is measured in fresh processes: one for the service, one for the baselines, one for the console. A ratio to
a baseline of the same run is more reliable than milliseconds. A callback is the longest one of the event loop, in
processor time, which other load on the machine does not lengthen as much.
"""

import argparse
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

SIZES = [100_000, 1_000_000]


class Measure(NamedTuple):
    """A row of the result."""

    name: str
    value: Callable[[dict[str, float], dict[str, float]], float]
    """Returns the figure from those of the console and of the baseline."""
    unit: str
    baseline: str
    """Name of the figure of the baseline that it is divided by; empty for none."""
    target: Callable[[int], str]


def figure(name: str) -> Callable[[dict[str, float], dict[str, float]], float]:
    return lambda console, floor: console[name]


def bound(small: str, large: str) -> Callable[[int], str]:
    """Return a target that depends on the number of sessions."""
    return lambda sessions: small if sessions <= SIZES[0] else large


def fixed(target: str) -> Callable[[int], str]:
    return lambda sessions: target


MEASURES = [
    Measure("key to cursor, p50", figure("key_p50_ms"), "ms", "key_p50_ms", fixed("ratio 1.3")),
    Measure("key to cursor, p99", figure("key_p99_ms"), "ms", "key_p99_ms", fixed("16 ms")),
    Measure("key to cursor in a poll, p50", figure("key_in_poll_p50_ms"), "ms", "key_p50_ms", fixed("ratio 1.3")),
    Measure("key to cursor in a poll, p99", figure("key_in_poll_p99_ms"), "ms", "key_p99_ms", fixed("16 ms")),
    Measure("key to status line, p50", figure("key_status_p50_ms"), "ms", "key_p50_ms", fixed("same frame")),
    Measure("callback, first poll", figure("first_callback_ms"), "ms", "", fixed("16 ms")),
    Measure("callback, later polls", figure("steady_callback_ms"), "ms", "", fixed("16 ms")),
    Measure("sort, processor time", figure("sort_ms"), "ms", "sort_ms", bound("45 ms", "no key waits")),
    Measure("callback, sort", figure("sort_callback_ms"), "ms", "", fixed("16 ms")),
    Measure("filter letter, processor time", figure("filter_ms"), "ms", "sort_ms", bound("16 ms", "no key waits")),
    Measure("callback, filter", figure("filter_callback_ms"), "ms", "", fixed("16 ms")),
    Measure("last byte to first table", figure("first_table_ms"), "ms", "decode_ms", fixed("ratio 2.5")),
    Measure("later poll, processor time", figure("poll_cpu_ms"), "ms", "decode_ms", fixed("ratio 1.5")),
    Measure("memory, first table", figure("first_peak_mb"), "MB", "", fixed("-")),
    Measure("memory, peak", figure("peak_mb"), "MB", "", bound("150 MB", "600 MB")),
]


def run(module: str, *arguments: object) -> dict[str, float]:
    result = subprocess.run(
        [sys.executable, "-m", module, *map(str, arguments)], stdout=subprocess.PIPE, check=True, timeout=900
    )
    return msgspec.json.decode(result.stdout.splitlines()[-1], type=dict[str, float])


def measure(sessions: int, live: int) -> dict[str, Any]:
    """Return the rows of one size."""
    floor = run("bench.console.table_floor", sessions)
    command = [sys.executable, "-m", "bench.console.listing_service", str(sessions), str(live)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as service:
        assert service.stdout is not None
        try:
            console = run("bench.console.table_probe", int(service.stdout.readline()), sessions)
        finally:
            service.kill()
    rows = []
    for row in MEASURES:
        value = row.value(console, floor)
        baseline = floor[row.baseline] if row.baseline else None
        rows.append(
            {
                "name": row.name, "value": value, "unit": row.unit, "baseline": baseline,
                "ratio": value / baseline if baseline else None, "target": row.target(sessions),
            }
        )  # fmt: skip
    return {"sessions": sessions, "live": live, "rows": rows, "baselines": floor, "load": os.getloadavg()[0]}


def describe(result: dict[str, Any]) -> str:
    floor = result["baselines"]
    lines = [
        f"{result['sessions']:,} sessions, {result['live']:,} on air; decoding their list takes "
        f"{floor['decode_ms']:.0f} ms, sorting the records {floor['sort_ms']:.0f} ms"
    ]
    for row in result["rows"]:
        ratio = f"{row['ratio']:8.2f} x {row['baseline']:.1f}" if row["ratio"] else ""
        lines.append(f"  {row['name']:32}{row['value']:9.1f} {row['unit']:3}{ratio:20}  target {row['target']}")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.console.console_table")
    parser.add_argument("sessions", nargs="*", type=int, default=SIZES)
    parser.add_argument("--live", type=int, default=0, help="number of sessions in the live list")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures to a file")
    arguments = parser.parse_args()
    results = []
    for sessions in arguments.sessions:
        results.append(measure(sessions, arguments.live))
        print(describe(results[-1]), flush=True)
    if arguments.json is not None:
        arguments.json.write_bytes(msgspec.json.format(msgspec.json.encode(results), indent=2))


if __name__ == "__main__":
    main()
