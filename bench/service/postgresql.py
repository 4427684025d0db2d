"""Durable reports a second on PostgreSQL with one, two and three service processes, beside a loop without a service.

`python -m bench.service.postgresql [DURATION]` loads `streamtop serve` processes over HTTP from 64 agents (24 at 200
rows) with persistent connections, for DURATION (4s) each, on one database server and on three with quorum commit, all
with fsync. The loop runs the statements that a service in this process recorded for reports of the same form, with
plain psycopg, in groups of the size that the service has on average in a commit with the first number of processes.

What the services' transactions wait for is sampled from `pg_stat_activity` every 10 ms: the share of samples of an open
transaction in which it waits for a lock of another one is the share of a report's writing that is lock waiting.
With `--distance` the database answers that much later, so that the services wait for it and not for the cores.
"""

import argparse
import asyncio
import json
import logging
import os
import tempfile
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

from bench.estate import ADMIN, Reporter, Served, post, tokens_for
from bench.percentiles import percentile
from bench.service.stores.distance import at_distance
from bench.service.stores.durable_servers import KINDS, DurableServer, describe_machine, durable_server
from bench.service.stores.lock_samples import WaitSampler, WaitShares
from bench.service.stores.recorded_writes import record_reports, run_writes, send_up_to_now
from streamusage.core.durations import parse_duration_ms
from tests.support.service.nodes import Node

AGENTS = {1: 64, 20: 64, 200: 24}
"""How many agents report at once, by the rows of a report."""
PROCESSES = (1, 2, 3)
TARGET = 2
"""Least ratio of three processes to one, where there are cores for them."""


class ReportRate(NamedTuple):
    """Figures of one number of processes."""

    processes: int
    reports_per_second: float
    group: float
    """Reports in a commit."""
    cores: float
    """Processor time of the services, in cores."""
    p50_ms: float
    p99_ms: float
    waits: WaitShares


async def measure_rate(url: str, nodes: Sequence[Node], reporters: Sequence[Reporter], seconds: float) -> ReportRate:
    """Measure the reports that these processes acknowledge."""
    services = [Served(node.url, node.pid) for node in nodes]
    took: list[float] = []
    ends = time.monotonic() + seconds

    async def load(number: int, reporter: Reporter) -> None:
        async with post(services[number % len(services)].port) as send:
            while (began := time.monotonic()) < ends:
                send_up_to_now(reporter)
                await reporter.send(send)
                took.append(time.monotonic() - began)

    commits = sum([await service.commits() for service in services])
    sampler = WaitSampler(url)
    used, began = sum(service.cpu_seconds() for service in services), time.monotonic()
    with sampler.running():
        await asyncio.gather(*(load(number, reporter) for number, reporter in enumerate(reporters)))
        length = time.monotonic() - began
    used = sum(service.cpu_seconds() for service in services) - used
    commits = sum([await service.commits() for service in services]) - commits
    return ReportRate(
        len(nodes),
        len(took) / length,
        len(took) / max(1, commits),
        used / length,
        median(took) * 1000,
        percentile(took, 0.99) * 1000,
        sampler.shares(),
    )


