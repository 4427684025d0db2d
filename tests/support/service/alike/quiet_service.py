"""A service that answers requests without a network, and whose jobs run only when a test runs them."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import msgspec
from sqlalchemy import Connection

from streamusage.service.accounting.closing import advance_accounting, is_accounting_due
from streamusage.service.accounting.corrections import propose_late_arrivals
from streamusage.service.accounting.cross_checks import compare_next, is_check_due, save_compared
from streamusage.service.accounting.hours import find_unsummed, sum_hours
from streamusage.service.http.app import make_app
from streamusage.service.http.context import Service
from streamusage.service.ingest.reports import apply_condition_changes, find_condition_changes
from streamusage.service.metrics import Metrics, MetricsLimits
from streamusage.service.retention import Discarded, Retention, discard_rows
from streamusage.service.rules.customers import CustomerRules
from streamusage.service.server import EDGE_TIMEOUT_MS
from streamusage.service.store.engines import ENGINES
from streamusage.service.store.store import open_store
from streamusage.service.store.writing.writer import Writer
from streamusage.service.tokens import Tokens
from streamusage.service.trusted_clock import TrustedClock
from tests.streamusage.service.conftest import OwnedClock


class QuietService:
    """A service over one store."""

    def __init__(self, service: Service) -> None:
        self.service = service
        transport = httpx.ASGITransport(make_app(service))
        self._http = httpx.AsyncClient(transport=transport, base_url="http://service")

    async def request(self, method: str, path: str, token: str, body: Any = None) -> tuple[int, Any]:
        """Return status and decoded body of an answer."""
        headers = {"Authorization": f"Bearer {token}"}
        content = None if body is None else msgspec.json.encode(body)
        answer = await self._http.request(method, path, headers=headers, content=content)
        if "json" not in answer.headers.get("content-type", ""):
            return answer.status_code, answer.text
        return answer.status_code, json.loads(answer.text or "null")

    async def settle(self) -> None:
        """Run the jobs that follow every report: partitions, conditions, hours, cross-checks, closings, proposals."""
        service, now_ms = self.service, self.service.clock.now_ms()

        def condition(connection: Connection) -> None:
            changes = find_condition_changes(connection, now_ms, EDGE_TIMEOUT_MS)
            apply_condition_changes(connection, changes, now_ms)

        def close(connection: Connection) -> None:
            while is_accounting_due(connection, service.account_zones, now_ms, service.close_settle_ms):
                advance_accounting(
                    connection, service.account_zones, now_ms, service.close_settle_ms, service.customers
                )
            propose_late_arrivals(connection, service.approval, now_ms)

        await service.write(lambda connection: ENGINES[connection.dialect.name].create_partitions(connection, now_ms))
        await service.write(condition)
        while await service.read(find_unsummed):
            await service.write(lambda connection: sum_hours(connection, find_unsummed(connection)))
        while await service.read(is_check_due):
            found = await service.read(lambda connection: compare_next(connection, service.cross_check, now_ms))
            await service.write(lambda connection, found=found: save_compared(connection, found, now_ms))  # type: ignore[misc]
        await service.write(close)

    async def discard(self, retention: Retention) -> Discarded:
        """Run a round of retention."""
        service = self.service
        discarded = await discard_rows(service, retention, service.clock.now_ms(), zones=service.account_zones)
        await service.in_thread(service.store.drop_detached)
        return discarded


@asynccontextmanager
async def a_quiet_service(
    store_url: str, clock: OwnedClock, tokens: Tokens, zones: tuple[ZoneInfo, ...], customers: CustomerRules
) -> AsyncIterator[QuietService]:
    """Open a store and yield a service over it."""
    store = open_store(store_url, clock.now)
    metrics = Metrics(MetricsLimits(reuse_ms=0))
    writer = Writer(store, metrics.observe_commit)
    try:
        trusted = TrustedClock.open(clock, "boot-1", store, 0)
        service = Service(
            store, writer, tokens, trusted, metrics, account_zones=zones, customers=customers, close_settle_ms=0
        )
        yield QuietService(service)
        await service.finish_threads()
    finally:
        writer.stop()
        store.close()
