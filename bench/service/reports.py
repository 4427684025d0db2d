"""Processor time of a durable report over HTTP, against a bare loop over the same transactions without HTTP.

`python -m bench.service.reports [SECONDS]` prints the ratio at 1, 20 and 200 rows a report with its target, the reports
a second, and how long an acknowledgement takes at half of that load. Both sides write the same reports in groups of the
same size, with full sync, on one core. Processor time is comparable on a shared machine, reports a second are not.

`--before CHECKOUT` measures the service of another checkout of the project in the same run, in turns with this one.
`--server KIND` measures another HTTP server in the same way, see bench/service/asgi_servers.py.
"""

import argparse
import asyncio
import os
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import NamedTuple

from bench.estate import REPOSITORY, Reporter, post, served, tokens_for
from bench.service.asgi_servers import KINDS
from streamusage.core.durations import parse_duration_ms
from streamusage.service.ingest.reports import ingest_report
from streamusage.service.store.engines.sqlite import sqlite_url
from streamusage.service.store.store import open_store

CLIENTS = 64
LOAD_CORE = max(os.sched_getaffinity(0))
STEP_MS = 10
"""Time that a report covers: less than passes between two reports of an agent, as none may cover time to come."""


TARGETS = {1: 0.45, 20: 0.75, 200: 0.75}
"""Least ratio of processor times, by the rows of a report."""


class Variant(NamedTuple):
    """What is measured: a module with its arguments, of a checkout of the project."""

    name: str
    module: tuple[str, ...] = ("streamusage.service",)
    checkout: Path = REPOSITORY


class Throughput(NamedTuple):
    """Result of one run."""

    reports_per_second: float
    processor_us: float
    """Processor time of one report."""
    group: float
    """Reports in a commit."""


async def over_http(folder: Path, rows: int, seconds: float, variant: Variant) -> Throughput:
    """Measure reports that go through the service."""
    reporters = [Reporter(f"s{number}", rows, int(time.time() * 1000), STEP_MS) for number in range(CLIENTS)]
    async with served(folder / f"http-{rows}.db", tokens_for(reporters), variant.module, variant.checkout) as service:
        await asyncio.gather(*(reporter.begin(service.port) for reporter in reporters))
        done = 0
        ends = time.monotonic() + seconds
        before = await service.commits()

        async def load(reporter: Reporter) -> None:
            nonlocal done
            async with post(service.port) as send:
                while time.monotonic() < ends:
                    await reporter.send(send)
                    done += 1

        began, used = time.monotonic(), service.cpu_seconds()
        await asyncio.gather(*map(load, reporters))
        took, used = time.monotonic() - began, service.cpu_seconds() - used
        commits = await service.commits() - before
        return Throughput(done / took, used / max(1, done) * 1e6, done / max(1, commits))


def bare(folder: Path, rows: int, group: int, seconds: float) -> Throughput:
    """Measure the same transactions in a loop of one thread, on the service's core."""
    os.sched_setaffinity(0, {0})
    store = open_store(sqlite_url(folder / f"bare-{rows}.db"), 0)
    reporters = [Reporter(f"s{number}", rows, int(time.time() * 1000), STEP_MS) for number in range(CLIENTS)]
    done = turn = 0
    began, used = time.monotonic(), time.process_time()
    with store.writing() as connection:
        while time.monotonic() - began < seconds:
            reports = []
            for _ in range(group):
                reporter = reporters[turn % CLIENTS]
                turn += 1
                reports.append((reporter, reporter.next_report()))
            transaction = connection.begin()
            for reporter, report in reports:
                ingest_report(connection, report, b"", reporter.now_ms)
            transaction.commit()
            for reporter, _ in reports:
                reporter.acknowledged_all()
            done += group
    took, used = time.monotonic() - began, time.process_time() - used
    store.close()
    os.sched_setaffinity(0, {LOAD_CORE})
    return Throughput(done / took, used / done * 1e6, group)


