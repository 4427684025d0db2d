"""One request to a service and its whole answer, whatever it says. Knows no operation of any API.

Every failure is a `UsageApiError` whose text names the host and what was asked, and never holds the token. Nothing is
tried twice here. An answer is bounded in its size, in its silences and in its whole time.
"""

import asyncio
import logging
import time
from collections.abc import Mapping
from html import escape
from typing import NamedTuple
from urllib.parse import quote, urlencode

import httpx
import msgspec

from streamusage.client.errors import (
    UNUSABLE_PROXY,
    InvalidAddressError,
    InvalidAnswerError,
    UnreachableError,
    UsageApiError,
)

LARGEST_ANSWER_BYTES = 256 * 1024 * 1024
CONNECT_SECONDS = 5.0
SILENCE_SECONDS = 15.0
"""How long the service may say nothing within an answer."""
ANSWER_SECONDS = 60.0
"""How long a whole answer may take."""


class Timing(NamedTuple):
    """Where the time of one exchange went, in milliseconds."""

    connect_ms: float | None
    """`None` where a connection was open already."""
    first_byte_ms: float
    """From the request to the answer's head."""
    body_ms: float
    decode_ms: float
    answer_bytes: int


class Reply(NamedTuple):
    status: int
    headers: httpx.Headers
    body: bytes
    timing: Timing


class RequestDescription(NamedTuple):
    """A request: by which method, what for in words for messages, and how."""

    method: str
    path: str
    what: str
    query: Mapping[str, str] = {}
    body: bytes | None = None
    bearer: bool = False
    with_token: bool = True


class HttpTransport:
    """The connection to one service, and its token. Raises `InvalidAddressError` where it cannot be gone to."""

    def __init__(
        self,
        base_url: str,
        token: str | None,
        *,
        largest_answer_bytes: int = LARGEST_ANSWER_BYTES,
        silence_seconds: float = SILENCE_SECONDS,
        answer_seconds: float = ANSWER_SECONDS,
    ) -> None:
        self._base = _checked_address(base_url)
        self._token = _checked_token(token)
        self._largest_answer_bytes = largest_answer_bytes
        self._answer_seconds = answer_seconds
        self._http = _http_client(silence_seconds)
        self.base_url = str(self._base).rstrip("/")
        self.host = _host(self._base)
        """Host and port, for messages."""

    async def close(self) -> None:
        await self._http.aclose()

    async def ask(self, asking: RequestDescription) -> Reply:
        """One request and its whole answer, whatever its status. Raises `UnreachableError` and `InvalidAnswerError`."""
        failure: UsageApiError
        asked = asking.what
        maybe_done = asking.method != "GET"
        try:
            request = self._request(asking)
            async with asyncio.timeout(self._answer_seconds):
                return await self._exchange(request, asked)
        except TimeoutError:
            failure = UnreachableError(self.host, asked, f"no whole answer within {self._answer_seconds:g} s")
        except httpx.TimeoutException as error:
            failure = UnreachableError(self.host, asked, _TIMEOUTS.get(type(error), "it took too long"))
            maybe_done = maybe_done and not isinstance(error, httpx.ConnectTimeout)
        except httpx.InvalidURL:
            failure = InvalidAnswerError(self.host, asked, "the name makes an address that is too long to send")
        except httpx.DecodingError:
            failure = InvalidAnswerError(self.host, asked, "the answer is compressed in a way that cannot be undone")
        except httpx.RemoteProtocolError:
            failure = UnreachableError(
                self.host, asked, "the connection broke off, or what answers there does not speak HTTP"
            )
        except httpx.ConnectError as error:
            failure, maybe_done = UnreachableError(self.host, asked, _why_not_connected(str(error))), False
        except httpx.HTTPError as error:
            failure = UnreachableError(self.host, asked, self.without_token(str(error)) or type(error).__name__)
        if maybe_done and isinstance(failure, UnreachableError):
            failure = UnreachableError(
                self.host, asked, f"{failure.what}; it is not known whether it was done: look again"
            )
        # Raised out here, so that no exception that holds the request and its token hangs on it.
        raise failure

    def _request(self, asking: RequestDescription) -> httpx.Request:
        headers, query = {"Accept": "application/json"}, asking.query
        if asking.body is not None:
            headers["Content-Type"] = "application/json"
        if self._token and asking.with_token:
            if asking.bearer:
                headers["Authorization"] = f"Bearer {self._token}"
            else:
                query = {"accessToken": self._token, **query}
        target = self._base.path.rstrip("/") + asking.path + ("?" + urlencode(query) if query else "")
        # Written as raw path: nothing on the way may undo the encoding of `%2F`, `%2E%2E` and the like.
        url = self._base.copy_with(raw_path=target.encode("ascii"))
        return self._http.build_request(asking.method, url, headers=headers, content=asking.body)

    async def _exchange(self, request: httpx.Request, asked: str) -> Reply:
        began = time.perf_counter()
        connected: float | None = None

        async def trace(event: str, _info: Mapping[str, object]) -> None:
            nonlocal connected
            if event in ("connection.connect_tcp.complete", "connection.start_tls.complete"):
                connected = time.perf_counter()

        request.extensions["trace"] = trace
        response = await self._http.send(request, stream=True)
        headed = time.perf_counter()
        try:
            body = bytearray()
            async for chunk in response.aiter_bytes():
                body += chunk
                if len(body) > self._largest_answer_bytes:
                    limit = self._largest_answer_bytes
                    raise InvalidAnswerError(
                        self.host, asked, f"the answer is larger than {limit // 1_048_576 or limit} MB"
                    )
        finally:
            await response.aclose()
        timing = Timing(
            None if connected is None else 1000 * (connected - began),
            1000 * (headed - (connected or began)),
            milliseconds_since(headed),
            0.0,
            len(body),
        )
        return Reply(response.status_code, response.headers, bytes(body), timing)

    def without_token(self, text: str) -> str:
        """The text without the token in any form: as it is, and as URLs, JSON and XML write it."""
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


