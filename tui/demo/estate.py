"""The demo's estate: a usage service and three agents in one process, each agent behind its own network.

HTTP, journal and store are the product's. Only the media servers are simulated and the clock is the demo's. The same
agents make the history before the demo, step by step, over the same HTTP.
"""

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random

from streamusage.agent.journal.ledger import Ledger
from streamusage.agent.journal.sqlite import SqliteJournal
from streamusage.agent.runner import Agent
from streamusage.agent.sources.simulated import SimulatedMediaServer, SimulatedSource
from streamusage.agent.sync.link import ServiceLink
from streamusage.agent.sync.schedule import SyncSchedule
from streamusage.api.report import Role
from streamusage.service.server import RunningService, run_service
from streamusage.service.tokens import read_tokens
from tui.demo.clock import DemoClock
from tui.demo.network import Relay
from tui.demo.programme import CUSTOMERS, MINUTE_MS, make_programme

SYNC_INTERVAL_MS = 10_000
POLL_INTERVAL_MS = 2_000
HISTORY_MS = 45 * MINUTE_MS
HISTORY_POLL_MS = 10_000
HISTORY_SYNC_MS = 30_000


@dataclass(frozen=True)
class Member:
    """A media server of the estate."""

    server: str
    role: Role
    share: float
    """Share of every stream's audience."""


MEMBERS = (Member("origin-1", "origin", 0.05), Member("edge-1", "edge", 0.55), Member("edge-2", "edge", 0.40))

CUT_OFF = "edge-2"
"""The server whose agent loses its network."""

OUTAGE_AFTER_SECONDS = 5.0
OUTAGE_MS = 3 * MINUTE_MS
SHORTEST_OUTAGE_SECONDS = 8.0
LONGEST_OUTAGE_SECONDS = 60.0
CRASHED_FOR_SECONDS = 2.0


def outage_seconds(speed: float) -> float:
    """Return the length of the outage in real seconds: three minutes of the demo's time, within limits."""
    return min(max(OUTAGE_MS / 1000 / speed, SHORTEST_OUTAGE_SECONDS), LONGEST_OUTAGE_SECONDS)


@dataclass
class _Running:
    member: Member
    agent: Agent
    journal: SqliteJournal
    relay: Relay
    make_agent: Callable[[], tuple[Agent, SqliteJournal]]
    """Opens the journal and continues where it ended, as a restarted program does."""
    task: asyncio.Task[None] | None = None


class Estate:
    """A running estate. `url` and `token_file` are what a console needs."""

    def __init__(self, service: RunningService, token_file: Path, clock: DemoClock, agents: list[_Running]) -> None:
        self.url = service.url
        self.token_file = token_file
        self._clock = clock
        self._agents = agents

    async def make_history(self, progress: Callable[[float], None]) -> None:
        """Make the history before the demo. `progress` receives the finished share, from 0 to 1."""
        for done_ms in range(0, HISTORY_MS, HISTORY_POLL_MS):
            await self._all(lambda agent: agent.poll())
            if done_ms % HISTORY_SYNC_MS == 0:
                await self._all(lambda agent: agent.sync())
            progress(done_ms / HISTORY_MS)
            self._clock.step(HISTORY_POLL_MS)
        await self._all(lambda agent: agent.poll())
        await self._all(lambda agent: agent.sync())

    async def _all(self, act: Callable[[Agent], Awaitable[None]]) -> None:
        # One after the other: the service receives them in the same order in every run.
        for running in self._agents:
            await act(running.agent)

    async def read_and_sync_up(self) -> None:
        """Run the agents at this instant of the stepped clock: a reading, and a sync if due."""
        for running in self._agents:
            await running.agent.poll()
            if running.agent.schedule.due_ms <= self._clock.elapsed_ms():
                await running.agent.sync()

    async def cut(self, server: str) -> None:
        """Cut the network of a server's agent."""
        await self._running(server).relay.cut()

    async def heal(self, server: str) -> None:
        """Restore the network."""
        await self._running(server).relay.heal()

    def _running(self, server: str) -> _Running:
        return next(running for running in self._agents if running.member.server == server)

    async def execute(self, line: str) -> None:
        """Execute a line such as `cut edge-2` or `speed 12`; other lines are ignored."""
        what, _, server = line.strip().partition(" ")
        if what == "speed":
            self._clock.release(float(server))
        act = {"cut": self.cut, "heal": self.heal, "crash": self.crash}.get(what)
        if act is not None and server in {running.member.server for running in self._agents}:
            await act(server)

    async def live(self, speed: float, outage: bool = True) -> None:
        """Run until cancelled. After a few seconds, one agent loses its network for a while."""
        self._clock.release(speed)
        async with asyncio.TaskGroup() as tasks:
            for running in self._agents:
                tasks.create_task(self._keep_running(running))
            if outage:
                tasks.create_task(self._cut_and_heal(speed))

    async def _keep_running(self, running: _Running) -> None:
        """Run a server's agent, and restart it after a crash."""
        while True:
            running.task = asyncio.create_task(running.agent.run())
            try:
                await asyncio.shield(running.task)
                return
            except asyncio.CancelledError:
                if not running.task.cancelled():
                    running.task.cancel()
                    raise
            await asyncio.sleep(CRASHED_FOR_SECONDS)
            running.journal.close()
            running.agent, running.journal = running.make_agent()

    async def crash(self, server: str) -> None:
        """Abort a server's agent. It is restarted a little later with the same journal."""
        task = self._running(server).task
        if task is not None:
            task.cancel()

    async def _cut_and_heal(self, speed: float) -> None:
        await asyncio.sleep(OUTAGE_AFTER_SECONDS)
        await self.cut(CUT_OFF)
        await asyncio.sleep(outage_seconds(speed))
        await self.heal(CUT_OFF)


