"""What every route of the service works with, and who may use it."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, TypeVar
from zoneinfo import ZoneInfo

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from starlette.requests import Request
from starlette.responses import Response

from streamusage.service.accounting.closing import GRACE_MS, SETTLE_MS
from streamusage.service.errors import StoreError
from streamusage.service.http.errors import ApiError
from streamusage.service.http.operations import Access, Operation
from streamusage.service.http.requests import Query, RequestBodies
from streamusage.service.metrics import Metrics
from streamusage.service.queries.record_list import RecordList
from streamusage.service.store.store import Store
from streamusage.service.store.writer import Writer
from streamusage.service.tokens import Identity, Tokens
from streamusage.service.trusted_clock import TrustedClock

log = logging.getLogger(__name__)

Result = TypeVar("Result")

BODY_LIMIT_BYTES = 64 * 1024 * 1024
BODIES_LIMIT_BYTES = 4 * BODY_LIMIT_BYTES
"""How many bytes of bodies are in memory at once, over all requests."""


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
    bodies: RequestBodies = field(default_factory=lambda: RequestBodies(BODY_LIMIT_BYTES, BODIES_LIMIT_BYTES))
    account_zones: tuple[ZoneInfo, ...] = (ZoneInfo("UTC"),)
    """The time zones whose days are closed."""
    close_settle_ms: int = SETTLE_MS
    """How far past its end every watermark must be before a day closes by itself."""
    close_grace_ms: int = GRACE_MS
    """How long after its end an operator may close a day."""

    async def read(self, work: Callable[[Connection], Result]) -> Result:
        """Return the result of a read on one snapshot of the store. It runs in a thread."""
        return await asyncio.to_thread(self._read, work)

    async def write(self, work: Callable[[Connection], Result]) -> Result:
        """Return the result of a write after its commit."""
        return await self.writer.write(work)

    def _read(self, work: Callable[[Connection], Result]) -> Result:
        try:
            with self.store.reading() as connection:
                return work(connection)
        except (DBAPIError, PoolTimeoutError) as error:
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
                client = self._identify_by_query(query)
                if not client.may_read():
                    raise ApiError(400, "this accessToken may not read usage records")
            case Access.DOCUMENTED_ADMIN:
                client = self._identify_by_query(query)
                if not client.may_change():
                    raise ApiError(400, "this accessToken may not delete usage records; nothing was deleted")
            case Access.READER:
                client = self._identify_by_header(request, query)
                if not client.may_read():
                    raise ApiError(403, "this token may not read; use a viewer's or an admin's token")
            case Access.ADMIN:
                client = self._identify_by_header(request, query)
                if not client.may_change():
                    raise ApiError(403, "this token may not change records; nothing was done; use an admin's token")
            case Access.AGENT:
                client = self._identify_by_header(request, query)
        return Call(operation, request, query, client)

    def _identify_by_query(self, query: Query) -> Identity:
        """Return the identity of a request on a documented path. Raises 400, as documented."""
        identity = self.tokens.identify(query.text("accessToken") or "")
        if identity is None:
            raise ApiError(400, "the accessToken is wrong or missing")
        return identity

    def _identify_by_header(self, request: Request, query: Query) -> Identity:
        """Return the identity of a request on an extension path. Raises 401."""
        scheme, _, bearer = request.headers.get("authorization", "").partition(" ")
        token = bearer.strip() if scheme.lower() == "bearer" else query.text("accessToken")
        identity = self.tokens.identify(token or "")
        if identity is None:
            raise ApiError(
                401,
                "the token is wrong or missing; send it as Authorization: Bearer",
                {"WWW-Authenticate": "Bearer"},
            )
        return identity
