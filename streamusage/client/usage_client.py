"""Client of the usage API. No other module builds its URLs or decodes its replies.

`UsageClient` works against our own service and against a plain Stream Manager. The latter does not have our extension:
its methods then raise `ExtensionMissingError`. Every failure is a `UsageApiError`, whose text names the host and the
action and never contains the token. Nothing is retried here; that is for the caller to decide.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from datetime import date
from types import TracebackType
from typing import TYPE_CHECKING, Literal, NamedTuple, Self
from urllib.parse import quote

import msgspec

from streamusage.api.daily import STREAM_GROUPS, Adjustments, CloseResult, Daily, DailySums, SumGroup
from streamusage.api.extension import (
    Audit,
    Changes,
    Coverage,
    History,
    ImportResult,
    Orphans,
    Placements,
    RemovedServer,
    RepairedServer,
    Servers,
    Trends,
)
from streamusage.client.alerting.alerts_client import AlertsClient
from streamusage.client.api_version import ApiVersion
from streamusage.client.errors import ExtensionMissingError, InvalidAnswerError
from streamusage.client.evidence_client import EvidenceClient
from streamusage.client.http_options import DEFAULT_OPTIONS, HttpOptions
from streamusage.client.reply_decoding import (
    Content,
    EncodedSums,
    decode_reply,
    decode_sums,
    error_message,
    lacks_extension,
    raise_for_status,
)
from streamusage.client.requests import ApiRequest, Receive, Reply, ReplyTiming, days_query, milliseconds_since
from streamusage.client.schema_drift import SchemaDrift, detect_drift
from streamusage.client.transport import HttpTransport
from streamusage.core.clock import Clock, SystemClock
from streamusage.core.reasons import FORMER
from streamusage.core.usage import EmptyNameError, PartialUsageRecord, SessionKey, StreamId, UsageRecord, stream_path

if TYPE_CHECKING:  # what only a plain Stream Manager needs is imported with its first reply: a console starts sooner
    from streamusage.client.lenient_live_list import ListedStream
    from streamusage.client.listed_records import Listing, ListingReader, PlainKey

ReceiveRecords = Callable[[Sequence[PartialUsageRecord], Sequence["PlainKey"]], None]
"""Receives records of a list, and the keys of all records of the list so far."""


async def yield_to_loop() -> None:
    """Let other tasks of the event loop run."""
    await asyncio.sleep(0)


class ServiceTime(NamedTuple):
    """The service's clock, from its last reply."""

    now_ms: int
    received_at_ms: int
    """`elapsed_ms` of the client's clock when the reply arrived."""