@asynccontextmanager
async def running_estate(directory: Path, seed: int, port: int, clock: DemoClock) -> AsyncIterator[Estate]:
    """The estate while the block runs. The clock is stopped at the start of the history, `HISTORY_MS` before the demo.

    All files are in `directory`, which the caller removes. The service listens on `port`, 0 for a free one.
    """
    tokens = {member.server: secrets.token_urlsafe(24) for member in MEMBERS}
    token_file = _write_secret(directory / "admin-token", admin := secrets.token_urlsafe(24))
    tokens_file = _write_secret(directory / "tokens.toml", _tokens_toml(admin, tokens))
    async with AsyncExitStack() as stack:
        service = await stack.enter_async_context(
            run_service(
                store_url=f"sqlite:///{directory / 'usage.db'}",
                tokens=read_tokens(tokens_file, {}),
                clock=clock,
                port=port,
                customers=CUSTOMERS,
            )
        )
        programme = make_programme(seed, clock.now_ms() - 20 * MINUTE_MS)
        agents = []
        for index, member in enumerate(MEMBERS):
            relay = Relay(service.port)
            await relay.heal()
            stack.push_async_callback(relay.cut)
            media_server = SimulatedMediaServer(
                programme, member.share, seed * 1000 + index, clock.now_ms() - 20 * MINUTE_MS
            )
            link = ServiceLink(
                f"http://127.0.0.1:{relay.port}", member.server, _token(tokens[member.server]), clock=clock
            )
            stack.push_async_callback(link.close)
            make_agent = _agent_maker(directory, member, media_server, link, clock, seed, index)
            running = _Running(member, *make_agent(), relay, make_agent)
            stack.callback(_close_journal, running)
            agents.append(running)
        yield Estate(service, token_file, clock, agents)


def _agent_maker(
    directory: Path,
    member: Member,
    media_server: SimulatedMediaServer,
    link: ServiceLink,
    clock: DemoClock,
    seed: int,
    index: int,
) -> Callable[[], tuple[Agent, SqliteJournal]]:
    def make() -> tuple[Agent, SqliteJournal]:
        journal = SqliteJournal(directory / f"{member.server}.journal.db", synchronous="off")
        agent = Agent(
            server=member.server,
            source=SimulatedSource(media_server, clock),
            ledger=Ledger(journal, f"demo-{seed}-{index}", member.server, member.role, SYNC_INTERVAL_MS),
            link=link,
            schedule=SyncSchedule(member.server, SYNC_INTERVAL_MS, clock.elapsed_ms(), Random(seed + index)),
            poll_interval_ms=POLL_INTERVAL_MS,
            clock=clock,
            run="demo",
        )
        return agent, journal

    return make


def _close_journal(running: _Running) -> None:
    running.journal.close()


def _token(token: str) -> Callable[[], str]:
    return lambda: token


def _tokens_toml(admin: str, agents: dict[str, str]) -> str:
    lines = [f'[[token]]\nname = "demo"\nvalue = "{admin}"\nrole = "admin"\n']
    lines += [
        f'[[token]]\nvalue = "{token}"\nrole = "agent"\nserver = "{server}"\n' for server, token in agents.items()
    ]
    return "\n".join(lines)


def _write_secret(path: Path, text: str) -> Path:
    path.touch(mode=0o600)
    path.write_text(text, "utf-8")
    return path


async def run_headless(
    directory: Path,
    seed: int,
    speed: float,
    port: int,
    now_ms: int,
    progress: Callable[[float], None],
    ready: Callable[[str, Path], None],
    stop: asyncio.Event,
    lines: asyncio.Queue[str] | None = None,
) -> None:
    """Run the estate until `stop`: history, then `ready(url, token_file)`, then live.

    With `lines`, only their commands (`cut edge-2`) cause events; without, the outage happens by itself.
    """
    async with running_estate(directory, seed, port, DemoClock(now_ms - HISTORY_MS)) as estate:

        async def lived() -> None:
            await estate.make_history(progress)
            ready(estate.url, estate.token_file)
            await estate.live(speed, outage=lines is None)

        living = asyncio.create_task(lived())
        stopping = asyncio.create_task(stop.wait())
        listening = asyncio.create_task(_listen(estate, lines)) if lines is not None else stopping
        await asyncio.wait({living, stopping}, return_when=asyncio.FIRST_COMPLETED)
        listening.cancel()
        if living.done():
            living.result()
        living.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await living


async def _listen(estate: Estate, lines: asyncio.Queue[str]) -> None:
    while True:
        await estate.execute(await lines.get())
