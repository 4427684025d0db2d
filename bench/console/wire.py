"""Bytes that the console sends to its terminal: `python -m bench.console.wire [--quick] [--json FILE]`.

The real program runs in a pseudo-terminal of 80x24 and of 200x50 cells, on a real service in this process, once with
the display stage and once without it (the baseline: what Textual writes by itself). The terminal answers that it has
synchronized output, as current terminals do. The minimum of an opened view is the text of the cells that differ, and an
absolute move to each stretch of them, without any style: its target is twice that and 100 bytes, at 80x24.

With `--ssh`, the same over a real sshd on this machine, with and without compression: the bytes of the connection that
go to the terminal. htop and btop follow, where they are installed.
"""

import argparse
import asyncio
import itertools
import json
import os
import shlex
import shutil
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

from bench.console.counted_console import LONGEST_WAIT_S, Console, command_of, console, environment_of
from streamusage.api.report import SampleRow
from streamusage.core.clock import SystemClock
from streamusage.service.server import run_service
from streamusage.service.store.engines.sqlite import sqlite_url
from streamusage.service.tokens import Identity, Tokens, digest_of
from tests.streamusage.service.conftest import Estate, OwnedClock
from tests.support.console.scripted_service import ADMIN
from tests.support.console.terminals.sshd import ssh_host
from tests.support.console.terminals.terminal_model import Seen
from tests.support.service.parties.reporting import ReportingAgent, a_session

SIZES = ((80, 24), (200, 50))
SESSIONS = 60
HISTORY_MS = 65 * 60_000
AGENT_INTERVAL_S = 10.0


class Row(NamedTuple):
    """A figure of the table, with the display stage and without it."""

    figure: str
    size: str
    stage: float
    plain: float
    target: float | None
    unit: str