class UsageClient:
    """Connection to one usage service. Use it as `async with UsageClient(url, token) as client`.

    Raises `InvalidAddressError` where the address, the token, the certificates or the proxy are unusable.
    """

    def __init__(
        self,
        base_url: str,
        token: str | Callable[[], str] | None,
        *,
        api_version: ApiVersion = "4.0",
        clock: Clock | None = None,
        options: HttpOptions = DEFAULT_OPTIONS,
    ) -> None:
        self._transport = HttpTransport(base_url, token, options)
        self.base_url = self._transport.base_url
        self.api_version = api_version
        self._api = f"/streammanager/api/{quote(api_version, safe='')}"
        self._clock = clock or SystemClock()
        self.has_extension: bool | None = None
        """Whether the service has our extension; `None` before the first reply. Set to `None` to detect it again."""
        self.service_time: ServiceTime | None = None
        self.records_timing: ReplyTiming | None = None
        """Timing of the last reply with records."""
        self.records_drift: SchemaDrift | None = None
        """Drift of the last reply with records; `None` where it had no record."""
        self.pause: Callable[[], Awaitable[None]] = yield_to_loop
        """Awaited about every millisecond while a list is decoded."""
        self.evidence = EvidenceClient(self._call_extension)
        """Statements, the chain of closings, and corrections."""
        self.alerts = AlertsClient(self._call_extension)
        """Alerts, silences, and test messages."""

    @property
    def host(self) -> str:
        """Host and port, used in messages and titles."""
        return self._transport.host

    @host.setter
    def host(self, shown: str) -> None:
        self._transport.host = shown

    def __repr__(self) -> str:
        return f"<UsageClient {self.host}>"

    def without_token(self, text: str) -> str:
        """Return the text without the token, which a service may have repeated."""
        return self._transport.without_token(text)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._transport.close()

    # Documented operations

    async def usage(self) -> list[PartialUsageRecord]:
        """Return every record, incomplete ones included. A documented "not found" means that there is none."""
        return await self._fetch_records(f"{self._api}/admin/event/usage", "read the usage records")

    async def usage_since(self, before: "Listing", receive: ReceiveRecords) -> "ListingReader":
        """Read every record, of which `receive` gets those that changed since a listing, as they arrive.

        Returns the reader, which has the new listing and the keys that are no longer listed.
        """
        return await self._read_list(f"{self._api}/admin/event/usage", "read the usage records", before, receive)

    async def usage_of(self, stream: StreamId) -> list[PartialUsageRecord]:
        """Return the records of one stream, one for each session. Raises `EmptyNameError`."""
        return await self._fetch_records(self._usage_path(stream), f"read the usage records of {stream}")

    async def live_list(self) -> list["ListedStream"]:
        """Return the live streams, one row for each stream and server. This request is sent without the token."""
        from streamusage.client.lenient_live_list import LenientLiveStream

        action = "read the live streams"
        reply = await self._send(ApiRequest("GET", f"{self._api}/event/list/stats", action, with_token=False))
        if reply.status == 404 and error_message(self._transport, reply):
            return []
        rows = decode_reply(self._transport, reply, action, list[LenientLiveStream], repair=True)
        return [stream for row in rows if (stream := row.to_stream()) is not None]

    async def delete_session(self, key: SessionKey) -> PartialUsageRecord:
        """Delete one session and return its last record.

        Raises `EmptyNameError` and sends nothing where the scope, the name or the start time is missing:
        without a start time the request would delete every session of the stream.
        """
        from streamusage.client.record_decoding import UnreadableError, decode_record

        path = self._usage_path(StreamId(key.scope, key.name))
        if type(key.start_time) is not int or key.start_time <= 0:
            raise EmptyNameError(f"deleting one session needs its start time, got {key.start_time!r}")
        action = f"delete the session of {key.scope}/{key.name} that started at {key.start_time}"
        reply = await self._send(ApiRequest("DELETE", path, action, {"startTime": str(key.start_time)}))
        raise_for_status(self._transport, reply, action)
        try:
            return decode_record(reply.body)
        except UnreadableError as error:
            fault = self.without_token(str(error))
            raise InvalidAnswerError(
                self.host,
                action,
                f"HTTP {reply.status}, but {fault}; check whether the session still exists",
            ) from None

    async def delete_stream(self, stream: StreamId) -> None:
        """Delete every session of a stream, including sessions that started a moment ago.

        Raises `EmptyNameError`, and then sends nothing.
        """
        await self._delete(self._usage_path(stream), f"delete every session of {stream}")

    async def delete_all(self) -> None:
        """Delete every record of the service."""
        await self._delete(f"{self._api}/admin/event/usage", "delete every usage record")

    # Operations of our extension

    async def changes(self, cursor: str | None, *, limit: int = 10_000) -> Changes:
        """Return one page of the changes since a cursor; without a cursor, of all records."""
        query = {"limit": str(limit)} if cursor is None else {"cursor": cursor, "limit": str(limit)}
        return await self._call_extension("/api/v1/changes", "read the changes", Changes, query, of_records=True)

    async def servers(self) -> Servers:
        """Return the media servers that the service knows."""
        return await self._call_extension("/api/v1/servers", "read the servers", Servers)

    async def coverage(self, from_ms: int, to_ms: int, *, server: str | None = None) -> Coverage:
        """Return the coverage of the interval `[from_ms, to_ms)`, with the present texts of reasons."""
        query = {"from": str(from_ms), "to": str(to_ms)} | ({"server": server} if server else {})
        coverage = await self._call_extension("/api/v1/coverage", "read the coverage", Coverage, query)
        for spans in (covered.spans for covered in coverage.servers):
            for index, span in enumerate(spans):
                if span.reason in FORMER:
                    spans[index] = msgspec.structs.replace(span, reason=FORMER[span.reason])
        return coverage

    async def carriers(self, from_ms: int, to_ms: int, *, server: str | None = None) -> Placements:
        """Return which server carried which stream in `[from_ms, to_ms)`."""
        query = {"from": str(from_ms), "to": str(to_ms)} | ({"server": server} if server else {})
        return await self._call_extension("/api/v1/carriers", "read the carriers", Placements, query)

    async def daily(self, first: date, last: date, tz: str, *, server: str | None = None) -> Daily:
        """Return the daily statistics from the `first` to the `last` day of a time zone, both included."""
        query = days_query(first, last, tz, server)
        return await self._call_extension("/api/v1/daily", "read the daily statistics", Daily, query)

    async def daily_sums(
        self,
        first: date,
        last: date,
        tz: str,
        *,
        by: Literal["day", "month"] = "day",
        group: SumGroup = "server",
        server: str | None = None,
        customer: str | None = None,
    ) -> DailySums:
        """Return the days of a time zone summed by day or month, and by group of servers or streams: of all streams, or
        of those of one customer.
        """
        query = days_query(first, last, tz, server) | {"by": by, "group": group}
        if customer is not None:
            query["customer"] = customer
        path, action, is_computed = "/api/v1/daily/sums", "read the daily sums", group in STREAM_GROUPS
        encoded = await self._call_extension(path, action, EncodedSums, query, is_computed=is_computed)
        return await decode_sums(self._transport, encoded, action, self.pause)

    async def adjustments(self, first: date, last: date, tz: str, *, server: str | None = None) -> Adjustments:
        """Return the adjustments of closed days: figures that arrived after the day was closed."""
        query = days_query(first, last, tz, server)
        return await self._call_extension("/api/v1/adjustments", "read the adjustments", Adjustments, query)

    async def close_day(self, day: date, tz: str, *, server: str | None = None) -> CloseResult:
        """Close a day of an account zone with the figures that the service has, for one server or for all."""
        body = msgspec.json.encode({"day": day.isoformat(), "tz": tz} | ({"server": server} if server else {}))
        action = f"close {day} of {tz}"
        return await self._call_extension("/api/v1/days/close", action, CloseResult, body=body)

    async def history(self, stream: StreamId, from_ms: int, to_ms: int, step_ms: int) -> History:
        """Return the subscribers of a stream over time. Raises `EmptyNameError`."""
        path = f"/api/v1/streams/{stream_path(stream)}/history"
        query = {"from": str(from_ms), "to": str(to_ms), "step": str(step_ms)}
        return await self._call_extension(path, f"read the history of {stream}", History, query)

    async def trends(self, from_ms: int, to_ms: int, step_ms: int) -> Trends:
        """Return the subscribers of every live stream over time."""
        query = {"from": str(from_ms), "to": str(to_ms), "step": str(step_ms)}
        return await self._call_extension("/api/v1/trends", "read the trends", Trends, query)

    async def import_records(self, records: Iterable[UsageRecord]) -> ImportResult:
        """Import records into the service. Records that it already has stay as they are."""
        body = msgspec.json.encode(list(records))
        return await self._call_extension("/api/v1/import", "import usage records", ImportResult, body=body)

    async def remove_server(self, server: str, *, force: bool) -> RemovedServer:
        """Remove a server from the estate: in order, or by force. Raises `EmptyNameError`."""
        action = f"remove the server {server}"
        query = {"force": "true"} if force else {}
        return await self._call_extension(_server_path(server), action, RemovedServer, query, method="DELETE")

    async def repair_server(self, server: str, *, dry: bool) -> RepairedServer:
        """Move what a wrong clock filed in the future; with `dry` only return what would change.

        Raises `EmptyNameError`.
        """
        path, query = f"{_server_path(server)}/repair", {"dry": str(dry).lower()}
        return await self._call_extension(path, f"repair the server {server}", RepairedServer, query, method="POST")

    async def orphans(self, from_ms: int, to_ms: int, *, limit: int = 10_000) -> Orphans:
        """Return the orphans that arrived in an interval, at most the newest `limit`.

        An orphan is a server's report about a record that was deleted before.
        """
        query = {"from": str(from_ms), "to": str(to_ms), "limit": str(limit)}
        return await self._call_extension("/api/v1/orphans", "read the orphans", Orphans, query)

    async def audit(self, from_ms: int, to_ms: int, *, limit: int = 10_000) -> Audit:
        """Return the entries of the audit log in an interval, at most the newest `limit`."""
        query = {"from": str(from_ms), "to": str(to_ms), "limit": str(limit)}
        return await self._call_extension("/api/v1/audit", "read the audit log", Audit, query)

    # Helpers

    def _usage_path(self, stream: StreamId) -> str:
        return f"{self._api}/admin/event/usage/{stream_path(stream)}"

    async def _delete(self, path: str, action: str) -> None:
        raise_for_status(self._transport, await self._send(ApiRequest("DELETE", path, action)), action)

    async def _fetch_records(self, path: str, action: str) -> list[PartialUsageRecord]:
        from streamusage.client.listed_records import Listing

        records: list[PartialUsageRecord] = []
        await self._read_list(path, action, Listing(), lambda some, _: records.extend(some))
        return records

    async def _read_list(self, path: str, action: str, before: "Listing", receive: ReceiveRecords) -> "ListingReader":
        """Read a list of records part by part: its size has no limit, that of each record has."""
        from streamusage.client.listed_records import ListingReader
        from streamusage.client.record_decoding import NESTED_TOO_DEEPLY, UnreadableError

        reader, decode_ms = ListingReader(before), 0.0

        async def take(steps: Iterable[Sequence[PartialUsageRecord]]) -> None:
            nonlocal decode_ms
            started_at = time.perf_counter()
            for records in steps:
                if records:
                    receive(records, reader.listing.keys)
                self._transport.check_size(reader.held_bytes, action)
                decode_ms += milliseconds_since(started_at)
                await self.pause()
                started_at = time.perf_counter()

        try:
            reply = await self._send(ApiRequest("GET", path, action), lambda data: take(reader.feed(data)))
            if reply.status == 404 and error_message(self._transport, reply):
                await take(reader.feed(b"[]"))
            else:
                raise_for_status(self._transport, reply, action)
                await take(reader.feed(reply.body))
            await take(reader.end())
        except UnreadableError as error:
            raise InvalidAnswerError(self.host, action, self.without_token(str(error))) from None
        except RecursionError:
            raise InvalidAnswerError(self.host, action, NESTED_TOO_DEEPLY) from None
        timing = reply.timing
        self.records_timing = timing._replace(decode_ms=decode_ms, body_ms=max(0.0, timing.body_ms - decode_ms))
        self.records_drift = detect_drift(reader.listing.head, reader.listing.drift())
        return reader

    def _note_record_fields(self, reply: Reply, started_at: float) -> None:
        """Store the timing and the schema drift of a reply with complete records."""
        self.records_timing = reply.timing._replace(decode_ms=milliseconds_since(started_at))
        self.records_drift = detect_drift(reply.body, SchemaDrift((), ()))

    async def _call_extension(
        self,
        path: str,
        action: str,
        kind: type[Content],
        query: Mapping[str, str] | None = None,
        body: bytes | None = None,
        *,
        method: str = "",
        of_records: bool = False,
        is_computed: bool = False,
    ) -> Content:
        if self.has_extension is False:
            raise self._extension_missing(action)
        method = method or ("GET" if body is None else "POST")
        request = ApiRequest(method, path, action, query or {}, body, bearer=True, is_computed=is_computed)
        reply = await self._send(request)
        if (
            self.has_extension is None
            and lacks_extension(self._transport, reply)
            and not await self._has_servers(path, reply)
        ):
            self.has_extension = False
            raise self._extension_missing(action)
        started_at = time.perf_counter()
        answer = decode_reply(self._transport, reply, action, kind)
        if of_records:
            self._note_record_fields(reply, started_at)
        self.has_extension = True
        now_ms = getattr(answer, "now", None)
        if isinstance(now_ms, int):
            self.service_time = ServiceTime(now_ms, self._clock.elapsed_ms())
        return answer

    async def _has_servers(self, path: str, refusal: Reply) -> bool:
        """Return whether the service has our extension, although it refused a request: it may be about the request."""
        can_be_ours = refusal.status == 400 or (refusal.status == 404 and path != "/api/v1/changes")
        if not can_be_ours or not error_message(self._transport, refusal):
            return False
        request = ApiRequest("GET", "/api/v1/servers", "read the servers", bearer=True)
        self.has_extension = not lacks_extension(self._transport, await self._send(request)) or None
        return self.has_extension is True

    def _extension_missing(self, action: str) -> ExtensionMissingError:
        return ExtensionMissingError(
            self.host, action, "it has the documented usage API only, as a plain Stream Manager does"
        )

    async def _send(self, request: ApiRequest, receive: Receive | None = None) -> Reply:
        reply = await self._transport.send(request, receive)
        self._note_service_time(reply.headers)
        return reply

    def _note_service_time(self, headers: Mapping[str, str]) -> None:
        if self.has_extension:
            return
        from email.utils import parsedate_to_datetime  # a plain Stream Manager's clock is known by this header only

        known, elapsed_ms = self.service_time, self._clock.elapsed_ms()
        try:
            now_ms = int(parsedate_to_datetime(headers.get("date", "")).timestamp() * 1000)
        except (ValueError, OverflowError):
            now_ms = 0 if known is None else known.now_ms + elapsed_ms - known.received_at_ms  # as behind a gateway
        if now_ms:
            self.service_time = ServiceTime(now_ms, elapsed_ms)


def _server_path(server: str) -> str:
    if not server:
        raise EmptyNameError("the name of the server is empty")
    segment = quote(server, safe="")
    segment = segment.replace(".", "%2E") if server in {".", ".."} else segment
    return f"/api/v1/servers/{segment}"
