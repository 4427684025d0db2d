"""The asynchronous client. `streamusage.library.client.Client` has the same operations for code without a loop."""

from collections.abc import AsyncIterator, Iterable
from datetime import date, datetime
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

from streamusage.api.daily import CloseResult, LedgerEntry, SumGroup
from streamusage.api.disagreements import Disagreement
from streamusage.api.evidence import ChainRow, Correction, SignedStatement
from streamusage.api.extension import AuditEntry, ImportResult, Orphan, RemovedServer, RepairedServer
from streamusage.client.api_version import ApiVersion
from streamusage.core.usage import PartialUsageRecord, SessionKey, StreamId, UsageRecord
from streamusage.library.connecting import Token, open_client
from streamusage.library.days import AccountingDay, PeriodSum
from streamusage.library.operations import Operations
from streamusage.library.retries import RetryPolicy
from streamusage.library.servers import CarriedLiveStream, CoveredSpan, MediaServer, SubscriberPoint
from streamusage.library.sessions import SessionChanges, StreamSession


class AsyncClient:
    """A client of one usage service for asyncio. Use it as `async with AsyncClient(url) as client`.

    | argument                               | meaning                                                                 |
    |----------------------------------------|-------------------------------------------------------------------------|
    | `url`                                  | address; by default `STREAMTOP_URL`, else a service on this machine     |
    | `token_file`, `token`                  | by default `STREAMTOP_TOKEN`, else the token of this user's own service |
    | `api_version`                          | of the documented API: `"4.0"` or `"3.1"`                               |
    | `timeout_seconds`                      | longest duration of an answer                                           |
    | `computing_seconds`                    | the same for sums by month, stream or customer                          |
    | `retries`                              | how often a read that failed is repeated; 0 for never                   |
    | `ca_file`, `client_cert`, `client_key` | certificates of a private authority, and the client's own               |
    | `proxy`                                | HTTP proxy; by default that of the environment                          |

    Raises `InvalidArgumentError`, `SecretError` or `InvalidAddressError` where one of them cannot be used.
    """

    def __init__(
        self,
        url: str | None = None,
        *,
        token: Token | None = None,
        token_file: Path | str | None = None,
        api_version: ApiVersion = "4.0",
        timeout_seconds: float = 60.0,
        computing_seconds: float = 300.0,
        retries: int = 2,
        ca_file: Path | str | None = None,
        client_cert: Path | str | None = None,
        client_key: Path | str | None = None,
        proxy: str | None = None,
    ) -> None:
        client = open_client(
            url,
            token=token,
            token_file=token_file,
            api_version=api_version,
            timeout_seconds=timeout_seconds,
            computing_seconds=computing_seconds,
            ca_file=ca_file,
            client_cert=client_cert,
            client_key=client_key,
            proxy=proxy,
        )
        self.url = client.base_url
        """The address of the service."""
        self.host = client.host
        """Host and port of the service, as in messages."""
        self._operations = Operations(client, RetryPolicy(retries))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close the connections. Later requests raise `ClosedClientError`."""
        await self._operations.close()

    def __repr__(self) -> str:
        return f"<AsyncClient {self.host}>"

    # Reads

    async def sessions(self) -> AsyncIterator[StreamSession]:
        """Yield every session, each once. Its figures carry their provenance.

        A plain Stream Manager has sessions with `Reported` figures only.
        """
        async for page in self._operations.sessions():
            for row in page:
                yield row

    async def records(self, stream: StreamId | None = None) -> AsyncIterator[PartialUsageRecord]:
        """Yield the documented usage records as they were sent, of one stream or of all.

        A complete one is a `UsageRecord`.
        """
        async for page in self._operations.records(stream):
            for row in page:
                yield row

    async def changes(self, cursor: str | None = None) -> SessionChanges:
        """Return the sessions that changed since a cursor; without one, all. Needs streamtop's own service."""
        return await self._operations.changes(cursor)

    async def live_streams(self) -> AsyncIterator[CarriedLiveStream]:
        """Yield the live list, a row for each stream and media server. It is requested without the token."""
        async for page in self._operations.live_streams():
            for row in page:
                yield row

    async def servers(self) -> AsyncIterator[MediaServer]:
        """Yield the media servers of the estate. Needs streamtop's own service."""
        async for page in self._operations.servers():
            for row in page:
                yield row

    async def coverage(
        self, start: datetime, end: datetime, *, server: str | None = None
    ) -> AsyncIterator[CoveredSpan]:
        """Yield the spans of `[start, end)` by server, oldest first, live time included.

        Needs streamtop's own service.
        """
        async for page in self._operations.coverage(start, end, server, gaps=False):
            for row in page:
                yield row

    async def gaps(self, start: datetime, end: datetime, *, server: str | None = None) -> AsyncIterator[CoveredSpan]:
        """Yield the time of `[start, end)` that was not reported live, by server. Needs streamtop's own service."""
        async for page in self._operations.coverage(start, end, server, gaps=True):
            for row in page:
                yield row

    async def history(
        self, stream: StreamId, start: datetime, end: datetime, *, step_minutes: int = 1
    ) -> AsyncIterator[SubscriberPoint]:
        """Yield the subscribers of a stream over time. Needs streamtop's own service."""
        async for page in self._operations.history(stream, start, end, step_minutes):
            for row in page:
                yield row

    async def days(
        self, first: date, last: date, tz: str = "UTC", *, server: str | None = None
    ) -> AsyncIterator[AccountingDay]:
        """Yield the accounting days of servers, both ends included. Needs streamtop's own service."""
        async for page in self._operations.days(first, last, tz, server):
            for row in page:
                yield row

    async def sums(
        self,
        first: date,
        last: date,
        tz: str = "UTC",
        *,
        by: Literal["day", "month"] = "day",
        group: SumGroup = "server",
        server: str | None = None,
        customer: str | None = None,
    ) -> AsyncIterator[PeriodSum]:
        """Yield days added up by day or month, and by server, role, stream, scope or customer, or for all.

        Needs streamtop's own service. `customer` selects the streams of one customer.
        """
        async for page in self._operations.sums(first, last, tz, by, group, server, customer):
            for row in page:
                yield row

    async def adjustments(
        self, first: date, last: date, tz: str = "UTC", *, server: str | None = None
    ) -> AsyncIterator[LedgerEntry]:
        """Yield the changes of closed days after their closing. Needs streamtop's own service."""
        async for page in self._operations.adjustments(first, last, tz, server):
            for row in page:
                yield row

    async def corrections(
        self, first: date, last: date, tz: str = "UTC", *, server: str | None = None
    ) -> AsyncIterator[Correction]:
        """Yield the corrections of closed days, proposed and approved. Needs streamtop's own service."""
        async for page in self._operations.corrections(first, last, tz, server):
            for row in page:
                yield row

    async def disagreements(
        self, start: datetime, end: datetime, *, server: str | None = None
    ) -> AsyncIterator[Disagreement]:
        """Yield the hours of `[start, end)` whose figures were counted in two ways and differ.

        Needs streamtop's own service.
        """
        async for page in self._operations.disagreements(start, end, server):
            for row in page:
                yield row

    async def statement(
        self, first: date, last: date, tz: str = "UTC", *, server: str | None = None
    ) -> SignedStatement:
        """Return the signed statement of closed days; `RefusedError` if a day is not closed.

        Needs streamtop's own service.
        """
        return await self._operations.statement(first, last, tz, server)

    async def statements(
        self, first: date, last: date, tz: str = "UTC", *, server: str | None = None
    ) -> AsyncIterator[SignedStatement]:
        """Yield the signed statement of each month between two days. Needs streamtop's own service."""
        async for page in self._operations.statements(first, last, tz, server):
            for row in page:
                yield row

    async def chain(self, first: int = 1, last: int | None = None) -> AsyncIterator[ChainRow]:
        """Yield the chain of closings by number, to the newest entry or `last`. Needs streamtop's own service."""
        async for page in self._operations.chain(first, last):
            for row in page:
                yield row

    async def audit(self, start: datetime | None = None, end: datetime | None = None) -> AsyncIterator[AuditEntry]:
        """Yield who deleted, imported or removed what, newest first.

        Needs streamtop's own service and an admin's token.
        """
        async for page in self._operations.audit(start, end):
            for row in page:
                yield row

    async def orphans(self, start: datetime | None = None, end: datetime | None = None) -> AsyncIterator[Orphan]:
        """Yield what servers reported of deleted records, newest first. Needs streamtop's own service."""
        async for page in self._operations.orphans(start, end):
            for row in page:
                yield row

    async def has_extension(self) -> bool:
        """Return whether the service is one of streamtop's, not a plain Stream Manager."""
        return await self._operations.has_extension()

    # Changes: an admin's token is needed, and none is repeated by itself

    async def delete_session(self, key: SessionKey) -> StreamSession:
        """Delete one session and return its last record. Raises `EmptyNameError` before anything is sent.

        A key without a start time is refused, because it would delete every session of the stream.
        """
        return await self._operations.delete_session(key)

    async def delete_stream(self, stream: StreamId) -> None:
        """Delete every session of a stream. Raises `EmptyNameError` before anything is sent."""
        await self._operations.delete_stream(stream)

    async def delete_all(self, *, confirm_host: str) -> None:
        """Delete every record of the service. `confirm_host` repeats `host`.

        For any other text nothing is sent and `InvalidArgumentError` is raised.
        """
        await self._operations.delete_all(confirm_host)

    async def import_records(self, records: Iterable[UsageRecord]) -> ImportResult:
        """Import records. The service keeps those that it already has. Needs streamtop's own service."""
        return await self._operations.import_records(records)

    async def close_day(self, day: date, tz: str = "UTC", *, server: str | None = None) -> CloseResult:
        """Close a day with the figures that the service has, for one server or for all.

        Needs streamtop's own service.
        """
        return await self._operations.close_day(day, tz, server)

    async def propose_correction(self, day: date, tz: str, server: str, reason: str) -> Correction:
        """Propose what arrived after a day was closed as a correction. Needs streamtop's own service."""
        return await self._operations.propose_correction(day, tz, server, reason)

    async def approve_correction(self, number: int) -> Correction:
        """Approve a correction that another token or the service proposed. Needs streamtop's own service."""
        return await self._operations.approve_correction(number)

    async def reverse_correction(self, number: int, reason: str) -> Correction:
        """Propose to take an approved correction back. Needs streamtop's own service."""
        return await self._operations.reverse_correction(number, reason)

    async def remove_server(self, server: str, *, force: bool = False) -> RemovedServer:
        """Remove a server from the estate: in order, or by force with its part of every session.

        Needs streamtop's own service.
        """
        return await self._operations.remove_server(server, force=force)

    async def repair_server(self, server: str, *, dry: bool = True) -> RepairedServer:
        """Move what a wrong clock filed in the future; by default only return what would change.

        Needs streamtop's own service.
        """
        return await self._operations.repair_server(server, dry=dry)
