"""Runs the service: opens the store, listens, marks sessions as owed when their servers are silent, closes days, and
discards rows older than their retention.
"""

import asyncio
import logging
import random
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import date
from functools import partial
from typing import TypeVar
from zoneinfo import ZoneInfo

from sqlalchemy import Connection

from streamusage.core.addresses import Address
from streamusage.core.clock import Clock, boot_id
from streamusage.evidence.keys import StatementKey
from streamusage.service.accounting.closing import (
    GRACE_MS,
    SETTLE_MS,
    ClosedDays,
    advance_accounting,
    days_due,
    is_accounting_due,
)
from streamusage.service.accounting.corrections import (
    APPROVAL_BY_SECOND_TOKEN,
    ApprovalPolicy,
    is_proposal_due,
    propose_late_arrivals,
)
from streamusage.service.accounting.cross_checks import compare_next, is_check_due, save_compared
from streamusage.service.accounting.hours import find_unsummed, sum_hours
from streamusage.service.alerts.settings import AlertSettings
from streamusage.service.errors import ClockDoubtError, StoreError, UnreachableStoreError, UnusableStoreError
from streamusage.service.http.app import make_app
from streamusage.service.http.context import Service
from streamusage.service.http.direct_reports import DirectReports
from streamusage.service.http.server.connection_limits import ConnectionLimits
from streamusage.service.http.server.http_server import HttpServer
from streamusage.service.ingest.reports import apply_condition_changes, find_condition_changes
from streamusage.service.limits import Limits
from streamusage.service.metrics import Metrics, MetricsLimits
from streamusage.service.part_applier import PartApplier
from streamusage.service.retention import Retention, count_due, discard_rows
from streamusage.service.rules.cross_checks import DEFAULT_THRESHOLD, Threshold
from streamusage.service.rules.customers import NO_CUSTOMERS, CustomerRules
from streamusage.service.serving.listening import BACKLOG, Tls, listen
from streamusage.service.store.engines import ENGINES
from streamusage.service.store.engines.locks import WHOLE_STORE, LockSet
from streamusage.service.store.migrations.running import Reporter
from streamusage.service.store.partitions.long_spans import cut_long_spans, has_long_spans
from streamusage.service.store.store import open_store
from streamusage.service.store.writing.writer import Writer
from streamusage.service.tokens import Tokens
from streamusage.service.trusted_clock import CHECK_SECONDS, TrustedClock

log = logging.getLogger(__name__)
log_jobs = logging.getLogger("streamusage.service.jobs")
"""What closing and retention did. `streamtop serve` shows it; other warnings have their module's logger."""

Result = TypeVar("Result")

LAST_SAVE_SECONDS = 5.0
"""How long the end of the service waits at most for the store to take the state of the clock."""

CONDITION_CHECK_SECONDS = 2.0
"""How often servers are checked for overdue figures, in the clock's time."""

STORE_CHECK_SECONDS = 1.0
"""How often the store's file is looked for and its faults are logged, in real time."""

ACCOUNTING_CHECK_SECONDS = 2.0
"""How often hours are summed and days closed, in the clock's time."""

RETENTION_INTERVAL_SECONDS = 3600.0
"""How often retention runs, plus or minus a quarter, so that several processes do not run it at once."""

EDGE_TIMEOUT_MS = 60_000
"""How long a server may be silent before its subscribers do not count as active."""


@dataclass(frozen=True)
class RunningService:
    """A service that answers requests."""

    host: str
    port: int
    service: Service
    tls: ssl.SSLContext | None
    _server: HttpServer
    _serving: "asyncio.Task[None]"

    @property
    def url(self) -> str:
        """The URL of the service."""
        return f"http{'s' if self.tls else ''}://{Address(self.host, self.port)}"

    def stop(self) -> None:
        """Request the service to finish accepted work and end. Safe in a signal handler of the event loop."""
        self._server.request_stop()

    async def ended(self) -> None:
        """Wait until the service was stopped and has finished."""
        await asyncio.shield(self._serving)


