"""What every route of the service works with, and who may use it."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar
from zoneinfo import ZoneInfo

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from starlette.requests import Request

from streamusage.core.clock import Clock
from streamusage.service.accounting.closing import GRACE_MS, SETTLE_MS
from streamusage.service.errors import StoreError
from streamusage.service.http.errors import ApiError
from streamusage.service.http.requests import Query, RequestBodies
from streamusage.service.metrics import Metrics
from streamusage.service.queries.record_list import RecordList
from streamusage.service.store.store import Store
from streamusage.service.store.writer import Writer
from streamusage.service.tokens import Identity, Tokens

log = logging.getLogger(__name__)

Result = TypeVar("Result")

BODY_LIMIT_BYTES = 64 * 1024 * 1024
BODIES_LIMIT_BYTES = 4 * BODY_LIMIT_BYTES
"""How many bytes of bodies are in memory at once, over all requests."""


@dataclass(frozen=True)
class Service:
    """The service's parts. Time comes only from `clock`."""

    store: Store
    writer: Writer
    tokens: Tokens
    clock: Clock
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

    def identify_by_query(self, query: Query) -> Identity:
        """Return the identity of a request on a documented path. Raises 400 for a wrong or missing token, as
        documented.
        """
        identity = self.tokens.identify(query.text("accessToken") or "")
        if identity is None:
            raise ApiError(400, "the accessToken is wrong or missing")
        return identity

    def identify_by_header(self, request: Request, query: Query) -> Identity:
        """Return the identity of a request on an extension path. Raises 401 for a wrong or missing token."""
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

    def require_reader(self, request: Request, query: Query) -> Identity:
        """Return the identity of a request that may read. Raises 401 or 403."""
        identity = self.identify_by_header(request, query)
        if not identity.may_read():
            raise ApiError(403, "this token may not read; use a viewer's or an admin's token")
        return identity

    def require_admin(self, request: Request, query: Query) -> Identity:
        """Return the identity of a request that may change records. Raises 401 or 403."""
        identity = self.identify_by_header(request, query)
        if not identity.may_change():
            raise ApiError(403, "this token may not change records; nothing was done; use an admin's token")
        return identity
