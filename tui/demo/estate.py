"""An estate of the demo: a usage service and its agents in one process, each agent behind its own network.

HTTP, journal and store are the product's. Only the media servers are simulated and the clock is the demo's. The same
agents made the history before the demo, over the same HTTP (`history.py`).
"""

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import msgspec

from streamusage.agent.journal.ledger import Ledger
from streamusage.agent.journal.sqlite import SqliteJournal
from streamusage.agent.runner import Agent
from streamusage.agent.sources.simulated import SimulatedMediaServer, SimulatedSource, SimulatedState
from streamusage.agent.sync.link import ServiceLink
from streamusage.agent.sync.schedule import SyncSchedule
from streamusage.evidence.keys import new_key
from streamusage.service.alerts.settings import AlertSettings
from streamusage.service.server import RunningService, run_service
from streamusage.service.tokens import read_tokens
from tui.demo.clock import DemoClock
from tui.demo.network import Relay
from tui.demo.programme import CUSTOMERS, night_from_now, programme
from tui.demo.regions import CUT_OFF, MINUTE_MS, MONTH_FROM_MS, Member, Region

SYNC_INTERVAL_MS = 10_000
STORE = "usage.db"
MEDIA_SERVERS = "media-servers.json"
"""States of the media servers, by name."""

OUTAGE_AFTER_SECONDS = 5.0
OUTAGE_MS = 3 * MINUTE_MS
SHORTEST_OUTAGE_SECONDS = 8.0
LONGEST_OUTAGE_SECONDS = 60.0
CRASHED_FOR_SECONDS = 2.0

_BOOT = "demo"
"""Boot id of the simulated machines: the clock continues from that of the history."""
_JOURNALS_ON_DISK = "unix"
"""The file system of the journals, without the reserved space of a production journal."""


def outage_seconds(speed: float) -> float:
    """Return the length of the outage in real seconds: three minutes of the demo's time, within limits."""
    return min(max(OUTAGE_MS / 1000 / speed, SHORTEST_OUTAGE_SECONDS), LONGEST_OUTAGE_SECONDS)


@dataclass
class RunningMember:
    """A media server with its agent."""

    member: Member
    media_server: SimulatedMediaServer
    relay: Relay
    open_agent: Callable[[int], tuple[Agent, SqliteJournal]]
    """Opens the journal and continues where it ended, as a restarted program does, with an interval of the syncs."""
    agent: Agent = field(init=False)
    journal: SqliteJournal = field(init=False)
    task: asyncio.Task[None] | None = None

    def start(self, sync_interval_ms: int) -> None:
        """Start the agent."""
        self.agent, self.journal = self.open_agent(sync_interval_ms)

    def restart(self, sync_interval_ms: int) -> None:
        """Start the agent again, with the same journal."""
        self.journal.close()
        self.start(sync_interval_ms)


class Estate:
    """A running estate. `url` and `token_file` are what a console needs."""

    def __init__(
        self, region: Region, service: RunningService, token_file: Path, clock: DemoClock, members: list[RunningMember]
    ) -> None:
        self.region = region
        self.url = service.url
        self.token_file = token_file
        self._clock = clock
        self.members = members

    def member(self, server: str) -> RunningMember:
        """Return a server of the estate by its name."""
        return next(running for running in self.members if running.member.server == server)

    def has(self, server: str) -> bool:
        """Return whether the server belongs to the estate."""
        return any(running.member.server == server for running in self.members)

    async def read_and_sync_up(self) -> None:
        """Run the agents at this instant of the stepped clock: a reading, and a sync if due."""
        # One after the other: the service receives them in the same order in every run.
        for running in self.members:
            await running.agent.poll()
            if running.agent.schedule.due_ms <= self._clock.elapsed_ms():
                await running.agent.sync()

    async def sync_all(self) -> None:
        """Take a reading of each server and report it."""
        for running in self.members:
            await running.agent.poll()
            await running.agent.sync()

    @property
    def now_ms(self) -> int:
        """The demo's time."""
        return self._clock.now_ms()

    async def cut(self, server: str) -> None:
        """Cut the network of a server's agent."""
        await self.member(server).relay.cut()

    async def heal(self, server: str) -> None:
        """Restore the network."""
        await self.member(server).relay.heal()

    async def execute(self, line: str) -> None:
        """Execute a line such as `cut edge-2` or `speed 12`; other lines are ignored."""
        what, _, server = line.strip().partition(" ")
        if what == "speed":
            self._clock.release(float(server))
        act = {"cut": self.cut, "heal": self.heal, "crash": self.crash}.get(what)
        if act is not None and self.has(server):
            await act(server)

    async def live(self, speed: float, outage: bool = True) -> None:
        """Run until cancelled. After a few seconds, the agent of `CUT_OFF` loses its network for a while."""
        self._clock.release(speed)
        async with asyncio.TaskGroup() as tasks:
            for running in self.members:
                tasks.create_task(self._keep_running(running))
            if outage and self.has(CUT_OFF):
                tasks.create_task(self._cut_and_heal(speed))

    async def _keep_running(self, running: RunningMember) -> None:
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
            running.restart(SYNC_INTERVAL_MS)

    async def crash(self, server: str) -> None:
        """Abort a server's agent. It is restarted a little later with the same journal."""
        task = self.member(server).task
        if task is not None:
            task.cancel()

    async def _cut_and_heal(self, speed: float) -> None:
        await asyncio.sleep(OUTAGE_AFTER_SECONDS)
        await self.cut(CUT_OFF)
        await asyncio.sleep(outage_seconds(speed))
        await self.heal(CUT_OFF)