@asynccontextmanager
async def run_service(
    *,
    store_url: str,
    tokens: Tokens,
    clock: Clock,
    host: str = "127.0.0.1",
    port: int = 0,
    tls: Tls | None = None,
    retention: Retention | None = None,
    edge_timeout_ms: int = EDGE_TIMEOUT_MS,
    limits: ConnectionLimits | None = None,
    request_limits: Limits | None = None,
    account_zones: Sequence[ZoneInfo] = (ZoneInfo("UTC"),),
    customers: CustomerRules = NO_CUSTOMERS,
    close_settle_ms: int = SETTLE_MS,
    approval: ApprovalPolicy = APPROVAL_BY_SECOND_TOKEN,
    cross_check: Threshold = DEFAULT_THRESHOLD,
    statement_key: StatementKey | None = None,
    close_grace_ms: int = GRACE_MS,
    metrics_limits: MetricsLimits | None = None,
    alerts: AlertSettings | None = None,
    boot: str | None = None,
    released_ms: int | None = None,
    report_migration: Reporter = log_jobs.info,
) -> AsyncIterator[RunningService]:
    """Run the service for the duration of the block; port 0 takes a free one. Raises `StoreError`, `ListenError` or
    `TlsError` at its start.

    `clock` is the machine's, `boot` its boot id (by default this machine's), and `released_ms` an instant that is
    certainly past (by default the date of the store's newest migration). The service's own clock is trusted time.
    `report_migration` receives lines about migrations of the store that take long, in another thread.

    At the end of the block it finishes accepted work. Signals are the caller's.
    """
    context = None if tls is None else tls.context()
    listener = await asyncio.to_thread(listen, host, port)
    store = None
    try:
        store = await asyncio.to_thread(open_store, store_url, clock.now_ms(), report_migration)
        for warning in store.loss_warnings:
            log.warning("%s", warning)
        boot = boot_id() if boot is None else boot
        trusted = await asyncio.to_thread(TrustedClock.open, clock, boot, store, released_ms)
    except BaseException:
        listener.close()
        if store is not None:
            store.close()
        raise
    metrics = Metrics(metrics_limits)
    writer = Writer(store, metrics.observe_commit)
    service = Service(
        store,
        writer,
        tokens,
        trusted,
        metrics,
        account_zones=tuple(account_zones),
        customers=customers,
        close_settle_ms=close_settle_ms,
        approval=approval,
        cross_check=cross_check,
        statement_key=statement_key,
        close_grace_ms=close_grace_ms,
        alert_settings=alerts,
        limits=request_limits or Limits(),
    )
    server = HttpServer(make_app(service), trusted, limits, DirectReports(service), metrics.requests.count_refusal)
    serving = asyncio.create_task(server.serve())
    jobs = [
        asyncio.create_task(_watch_store(service)),
        asyncio.create_task(_keep_time(service)),
        asyncio.create_task(_watch_conditions(service, edge_timeout_ms)),
        asyncio.create_task(_run_retention(service, retention or Retention())),
        asyncio.create_task(_run_accounting(service)),
        asyncio.create_task(_keep_partitions(service)),
        asyncio.create_task(PartApplier(service).run()),
        asyncio.create_task(service.alerts.run()),
    ]
    try:
        await trusted.save(service)
        await server.start(listener, context, BACKLOG)
        yield RunningService(host, listener.getsockname()[1], service, context, server, serving)
    finally:
        server.request_stop()
        for job in jobs:
            job.cancel()
        await asyncio.gather(serving, *jobs, return_exceptions=True)
        with suppress(TimeoutError):  # the next start judges the clock again
            async with asyncio.timeout(LAST_SAVE_SECONDS):
                await _run_job("store trusted time", lambda: trusted.save(service))
                await service.alerts.close()
        await service.finish_threads()
        await asyncio.to_thread(writer.stop)
        await asyncio.to_thread(store.close)


async def _watch_store(service: Service) -> None:
    while True:
        await asyncio.sleep(STORE_CHECK_SECONDS)
        await _run_job("watch the store", service.watch_store)


async def _keep_time(service: Service) -> None:
    while True:
        await service.clock.sleep(CHECK_SECONDS)
        await _run_job("store trusted time", lambda: service.clock.keep(service))


async def _watch_conditions(service: Service, edge_timeout_ms: int) -> None:
    async def look() -> None:
        now_ms = service.clock.now_ms()
        if await service.read(lambda connection: find_condition_changes(connection, now_ms, edge_timeout_ms)):
            # Checked again in the writer's transaction: a report may have arrived in between.
            await service.write(
                lambda connection: apply_condition_changes(
                    connection, find_condition_changes(connection, now_ms, edge_timeout_ms), now_ms
                )
            )

    while True:
        await service.clock.sleep(CONDITION_CHECK_SECONDS)
        await _run_job("update the condition of servers", look)


