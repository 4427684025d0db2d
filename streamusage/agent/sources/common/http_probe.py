"""Requests to a media server's HTTP interface. Every failure is a `SourceError` that names what an operator can do.

No error text contains a user, a password, a token or a query.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping
from email.utils import parsedate_to_datetime
from typing import NamedTuple, TypeVar
from urllib.parse import quote

import httpx
from msgspec.structs import replace

from streamusage.agent.config.sources import MAX_RESPONSE_BYTES, media_server_options
from streamusage.agent.reading import EndedConnection, SourceError, UnreachableSourceError
from streamusage.agent.sources.common.http_auth import parse_challenges, sends_secret_in_clear
from streamusage.client.http_client import open_http_client
from streamusage.client.http_options import HttpOptions
from streamusage.client.network.failures import describe_failure
from streamusage.core.clock import Clock
from streamusage.core.secrets import Secret

LOG = logging.getLogger(__name__)

MAX_CONCURRENT_REQUESTS = 4

Item = TypeVar("Item")
Result = TypeVar("Result")


class HttpStatusError(SourceError):
    """The server responded with a status other than 200."""

    kind = "status"

    def __init__(self, status: int, text: str, schemes: Iterable[str] = ()) -> None:
        super().__init__(text)
        self.status = status
        self.schemes = frozenset(schemes)
        """The kinds of authentication that the server requests, in lower case."""


class ProbeResponse(NamedTuple):
    """A response with status 200. The server wrote it between the request and its first byte.

    Both stamps are elapsed milliseconds of the agent's clock, which no step of a wall clock changes.
    """

    body: bytes
    date_s: int | None
    """The server's clock at the response, in seconds since 1970; None without a valid `Date` header."""
    sent_ms: int
    """When the request was sent; at the earliest, since it may have waited for a connection."""
    first_byte_ms: int
    """When the first byte (the headers) of the response arrived; at the latest."""

    @property
    def slack_ms(self) -> int:
        """How much earlier than its first byte the response may have been written."""
        return self.first_byte_ms - self.sent_ms


class HttpProbe:
    """The HTTP interface of one media server. Request paths are joined from parts, each quoted by itself.

    The URL may contain a user, a password and a query, which are sent with each request but are in no error text.
    """

    def __init__(
        self,
        url: str,
        server_name: str,
        clock: Clock,
        *,
        options: HttpOptions | None = None,
        http: httpx.AsyncClient | None = None,
        hints: Mapping[int, str] | None = None,
    ) -> None:
        """`hints` maps the status of a refusal to what an operator can do about it.

        Raises `InvalidAddressError` where the certificates of `options` are unusable.
        """
        self.url = _remove_secrets(url).rstrip("/")
        """The URL without secrets, for messages."""
        self._url = httpx.URL(url)
        self._server_name = server_name
        self._clock = clock
        self._hints = hints or {
            401: "check the user and the password or token in the agent's configuration",
            403: f"allow the agent's address in the configuration of {server_name}",
            404: f"check `url`, and whether this interface of {server_name} is enabled",
        }
        self._options = replace(options or media_server_options(), peer=server_name)
        self._warned = False
        self._owns_http = http is None
        self._http = http or open_http_client(self._options)

    async def close(self) -> None:
        """Close the HTTP client if the probe created it."""
        if self._owns_http:
            await self._http.aclose()

    async def get(
        self,
        *parts: str,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        auth: httpx.Auth | None = None,
    ) -> ProbeResponse:
        """Return a response with status 200.

        Raises `HttpStatusError` for any other status and `SourceError` for any other failure.
        """
        return await self.send_request("GET", parts, query=query, headers=headers, auth=auth)

    async def send_request(
        self,
        method: str,
        parts: tuple[str, ...],
        *,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        auth: httpx.Auth | None = None,
    ) -> ProbeResponse:
        """Return the response to a request with any method and body. Raises as `get`."""
        path = "".join(f"/{quote(part, safe='')}" for part in parts)
        printable_url = self.url + path
        try:
            async with asyncio.timeout(self._options.answer_seconds):
                request = self._http.build_request(
                    method,
                    self._url.copy_with(raw_path=self._raw_path(path)),
                    params=query,
                    headers=dict(headers or {}),
                    content=body,
                )
                sent_ms = self._clock.elapsed_ms()
                response = await self._http.send(request, auth=auth, stream=True, follow_redirects=False)
                first_byte_ms = self._clock.elapsed_ms()
                self._warn_of_clear_text(response.request)
                try:
                    if response.status_code != 200:
                        raise self._refusal(printable_url, response)
                    body_bytes = await _read_body(response, printable_url)
                    date_s = parse_http_date_s(response.headers.get("Date"))
                    return ProbeResponse(body_bytes, date_s, sent_ms, first_byte_ms)
                finally:
                    await response.aclose()
        except TimeoutError:
            raise UnreachableSourceError(
                f"{printable_url} did not respond within {self._options.answer_seconds:g} s; "
                "the next reading tries again"
            ) from None
        except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError) as error:
            cause = describe_failure(error, self._options) if isinstance(error, httpx.HTTPError) else ""
            raise UnreachableSourceError(
                f"request to {printable_url} failed, and the next reading tries again: {cause or type(error).__name__}"
            ) from None

    def _raw_path(self, path: str) -> bytes:
        """Return the request target of a path below the URL's own; without a path the target as configured."""
        if not path:
            return self._url.raw_path
        base, question_mark, query = self._url.raw_path.partition(b"?")
        return base.rstrip(b"/") + path.encode() + question_mark + query

    def _warn_of_clear_text(self, request: httpx.Request) -> None:
        if not self._warned and sends_secret_in_clear(request):
            self._warned = True
            LOG.warning(
                "secret_in_clear url=%s detail='the password or token is sent over HTTP to another machine, and anyone "
                "on the way can read it; use an https URL, or an agent on the same machine as %s'",
                self.url,
                self._server_name,
            )

    def _refusal(self, printable_url: str, response: httpx.Response) -> HttpStatusError:
        status = response.status_code
        hint = self._hints.get(status, f"the log of {self._server_name} has the cause")
        schemes = parse_challenges(response.headers.get_list("WWW-Authenticate")) if status == 401 else {}
        asks = f" and asks for {' or '.join(name.title() for name in schemes)} authentication" if schemes else ""
        return HttpStatusError(status, f"{printable_url} responded with HTTP {status}{asks}; {hint}", schemes)


