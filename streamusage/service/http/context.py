"""What every route of the service works with, and who may use it."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import NamedTuple, TypeVar
from zoneinfo import ZoneInfo

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from starlette.requests import Request
from starlette.responses import Response

from streamusage.evidence.keys import StatementKey
from streamusage.service.accounting.closing import GRACE_MS, SETTLE_MS
from streamusage.service.accounting.corrections import APPROVAL_BY_SECOND_TOKEN, ApprovalPolicy
from streamusage.service.alerts.engine import AlertEngine
from streamusage.service.alerts.settings import AlertSettings
from streamusage.service.errors import StoreError, UnreachableStoreError
from streamusage.service.http.errors import ApiError
from streamusage.service.http.failed_logins import FailedLogins
from streamusage.service.http.operations import Access, Operation
from streamusage.service.http.requests import BodyLimit, Query, RequestBodies, redact_path
from streamusage.service.http.requests_in_flight import RequestsInFlight
from streamusage.service.ingest.name_quotas import NameQuotas
from streamusage.service.ingest.part_signals import PartSignals
from streamusage.service.limits import MIB, Limits
from streamusage.service.metrics import Metrics
from streamusage.service.queries.record_list import RecordList
from streamusage.service.rules.cross_checks import DEFAULT_THRESHOLD, Threshold
from streamusage.service.rules.customers import NO_CUSTOMERS, CustomerRules
from streamusage.service.store.engines.locks import WHOLE_STORE, LockSet
from streamusage.service.store.store import Store
from streamusage.service.store.writing.writer import Writer
from streamusage.service.tokens import Identity, Tokens
from streamusage.service.trusted_clock import TrustedClock

log = logging.getLogger(__name__)

Result = TypeVar("Result")

BODY_LIMIT_BYTES = 64 * MIB
"""The largest body of an administrator's operation."""
BODIES_LIMIT_BYTES = 4 * BODY_LIMIT_BYTES
"""How many bytes of bodies are in memory at once, over all requests."""

ADMIN_BODY = BodyLimit(BODY_LIMIT_BYTES)


class Call(NamedTuple):
    """A request of an operation, from a client that may use it."""

    operation: Operation
    request: Request
    query: Query
    client: Identity | None
    """`None` where the operation needs no token."""

    @property
    def client_name(self) -> str:
        """Name of the client's token, for the audit log."""
        return "" if self.client is None else self.client.name


Handler = Callable[[Call], Awaitable[Response]]
Handlers = Mapping[Operation, Handler]