async def measure_processes(
    near_url: str, url: str, rows: int, processes: Sequence[int], seconds: float
) -> list[ReportRate]:
    """Measure each number of processes on one store, which no other process uses; sample their waits by `near_url`."""
    reporters = [Reporter(f"s{number}", rows, time.time_ns() // 1_000_000) for number in range(AGENTS[rows])]
    rates: list[ReportRate] = []
    nodes: list[Node] = []
    with tempfile.TemporaryDirectory() as name:
        tokens = f'[[token]]\nvalue = "{ADMIN}"\nrole = "admin"\n{tokens_for(reporters)}'
        (Path(name) / "tokens.toml").write_text(tokens)
        async with AsyncExitStack() as running:
            for count in processes:
                while len(nodes) < count:
                    nodes.append(Node(Path(name), url))
                    await nodes[-1].start()
                    running.push_async_callback(nodes[-1].kill)
                if not rates:  # first reports cost more, and are not measured
                    port = Served(nodes[0].url, nodes[0].pid).port
                    await asyncio.gather(*(reporter.begin(port) for reporter in reporters))
                    await measure_rate(near_url, nodes, reporters, min(1.0, seconds / 2))
                rates.append(await measure_rate(near_url, nodes, reporters, seconds))
    return rates


def measure_rows(
    server: DurableServer, rows: int, processes: Sequence[int], seconds: float, turns: int, delay_s: float
) -> dict[str, Any]:
    """Measure reports with that many rows, print the medians of the turns and return them."""
    runs: list[list[ReportRate]] = []
    loops: list[float] = []
    for _ in range(turns):
        with server.database() as url, at_distance(url, delay_s) as far:
            runs.append(asyncio.run(measure_processes(url, far, rows, processes, seconds)))
        with server.database() as url:
            writes = asyncio.run(record_reports(url, rows))
            group = max(1, round(runs[-1][0].group))
            with at_distance(url, delay_s) as far:
                loops.append(run_writes(far, writes, group, seconds))
    statements = sum(map(len, writes)) / len(writes)
    print(
        f"  {rows:3} rows: bare loop {median(loops):6.0f}/s, {statements:.0f} statements a report, "
        f"in groups of {group}",
        flush=True,
    )
    found = []
    for rates in zip(*runs, strict=True):
        of_loop = [rate.reports_per_second / loop for rate, loop in zip(rates, loops, strict=True)]
        of_first = [rate.reports_per_second / run[0].reports_per_second for rate, run in zip(rates, runs, strict=True)]
        figures = median_rate(rates)
        print(describe(figures, of_loop, of_first), flush=True)
        ratios = {"of_loop": median(of_loop), "of_first": median(of_first)}
        found.append(figures._asdict() | ratios | {"waits": figures.waits._asdict()})
    return {"loop": median(loops), "statements": statements, "processes": found}


def median_rate(rates: Sequence[ReportRate]) -> ReportRate:
    """Return the medians of several turns."""
    *figures, waits = zip(*rates, strict=True)
    processes, *others = map(median, figures)
    return ReportRate(int(processes), *others, WaitShares(*map(median, zip(*waits, strict=True))))


def describe(rate: ReportRate, of_loop: Sequence[float], of_first: Sequence[float]) -> str:
    """Return the line of a number of processes; ratios are medians of those of each turn."""
    target = f", target {TARGET} where cores allow" if rate.processes == max(PROCESSES) else ""
    return (
        f"    {rate.processes} process{'es' if rate.processes > 1 else '  '} {rate.reports_per_second:6.0f}/s, "
        f"{median(of_loop):.2f} of the loop, {median(of_first):.2f} of the first number "
        f"({min(of_first):.2f} to {max(of_first):.2f}{target}); groups of {rate.group:.1f}; "
        f"{rate.cores / rate.reports_per_second * 1000:.1f} ms of a core a report; "
        f"p50 {rate.p50_ms:.0f} ms, p99 {rate.p99_ms:.0f} ms; "
        f"of open transactions {rate.waits.lock:.0%} lock, {rate.waits.standby:.0%} standby, "
        f"{rate.waits.client:.0%} client"
    )


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.service.postgresql")
    parser.add_argument("duration", nargs="?", default="4s", help="length of each measurement, such as 4s")
    parser.add_argument("--rows", type=int, nargs="+", default=list(AGENTS), choices=list(AGENTS))
    parser.add_argument("--turns", type=int, default=1)
    parser.add_argument("--processes", type=int, nargs="+", default=list(PROCESSES))
    parser.add_argument("--servers", choices=[*KINDS], nargs="+", default=[*KINDS])
    parser.add_argument("--distance", default="0ms", help="how much later the database answers, such as 5ms")
    parser.add_argument("--no-fsync", action="store_true", help="commits need no disk, as with a very fast one")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures to a file")
    arguments = parser.parse_args()
    delay_s = parse_duration_ms(arguments.distance, default_unit="ms") / 1000
    seconds = parse_duration_ms(arguments.duration, default_unit="s") / 1000
    logging.getLogger("streamusage").setLevel(logging.ERROR)  # of the service that is recorded
    print(describe_machine())
    document: dict[str, Any] = {"cores": len(os.sched_getaffinity(0))}
    for kind in arguments.servers:
        with durable_server(KINDS[kind], has_fsync=not arguments.no_fsync) as server:
            print(f"{server.name}:")
            document[kind] = {
                rows: measure_rows(server, rows, sorted(arguments.processes), seconds, arguments.turns, delay_s)
                for rows in arguments.rows
            }
    if arguments.json is not None:
        arguments.json.write_text(json.dumps(document, indent=2) + "\n")


if __name__ == "__main__":
    main()