class PolledSource:
    """Base of a source without a log: everything but `read` of `streamusage.agent.reading.Source`."""

    def __init__(self, probe: HttpProbe, clock: Clock) -> None:
        self._probe = probe
        self._clock = clock

    async def ended_between(self, from_cursor: str, to_cursor: str) -> tuple[EndedConnection, ...]:
        """As `Source.ended_between`: always empty, because there is no log."""
        return ()

    async def close(self) -> None:
        """As `Source.close`."""
        await self._probe.close()


async def fetch_all(fetch: Callable[[Item], Awaitable[Result | None]], items: Iterable[Item]) -> list[Result]:
    """Return the results of `fetch` for all items, in order, without None (an item that no longer exists).

    At most `MAX_CONCURRENT_REQUESTS` calls run at a time. The first failure cancels the others and is raised.
    """
    slots = asyncio.Semaphore(MAX_CONCURRENT_REQUESTS)

    async def fetch_in_slot(item: Item) -> Result | None:
        async with slots:
            return await fetch(item)

    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(fetch_in_slot(item)) for item in items]
    except ExceptionGroup as failures:
        raise failures.exceptions[0] from None
    return [result for task in tasks if (result := task.result()) is not None]


def basic_auth_header(user: str | None, password: Secret | None) -> dict[str, str]:
    """Return the header of HTTP basic authentication; empty without a user or a password."""
    if user is None or password is None:
        return {}
    request = next(httpx.BasicAuth(user, password()).auth_flow(httpx.Request("GET", "http://localhost")))
    return {"Authorization": request.headers["Authorization"]}


def parse_http_date_s(date: str | None) -> int | None:
    """Return an HTTP `Date` in seconds since 1970; None for a missing or invalid one."""
    try:
        return int(parsedate_to_datetime(date or "").timestamp())
    except (ValueError, TypeError, OverflowError, OSError):
        return None


def _remove_secrets(url: str) -> str:
    return str(httpx.URL(url).copy_with(username=None, password=None, query=None, fragment=None))


async def _read_body(response: httpx.Response, printable_url: str) -> bytes:
    body = bytearray()
    async for part in response.aiter_bytes():
        body += part
        if len(body) > MAX_RESPONSE_BYTES:
            limit_mib = MAX_RESPONSE_BYTES >> 20
            raise SourceError(f"{printable_url} returned more than {limit_mib} MiB, which cannot be statistics")
    return bytes(body)
