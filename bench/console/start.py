"""How fast the console and the client commands start: `python -m bench.console.start [ROUNDS] [--json FILE]`.

Every program runs in a terminal of its own (80 x 24), in turns: an empty Textual app, the console against a service of
this run, `ls`, `--help` and `--version`, and the least that each of them has to import. Each figure is the median over
the rounds of the ratio to the baseline of the same round, by time and by processor time: milliseconds alone mean
little on a shared machine. The exit code is 1 if a ratio by processor time is above its target.
"""

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from resource import RUSAGE_CHILDREN, getrusage
from typing import NamedTuple

from tests.support.console.records import TOKEN, recent, record, service_with
from tests.support.console.terminals.bare_terminal import BareTerminal

EMPTY_APP = """
from textual.app import App
from textual.widgets import Static

class Empty(App):
    def compose(self):
        yield Static("the-empty-app")

Empty().run()
"""
HTTPX = "import sys; sys.modules.update({'httpx._main': None, 'trio': None}); import httpx; import click, msgspec"
"""Without httpx's command line, and without an event loop that only tests of other programs brought along."""
REQUEST = f"""
{HTTPX}
import asyncio, ssl

async def main():
    trust = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    async with httpx.AsyncClient(verify=trust, headers={{"Authorization": "Bearer {TOKEN}"}}) as client:
        print(len((await client.get(sys.argv[1] + "/api/v1/changes")).content))

asyncio.run(main())
"""
"""The request of `ls` alone, as httpx makes it in an event loop."""
LONGEST_S = 60
RECORDS = 30


class Taken(NamedTuple):
    """Seconds from the start of a program to an event."""

    wall_s: float
    processor_s: float


class Figure(NamedTuple):
    """A measurement, the baseline that it is divided by, and the target of the ratio."""

    name: str
    baseline: str
    target: float


FIGURES = (
    Figure("console, first frame", "empty Textual app", 1.5),
    Figure("console, data", "empty Textual app", 1.8),
    Figure("ls without its request", "import of click, msgspec, httpx", 1.5),
    Figure("--version", "import of click", 1.5),
    Figure("--help", "import of click", 1.5),
)


def in_terminal(command: list[str], markers: list[bytes], environment: dict[str, str]) -> list[Taken]:
    """Run a program in a terminal until it has drawn each of the markers, in order; then end it."""
    found = []
    with BareTerminal(command, environment, longest_s=LONGEST_S) as terminal:
        for marker in markers:
            terminal.read_until(marker)
            found.append(Taken(time.monotonic() - terminal.began, terminal.processor_s()))
    return found


def to_its_end(command: list[str], environment: dict[str, str]) -> Taken:
    """Run a program to its end."""
    began, before = time.monotonic(), getrusage(RUSAGE_CHILDREN)
    subprocess.run(command, env=environment, capture_output=True, check=True, timeout=LONGEST_S)
    after = getrusage(RUSAGE_CHILDREN)
    return Taken(time.monotonic() - began, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)


def one_round(url: str, environment: dict[str, str]) -> dict[str, Taken]:
    """Run every program once."""
    python, console = [sys.executable, "-c"], [sys.executable, "-m", "tui"]
    (empty,) = in_terminal([*python, EMPTY_APP], [b"the-empty-app"], environment)
    frame, data = in_terminal([*console, "--url", url], [b"polling ", b"camera-"], environment)
    least = to_its_end([*python, HTTPX], environment)
    asked = to_its_end([*python, REQUEST, url], environment)
    ls = to_its_end([*console, "ls", "--url", url], environment)
    return {
        "empty Textual app": empty,
        "console, first frame": frame,
        "console, data": data,
        "import of click, msgspec, httpx": least,
        "ls without its request": Taken(*(a - (b - c) for a, b, c in zip(ls, asked, least, strict=True))),
        "import of click": to_its_end([*python, "import click"], environment),
        "--version": to_its_end([*console, "--version"], environment),
        "--help": to_its_end([*console, "--help"], environment),
    }


async def measured(rounds: int) -> list[dict[str, Taken]]:
    """Return the rounds; one more before them fills caches."""
    with tempfile.TemporaryDirectory() as directory:
        records = [record(f"camera-{number}", recent(10) + number) for number in range(RECORDS)]
        environment = os.environ | {
            "STREAMTOP_TOKEN": TOKEN,
            "XDG_CONFIG_HOME": directory,
            "XDG_STATE_HOME": directory,
            "TERM": "xterm-256color",
        }
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        async with service_with(Path(directory), records) as client:
            await asyncio.to_thread(one_round, client.base_url, environment)
            return [await asyncio.to_thread(one_round, client.base_url, environment) for _ in range(rounds)]


def main() -> int:
    options = argparse.ArgumentParser(description="How fast the console and the client commands start.")
    options.add_argument("rounds", nargs="?", type=int, default=10)
    options.add_argument("--json", type=Path, metavar="FILE", help="write the figures to a file, too")
    given = options.parse_args()
    rounds = asyncio.run(measured(given.rounds))
    results = []
    print(f"{'':32}{'time':>9}{'processor':>11}   ratio   by processor time   target   baseline")
    for figure in FIGURES:
        pairs = [(one[figure.name], one[figure.baseline]) for one in rounds]
        wall, processor = (
            statistics.median(taken[place] / baseline[place] for taken, baseline in pairs) for place in (0, 1)
        )
        taken = Taken(*(statistics.median(taken[place] for taken, _ in pairs) for place in (0, 1)))
        results.append(
            {
                "name": figure.name,
                "baseline": figure.baseline,
                "wall_ms": round(1000 * taken.wall_s),
                "processor_ms": round(1000 * taken.processor_s),
                "wall_ratio": round(wall, 2),
                "processor_ratio": round(processor, 2),
                "target": figure.target,
            }
        )
        print(
            f"{figure.name:32}{1000 * taken.wall_s:6.0f} ms{1000 * taken.processor_s:8.0f} ms{wall:8.2f}"
            f"{processor:16.2f}{figure.target:13.1f}   {figure.baseline}"
        )
    if given.json is not None:
        given.json.write_text(json.dumps(results, indent=2) + "\n", "utf-8")
    return 0 if all(result["processor_ratio"] <= result["target"] for result in results) else 1


if __name__ == "__main__":
    sys.exit(main())