@dataclass(frozen=True)
class Service:
    """The service's parts. Time comes only from `clock`, which is trusted time."""

    store: Store
    writer: Writer
    tokens: Tokens
    clock: TrustedClock
    metrics: Metrics
    records: RecordList = field(default_factory=RecordList)
    limits: Limits = field(default_factory=Limits)
    account_zones: tuple[ZoneInfo, ...] = (ZoneInfo("UTC"),)
    """The time zones whose days are closed."""
    close_settle_ms: int = SETTLE_MS
    """How far past its end every watermark must be before a day closes by itself."""
    close_grace_ms: int = GRACE_MS
    """How long after its end an operator may close a day."""
    customers: CustomerRules = NO_CUSTOMERS
    """Whose streams are whose, in days that are not closed."""
    approval: ApprovalPolicy = APPROVAL_BY_SECOND_TOKEN
    """How corrections of closed days are approved."""
    cross_check: Threshold = DEFAULT_THRESHOLD
    """From which difference on figures that must agree are a disagreement."""
    statement_key: StatementKey | None = None
    """The key that signs statements; without one, they are not signed."""
    alert_settings: AlertSettings | None = None
    """Rules and receivers of alerts; `None` for a process that sends none."""
    alerts: AlertEngine = field(init=False)
    bodies: RequestBodies = field(init=False)
    names: NameQuotas = field(init=False)
    in_flight: RequestsInFlight = field(init=False)
    failed_logins: FailedLogins = field(init=False)
    parts: PartSignals = field(default_factory=PartSignals)
    _threads: ThreadPoolExecutor = field(
        init=False, default_factory=lambda: ThreadPoolExecutor(thread_name_prefix="store")
    )
    _watching: ThreadPoolExecutor = field(
        init=False, default_factory=lambda: ThreadPoolExecutor(1, thread_name_prefix="store-watch")
    )
    """A thread of its own: all others may wait for a database that hangs."""

    def __post_init__(self) -> None:
        """Create the parts that keep the limits."""
        alerts = AlertEngine(
            self, self.store, self.clock, self.alert_settings, self.account_zones, self.close_settle_ms
        )
        object.__setattr__(self, "alerts", alerts)
        object.__setattr__(self, "bodies", RequestBodies(self.limits, BODIES_LIMIT_BYTES))
        object.__setattr__(self, "names", NameQuotas(self.limits, self.clock.now_ms))
        object.__setattr__(self, "in_flight", RequestsInFlight(self.limits))
        object.__setattr__(self, "failed_logins", FailedLogins(self.clock))

    async def read(self, work: Callable[[Connection], Result]) -> Result:
        """Return the result of a read on one snapshot of the store. It runs in a thread."""
        return await self.in_thread(lambda: self._read(work))

    async def answer(self, work: Callable[[Connection], Result], seen_change: int = 0) -> Result:
        """Return the result of a read for a client, which has seen a change: perhaps on a standby (`Store.reading`)."""
        return await self.in_thread(lambda: self._read(work, seen_change))

    async def in_thread(self, work: Callable[[], Result]) -> Result:
        """Return the result of work on the store, which runs in a thread.

        The store is closed after the last of them: work that outlives its job, as a cancelled one does, must not meet
        a closed store, nor outlive the service.
        """
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)

    async def watch_store(self) -> None:
        """Look for faults of the store."""
        await asyncio.get_running_loop().run_in_executor(self._watching, self.store.watch)

    async def finish_threads(self) -> None:
        """Wait for all work in threads. No more is accepted."""
        for threads in (self._threads, self._watching):
            await asyncio.to_thread(threads.shutdown)

    async def write(self, work: Callable[[Connection], Result], locks: LockSet = WHOLE_STORE) -> Result:
        """Return the result of a write after its commit."""
        return await self.writer.write(work, locks)

    def _read(self, work: Callable[[Connection], Result], seen_change: int | None = None) -> Result:
        try:
            with self.store.reading(seen_change=seen_change) as connection:
                return work(connection)
        except (DBAPIError, PoolTimeoutError) as error:
            if unreachable := self.store.reachability.note_failure("read", error):
                raise UnreachableStoreError(f"the store is not reached: {unreachable}; retry") from None
            if seen_change is not None and self.store.has_standbys:
                return self._read(work)  # its standby has cancelled it: the primary does not
            cause = error.orig if isinstance(error, DBAPIError) else "too many readers"
            log.error("the store could not be read: %s", cause)
            raise StoreError(f"the store could not be read: {cause}; retry") from None

    def admit(self, operation: Operation, request: Request) -> Call:
        """Return the call of a client that may use the operation. Raises the failure that the API documents, if not.

        The server of an agent's token is compared by the operation itself.
        """
        query = Query(request)
        match operation.access:
            case Access.ANYONE:
                client = None
            case Access.DOCUMENTED_READER:
                client = self._identify_by_query(request, query)
                if not client.may_read():
                    raise ApiError(400, "this accessToken may not read usage records")
            case Access.DOCUMENTED_ADMIN:
                client = self._identify_by_query(request, query)
                if not client.may_change():
                    raise ApiError(400, "this accessToken may not delete usage records; nothing was deleted")
            case Access.READER:
                client = self._identify_by_header(request, query)
                if not client.may_read():
                    raise ApiError(403, _why_not_readable(client))
            case Access.CUSTOMER:
                client = self._identify_by_header(request, query)
                if not client.may_read_customers():
                    raise ApiError(403, _why_not_readable(client))
            case Access.ADMIN:
                client = self._identify_by_header(request, query)
                if not client.may_change():
                    raise ApiError(403, "this token may not change records; nothing was done; use an admin's token")
            case Access.AGENT:
                client = self._identify_by_header(request, query)
        return Call(operation, request, query, client)

    def _identify_by_query(self, request: Request, query: Query) -> Identity:
        """Return the identity of a request on a documented path. Raises 400, as documented."""
        identity = self.tokens.identify(query.text("accessToken") or "")
        if identity is None:
            self._record_failed_login(request)
            raise ApiError(400, "the accessToken is wrong or missing")
        return identity

    def _identify_by_header(self, request: Request, query: Query) -> Identity:
        """Return the identity of a request on an extension path. Raises 401."""
        scheme, _, bearer = request.headers.get("authorization", "").partition(" ")
        token = bearer.strip() if scheme.lower() == "bearer" else query.text("accessToken")
        identity = self.tokens.identify(token or "")
        if identity is None:
            self._record_failed_login(request)
            raise ApiError(
                401,
                "the token is wrong or missing; send it as Authorization: Bearer",
                {"WWW-Authenticate": "Bearer"},
            )
        return identity

    def _record_failed_login(self, request: Request) -> None:
        peer = "unknown" if request.client is None else request.client.host
        path = redact_path(request.scope["raw_path"].decode("latin-1"))
        self.failed_logins.record(peer, ascii(request.method)[1:-1], path)


def _why_not_readable(client: Identity) -> str:
    if client.customer is None:
        return "this token may not read; use a viewer's or an admin's token"
    return (
        f"this token reads the figures of the customer {client.customer} only: GET /api/v1/daily/sums with "
        "group=customer, stream or scope"
    )
