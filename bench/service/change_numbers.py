"""Ways to number changes under concurrent writers: throughput, delay until a reader sees them, and changes it misses.

`python -m bench.service.change_numbers [DURATION]` runs six writers, each a process with plain psycopg, on throwaway
tables in PostgreSQL with fsync: on one server, and on three with quorum commit. Each way to number is compared with
today's, one lock that every write holds from its beginning to its commit, in the same turn. A turn takes DURATION (3s).
"""

import argparse
import json
import multiprocessing
import sys
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from multiprocessing.connection import Connection as Pipe
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

from bench.percentiles import percentile
from bench.service.stores.durable_servers import KINDS, DurableServer, describe_machine, durable_server
from bench.service.stores.numbered_rows import (
    NUMBERINGS,
    TODAY,
    Numbering,
    WrittenChange,
    compare_followed,
    count_unnumbered,
    follow_changes,
    number_rows,
    throwaway_tables,
    write_rows,
)
from streamusage.core.durations import parse_duration_ms
from tests.support.waiting import LONGEST_WAIT_S, wait_until_blocking

WRITERS = 6
_SPAWN = multiprocessing.get_context("spawn")


class NumberingRun(NamedTuple):
    """Figures of one turn."""

    writes_per_second: float
    delay_p50_ms: float
    delay_p99_ms: float
    missed: float
    changes: float


def send_result(sending: Pipe, work: Any, *arguments: Any) -> None:
    """Send what a function returns, from a process of its own."""
    sending.send(work(*arguments))
    sending.close()


class Worker:
    """A process that runs a function."""

    def __init__(self, work: Any, *arguments: Any) -> None:
        self._receiving, sending = _SPAWN.Pipe(duplex=False)
        self._process = _SPAWN.Process(target=send_result, args=(sending, work, *arguments), daemon=True)
        self._process.start()
        sending.close()

    def result(self) -> Any:
        """Return what the function returned."""
        try:
            return self._receiving.recv()
        finally:
            self._process.join()


def run_numbering(server: DurableServer, numbering: Numbering, seconds: float) -> NumberingRun:
    """Measure a way to number changes for some seconds, in a database of its own."""
    with server.database() as url, throwaway_tables(url) as connection, ThreadPoolExecutor(WRITERS) as threads:
        over = _SPAWN.Event()
        reader = Worker(follow_changes, url, over)
        sequencer = Worker(number_rows, url, numbering, over) if numbering.has_sequencer else None
        all_ready = _SPAWN.Barrier(WRITERS, timeout=LONGEST_WAIT_S)
        writers = [Worker(write_rows, url, numbering, seed, all_ready, seconds) for seed in range(WRITERS)]
        written: list[WrittenChange] = [*chain.from_iterable(threads.map(Worker.result, writers))]
        if sequencer is not None:
            wait_until_blocking(lambda: not count_unnumbered(connection), "all rows are numbered")
        over.set()
        numbered = written if sequencer is None else sequencer.result()
        followed = compare_followed(reader.result(), written, numbered)
        commits = {item.at for item in written}
        return NumberingRun(
            len(commits) / (max(commits) - min(commits)),
            percentile(followed.delays, 0.5) * 1000,
            percentile(followed.delays, 0.99) * 1000,
            followed.missed,
            len(numbered),
        )


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.service.change_numbers")
    parser.add_argument("duration", nargs="?", default="3s", help="length of a turn, such as 3s")
    parser.add_argument("--turns", type=int, default=2)
    parser.add_argument("--servers", choices=[*KINDS], nargs="+", default=[*KINDS])
    parser.add_argument("--no-fsync", action="store_true", help="commits need no disk, as with a very fast one")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the medians to a file")
    arguments = parser.parse_args()
    seconds = parse_duration_ms(arguments.duration, default_unit="s") / 1000
    print(f"{WRITERS} writers, {describe_machine()}")
    document: dict[str, dict[str, Any]] = {}
    unsafe = []
    for kind in arguments.servers:
        runs: dict[Numbering, list[NumberingRun]] = {numbering: [] for numbering in NUMBERINGS}
        with durable_server(KINDS[kind], has_fsync=not arguments.no_fsync) as server:
            for _ in range(arguments.turns):
                for numbering in NUMBERINGS:
                    runs[numbering].append(run_numbering(server, numbering, seconds))
        print(f"{KINDS[kind].name}:")
        for numbering, turns in runs.items():
            ratios = [
                run.writes_per_second / today.writes_per_second for run, today in zip(turns, runs[TODAY], strict=True)
            ]
            figures = NumberingRun(*map(median, zip(*turns, strict=True)))
            print(describe(numbering, figures, ratios), flush=True)
            document.setdefault(kind, {})[numbering.name] = figures._asdict() | {"ratio": median(ratios)}
            if numbering.is_safe and any(run.missed for run in turns):
                unsafe.append(numbering.name)
    if arguments.json is not None:
        arguments.json.write_text(json.dumps(document, indent=2) + "\n")
    if unsafe:
        sys.exit(f"a reader missed changes of: {', '.join(unsafe)}")


def describe(numbering: Numbering, figures: NumberingRun, ratios: list[float]) -> str:
    """Return the line of a way to number changes; the ratio is that to today's of the same turn."""
    missed = f"missed {figures.missed / max(1.0, figures.changes):.1%}" if figures.missed else "missed none"
    return (
        f"  {numbering.name:30} {figures.writes_per_second:6.0f} writes/s, ratio {median(ratios):4.2f} "
        f"({min(ratios):.2f} to {max(ratios):.2f}), seen after p50 {figures.delay_p50_ms:6.1f} ms, "
        f"p99 {figures.delay_p99_ms:6.1f} ms, {missed} of {figures.changes:,.0f} changes"
        + ("" if numbering.is_safe else " (NOT SAFE: a reader loses changes)")
    )


if __name__ == "__main__":
    main()
