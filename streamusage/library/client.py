"""The client for code without an event loop. It runs its requests on a loop of its own, in a thread of its own."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from contextlib import ExitStack
from datetime import date, datetime
from pathlib import Path
from threading import Lock
from types import TracebackType
from typing import TYPE_CHECKING, Literal, Self, TypeVar
from weakref import finalize

from streamusage.api.daily import CloseResult, LedgerEntry, SumGroup
from streamusage.api.disagreements import Disagreement
from streamusage.api.evidence import ChainRow, Correction, SignedStatement
from streamusage.api.extension import AuditEntry, ImportResult, Orphan, RemovedServer, RepairedServer
from streamusage.client.api_version import ApiVersion
from streamusage.core.usage import PartialUsageRecord, SessionKey, StreamId, UsageRecord
from streamusage.library.connecting import Token, open_client
from streamusage.library.days import AccountingDay, PeriodSum
from streamusage.library.operations import CLOSED, ClosedClientError, Operations
from streamusage.library.retries import RetryPolicy
from streamusage.library.servers import CarriedLiveStream, CoveredSpan, MediaServer, SubscriberPoint
from streamusage.library.sessions import SessionChanges, StreamSession

if TYPE_CHECKING:
    from anyio.from_thread import BlockingPortal

Content = TypeVar("Content")


class Client:
    """A client of one usage service. Use it as `with Client(url) as client`.

    Threads may share it. It works where an event loop runs already, as in a notebook.

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
        self._opening = Lock()
        self._open = ExitStack()
        self._portal: BlockingPortal | None = None
        self._is_closed = False
        self._end_unclosed: finalize[[BlockingPortal, Operations, ExitStack], Client] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections and end the thread. Later requests raise `ClosedClientError`."""
        with self._opening:
            self._is_closed, portal = True, self._portal
            if portal is not None:
                portal.call(self._operations.close)
                self._portal = None
                self._open.close()
            if self._end_unclosed is not None:
                self._end_unclosed.detach()

    def __repr__(self) -> str:
        return f"<Client {self.host}>"

    # Reads

    def sessions(self) -> Iterator[StreamSession]:
        """Yield every session, each once. Its figures carry their provenance.

        A plain Stream Manager has sessions with `Reported` figures only.
        """
        return self._iterate(self._operations.sessions())

    def records(self, stream: StreamId | None = None) -> Iterator[PartialUsageRecord]:
        """Yield the documented usage records as they were sent, of one stream or of all.

        A complete one is a `UsageRecord`.
        """
        return self._iterate(self._operations.records(stream))

    def changes(self, cursor: str | None = None) -> SessionChanges:
        """Return the sessions that changed since a cursor; without one, all. Needs streamtop's own service."""
        return self._run(lambda: self._operations.changes(cursor))

    def live_streams(self) -> Iterator[CarriedLiveStream]:
        """Yield the live list, a row for each stream and media server. It is requested without the token."""
        return self._iterate(self._operations.live_streams())

    def servers(self) -> Iterator[MediaServer]:
        """Yield the media servers of the estate. Needs streamtop's own service."""
        return self._iterate(self._operations.servers())

    def coverage(self, start: datetime, end: datetime, *, server: str | None = None) -> Iterator[CoveredSpan]:
        """Yield the spans of `[start, end)` by server, oldest first, live time included.

        Needs streamtop's own service.
        """
        return self._iterate(self._operations.coverage(start, end, server, gaps=False))

    def gaps(self, start: datetime, end: datetime, *, server: str | None = None) -> Iterator[CoveredSpan]:
        """Yield the time of `[start, end)` that was not reported live, by server. Needs streamtop's own service."""
        return self._iterate(self._operations.coverage(start, end, server, gaps=True))

    def history(
        self, stream: StreamId, start: datetime, end: datetime, *, step_minutes: int = 1
    ) -> Iterator[SubscriberPoint]:
        """Yield the subscribers of a stream over time. Needs streamtop's own service."""
        return self._iterate(self._operations.history(stream, start, end, step_minutes))

    def days(self, first: date, last: date, tz: str = "UTC", *, server: str | None = None) -> Iterator[AccountingDay]:
        """Yield the accounting days of servers, both ends included. Needs streamtop's own service."""
        return self._iterate(self._operations.days(first, last, tz, server))

    def sums(
        self,
        first: date,
        last: date,
        tz: str = "UTC",
        *,
        by: Literal["day", "month"] = "day",
        group: SumGroup = "server",
        server: str | None = None,
        customer: str | None = None,
    ) -> Iterator[PeriodSum]:
        """Yield days added up by day or month, and by server, role, stream, scope or customer, or for all.

        Needs streamtop's own service. `customer` selects the streams of one customer.
        """
        return self._iterate(self._operations.sums(first, last, tz, by, group, server, customer))

    def adjustments(
        self, first: date, last: date, tz: str = "UTC", *, server: str | None = None
    ) -> Iterator[LedgerEntry]:
        """Yield the changes of closed days after their closing. Needs streamtop's own service."""
        return self._iterate(self._operations.adjustments(first, last, tz, server))

    def corrections(
        self, first: date, last: date, tz: str = "UTC", *, server: str | None = None
    ) -> Iterator[Correction]:
        """Yield the corrections of closed days, proposed and approved. Needs streamtop's own service."""
        return self._iterate(self._operations.corrections(first, last, tz, server))

    def disagreements(self, start: datetime, end: datetime, *, server: str | None = None) -> Iterator[Disagreement]:
        """Yield the hours of `[start, end)` whose figures were counted in two ways and differ.

        Needs streamtop's own service.
        """
        return self._iterate(self._operations.disagreements(start, end, server))

    def statement(self, first: date, last: date, tz: str = "UTC", *, server: str | None = None) -> SignedStatement:
        """Return the signed statement of closed days; `RefusedError` if a day is not closed.

        Needs streamtop's own service.
        """
        return self._run(lambda: self._operations.statement(first, last, tz, server))

    def statements(
        self, first: date, last: date, tz: str = "UTC", *, server: str | None = None
    ) -> Iterator[SignedStatement]:
        """Yield the signed statement of each month between two days. Needs streamtop's own service."""
        return self._iterate(self._operations.statements(first, last, tz, server))

    def chain(self, first: int = 1, last: int | None = None) -> Iterator[ChainRow]:
        """Yield the chain of closings by number, to the newest entry or `last`. Needs streamtop's own service."""
        return self._iterate(self._operations.chain(first, last))

    def audit(self, start: datetime | None = None, end: datetime | None = None) -> Iterator[AuditEntry]:
        """Yield who deleted, imported or removed what, newest first.

        Needs streamtop's own service and an admin's token.
        """
        return self._iterate(self._operations.audit(start, end))

    def orphans(self, start: datetime | None = None, end: datetime | None = None) -> Iterator[Orphan]:
        """Yield what servers reported of deleted records, newest first. Needs streamtop's own service."""
        return self._iterate(self._operations.orphans(start, end))

    def has_extension(self) -> bool:
        """Return whether the service is one of streamtop's, not a plain Stream Manager."""
        return self._run(self._operations.has_extension)

    # Changes: an admin's token is needed, and none is repeated by itself

    def delete_session(self, key: SessionKey) -> StreamSession:
        """Delete one session and return its last record. Raises `EmptyNameError` before anything is sent.

        A key without a start time is refused, because it would delete every session of the stream.
        """
        return self._run(lambda: self._operations.delete_session(key))

    def delete_stream(self, stream: StreamId) -> None:
        """Delete every session of a stream. Raises `EmptyNameError` before anything is sent."""
        self._run(lambda: self._operations.delete_stream(stream))

    def delete_all(self, *, confirm_host: str) -> None:
        """Delete every record of the service. `confirm_host` repeats `host`.

        For any other text nothing is sent and `InvalidArgumentError` is raised.
        """
        self._run(lambda: self._operations.delete_all(confirm_host))

    def import_records(self, records: Iterable[UsageRecord]) -> ImportResult:
        """Import records. The service keeps those that it already has. Needs streamtop's own service."""
        return self._run(lambda: self._operations.import_records(records))

    def close_day(self, day: date, tz: str = "UTC", *, server: str | None = None) -> CloseResult:
        """Close a day with the figures that the service has, for one server or for all.

        Needs streamtop's own service.
        """
        return self._run(lambda: self._operations.close_day(day, tz, server))

    def propose_correction(self, day: date, tz: str, server: str, reason: str) -> Correction:
        """Propose what arrived after a day was closed as a correction. Needs streamtop's own service."""
        return self._run(lambda: self._operations.propose_correction(day, tz, server, reason))

    def approve_correction(self, number: int) -> Correction:
        """Approve a correction that another token or the service proposed. Needs streamtop's own service."""
        return self._run(lambda: self._operations.approve_correction(number))

    def reverse_correction(self, number: int, reason: str) -> Correction:
        """Propose to take an approved correction back. Needs streamtop's own service."""
        return self._run(lambda: self._operations.reverse_correction(number, reason))

    def remove_server(self, server: str, *, force: bool = False) -> RemovedServer:
        """Remove a server from the estate: in order, or by force with its part of every session.

        Needs streamtop's own service.
        """
        return self._run(lambda: self._operations.remove_server(server, force=force))

    def repair_server(self, server: str, *, dry: bool = True) -> RepairedServer:
        """Move what a wrong clock filed in the future; by default only return what would change.

        Needs streamtop's own service.
        """
        return self._run(lambda: self._operations.repair_server(server, dry=dry))

    # Helpers

    def _run(self, request: Callable[[], Awaitable[Content]]) -> Content:
        """Return the answer of a request. An interrupted wait abandons it."""
        future = self._thread().start_task_soon(request)
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise

    def _iterate(self, pages: AsyncIterator[list[Content]]) -> Iterator[Content]:
        """Yield the rows of pages, each of which is fetched when it is needed."""

        async def next_page() -> list[Content] | None:
            return await anext(pages, None)

        while (page := self._run(next_page)) is not None:
            yield from page

    def _thread(self) -> "BlockingPortal":
        with self._opening:
            if self._is_closed:
                raise ClosedClientError(CLOSED)
            if self._portal is None:
                from anyio.from_thread import start_blocking_portal

                self._portal = self._open.enter_context(start_blocking_portal(name="streamusage"))
                # The portal waits for its thread when it is collected, which at the end of a program would be forever.
                self._end_unclosed = finalize(self, _end, self._portal, self._operations, self._open)
            return self._portal


def _end(portal: "BlockingPortal", operations: Operations, opened: ExitStack) -> None:
    """Close the connections and end the thread of a client that was not closed."""
    portal.call(operations.close)
    opened.close()
