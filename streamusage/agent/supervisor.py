"""The agents of one process: each has its own server, source, journal and link; they share only the event loop.

A failure that ends one agent (an unusable journal, a second agent for the same server) does not end the others.
"""

import asyncio
import functools
import logging
import random
import signal
import uuid

from streamusage.agent.config.files import AgentConfig
from streamusage.agent.journal.ledger import Ledger
from streamusage.agent.journal.salvage import open_journal
from streamusage.agent.journal.sqlite import DamagedJournalError
from streamusage.agent.liveness import Liveness
from streamusage.agent.runner import Agent
from streamusage.agent.sources import create_source
from streamusage.agent.status_file import StatusFile
from streamusage.agent.sync.link import ServiceLink, load_token, token_version
from streamusage.agent.sync.schedule import SyncSchedule
from streamusage.core.addresses import Address
from streamusage.core.clock import Clock, SystemClock, boot_id
from streamusage.core.secrets import find_readable_secrets
from streamusage.core.service_manager import ServiceManager

LOG = logging.getLogger(__name__)

REOPEN_SECONDS = 2.0
"""How long after a failure of the journal it is opened again."""


async def run_agents(units: tuple[AgentConfig, ...], metrics: Address | None = None) -> None:
    """Run the agents of all servers until SIGTERM or SIGINT. Raises the first failure after all agents have ended.

    `metrics` is the address of the Prometheus metrics. Raises `OSError` where the port cannot be opened.
    """
    statuses = [StatusFile(unit.server, unit.journal_path) for unit in units]
    if metrics is None:
        await _run_units(units, statuses)
        return
    from streamusage.agent.metrics import serve_metrics

    async with serve_metrics(statuses, metrics):
        await _run_units(units, statuses)


def _describe(statuses: list[StatusFile]) -> str:
    """Return the state of all agents in a line."""
    return ", ".join(
        f"{status.server} {status.without_status if status.last is None else status.last.phase}" for status in statuses
    )


async def _run_units(units: tuple[AgentConfig, ...], statuses: list[StatusFile]) -> None:
    clock = SystemClock()
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    manager = ServiceManager.from_environment()
    liveness = Liveness(manager, [unit.server for unit in units], lambda: _describe(statuses))

    def stop() -> None:
        manager.stopping()
        stopping.set()

    for signal_number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(signal_number, stop)
    agents = (run_agent(unit, clock, stopping, status, liveness) for unit, status in zip(units, statuses, strict=True))
    results = await asyncio.gather(*agents, return_exceptions=True)
    for failure in results:
        if failure is not None:
            raise failure
    manager.set_status("stopped; figures that the service does not have are in the journal")


async def run_agent(
    unit: AgentConfig,
    clock: Clock,
    stopping: asyncio.Event,
    status: StatusFile,
    liveness: Liveness | None = None,
) -> None:
    """Run the agent of one server until `stopping` is set. A failure that ends it earlier is logged and raised.

    A journal that was damaged or disappeared is opened again, as a restart does. `liveness` is that of the process.
    """
    liveness = Liveness(ServiceManager(), [unit.server]) if liveness is None else liveness
    while True:
        try:
            await _run_unit(unit, clock, stopping, status, liveness)
            return
        except DamagedJournalError as error:
            LOG.error("%s; opening the journal of %s again", error, unit.server)
            status.last = None
            await clock.sleep(REOPEN_SECONDS)
        except Exception as error:
            LOG.error("%s is no longer watched: %s", unit.server, error)
            status.last, status.without_status = None, "no longer watched"
            liveness.note_start(unit.server)
            raise


async def _run_unit(
    unit: AgentConfig, clock: Clock, stopping: asyncio.Event, status: StatusFile, liveness: Liveness
) -> None:
    service = unit.service
    journal = open_journal(unit.journal_path)
    source = create_source(unit.source, clock, unit.spool_path)
    link = build_link(unit, clock)
    agent = Agent(
        server=unit.server,
        source=source,
        ledger=Ledger(journal, uuid.uuid4().hex, unit.server, unit.reported_role, service.sync_interval_ms),
        link=link,
        schedule=SyncSchedule(unit.server, service.sync_interval_ms, clock.elapsed_ms(), random.Random()),
        poll_interval_ms=unit.source.poll_interval_ms,
        clock=clock,
        status=status,
        run=boot_id(),
        token_version=functools.partial(token_version, service.token_file),
        liveness=liveness,
        request_seconds=(unit.source.timeout_ms / 1000, service.timeout_ms / 1000),
    )
    for warning in find_readable_secrets(unit.secret_files):
        LOG.warning("%s", warning)
    LOG.info("watching %s, reporting to %s, journal %s", unit.server, service.url, unit.journal_path)
    liveness.note_start(unit.server)
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


def build_link(unit: AgentConfig, clock: Clock) -> ServiceLink:
    """Return the link to the service of a configuration."""
    service = unit.service
    return ServiceLink(
        service.url,
        unit.server,
        load_token(service.token_env, service.token_file),
        timeout_seconds=service.timeout_ms / 1000,
        clock=clock,
        ca_file=service.ca_file,
        proxy=service.proxy,
    )


async def _stop_when(stopping: asyncio.Event, agent: Agent) -> None:
    await stopping.wait()
    agent.stop()
