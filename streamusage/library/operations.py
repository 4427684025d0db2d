"""What both clients do, page by page: requests, retries of reads, and typed answers."""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from datetime import date, datetime
from typing import Literal, TypeVar

from streamusage.api.daily import CloseResult, LedgerEntry, SumGroup
from streamusage.api.disagreements import Disagreement
from streamusage.api.evidence import ChainRow, Correction, SignedStatement
from streamusage.api.extension import AuditEntry, ImportResult, Orphan, RemovedServer, RepairedServer
from streamusage.client.changes import read_changes
from streamusage.client.errors import ExtensionMissingError, InvalidAnswerError, UsageApiError
from streamusage.client.usage_client import UsageClient
from streamusage.core.errors import InvalidArgumentError, StreamUsageError
from streamusage.core.usage import EmptyNameError, PartialUsageRecord, SessionKey, StreamId, UsageRecord
from streamusage.library.days import AccountingDay, PeriodSum, day_of_statistics, sum_of_statistics
from streamusage.library.instants import day_ranges, milliseconds_of, month_ranges, window_ms, year_ranges
from streamusage.library.paging import by_number, newest_first
from streamusage.library.retries import RetryPolicy
from streamusage.library.servers import (
    CarriedLiveStream,
    CoveredSpan,
    MediaServer,
    SubscriberPoint,
    live_stream_of_row,
    point_of_history,
    server_of_status,
    span_of_coverage,
)
from streamusage.library.sessions import SessionChanges, StreamSession, session_of

Content = TypeVar("Content")
Pages = AsyncIterator[list[Content]]

CLOSED = "the client is closed; nothing was sent"

LATEST_MS = 2**53
"""Later than every instant and number of a service."""
PAGE_ROWS = 10_000
"""Rows of a page, where the service divides a list."""


class ClosedClientError(StreamUsageError):
    """A client was used after it was closed. Nothing was sent."""


