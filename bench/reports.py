"""Durable reports a second over HTTP, against a bare loop over the same transactions without HTTP.

`python -m bench.reports [SECONDS]` prints the ratio at 1, 20 and 200 rows a report, and how long an acknowledgement
takes at half of that load. Both sides write the same reports in groups of the same size, with full sync, on one core.
The processor time of a report is printed too: it is comparable on a shared machine.
"""

import asyncio
import os
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import NamedTuple

from bench.estate import Reporter, post, served, tokens_for
from streamusage.core.durations import parse_duration_ms
from streamusage.service.ingest.reports import ingest_report
from streamusage.service.store.store import open_store, sqlite_url

CLIENTS = 64
TURNS = 3
LOAD_CORE = max(os.sched_getaffinity(0))


class Throughput(NamedTuple):
    """Result of one run."""

    reports_per_second: float
    processor_us: float
    """Processor time of one report."""
    group: float
    """Reports in a commit."""


async def over_http(folder: Path, rows: int, seconds: float) -> Throughput:
    """Measure reports that go through the service."""
    reporters = [Reporter(f"s{number}", rows, int(time.time() * 1000)) for number in range(CLIENTS)]
    async with served(folder / f"http-{rows}.db", tokens_for(reporters)) as service:
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
    reporters = [Reporter(f"s{number}", rows, int(time.time() * 1000)) for number in range(CLIENTS)]
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
    reporters = [Reporter(f"s{number}", rows, int(time.time() * 1000)) for number in range(CLIENTS)]
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


def main() -> None:
    seconds = parse_duration_ms(sys.argv[1] if len(sys.argv) > 1 else "5s", default_unit="s") / 1000
    os.sched_setaffinity(0, {LOAD_CORE})  # the load; the service runs on the other core
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for rows in (1, 20, 200):
            served, alone = [], []
            for turn in range(TURNS):
                (folder / str(turn)).mkdir(exist_ok=True)
                served.append(asyncio.run(over_http(folder / str(turn), rows, seconds)))
                alone.append(bare(folder / str(turn), rows, max(1, round(served[-1].group)), seconds))
            http, loop = (Throughput(*map(median, zip(*runs, strict=True))) for runs in (served, alone))
            ratio = median(a.reports_per_second / b.reports_per_second for a, b in zip(served, alone, strict=True))
            times = asyncio.run(latency(folder, rows, http.reports_per_second / 2, seconds))
            print(
                f"{rows:3} rows a report: {http.reports_per_second:6.0f}/s over HTTP, {loop.reports_per_second:6.0f}/s "
                f"bare in groups of {http.group:.0f}: ratio {ratio:.2f}; processor time {http.processor_us:.0f} and "
                f"{loop.processor_us:.0f} us: ratio {loop.processor_us / http.processor_us:.2f}; at half of that load "
                f"p50 {median(times):.1f} ms, p99 {times[int(len(times) * 0.99)]:.1f} ms",
                flush=True,
            )


if __name__ == "__main__":
    main()