class RealClock(OwnedClock):
    """The machine's clock, which is behind by some time at first: under the name that the reporting agents use."""

    def __init__(self) -> None:
        self._clock = SystemClock()
        self.behind_ms = 0

    @property
    def now(self) -> int:  # type: ignore[override]
        return self._clock.now_ms() - self.behind_ms

    def now_ms(self) -> int:
        return self.now

    def elapsed_ms(self) -> int:
        return self._clock.elapsed_ms() - self.behind_ms

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class Sessions:
    """The sessions of one server, and the agent that reports them."""

    def __init__(self, estate: Estate, *, live: bool) -> None:
        self.agent = ReportingAgent(estate, "edge-1", "edge", life="j.1")
        self.agent.watermark = estate.clock.now - 10_000
        start = estate.clock.now - 47 * 60_000
        self._rows = [
            a_session(
                f"p{number}", name=f"room{number % 7}/camera-{number:02}", start_time=start - number * 61_000,
                end_time=estate.clock.now - 30_000, live=live, active=100 + number * 37, highest=9_000, total=20_000,
            )
            for number in range(SESSIONS)
        ]  # fmt: skip
        self._rounds = 0

    async def report(self) -> None:
        """Report all sessions as they are, and their audience in this minute."""
        slot = self.agent.estate.clock.now // 60_000 * 60_000
        samples = [
            SampleRow(slot=slot, scope=row.scope, name=row.name, revision=0, active=row.active, highest=row.active)
            for row in self._rows
            if row.live
        ]
        await self.agent.sync_up(*self._rows, *samples)

    async def change(self, figures: int) -> None:
        """Report that a viewer joined some sessions below the first, or left them: each of them changes two figures."""
        self._rounds += 1
        by = 1 if self._rounds % 2 else -1
        changed = range(SESSIONS - 1 - max(1, figures // 2), SESSIONS - 1)
        for number in changed:
            row = self._rows[number]
            self._rows[number] = a_session(
                row.publish_id, name=row.name, start_time=row.start_time, end_time=row.end_time, live=True,
                active=(row.active or 0) + by, highest=row.highest, total=row.total + by,
            )  # fmt: skip
        await self.agent.sync_up(*(self._rows[number] for number in changed))


@asynccontextmanager
async def service(directory: Path, *, live: bool) -> AsyncIterator[tuple[str, Sessions]]:
    """Run a service on which one agent has reported in time for a while, so that trends are as they are at rest."""
    clock = RealClock()
    clock.behind_ms = HISTORY_MS
    tokens = Tokens(
        {digest_of(ADMIN): Identity("boss", "admin"), digest_of("edge-1-token"): Identity("e", "agent", "edge-1")}
    )
    async with run_service(store_url=sqlite_url(directory / "usage.db"), tokens=tokens, clock=clock) as running:
        estate = Estate(running, clock)
        async with estate.http:
            sessions = Sessions(estate, live=live)
            while clock.behind_ms > 0:
                await sessions.report()
                clock.behind_ms -= 20_000
            await sessions.report()
            yield running.url, sessions


def minimum(before: list[list[Seen]], after: list[list[Seen]]) -> int:
    """Return the bytes of the cells that differ: their text, and an absolute move to each stretch of them."""
    cost = 0
    for y, (old, new) in enumerate(zip(before, after, strict=True)):
        follows = False
        for x, (was, cell) in enumerate(zip(old, new, strict=True)):
            differs = was != cell
            cost += len(cell[0].encode()) if differs else 0
            cost += len(f"\x1b[{y + 1};{x + 1}H") if differs and not follows else 0
            follows = differs
    return cost


async def measure(size: tuple[int, int], *, stage: bool, rest_s: float) -> dict[str, float]:
    """Return the bytes of each figure at one size."""
    figures: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        async with service(directory, live=False) as (url, sessions), asyncio.TaskGroup() as tasks:
            agent = tasks.create_task(report_steadily(sessions))
            async with console(url, directory, size, stage=stage) as shown:
                await shown.until("camera-")
                await shown.quiet()
                figures["at rest, all ended"] = await rate(shown, rest_s)
            agent.cancel()
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        async with service(directory, live=True) as (url, sessions), asyncio.TaskGroup() as tasks:
            agent = tasks.create_task(report_steadily(sessions))
            async with console(url, directory, size, stage=stage) as shown:
                await shown.until("camera-")
                await asyncio.sleep(1)
                figures["first screen"] = shown.received
                await shown.quiet()
                figures["at rest, on air"] = await rate(shown, rest_s)
                for count in (1, 20):
                    figures[f"{count} changed figures"] = await of_changes(shown, sessions, count)
                for what, key, text in (("help", "?", "Keys in"), ("gaps", "g", "edge-1"), ("filter", "/", "")):
                    await asyncio.sleep(5)
                    before, received = shown.model.seen, shown.received
                    shown.press(key)
                    await asyncio.sleep(0.2)
                    await shown.until(text)
                    await asyncio.sleep(1.2)
                    figures[f"{what} open"] = shown.received - received
                    figures[f"{what} minimum"] = minimum(before, shown.model.seen)
                    shown.press("\x1b")
            agent.cancel()
    return figures


async def report_steadily(sessions: Sessions) -> None:
    """Report the time that passes, without changes."""
    while True:
        await asyncio.sleep(AGENT_INTERVAL_S)
        await sessions.report()


async def rate(shown: Console, seconds: float) -> float:
    """Return the bytes a second while nothing happens."""
    before = shown.received
    await asyncio.sleep(seconds)
    return (shown.received - before) / seconds


async def of_changes(shown: Console, sessions: Sessions, count: int, times: int = 6) -> float:
    """Return the bytes of a poll in which some figures change, as they did in the poll before it."""
    costs = []
    for _ in range(times):
        received = shown.received
        await sessions.change(count)
        ends_at = time.monotonic() + LONGEST_WAIT_S
        while shown.received == received and time.monotonic() < ends_at:  # noqa: ASYNC110
            await asyncio.sleep(0.02)
        await asyncio.sleep(0.5)
        costs.append(shown.received - received)
    return sorted(costs)[len(costs) // 2]


async def measure_ssh(size: tuple[int, int], *, stage: bool, compressed: bool, rest_s: float) -> dict[str, float]:
    """Return the bytes of some figures on the connection of a real sshd."""
    figures: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        async with (
            service(directory, live=True) as (url, sessions),
            ssh_host(directory / "ssh") as host,
            asyncio.TaskGroup() as tasks,
        ):
            agent = tasks.create_task(report_steadily(sessions))
            environment = environment_of(directory, stage=stage)
            settings = {name: environment[name] for name in ("HOME", "TZ", "LC_ALL", "STREAMTOP_DISPLAY_STAGE")}
            settings |= {"PYTHONPATH": os.getcwd(), "COLORTERM": "truecolor"}
            command = shlex.join(
                ["env", *(f"{name}={value}" for name, value in settings.items()), *command_of(url, directory)]
            )
            login = host.login(command)
            login[1:1] = ["-C"] if compressed else []
            shown = Console(*size, bytes_of=lambda: host.wire.down)
            await shown.start(login, environment)
            try:
                await shown.until("camera-")
                await asyncio.sleep(1)
                figures["first screen"] = shown.received
                await shown.quiet()
                figures["at rest, on air"] = await rate(shown, rest_s)
                figures["1 changed figures"] = await of_changes(shown, sessions, 1)
                figures["20 changed figures"] = await of_changes(shown, sessions, 20)
            finally:
                await shown.stop()
            agent.cancel()
    return figures


async def measure_peer(program: str, size: tuple[int, int], rest_s: float) -> dict[str, float]:
    """Return the bytes of another full-screen program."""
    with tempfile.TemporaryDirectory() as name:
        shown = Console(*size)
        await shown.start([program], environment_of(Path(name), stage=True))
        try:
            await asyncio.sleep(2)
            first = shown.received
            return {"first screen": first, "running": await rate(shown, rest_s)}
        finally:
            await shown.stop()


TARGETS: dict[str, tuple[float, float]] = {
    "at rest, all ended": (0, 0),
    "at rest, on air": (20, 20),
    "1 changed figures": (60, 60),
    "20 changed figures": (300, 300),
    "first screen": (6_000, 20_000),
}


def rows_of(size: tuple[int, int], stage: dict[str, float], plain: dict[str, float]) -> list[Row]:
    """Return the rows of one size."""
    found = []
    for figure, cost in stage.items():
        if figure.endswith("minimum"):
            continue
        opened = figure.removesuffix(" open")
        if opened != figure:
            target: float | None = 2 * stage[f"{opened} minimum"] + 100 if size == SIZES[0] else None
        else:
            target = TARGETS[figure][SIZES.index(size)]
        unit = "B/s" if figure.startswith("at rest") else "B"
        found.append(Row(figure, f"{size[0]}x{size[1]}", cost, plain[figure], target, unit))
    return found


def print_rows(rows: list[Row]) -> None:
    print(f"{'figure':30}{'size':>8}{'stage':>12}{'plain':>12}{'ratio':>8}{'target':>12}")
    for row in rows:
        ratio = f"{row.stage / row.plain:.3f}" if row.plain else "–"
        target = "–" if row.target is None else f"{row.target:,.0f}"
        missed = row.target is not None and row.stage > row.target
        print(
            f"{row.figure:30}{row.size:>8}{row.stage:>8,.0f} {row.unit:<3}{row.plain:>8,.0f} {row.unit:<3}{ratio:>8}"
            f"{target:>8} {row.unit:<3}{'  missed' if missed else ''}"
        )


def more_rows(rest_s: float) -> list[Row]:
    """Return the rows over SSH and of other programs, and print them."""
    rows: list[Row] = []
    for size, compressed in itertools.product(SIZES, (False, True)):
        stage, plain = (
            asyncio.run(measure_ssh(size, stage=stage, compressed=compressed, rest_s=rest_s)) for stage in (True, False)
        )
        name = "ssh -C" if compressed else "ssh"
        rows += [row._replace(figure=f"{name}: {row.figure}", target=None) for row in rows_of(size, stage, plain)]
    for program, size in itertools.product(("htop", "btop"), SIZES):
        if shutil.which(program):
            found = asyncio.run(measure_peer(program, size, rest_s))
            shape = f"{size[0]}x{size[1]}"
            rows += [Row(f"{program}: {name}", shape, cost, cost, None, "B") for name, cost in found.items()]
    print_rows(rows)
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="rest for 15 seconds in place of 60")
    parser.add_argument("--ssh", action="store_true", help="also over a real sshd, and beside htop and btop")
    parser.add_argument("--json", type=Path, help="write the rows to a file")
    given = parser.parse_args()
    rows: list[Row] = []
    rest_s = 15.0 if given.quick else 60.0
    for size in SIZES:
        stage, plain = (asyncio.run(measure(size, stage=stage, rest_s=rest_s)) for stage in (True, False))
        rows += rows_of(size, stage, plain)
        print_rows(rows[-len(stage) :])
    if given.ssh:
        rows += more_rows(rest_s)
    if given.json is not None:
        document: list[dict[str, Any]] = [row._asdict() for row in rows]
        given.json.write_text(json.dumps(document, indent=2) + "\n")


if __name__ == "__main__":
    main()
