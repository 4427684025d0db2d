"""HTTP exchange of the transport: one request, one complete reply or one exception. Imports httpx.

Each exception names the host and the action, and never contains the token. Nothing is retried here. A reply is bounded
in its size, in its silences and in its whole duration (`HttpOptions`).
"""

import asyncio
import logging
import ssl
import time
from collections.abc import Callable, Mapping
from urllib.parse import urlencode

from streamusage.client.addresses import ServiceAddress
from streamusage.client.errors import InvalidAddressError, InvalidAnswerError, UnreachableError, UsageApiError
from streamusage.client.http_client import open_http_client
from streamusage.client.http_options import HttpOptions
from streamusage.client.httpx_import import httpx
from streamusage.client.network.failures import describe_failure
from streamusage.client.network.proxies import chosen_proxy, proxy_name
from streamusage.client.requests import ApiRequest, Receive, Reply, ReplyTiming, Sender, milliseconds_since

_MOST_CLOSED_CONNECTIONS = 5
"""How many open connections may turn out to be closed, before a request fails."""


def parse_address(text: str) -> ServiceAddress:
    """Return the address of a service, whatever its form. Raises `InvalidAddressError`."""
    try:
        url = httpx.URL(text.strip())
    except httpx.InvalidURL:
        raise InvalidAddressError("the address is not a URL; give one such as http://sm.example.net:5080") from None
    if url.scheme not in ("http", "https") or not url.host:
        raise InvalidAddressError(
            "the address must start with http:// or https:// and name a host, such as http://sm.example.net:5080"
        )
    if url.query or url.fragment:
        raise InvalidAddressError(
            "the address must end before any ? or #; put the token into a file or the environment"
        )
    if url.userinfo:
        raise InvalidAddressError(
            "the address must not contain a user or password; put the token into a file or the environment"
        )
    host = f"[{url.host}]" if ":" in url.host else url.host
    return ServiceAddress(str(url).rstrip("/"), url.scheme, f"{host}:{url.port}" if url.port else host)


class HttpExchange:
    """The open HTTP client of one service; without `trust`, it trusts the usual certificates.

    Raises `InvalidAddressError` where the proxy is unusable.
    """

    def __init__(self, address: ServiceAddress, options: HttpOptions, trust: ssl.SSLContext | None) -> None:
        self._base = httpx.URL(address.url)
        self._options = options
        self._scheme = address.scheme
        proxy = chosen_proxy(address.scheme, address.host, options)
        self._proxy = proxy_name(proxy)
        self._http = open_http_client(options, trust, proxy=proxy)

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def send(self, api_request: ApiRequest, sender: Sender, receive: Receive | None = None) -> Reply:
        """Send a request and return its complete reply, whatever its status.

        With `receive`, the body of a reply with status 200 is passed to it part by part as it arrives, and the reply
        has none. Raises `UnreachableError` or `InvalidAnswerError`.
        """
        failure: UsageApiError
        host, action = sender.host, api_request.action
        maybe_done = api_request.method != "GET" and not api_request.repeatable
        options = self._options
        seconds = options.computing_seconds if api_request.is_computed else options.answer_seconds
        try:
            request = self._build_request(api_request, sender.token)
            async with asyncio.timeout(seconds):
                return await self._exchange(request, sender, action, receive, is_repeatable=not maybe_done)
        except TimeoutError:
            failure = UnreachableError(host, action, f"no complete reply within {seconds:g} s")
        except httpx.InvalidURL:
            failure = InvalidAnswerError(host, action, "the name makes the address too long to send")
        except httpx.DecodingError:
            failure = InvalidAnswerError(host, action, "the reply cannot be decompressed")
        except httpx.HTTPError as error:
            # Only text from outside may contain the token: a short one occurs in our own words, too.
            known = describe_failure(error, self._options, scheme=self._scheme, proxy=self._proxy)
            cause = known or sender.without_token(str(error)) or "the request failed, and the cause is not known"
            failure = UnreachableError(host, action, cause)
            maybe_done = maybe_done and not isinstance(error, httpx.ConnectError | httpx.ConnectTimeout)
        except OSError as error:
            cause = sender.without_token(error.strerror or str(error))
            failure = UnreachableError(host, action, cause or "this machine could not send the request")
        if maybe_done and isinstance(failure, UnreachableError):
            failure = UnreachableError(
                host, action, f"{failure.cause}; the request may have been carried out: check before you repeat it"
            )
        # Raised outside the handlers, so that no exception that holds the token becomes its context.
        raise failure

    def _build_request(self, api_request: ApiRequest, token: str) -> httpx.Request:
        headers, query = {"Accept": "application/json", **api_request.headers}, api_request.query
        if api_request.body is not None:
            headers["Content-Type"] = "application/json"
        if token and api_request.with_token:
            if api_request.bearer:
                headers["Authorization"] = f"Bearer {token}"
            else:
                query = {"accessToken": token, **query}
        target = self._base.path.rstrip("/") + api_request.path + ("?" + urlencode(query) if query else "")
        # A raw path keeps the encoding of `%2F`, `%2E%2E` and the like.
        url = self._base.copy_with(raw_path=target.encode("ascii"))
        silence_seconds = self._options.computing_seconds if api_request.is_computed else self._options.silence_seconds
        return self._http.build_request(
            api_request.method,
            url,
            headers=headers,
            content=api_request.body,
            timeout=httpx.Timeout(silence_seconds, connect=self._options.connect_seconds),
        )

    async def _send(
        self, request: httpx.Request, *, is_repeatable: bool, was_connected: Callable[[], bool]
    ) -> httpx.Response:
        """Return the head of the reply.

        A connection that was open already may have been closed by the server when the request reached it: then a
        request that changes nothing is sent once more, over a new one.
        """
        for _ in range(_MOST_CLOSED_CONNECTIONS):
            try:
                return await self._http.send(request, stream=True)
            except (httpx.RemoteProtocolError, httpx.ReadError, httpx.WriteError):
                if was_connected() or not is_repeatable:
                    raise
        return await self._http.send(request, stream=True)

    async def _exchange(
        self, request: httpx.Request, sender: Sender, action: str, receive: Receive | None, *, is_repeatable: bool
    ) -> Reply:
        started_at = time.perf_counter()
        connected_at: float | None = None

        async def trace(event: str, _info: Mapping[str, object]) -> None:
            nonlocal connected_at
            if event in ("connection.connect_tcp.complete", "connection.start_tls.complete"):
                connected_at = time.perf_counter()

        request.extensions["trace"] = trace
        response = await self._send(
            request, is_repeatable=is_repeatable, was_connected=lambda: connected_at is not None
        )
        head_at = time.perf_counter()
        try:
            body, size = bytearray(), 0
            async for chunk in response.aiter_bytes():
                size += len(chunk)
                if receive is not None and response.status_code == 200:
                    await receive(chunk)
                else:
                    body += chunk
                    sender.check_size(len(body), action)
        finally:
            await response.aclose()
        timing = ReplyTiming(
            None if connected_at is None else 1000 * (connected_at - started_at),
            1000 * (head_at - (connected_at or started_at)),
            milliseconds_since(head_at),
            0.0,
            size,
        )
        return Reply(response.status_code, response.headers, bytes(body), timing)


def _strip_query(record: logging.LogRecord) -> bool:
    if isinstance(record.args, tuple):
        record.args = tuple(arg.copy_with(query=None) if isinstance(arg, httpx.URL) else arg for arg in record.args)
    return True


# httpx logs the URL of each request at INFO, and the query of ours contains the token.
logging.getLogger("httpx").addFilter(_strip_query)
