"""The watches of one agent process: each has its server, source, journal and link, and shares nothing but the loop.

What stops one watch (a journal that cannot be used, another agent for the same server) does not stop the others.
"""

import asyncio
import logging
import random
import signal
import uuid

from streamusage.agent.config.files import AgentConfig
from streamusage.agent.journal.ledger import Ledger
from streamusage.agent.journal.salvage import open_journal
from streamusage.agent.runner import Agent
from streamusage.agent.sources import source_of
from streamusage.agent.status_file import StatusFile
from streamusage.agent.sync.link import ServiceLink, token_of
from streamusage.agent.sync.schedule import SyncUp
from streamusage.core.clock import Clock, SteadyClock, SystemClock, boot_id

LOG = logging.getLogger(__name__)


async def watch_all(units: tuple[AgentConfig, ...], metrics: tuple[str, int] | None = None) -> None:
    """Watches every server until SIGTERM or SIGINT. Raises the first failure once no watch runs any more.

    `metrics` is a host and port at which the watches tell of themselves in Prometheus' format. Raises `OSError` where
    it cannot be listened on.
    """
    statuses = [StatusFile(unit.server, unit.journal_path) for unit in units]
    if metrics is None:
        await _watch_units(units, statuses)
        return
    from streamusage.agent.metrics import serving_metrics

    async with serving_metrics(statuses, metrics):
        await _watch_units(units, statuses)


async def _watch_units(units: tuple[AgentConfig, ...], statuses: list[StatusFile]) -> None:
    clock = SteadyClock(SystemClock())
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for signal_number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(signal_number, stopping.set)
    watches = (watch_one(unit, clock, stopping, status) for unit, status in zip(units, statuses, strict=True))
    ended = await asyncio.gather(*watches, return_exceptions=True)
    for failure in ended:
        if failure is not None:
            raise failure


async def watch_one(unit: AgentConfig, clock: SteadyClock, stopping: asyncio.Event, status: StatusFile) -> None:
    """Watches one server until it is stopped. What ends it earlier is said, and raised."""
    try:
        await _watch(unit, clock, stopping, status)
    except Exception as error:
        LOG.error("%s is not watched any more: %s", unit.server, error)
        status.last = None
        raise


async def _watch(unit: AgentConfig, clock: SteadyClock, stopping: asyncio.Event, status: StatusFile) -> None:
    service = unit.service
    journal = open_journal(unit.journal_path)
    source = source_of(unit.source, clock, unit.spool_path)
    link = link_of(unit, clock)
    agent = Agent(
        server=unit.server,
        source=source,
        ledger=Ledger(journal, uuid.uuid4().hex, unit.server, unit.role, service.sync_interval_ms),
        link=link,
        sync_up=SyncUp(unit.server, service.sync_interval_ms, clock.elapsed_ms(), random.Random()),
        poll_interval_ms=unit.source.poll_interval_ms,
        clock=clock,
        status=status,
        run=boot_id(),
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


def link_of(unit: AgentConfig, clock: Clock) -> ServiceLink:
    """The way to the service that a configuration describes."""
    service = unit.service
    return ServiceLink(
        service.url,
        unit.server,
        token_of(service.token_env, service.token_file),
        timeout_seconds=service.timeout_ms / 1000,
        clock=clock,
        ca_file=service.ca_file,
        proxy=service.proxy,
    )


async def _stop_when(stopping: asyncio.Event, agent: Agent) -> None:
    await stopping.wait()
    agent.stop()
