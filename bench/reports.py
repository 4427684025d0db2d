"""Durable reports a second over HTTP, against a bare loop over the same transactions without HTTP.

`python -m bench.reports [SECONDS]` prints the ratio at 1, 20 and 200 rows a report, and how long an acknowledgement
takes at half of that load. Both sides write the same reports in groups of the same size, with full sync, on one core.
"""

import asyncio
import os
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from bench.estate import SYNC_MS, Reporter, post, served, tokens_for
from streamusage.service.reports import take_report
from streamusage.service.store import open_store, sqlite_url

CLIENTS = 64
LOAD_CORE = max(os.sched_getaffinity(0))


async def over_http(folder: Path, rows: int, seconds: float) -> tuple[float, float]:
    """Reports a second, and how many a commit held."""
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

        began = time.monotonic()
        await asyncio.gather(*map(load, reporters))
        took = time.monotonic() - began
        commits = await service.commits() - before
        return done / took, done / max(1, commits)


def bare(folder: Path, rows: int, group: int, seconds: float) -> float:
    """The same transactions in a loop of one thread, on the service's core: reports a second."""
    os.sched_setaffinity(0, {0})
    store = open_store(sqlite_url(folder / f"bare-{rows}.db"), 0)
    reporters = [Reporter(f"s{number}", rows, int(time.time() * 1000)) for number in range(CLIENTS)]
    done = 0
    began = time.monotonic()
    turn = 0
    with store.writing() as connection:
        while time.monotonic() - began < seconds:
            reports = []
            for _ in range(group):
                reporter = reporters[turn % CLIENTS]
                turn += 1
                reports.append((reporter, reporter.next_report()))
            transaction = connection.begin()
            for reporter, report in reports:
                take_report(connection, report, b"", reporter.now_ms)
            transaction.commit()
            for reporter, _ in reports:
                reporter.acknowledged_all()
            done += group
    took = time.monotonic() - began
    store.close()
    os.sched_setaffinity(0, {LOAD_CORE})
    return done / took


async def latency(folder: Path, rows: int, rate: float, seconds: float) -> list[float]:
    """How long acknowledgements take, in ms, at so many reports a second, sent on time whatever came of the last."""
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
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 5.0
    os.sched_setaffinity(0, {LOAD_CORE})  # the load; the service runs on the other core
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for rows in (1, 20, 200):
            ratios, rates, bares, group = [], [], [], 1.0
            for turn in range(3):
                (folder / str(turn)).mkdir(exist_ok=True)
                rate, group = asyncio.run(over_http(folder / str(turn), rows, seconds))
                alone = bare(folder / str(turn), rows, max(1, round(group)), seconds)
                ratios.append(rate / alone)
                rates.append(rate)
                bares.append(alone)
            times = asyncio.run(latency(folder, rows, median(rates) / 2, seconds))
            p99 = times[int(len(times) * 0.99)]
            print(
                f"{rows:3} rows a report: {median(rates):6.0f}/s over HTTP, {median(bares):6.0f}/s bare in groups of "
                f"{group:.0f}: ratio {median(ratios):.2f}; at half of it p50 {median(times):.1f} ms, p99 {p99:.1f} ms "
                f"(sync-ups are {SYNC_MS // 1000} s apart in the service's time)",
                flush=True,
            )


if __name__ == "__main__":
    main()
