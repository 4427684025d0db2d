"""The one place that builds URLs of the usage API and reads what a service answers.

`UsageClient` works against our own service and against a plain Stream Manager, which knows nothing of our extension
and then raises `ExtensionMissingError`. Every failure is a `UsageApiError` whose text names the host and the request
and never holds the token. Nothing is tried twice here: that is the caller's to decide.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import date
from email.utils import parsedate_to_datetime
from types import TracebackType
from typing import Literal, NamedTuple, Self
from urllib.parse import quote

import httpx
import msgspec

from streamusage.api.daily import Adjustments, CloseResult, Daily, DailySums
from streamusage.api.extension import (
    Audit,
    Changes,
    Coverage,
    History,
    ImportResult,
    LiveStream,
    Orphans,
    Placements,
    RemovedServer,
    Servers,
    Trends,
)
from streamusage.client.decode import Answer, check, decoded, error_text, knows_no_extension
from streamusage.client.errors import (
    ExtensionMissingError,
    InvalidAnswerError,
)
from streamusage.client.record_lists import UnreadableError, decode_record, decode_records
from streamusage.client.schema_drift import Drift, drift_of, missing_of
from streamusage.client.transport import (
    ANSWER_SECONDS,
    LARGEST_ANSWER_BYTES,
    SILENCE_SECONDS,
    HttpTransport,
    Reply,
    RequestDescription,
    Timing,
    milliseconds_since,
)
from streamusage.core.clock import Clock, SystemClock
from streamusage.core.usage import EmptyNameError, PartialUsageRecord, SessionKey, StreamId, UsageRecord, stream_path

ApiVersion = Literal["3.1", "4.0"]


class ServiceTime(NamedTuple):
    """The service's clock as its last answer told it."""

    now_ms: int
    heard_at_ms: int
    """This clock's `elapsed_ms` when it was heard."""