_TIMEOUTS: dict[type[httpx.TimeoutException], str] = {
    httpx.ConnectTimeout: f"no connection within {CONNECT_SECONDS:g} s",
    httpx.ReadTimeout: "it stopped answering",
    httpx.WriteTimeout: "it stopped taking the request",
}


def milliseconds_since(instant: float) -> float:
    return 1000 * (time.perf_counter() - instant)


def _why_not_connected(said: str) -> str:
    if "certificate" in said.lower():
        return f"its certificate is not trusted ({said})"
    if "not known" in said or "resolution" in said or "getaddrinfo" in said:
        return "no such host; check the address"
    return "nothing answers there; is it running, and is the address right?"


def _http_client(silence_seconds: float) -> httpx.AsyncClient:
    try:
        return httpx.AsyncClient(timeout=httpx.Timeout(silence_seconds, connect=CONNECT_SECONDS))
    except (ValueError, ImportError, httpx.InvalidURL):  # whose texts may hold the proxy's login
        raise InvalidAddressError(f"{UNUSABLE_PROXY}; correct them, or name this host in NO_PROXY") from None


def _checked_address(base_url: str) -> httpx.URL:
    try:
        url = httpx.URL(base_url.strip())
    except httpx.InvalidURL:
        raise InvalidAddressError("the address is not a URL; give one such as http://sm.example.net:5080") from None
    if url.scheme not in ("http", "https") or not url.host:
        raise InvalidAddressError(
            "the address must begin with http:// or https:// and name a host, such as http://sm.example.net:5080"
        )
    if url.query or url.fragment:
        raise InvalidAddressError("the address must end before any ? or #; a token goes into a file or the environment")
    if url.userinfo:
        raise InvalidAddressError(
            "the address must not hold a user or password; put the token into a file or the environment"
        )
    return url


def _checked_token(token: str | None) -> str:
    token = (token or "").strip()
    if not token.isprintable() or not token.isascii():
        raise InvalidAddressError("the token holds characters that no token has; check its file")
    return token


def _host(url: httpx.URL) -> str:
    host = f"[{url.host}]" if ":" in url.host else url.host
    return f"{host}:{url.port}" if url.port else host


def _without_query(record: logging.LogRecord) -> bool:
    if isinstance(record.args, tuple):
        record.args = tuple(arg.copy_with(query=None) if isinstance(arg, httpx.URL) else arg for arg in record.args)
    return True


# httpx logs the URL of each request at INFO; ours carry the token in the query.
logging.getLogger("httpx").addFilter(_without_query)
