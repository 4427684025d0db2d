"""The watches of one agent process: each has its server, source, journal and link, and shares nothing but the loop.

What stops one watch (a journal that cannot be used, another agent for the same server) does not stop the others.
"""

import asyncio
import logging
import random
import signal
import time
import uuid
from pathlib import Path

from streamusage.agent.config import AgentConfig
from streamusage.agent.journal import DamagedJournalError, SqliteJournal
from streamusage.agent.ledger import Ledger
from streamusage.agent.link import ServiceLink, token_from_env, token_from_file
from streamusage.agent.run import Agent
from streamusage.agent.sources import source_of
from streamusage.agent.status import StatusFile
from streamusage.agent.syncup import SyncUp
from streamusage.clock import Clock, SteadyClock, SystemClock

LOG = logging.getLogger(__name__)


async def watch_all(units: tuple[AgentConfig, ...]) -> None:
    """Watches every server until SIGTERM or SIGINT. Raises the first failure once no watch runs any more."""
    clock = SteadyClock(SystemClock())
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for signal_number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(signal_number, stopping.set)
    ended = await asyncio.gather(*(_watch(unit, clock, stopping) for unit in units), return_exceptions=True)
    for failure in ended:
        if failure is not None:
            raise failure


async def _watch(unit: AgentConfig, clock: Clock, stopping: asyncio.Event) -> None:
    try:
        await _watch_one(unit, clock, stopping)
    except Exception as error:
        LOG.error("%s is not watched any more: %s", unit.server, error)
        raise


async def _watch_one(unit: AgentConfig, clock: Clock, stopping: asyncio.Event) -> None:
    service = unit.service
    journal = open_journal(unit.journal_path)
    token = token_from_file(service.token_file) if service.token_file else token_from_env(service.token_env or "")
    source = source_of(unit.source, clock, unit.spool_path)
    link = ServiceLink(service.url, unit.server, token, timeout_seconds=service.timeout_ms / 1000, clock=clock)
    agent = Agent(
        server=unit.server,
        source=source,
        ledger=Ledger(journal, uuid.uuid4().hex, unit.server, unit.role, service.sync_interval_ms),
        link=link,
        sync_up=SyncUp(unit.server, service.sync_interval_ms, clock.elapsed_ms(), random.Random()),
        poll_interval_ms=unit.source.poll_interval_ms,
        clock=clock,
        status=StatusFile(unit.server, unit.journal_path),
    )
    LOG.info("watching %s for %s, journal %s", unit.server, service.url, unit.journal_path)
    stopper = asyncio.create_task(_stop_when(stopping, agent))
    try:
        await agent.run()
    except BaseExceptionGroup as group:
        raise group.exceptions[0] from None
    finally:
        stopper.cancel()
        await source.close()
        await link.close()
        journal.close()


async def _stop_when(stopping: asyncio.Event, agent: Agent) -> None:
    await stopping.wait()
    agent.stop()


def open_journal(path: Path) -> SqliteJournal:
    """The journal, or a new one where it is damaged: that is set aside, never deleted.

    A new journal continues where the service is, so that only the media server's own restart can lose anything.
    """
    try:
        journal = SqliteJournal(path)
        journal.check()
    except DamagedJournalError as error:
        aside = path.with_name(f"{path.name}.damaged-{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}")
        for suffix in ("", "-wal", "-shm"):
            part = path.with_name(path.name + suffix)
            if part.exists():
                part.rename(aside.with_name(aside.name + suffix))
        LOG.error("%s; it is set aside as %s and a new journal continues where the service is", error, aside)
        return SqliteJournal(path)
    return journal