async def _run_retention(service: Service, retention: Retention) -> None:
    async def discard() -> None:
        now_ms = service.clock.now_ms()
        if service.clock.state.doubt is not None:
            due = await service.read(lambda connection: count_due(connection, retention, now_ms))
            log.warning("%s; retention discarded nothing; due are %s", service.clock.describe_doubt(), due)
            return
        discarded = await discard_rows(_WhileTrusted(service), retention, now_ms, zones=service.account_zones)
        service.metrics.count_discarded(discarded.records)
        if discarded.rows or discarded.in_use:
            log_jobs.info("retention discarded %s", discarded)
        await service.in_thread(service.store.drop_detached)

    await service.clock.sleep(random.uniform(60, 120))
    while True:
        await _run_job("discard rows older than their retention", discard)
        await service.clock.sleep(RETENTION_INTERVAL_SECONDS * random.uniform(0.75, 1.25))


async def _keep_partitions(service: Service) -> None:
    """Create the partitions of the days to come, and cut the spans that a process of an earlier version wrote."""

    def create(connection: Connection) -> list[str]:
        return ENGINES[connection.dialect.name].create_partitions(connection, service.clock.now_ms())

    async def keep() -> None:
        now_ms = service.clock.now_ms()
        if await service.read(lambda connection: has_long_spans(connection, now_ms)):  # no report waits for the search
            await service.write(lambda connection: cut_long_spans(connection, now_ms))
        if await service.write(create):
            # The database does not do this itself for a divided table as a whole.
            await service.in_thread(service.store.refresh_statistics)

    await service.clock.sleep(random.uniform(60, 120))
    while True:
        await _run_job("create partitions", keep)
        await service.clock.sleep(RETENTION_INTERVAL_SECONDS * random.uniform(0.75, 1.25))


class _WhileTrusted:
    """Access to the store whose writes are refused as soon as a doubt begins."""

    def __init__(self, service: Service) -> None:
        self._service = service

    async def read(self, work: Callable[[Connection], Result]) -> Result:
        """Return the result of a read."""
        return await self._service.read(work)

    async def write(self, work: Callable[[Connection], Result], locks: LockSet = WHOLE_STORE) -> Result:
        """Return the result of a write. Raises `ClockDoubtError` in a doubt."""

        def checked(connection: Connection) -> Result:
            self._service.clock.require_trust("retention stopped")
            return work(connection)

        return await self._service.write(checked, locks)


async def _run_job(what: str, work: Callable[[], Awaitable[None]]) -> None:
    try:
        await work()
    except (UnusableStoreError, UnreachableStoreError):
        pass  # the store logs it, once a minute
    except (StoreError, ClockDoubtError) as error:
        log.warning("could not %s: %s", what, error)
    except Exception:
        log.exception("could not %s", what)


async def _run_accounting(service: Service) -> None:
    zones, settle_ms = service.account_zones, service.close_settle_ms

    # Clock and doubt are read in the transaction: a day never closes at a time before the report it waited for.

    def is_due(connection: Connection) -> bool:
        if is_accounting_due(connection, open_zones(), service.clock.now_ms(), settle_ms):
            return True
        return service.clock.state.doubt is None and is_proposal_due(connection)

    def advance(connection: Connection) -> list[ClosedDays]:
        if service.clock.state.doubt is None:
            propose_late_arrivals(connection, service.approval, service.clock.now_ms())
        return advance_accounting(connection, open_zones(), service.clock.now_ms(), settle_ms, service.customers)

    def find_due(connection: Connection) -> list[tuple[date, str]]:
        return days_due(connection, zones, service.clock.now_ms(), settle_ms)

    def open_zones() -> Sequence[ZoneInfo]:
        return zones if service.clock.state.doubt is None else ()

    async def compare_hours() -> None:
        while await service.read(find_unsummed):
            await service.write(lambda connection: sum_hours(connection, find_unsummed(connection)))
        while await service.read(is_check_due):
            now_ms = service.clock.now_ms()
            found = await service.read(partial(compare_next, threshold=service.cross_check, now_ms=now_ms))
            for line in await service.write(partial(save_compared, compared=found, now_ms=now_ms)):
                log_jobs.info("%s", line)

    async def close_what_is_due() -> None:
        while await service.read(is_due):
            for closed in await service.write(advance):
                log_jobs.info("closed %s", closed)
        due = [] if service.clock.state.doubt is None else await service.read(find_due)
        if due and due != logged:
            named = ", ".join(f"{day} of {tz}" for day, tz in due)
            log.warning("%s; no day was closed; due from %s on", service.clock.describe_doubt(), named)
        logged[:] = due

    logged: list[tuple[date, str]] = []
    while True:
        await service.clock.sleep(ACCOUNTING_CHECK_SECONDS)
        # Before their day closes: a closing has what was found.
        await _run_job("compare the figures of hours", compare_hours)
        await _run_job("sum up hours and close days", close_what_is_due)