class UsageClient:
    """A connection to one usage service. Use it as `async with UsageClient(url, token) as client`."""

    def __init__(
        self,
        base_url: str,
        token: str | None,
        *,
        api_version: ApiVersion = "4.0",
        clock: Clock | None = None,
        largest_answer_bytes: int = LARGEST_ANSWER_BYTES,
        silence_seconds: float = SILENCE_SECONDS,
        answer_seconds: float = ANSWER_SECONDS,
    ) -> None:
        self._exchange = HttpTransport(
            base_url,
            token,
            largest_answer_bytes=largest_answer_bytes,
            silence_seconds=silence_seconds,
            answer_seconds=answer_seconds,
        )
        self.base_url = self._exchange.base_url
        self.api_version = api_version
        self._api = f"/streammanager/api/{quote(api_version, safe='')}"
        self._clock = clock or SystemClock()
        self.has_extension: bool | None = None
        """Whether the service knows our extension; `None` until it was asked. Set to `None` to ask again."""
        self.service_time: ServiceTime | None = None
        self.records_timing: Timing | None = None
        """Of the last answer that told records."""
        self.records_drift: Drift | None = None
        """What their fields were; `None` where there was no record among them."""

    @property
    def host(self) -> str:
        """Host and port, for messages and titles."""
        return self._exchange.host

    @host.setter
    def host(self, shown: str) -> None:
        self._exchange.host = shown

    def __repr__(self) -> str:
        return f"<UsageClient {self.host}>"

    def without_token(self, text: str) -> str:
        """The text without the token, should the other side have repeated it."""
        return self._exchange.without_token(text)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._exchange.close()

    # The documented part

    async def usage(self) -> list[PartialUsageRecord]:
        """Every record, those too that lack something. A documented "not found" means that there is none."""
        return await self._read_records(f"{self._api}/admin/event/usage", "read the usage records")

    async def usage_of(self, stream: StreamId) -> list[PartialUsageRecord]:
        """The records of one stream, one a session; empty where there is none. Raises `EmptyNameError`."""
        return await self._read_records(self._usage_path(stream), f"read the usage records of {stream}")

    async def live_list(self) -> list[LiveStream]:
        """What is live, one row a stream and server. Needs no token, and sends none."""
        asked = "read what is live"
        reply = await self._ask(RequestDescription("GET", f"{self._api}/event/list/stats", asked, with_token=False))
        if reply.status == 404 and error_text(self._exchange, reply):
            return []
        return decoded(self._exchange, reply, asked, list[LiveStream])

    async def delete_session(self, key: SessionKey) -> PartialUsageRecord:
        """Deletes one session and gives its last record.

        Raises `EmptyNameError` before anything is sent where the scope, the name or the start time is missing:
        without a start time the request would delete every session of the stream.
        """
        path = self._usage_path(StreamId(key.scope, key.name))
        if type(key.start_time) is not int or key.start_time <= 0:
            raise EmptyNameError(f"a session needs its start time to be deleted alone, got {key.start_time!r}")
        asked = f"delete the session of {key.scope}/{key.name} that started at {key.start_time}"
        reply = await self._ask(RequestDescription("DELETE", path, asked, {"startTime": str(key.start_time)}))
        check(self._exchange, reply, asked)
        try:
            return decode_record(reply.body)
        except UnreadableError as error:
            raise InvalidAnswerError(
                self.host, asked, f"it answered {reply.status}, but {self.without_token(str(error))}; look again"
            ) from None

    async def delete_stream(self, stream: StreamId) -> None:
        """Deletes every session of a stream, those too that began a moment ago. Raises `EmptyNameError` unsent."""
        await self._delete(self._usage_path(stream), f"delete every session of {stream}")

    async def delete_all(self) -> None:
        """Deletes every record of the service."""
        await self._delete(f"{self._api}/admin/event/usage", "delete every usage record")

    # Our extension

    async def changes(self, cursor: str | None, *, limit: int = 10_000) -> Changes:
        """One page of what changed since the cursor; without one, of everything."""
        query = {"limit": str(limit)} if cursor is None else {"cursor": cursor, "limit": str(limit)}
        return await self._extension("/api/v1/changes", "read what changed", Changes, query, of_records=True)

    async def servers(self) -> Servers:
        return await self._extension("/api/v1/servers", "read the servers", Servers)

    async def coverage(self, from_ms: int, to_ms: int, *, server: str | None = None) -> Coverage:
        """What is accounted for from `from_ms` up to `to_ms`, and how."""
        query = {"from": str(from_ms), "to": str(to_ms)} | ({"server": server} if server else {})
        return await self._extension("/api/v1/coverage", "read the coverage", Coverage, query)

    async def carriers(self, from_ms: int, to_ms: int, *, server: str | None = None) -> Placements:
        """Which server carried which stream from `from_ms` up to `to_ms`."""
        query = {"from": str(from_ms), "to": str(to_ms)} | ({"server": server} if server else {})
        return await self._extension("/api/v1/carriers", "read which server carried what", Placements, query)

    async def daily(self, first: date, last: date, tz: str, *, server: str | None = None) -> Daily:
        """Daily statistics of the days of a zone, both included."""
        query = _days_query(first, last, tz, server)
        return await self._extension("/api/v1/daily", "read the daily statistics", Daily, query)

    async def daily_sums(
        self,
        first: date,
        last: date,
        tz: str,
        *,
        by: Literal["day", "month"] = "day",
        group: Literal["server", "role", "all"] = "server",
        server: str | None = None,
    ) -> DailySums:
        """The days of a zone added up, by day or month and by server, role or over all."""
        query = _days_query(first, last, tz, server) | {"by": by, "group": group}
        return await self._extension("/api/v1/daily/sums", "add up the daily statistics", DailySums, query)

    async def adjustments(self, first: date, last: date, tz: str, *, server: str | None = None) -> Adjustments:
        """What came to the closed days of a zone later."""
        query = _days_query(first, last, tz, server)
        return await self._extension("/api/v1/adjustments", "read the adjustments", Adjustments, query)

    async def close_day(self, day: date, tz: str, *, server: str | None = None) -> CloseResult:
        """Closes a day of an account zone with what is there, for one server or for all."""
        body = msgspec.json.encode({"day": day.isoformat(), "tz": tz} | ({"server": server} if server else {}))
        asked = f"close {day} of {tz}"
        return await self._extension("/api/v1/days/close", asked, CloseResult, body=body)

    async def history(self, stream: StreamId, from_ms: int, to_ms: int, step_ms: int) -> History:
        """Subscribers of a stream over time. Raises `EmptyNameError`."""
        path = f"/api/v1/streams/{stream_path(stream)}/history"
        query = {"from": str(from_ms), "to": str(to_ms), "step": str(step_ms)}
        return await self._extension(path, f"read the history of {stream}", History, query)

    async def trends(self, from_ms: int, to_ms: int, step_ms: int) -> Trends:
        """Subscribers of every live stream over time."""
        query = {"from": str(from_ms), "to": str(to_ms), "step": str(step_ms)}
        return await self._extension("/api/v1/trends", "read the trends", Trends, query)

    async def import_records(self, records: Iterable[UsageRecord]) -> ImportResult:
        """Puts records into the service; those that are there already are kept as they are."""
        body = msgspec.json.encode(list(records))
        return await self._extension("/api/v1/import", "import usage records", ImportResult, body=body)

    async def remove_server(self, server: str, *, force: bool) -> RemovedServer:
        """Takes a server out of the estate: in order, or by force. Raises `EmptyNameError`."""
        if not server:
            raise EmptyNameError("a server is named by its name")
        segment = quote(server, safe="")
        segment = segment.replace(".", "%2E") if server in {".", ".."} else segment
        asked = f"take the server {server} out of the estate"
        query = {"force": "true"} if force else {}
        return await self._extension(f"/api/v1/servers/{segment}", asked, RemovedServer, query, method="DELETE")

    async def orphans(self, from_ms: int, to_ms: int, *, limit: int = 10_000) -> Orphans:
        """What servers reported of records after their delete, by when it came; the newest `limit` of them."""
        query = {"from": str(from_ms), "to": str(to_ms), "limit": str(limit)}
        return await self._extension("/api/v1/orphans", "read the orphans", Orphans, query)

    async def audit(self, from_ms: int, to_ms: int, *, limit: int = 10_000) -> Audit:
        """Who changed what the service keeps; the newest `limit` lines of that time."""
        query = {"from": str(from_ms), "to": str(to_ms), "limit": str(limit)}
        return await self._extension("/api/v1/audit", "read the audit log", Audit, query)

    # How it is done

    def _usage_path(self, stream: StreamId) -> str:
        return f"{self._api}/admin/event/usage/{stream_path(stream)}"

    async def _delete(self, path: str, asked: str) -> None:
        check(self._exchange, await self._ask(RequestDescription("DELETE", path, asked)), asked)

    async def _read_records(self, path: str, asked: str) -> list[PartialUsageRecord]:
        reply = await self._ask(RequestDescription("GET", path, asked))
        if reply.status == 404 and error_text(self._exchange, reply):
            return []
        check(self._exchange, reply, asked)
        records: list[PartialUsageRecord] = []
        missing: Counter[str] = Counter()
        began = time.perf_counter()
        try:
            for part in decode_records(reply.body):
                records.extend(part)
                missing += missing_of(part)
                await asyncio.sleep(0)
        except UnreadableError as error:
            raise InvalidAnswerError(self.host, asked, self.without_token(str(error))) from None
        self._note(reply, began, missing)
        return records

    def _note(self, reply: Reply, began: float, missing: Counter[str]) -> None:
        """Keeps how long an answer with records took, and what their fields were."""
        self.records_timing = reply.timing._replace(decode_ms=milliseconds_since(began))
        self.records_drift = drift_of(reply.body, missing)

    async def _extension(
        self,
        path: str,
        asked: str,
        kind: type[Answer],
        query: Mapping[str, str] | None = None,
        body: bytes | None = None,
        *,
        method: str = "",
        of_records: bool = False,
    ) -> Answer:
        if self.has_extension is False:
            raise self._extension_missing(asked)
        method = method or ("GET" if body is None else "POST")
        reply = await self._ask(RequestDescription(method, path, asked, query or {}, body, bearer=True))
        if self.has_extension is None and knows_no_extension(self._exchange, reply):
            self.has_extension = False
            raise self._extension_missing(asked)
        began = time.perf_counter()
        answer = decoded(self._exchange, reply, asked, kind)
        if of_records:
            self._note(reply, began, Counter())
        self.has_extension = True
        now_ms = getattr(answer, "now", None)
        if isinstance(now_ms, int):
            self.service_time = ServiceTime(now_ms, self._clock.elapsed_ms())
        return answer

    def _extension_missing(self, asked: str) -> ExtensionMissingError:
        return ExtensionMissingError(
            self.host, asked, "it speaks the documented usage API only, as a plain Stream Manager does"
        )

    async def _ask(self, asking: RequestDescription) -> Reply:
        reply = await self._exchange.ask(asking)
        self._hear_the_time(reply.headers)
        return reply

    def _hear_the_time(self, headers: httpx.Headers) -> None:
        if self.has_extension:
            return
        try:
            now_ms = int(parsedate_to_datetime(headers.get("date", "")).timestamp() * 1000)
        except (ValueError, OverflowError):
            return
        self.service_time = ServiceTime(now_ms, self._clock.elapsed_ms())


def _days_query(first: date, last: date, tz: str, server: str | None) -> dict[str, str]:
    query = {"from": first.isoformat(), "to": last.isoformat(), "tz": tz}
    return query | ({"server": server} if server else {})