@asynccontextmanager
async def running_estate(
    directory: Path,
    region: Region,
    clock: DemoClock,
    *,
    seed: int = 0,
    port: int = 0,
    sync_interval_ms: int = SYNC_INTERVAL_MS,
    alerts: AlertSettings | None = None,
) -> AsyncIterator[Estate]:
    """The estate while the block runs; the clock is stopped before.

    All files are in `directory`, which the caller removes. With the files of a prepared history there, the media
    servers, agents and service continue from them, and `seed` is that of the audience from then on. The service listens
    on `port`, 0 for a free one.
    """
    tokens = {member.server: secrets.token_urlsafe(24) for member in region.members}
    token_file = _write_secret(directory / "admin-token", admin := secrets.token_urlsafe(24))
    tokens_file = _write_secret(directory / "tokens.toml", _tokens_toml(admin, tokens))
    async with AsyncExitStack() as stack:
        service = await stack.enter_async_context(
            run_service(
                store_url=f"sqlite:///{directory / STORE}",
                tokens=read_tokens(tokens_file, {}),
                clock=clock,
                port=port,
                customers=CUSTOMERS,
                statement_key=new_key(),
                alerts=alerts,
                boot=_BOOT,
                released_ms=MONTH_FROM_MS,  # the demo's time is its own
            )
        )
        media_servers = _media_servers(directory, region, seed)
        running = []
        for member in region.members:
            relay = Relay(service.port)
            await relay.heal()
            stack.push_async_callback(relay.cut)
            link = ServiceLink(
                f"http://127.0.0.1:{relay.port}", member.server, _token(tokens[member.server]), clock=clock
            )
            stack.push_async_callback(link.close)
            media_server = media_servers[member.server]
            open_agent = _agent_opener(directory, region, member, SimulatedSource(media_server, clock), link, clock)
            running.append(RunningMember(member, media_server, relay, open_agent))
            running[-1].start(sync_interval_ms)
            stack.callback(_close_journal, running[-1])
        yield Estate(region, service, token_file, clock, running)


def save_media_servers(directory: Path, estate: Estate) -> None:
    """Write the states of the media servers, from which `running_estate` continues."""
    states = {running.member.server: running.media_server.state() for running in estate.members}
    (directory / MEDIA_SERVERS).write_bytes(msgspec.json.encode(states))


def _media_servers(directory: Path, region: Region, seed: int) -> dict[str, SimulatedMediaServer]:
    """Return the media servers by name: with what was prepared in the directory, or from the start of the month."""
    file = directory / MEDIA_SERVERS
    seeds = {member.server: 1000 * seed + 10 * region.number + index for index, member in enumerate(region.members)}
    if not file.exists():
        broadcasts = programme(region)
        return {
            member.server: SimulatedMediaServer(broadcasts, member.share, seeds[member.server], MONTH_FROM_MS)
            for member in region.members
        }
    states = msgspec.json.decode(file.read_bytes(), type=dict[str, SimulatedState])
    on_air = SimulatedMediaServer.resume(states[region.members[0].server], (), 1, 0).on_air
    broadcasts = night_from_now(region, seed, on_air)
    return {
        member.server: SimulatedMediaServer.resume(
            states[member.server], broadcasts, member.share, seeds[member.server]
        )
        for member in region.members
    }


def _agent_opener(
    directory: Path, region: Region, member: Member, source: SimulatedSource, link: ServiceLink, clock: DemoClock
) -> Callable[[int], tuple[Agent, SqliteJournal]]:
    def open_agent(sync_interval_ms: int) -> tuple[Agent, SqliteJournal]:
        path = directory / f"{member.server}.journal.db"
        journal = SqliteJournal(path, synchronous="off", vfs=_JOURNALS_ON_DISK)
        agent = Agent(
            server=member.server,
            source=source,
            ledger=Ledger(journal, f"demo-{member.server}", member.server, member.role, sync_interval_ms),
            link=link,
            schedule=SyncSchedule(member.server, sync_interval_ms, clock.elapsed_ms(), Random(member.server)),
            poll_interval_ms=region.poll_interval_ms,
            clock=clock,
            run=_BOOT,
        )
        return agent, journal

    return open_agent


def _close_journal(running: RunningMember) -> None:
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
