"""HTTP transport of the usage API client: one request, one complete reply or one exception.

Each exception names the host and the action, and never contains the token. Nothing is retried here. A reply is bounded
in its size, in its silences and in its whole duration (`HttpOptions`).
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from html import escape
from typing import NamedTuple
from urllib.parse import quote, urlencode

import httpx
import msgspec

from streamusage.client.errors import (
    InvalidAddressError,
    InvalidAnswerError,
    UnreachableError,
    UsageApiError,
)
from streamusage.client.http_client import HttpOptions, describe_failure, open_http_client

DEFAULT_OPTIONS = HttpOptions()

Receive = Callable[[bytes], Awaitable[None]]
"""Receives a part of a body."""


class ReplyTiming(NamedTuple):
    """Duration of each part of one request and its reply, in milliseconds, and the size of the reply."""

    connect_ms: float | None
    """`None` where an open connection was reused."""
    first_byte_ms: float
    """From the request to the head of the reply."""
    body_ms: float
    decode_ms: float
    answer_bytes: int


class Reply(NamedTuple):
    """A complete reply, whatever its status. The body is unpacked."""

    status: int
    headers: httpx.Headers
    body: bytes
    timing: ReplyTiming


class ApiRequest(NamedTuple):
    """A request to the service.

    `action` completes "could not …" in messages. The token travels in the query (`accessToken`), or as a bearer token
    with `bearer`; without `with_token` it is not sent. A failure of a request that changes something warns that it may
    have been carried out, unless it is `repeatable`.
    """

    method: str
    path: str
    action: str
    query: Mapping[str, str] = {}
    body: bytes | None = None
    bearer: bool = False
    with_token: bool = True
    headers: Mapping[str, str] = {}
    repeatable: bool = False


class HttpTransport:
    """Connection to one service, and its token, which a function reads for each request where it may change.

    Raises `InvalidAddressError` where the address, the token, the certificates or the proxy are unusable.
    """

    def __init__(
        self, base_url: str, token: str | Callable[[], str] | None, options: HttpOptions = DEFAULT_OPTIONS
    ) -> None:
        self._base = _parse_address(base_url)
        self._read_token = token if callable(token) else None
        self._token = "" if callable(token) else _parse_token(token)
        """The token of the last request."""
        self._options = options
        self._http = open_http_client(options)
        self.base_url = str(self._base).rstrip("/")
        self.host = _host(self._base)
        """Host and port, used in messages."""

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def send(self, api_request: ApiRequest, receive: Receive | None = None) -> Reply:
        """Send a request and return its complete reply, whatever its status.

        With `receive`, the body of a reply with status 200 is passed to it part by part as it arrives, and the reply
        has none. Raises `UnreachableError` or `InvalidAnswerError`.
        """
        failure: UsageApiError
        action = api_request.action
        maybe_done = api_request.method != "GET" and not api_request.repeatable
        if self._read_token is not None:
            self._token = _parse_token(self._read_token())
        try:
            request = self._build_request(api_request)
            async with asyncio.timeout(self._options.answer_seconds):
                return await self._exchange(request, action, receive)
        except TimeoutError:
            seconds = self._options.answer_seconds
            failure = UnreachableError(self.host, action, f"no complete reply within {seconds:g} s")
        except httpx.InvalidURL:
            failure = InvalidAnswerError(self.host, action, "the name makes the address too long to send")
        except httpx.DecodingError:
            failure = InvalidAnswerError(self.host, action, "the reply cannot be decompressed")
        except httpx.HTTPError as error:
            # Only text from outside may contain the token: a short one occurs in our own words, too.
            cause = describe_failure(error, self._options) or self.without_token(str(error)) or type(error).__name__
            failure = UnreachableError(self.host, action, cause)
            maybe_done = maybe_done and not isinstance(error, httpx.ConnectError | httpx.ConnectTimeout)
        except OSError as error:
            failure = UnreachableError(self.host, action, self.without_token(str(error)) or type(error).__name__)
        if maybe_done and isinstance(failure, UnreachableError):
            failure = UnreachableError(
                self.host, action, f"{failure.cause}; the request may have been carried out: check before you repeat it"
            )
        # Raised outside the handlers, so that no exception that holds the token becomes its context.
        raise failure

    def _build_request(self, api_request: ApiRequest) -> httpx.Request:
        headers, query = {"Accept": "application/json", **api_request.headers}, api_request.query
        if api_request.body is not None:
            headers["Content-Type"] = "application/json"
        if self._token and api_request.with_token:
            if api_request.bearer:
                headers["Authorization"] = f"Bearer {self._token}"
            else:
                query = {"accessToken": self._token, **query}
        target = self._base.path.rstrip("/") + api_request.path + ("?" + urlencode(query) if query else "")
        # A raw path keeps the encoding of `%2F`, `%2E%2E` and the like.
        url = self._base.copy_with(raw_path=target.encode("ascii"))
        return self._http.build_request(api_request.method, url, headers=headers, content=api_request.body)

    async def _exchange(self, request: httpx.Request, action: str, receive: Receive | None) -> Reply:
        started_at = time.perf_counter()
        connected_at: float | None = None

        async def trace(event: str, _info: Mapping[str, object]) -> None:
            nonlocal connected_at
            if event in ("connection.connect_tcp.complete", "connection.start_tls.complete"):
                connected_at = time.perf_counter()

        request.extensions["trace"] = trace
        response = await self._http.send(request, stream=True)
        head_at = time.perf_counter()
        try:
            body, size = bytearray(), 0
            async for chunk in response.aiter_bytes():
                size += len(chunk)
                if receive is not None and response.status_code == 200:
                    await receive(chunk)
                else:
                    body += chunk
                    self.check_size(len(body), action)
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

    def check_size(self, size: int, action: str) -> None:
        """Raise `InvalidAnswerError` where so many bytes are more than may be kept of a reply."""
        limit = self._options.largest_answer_bytes
        if size > limit:
            raise InvalidAnswerError(self.host, action, f"the reply is larger than {limit // 1_048_576 or limit} MB")

    def without_token(self, text: str) -> str:
        """Return the text without the token in any form: plain, and as encoded in URLs, JSON and XML."""
        token = self._token
        if token:
            in_json = msgspec.json.encode(token)[1:-1].decode()
            forms = {
                token,
                quote(token, safe=""),
                urlencode({"": token})[1:],
                in_json,
                escape(token),
                escape(token, quote=False),
            }
            for form in sorted(forms, key=len, reverse=True):
                text = text.replace(form, "•••")
        return text


def milliseconds_since(instant: float) -> float:
    """Return the time since an instant of `time.perf_counter`, in milliseconds."""
    return 1000 * (time.perf_counter() - instant)


def _parse_address(base_url: str) -> httpx.URL:
    try:
        url = httpx.URL(base_url.strip())
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
    return url


def _parse_token(token: str | None) -> str:
    token = (token or "").strip()
    if not token.isprintable() or not token.isascii():
        raise InvalidAddressError("the token contains characters that are not printable ASCII; check its file")
    return token


def _host(url: httpx.URL) -> str:
    host = f"[{url.host}]" if ":" in url.host else url.host
    return f"{host}:{url.port}" if url.port else host


def _strip_query(record: logging.LogRecord) -> bool:
    if isinstance(record.args, tuple):
        record.args = tuple(arg.copy_with(query=None) if isinstance(arg, httpx.URL) else arg for arg in record.args)
    return True


# httpx logs the URL of each request at INFO, and the query of ours contains the token.
logging.getLogger("httpx").addFilter(_strip_query)