async def latency(folder: Path, rows: int, rate: float, seconds: float) -> list[float]:
    """Return the sorted milliseconds of acknowledgements at `rate` reports a second.

    Each report is sent when it is due, even if the previous one was late.
    """
    reporters = [Reporter(f"s{number}", rows, int(time.time() * 1000), STEP_MS) for number in range(CLIENTS)]
    async with served(folder / f"latency-{rows}.db", tokens_for(reporters)) as service:
        await asyncio.gather(*(reporter.begin(service.port) for reporter in reporters))
        took: list[float] = []
        began = time.monotonic()

        async def load(number: int, reporter: Reporter) -> None:
            async with post(service.port) as send:
                due = began + number / rate
                while due < began + seconds:
                    await asyncio.sleep(max(0, due - time.monotonic()))
                    await reporter.send(send)
                    took.append((time.monotonic() - due) * 1000)
                    due += CLIENTS / rate

        await asyncio.gather(*(load(number, reporter) for number, reporter in enumerate(reporters)))
        return sorted(took)


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.service.reports")
    parser.add_argument("duration", nargs="?", default="5s", help="length of a turn, such as 5s")
    parser.add_argument("--rows", type=int, nargs="+", default=list(TARGETS), choices=list(TARGETS))
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--before", type=Path, metavar="CHECKOUT")
    parser.add_argument("--server", action="append", default=[], choices=KINDS)
    parser.add_argument("--no-latency", action="store_true")
    return parser.parse_args()


def main() -> None:
    arguments = parse_arguments()
    seconds = parse_duration_ms(arguments.duration, default_unit="s") / 1000
    service = Variant("after" if arguments.before else "service")
    variants = [service]
    if arguments.before:
        variants.insert(0, Variant("before", checkout=arguments.before.resolve()))
    variants += [Variant(kind, ("bench.service.asgi_servers", kind)) for kind in arguments.server]
    os.sched_setaffinity(0, {LOAD_CORE})  # the load; the service runs on the other core
    with tempfile.TemporaryDirectory() as name:
        for rows in arguments.rows:
            runs: dict[Variant, list[tuple[Throughput, Throughput]]] = {variant: [] for variant in variants}
            for turn in range(arguments.turns):
                for variant in variants:
                    folder = Path(name) / f"{variant.name}-{turn}"
                    folder.mkdir(exist_ok=True)
                    http = asyncio.run(over_http(folder, rows, seconds, variant))
                    runs[variant].append((http, bare(folder, rows, max(1, round(http.group)), seconds)))
            for variant in variants:
                print(describe(variant, rows, runs[variant]), flush=True)
            if not arguments.no_latency:
                rate = median(http.reports_per_second for http, _ in runs[service]) / 2
                times = asyncio.run(latency(Path(name), rows, rate, seconds))
                print(
                    f"{rows:3} rows, service: at {rate:.0f} reports/s acknowledged after p50 {median(times):.1f} ms, "
                    f"p99 {times[int(len(times) * 0.99)]:.1f} ms",
                    flush=True,
                )


def describe(variant: Variant, rows: int, runs: list[tuple[Throughput, Throughput]]) -> str:
    """Return the medians of the runs; a ratio is that of a run and the bare loop right after it."""
    http, loop = (Throughput(*map(median, zip(*side, strict=True))) for side in zip(*runs, strict=True))
    ratios = sorted(bare.processor_us / served.processor_us for served, bare in runs)
    return (
        f"{rows:3} rows, {variant.name:11}: processor time {http.processor_us:6.0f} us, "
        f"bare {loop.processor_us:6.0f} us: ratio {median(ratios):.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f}, "
        f"target {TARGETS[rows]:.2f}); {http.reports_per_second:6.0f}/s, bare {loop.reports_per_second:6.0f}/s, "
        f"in groups of {http.group:.0f}"
    )


if __name__ == "__main__":
    main()