class Operations:
    """The operations of one service. Iterators yield pages, which may be empty."""

    def __init__(
        self,
        client: UsageClient,
        policy: RetryPolicy,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
        page_rows: int = PAGE_ROWS,
    ) -> None:
        self._open_client: UsageClient | None = client
        self._policy = policy
        self._sleep = sleep
        self._page_rows = page_rows

    async def close(self) -> None:
        """Close the connections."""
        client, self._open_client = self._open_client, None
        if client is not None:
            await client.__aexit__(None, None, None)

    @property
    def _client(self) -> UsageClient:
        if self._open_client is None:
            raise ClosedClientError(CLOSED)
        return self._open_client

    async def _read(self, request: Callable[[], Awaitable[Content]]) -> Content:
        """Return the answer of a request that changes nothing, repeated as the policy allows."""
        attempt = 0
        while True:
            try:
                return await request()
            except UsageApiError as error:
                attempt += 1
                wait = self._policy.wait_seconds(error, attempt, random.random())
                if wait is None:
                    raise
                await self._sleep(wait)

    # Reads

    async def has_extension(self) -> bool:
        """Return whether the service is one of streamtop's."""
        if self._client.has_extension is None:
            try:
                await self._read(self._client.servers)
            except ExtensionMissingError:
                return False
        return bool(self._client.has_extension)

    async def sessions(self) -> Pages[StreamSession]:
        """All sessions."""
        if not await self.has_extension():
            yield [session_of(record) for record in await self._read(self._client.usage)]
            return
        cursor, more, seen = None, True, set[SessionKey]()
        while more:
            page = await self._read(lambda cursor=cursor: self._client.changes(cursor, limit=self._page_rows))  # type: ignore[misc]
            yield [session_of(record) for record in page.records if record.key not in seen]
            seen.update(record.key for record in page.records)
            more = page.more
            if more and page.cursor == cursor:
                cause = "the service announces more changes without a new cursor"
                raise InvalidAnswerError(self._client.host, "read the sessions", cause)
            cursor = page.cursor

    async def records(self, stream: StreamId | None) -> Pages[PartialUsageRecord]:
        """The documented records, of one stream or of all."""
        if stream is None:
            yield await self._read(self._client.usage)
        else:
            yield await self._read(lambda: self._client.usage_of(checked_stream(stream)))

    async def changes(self, cursor: str | None) -> SessionChanges:
        """Return what changed since a cursor."""
        found = await self._read(lambda: read_changes(self._client, cursor, session_of))
        return SessionChanges(found.cursor or "", found.reset, found.changed, found.removed)

    async def live_streams(self) -> Pages[CarriedLiveStream]:
        """The live list."""
        yield [live_stream_of_row(row) for row in await self._read(self._client.live_list)]

    async def servers(self) -> Pages[MediaServer]:
        """The media servers."""
        yield [server_of_status(status) for status in (await self._read(self._client.servers)).servers]

    async def coverage(self, start: datetime, end: datetime, server: str | None, *, gaps: bool) -> Pages[CoveredSpan]:
        """The spans of a window, or only its gaps."""
        from_ms, to_ms = window_ms(start, end)
        found = await self._read(lambda: self._client.coverage(from_ms, to_ms, server=server))
        for covered in found.servers:
            spans = [span_of_coverage(covered.server, span) for span in covered.spans]
            yield [span for span in spans if span.is_gap or not gaps]

    async def history(
        self, stream: StreamId, start: datetime, end: datetime, step_minutes: int
    ) -> Pages[SubscriberPoint]:
        """The subscribers of a stream over time."""
        (from_ms, to_ms), step_ms = window_ms(start, end), step_minutes * 60_000
        found = await self._read(lambda: self._client.history(checked_stream(stream), from_ms, to_ms, step_ms))
        yield [point_of_history(point) for point in found.points]

    async def days(self, first: date, last: date, tz: str, server: str | None) -> Pages[AccountingDay]:
        """The days of servers."""
        for begin, end in day_ranges(first, last):
            daily = await self._read(lambda b=begin, e=end: self._client.daily(b, e, tz, server=server))  # type: ignore[misc]
            yield [day_of_statistics(day) for day in daily.days]

    async def sums(
        self,
        first: date,
        last: date,
        tz: str,
        by: Literal["day", "month"],
        group: SumGroup,
        server: str | None,
        customer: str | None,
    ) -> Pages[PeriodSum]:
        """The days added up."""
        for begin, end in (year_ranges if by == "month" else day_ranges)(first, last):

            async def read(begin: date = begin, end: date = end) -> list[PeriodSum]:
                found = await self._client.daily_sums(
                    begin, end, tz, by=by, group=group, server=server, customer=customer
                )
                return [sum_of_statistics(row) for row in found.sums]

            yield await self._read(read)

    async def adjustments(self, first: date, last: date, tz: str, server: str | None) -> Pages[LedgerEntry]:
        """The ledger of closed days."""
        for begin, end in day_ranges(first, last):
            found = await self._read(lambda b=begin, e=end: self._client.adjustments(b, e, tz, server=server))  # type: ignore[misc]
            yield found.adjustments

    async def corrections(self, first: date, last: date, tz: str, server: str | None) -> Pages[Correction]:
        """The corrections of closed days."""
        evidence = self._client.evidence
        for begin, end in day_ranges(first, last):
            found = await self._read(lambda b=begin, e=end: evidence.corrections(b, e, tz, server=server))  # type: ignore[misc]
            yield found.corrections

    async def disagreements(self, start: datetime, end: datetime, server: str | None) -> Pages[Disagreement]:
        """The hours whose figures differ."""
        from_ms, to_ms = window_ms(start, end)
        yield (
            await self._read(lambda: self._client.evidence.disagreements(from_ms, to_ms, server=server))
        ).disagreements

    async def statement(self, first: date, last: date, tz: str, server: str | None) -> SignedStatement:
        """Return the statement of closed days."""
        return await self._read(lambda: self._client.evidence.statement(first, last, tz, server=server))

    async def statements(self, first: date, last: date, tz: str, server: str | None) -> Pages[SignedStatement]:
        """A statement for each month."""
        for begin, end in month_ranges(first, last):
            yield [await self.statement(begin, end, tz, server)]

    async def chain(self, first: int, last: int | None) -> Pages[ChainRow]:
        """The chain of closings."""
        upto = LATEST_MS if last is None else last

        async def fetch(number: int) -> tuple[list[ChainRow], bool]:
            read = self._client.evidence.chain
            found = await self._read(lambda: read(number, upto, limit=self._page_rows))
            return found.entries, found.more

        async for page in by_number(fetch, lambda row: row.number, first):
            yield page

    async def audit(self, start: datetime | None, end: datetime | None) -> Pages[AuditEntry]:
        """The audit log."""

        async def fetch(from_ms: int, to_ms: int) -> tuple[list[AuditEntry], bool]:
            found = await self._read(lambda: self._client.audit(from_ms, to_ms, limit=self._page_rows))
            return found.entries, found.more

        async for page in newest_first(fetch, lambda entry: entry.at, *_bounds(start, end), self._client.host):
            yield page

    async def orphans(self, start: datetime | None, end: datetime | None) -> Pages[Orphan]:
        """The reports about deleted records."""

        async def fetch(from_ms: int, to_ms: int) -> tuple[list[Orphan], bool]:
            found = await self._read(lambda: self._client.orphans(from_ms, to_ms, limit=self._page_rows))
            return found.orphans, found.more

        async for page in newest_first(fetch, lambda orphan: orphan.last_at, *_bounds(start, end), self._client.host):
            yield page

    # Changes. None of them is repeated: it may have been carried out.

    async def delete_session(self, key: SessionKey) -> StreamSession:
        """Delete a session."""
        checked_stream(StreamId(key.scope, key.name))
        return session_of(await self._client.delete_session(key))

    async def delete_stream(self, stream: StreamId) -> None:
        """Delete the sessions of a stream."""
        await self._client.delete_stream(checked_stream(stream))

    async def delete_all(self, host: str) -> None:
        """Delete everything, if the host is named."""
        if host != self._client.host:
            raise InvalidArgumentError(
                f"delete_all deletes every record of {self._client.host}; confirm it with that host, not {host!r}"
            )
        await self._client.delete_all()

    async def import_records(self, records: Iterable[UsageRecord]) -> ImportResult:
        """Import records."""
        return await self._client.import_records(records)

    async def close_day(self, day: date, tz: str, server: str | None) -> CloseResult:
        """Close a day."""
        return await self._client.close_day(day, tz, server=server)

    async def propose_correction(self, day: date, tz: str, server: str, reason: str) -> Correction:
        """Propose a correction."""
        return (await self._client.evidence.propose(day, tz, server, reason)).correction

    async def approve_correction(self, number: int) -> Correction:
        """Approve a correction."""
        return (await self._client.evidence.approve(number)).correction

    async def reverse_correction(self, number: int, reason: str) -> Correction:
        """Take a correction back."""
        return (await self._client.evidence.reverse(number, reason)).correction

    async def remove_server(self, server: str, *, force: bool) -> RemovedServer:
        """Remove a server."""
        return await self._client.remove_server(server, force=force)

    async def repair_server(self, server: str, *, dry: bool) -> RepairedServer:
        """Repair a server."""
        return await self._client.repair_server(server, dry=dry)


def checked_stream(stream: StreamId | tuple[str, str]) -> StreamId:
    """Return the stream of a pair. Raises `EmptyNameError` where a part is empty or no text."""
    scope, name = stream
    if not isinstance(scope, str) or not isinstance(name, str) or not scope or not name:
        raise EmptyNameError(f"a stream needs a scope and a name, got {scope!r} and {name!r}")
    return StreamId(scope, name)


def _bounds(start: datetime | None, end: datetime | None) -> tuple[int, int]:
    return 0 if start is None else milliseconds_of(start), LATEST_MS if end is None else milliseconds_of(end)
