"""HTTP link from the agent to the service: one request, one reply or one exception. `schedule` decides about retries.

Only a reply of the service itself counts. Everything else (the error page of a proxy, a login page, a truncated reply)
raises `LinkDownError`: nothing was acknowledged, and the request is repeated later.
"""

import asyncio
import gzip
import math
import ssl
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import TypeVar
from urllib.parse import quote

import httpx
import msgspec

from streamusage.api.report import Acknowledgement, EpochIssued, EpochRequest, Refusal, Report
from streamusage.client.errors import UNUSABLE_PROXY
from streamusage.core.clock import Clock, SystemClock
from streamusage.core.secrets import WORD, Secret, make_secret
from streamusage.core.text import shorten_line

LARGEST_REPLY_BYTES = 64 << 20
"""A reply contains at most the open viewers of one server. A larger one is not from the service."""

LONGEST_RETRY_AFTER_SECONDS = 3600.0

GZIP_FROM_BYTES = 1024

KEEPALIVE_SECONDS = 60.0
"""How long an idle connection is kept: a new connection for each sync would cost more than the report."""

PROXY_LOGIN_HINT = (
    "requires a login: put user and password into HTTPS_PROXY or HTTP_PROXY of the environment, and omit `proxy`"
)

BAD_PROXY = f"{UNUSABLE_PROXY}; correct them and restart the agent, or set `proxy` in [service]"

Content = TypeVar("Content")


class LinkError(Exception):
    """A request failed. The text is for an operator and never contains a token."""


class LinkDownError(LinkError):
    """The service is unreachable or overloaded: a retry may succeed, not before `retry_after_seconds` where given."""

    def __init__(self, text: str, retry_after_seconds: float | None = None) -> None:
        super().__init__(text)
        self.retry_after_seconds = retry_after_seconds


class LinkRefusedError(LinkError):
    """The service refused the request, or the agent's configuration is wrong, until an operator changes something.

    `status` is the HTTP status, where there was a reply.
    """

    def __init__(self, text: str, status: int | None = None) -> None:
        super().__init__(text)
        self.status = status


def load_token(variable: str | None, file: Path | None) -> Secret:
    """Return the agent's token, read at each use. Raises `LinkRefusedError` where none is configured."""
    token = make_secret(variable, file, "the token of this agent", LinkRefusedError, WORD)
    if token is None:
        raise LinkRefusedError("no token is configured for this agent; set token_file or token_env in [service]")
    return token


class ServiceLink:
    """Link of one server's agent. `close` closes only an HTTP client that the link created itself."""

    def __init__(
        self,
        url: str,
        server: str,
        token: Secret,
        *,
        timeout_seconds: float = 30.0,
        connect_timeout_seconds: float = 5.0,
        clock: Clock | None = None,
        http: httpx.AsyncClient | None = None,
        ca_file: Path | None = None,
        proxy: str | None = None,
    ) -> None:
        self._base = f"{url.rstrip('/')}/api/v1/agents/{quote(server, safe='')}"
        self._url = url
        self._token = token
        self._timeout_seconds = timeout_seconds
        self._timeout = httpx.Timeout(timeout_seconds, connect=min(connect_timeout_seconds, timeout_seconds))
        self._clock = clock or SystemClock()
        self._own_http = http is None
        self._http = http
        self._ca_file = ca_file
        self._proxy = proxy

    async def issue_epoch(self, request: EpochRequest) -> EpochIssued:
        """Return a new epoch's number and the state to continue from. No effect at the service. Raises `LinkError`."""
        status, body, _ = await self._post("/epochs", msgspec.json.encode(request))
        if status == 200:
            return self._decode(body, EpochIssued)
        raise self._refusal_error(status, body)

    async def send(self, report: Report) -> Acknowledgement | Refusal:
        """Send a report and return the reply. A `Refusal` is part of the protocol; other failures raise `LinkError`."""
        status, body, from_service = await self._post("/reports", msgspec.json.encode(report))
        if status == 200:
            return self._decode(body, Acknowledgement)
        if status in {409, 422} and from_service:
            try:
                return msgspec.json.decode(body, type=Refusal)
            except (msgspec.DecodeError, UnicodeDecodeError):
                pass
        raise self._refusal_error(status, body)

    async def close(self) -> None:
        """Close the connections."""
        if self._own_http and self._http is not None:
            await self._http.aclose()

    def _client(self) -> httpx.AsyncClient:
        """Return the HTTP client, created at its first use: unreadable certificates must not prevent counting."""
        if self._http is None:
            limits, trust = httpx.Limits(keepalive_expiry=KEEPALIVE_SECONDS), _trusted_certificates(self._ca_file)
            try:
                self._http = httpx.AsyncClient(verify=trust, proxy=self._proxy, limits=limits)
            except (ValueError, ImportError, httpx.InvalidURL):  # their texts may contain the proxy's login
                raise LinkRefusedError(BAD_PROXY) from None
        return self._http

    async def _post(self, path: str, content: bytes) -> tuple[int, bytes, bool]:
        """Return status and body of a reply, and whether it is JSON. A reply that calls for a retry raises."""
        headers = {"Authorization": f"Bearer {self._token()}", "Content-Type": "application/json"}
        if len(content) >= GZIP_FROM_BYTES:
            content = await asyncio.to_thread(gzip.compress, content, 6, mtime=0)
            headers["Content-Encoding"] = "gzip"
        try:
            async with (
                asyncio.timeout(self._timeout_seconds),
                self._client().stream(
                    "POST",
                    self._base + path,
                    content=content,
                    headers=headers,
                    timeout=self._timeout,
                    follow_redirects=False,
                ) as response,
            ):
                body = bytearray()
                async for part in response.aiter_bytes():
                    body += part
                    if len(body) > LARGEST_REPLY_BYTES:
                        raise LinkDownError(
                            f"{self._url} sent more than {LARGEST_REPLY_BYTES >> 20} MiB: this is not the usage service"
                        )
        except TimeoutError:
            raise LinkDownError(f"{self._url} did not reply within {self._timeout_seconds:g} s") from None
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            cause = f"{self._url} cannot be reached ({type(error).__name__}: {shorten_line(str(error))})"
            raise LinkDownError(cause + _hint(error)) from None
        status = response.status_code
        if status >= 500 or status in {408, 425, 429}:
            raise LinkDownError(
                f"{self._url} replied with HTTP {status}{_error_message(bytes(body))}",
                self._retry_after_seconds(response.headers.get("Retry-After")),
            )
        return status, bytes(body), "json" in response.headers.get("Content-Type", "")

    def _decode(self, body: bytes, kind: type[Content]) -> Content:
        try:
            return msgspec.json.decode(body, type=kind)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise LinkDownError(
                f"{self._url} sent a reply that is not from the usage service ({shorten_line(str(error))}); is there a "
                "proxy or a login page in between?"
            ) from None

    def _refusal_error(self, status: int, body: bytes) -> LinkError:
        hints = {
            400: "the service cannot decode the request; do agent and service have the same version?",
            401: "the token is missing, wrong or revoked; configure a valid token",
            403: "the token is not valid for this server; check role and server in the service's tokens file",
            404: "not found; is this the address of the usage service?",
            407: "the proxy " + PROXY_LOGIN_HINT,
            413: "the report exceeds the size limit of the service; raise that limit",
        }
        hint = hints.get(status, "change the configuration of the service or of the agent")
        message = _error_message(body)
        return LinkRefusedError(f"{self._url} refused the request with HTTP {status}{message}: {hint}", status)

    def _retry_after_seconds(self, value: str | None) -> float | None:
        """Return the seconds of a `Retry-After`, which is a number or a date; `None` where it is missing or invalid."""
        if value is None:
            return None
        try:
            seconds = float(value)
        except ValueError:
            try:
                seconds = parsedate_to_datetime(value).timestamp() - self._clock.now_ms() / 1000
            except (ValueError, TypeError, OverflowError, OSError):
                return None
        return min(max(0.0, seconds), LONGEST_RETRY_AFTER_SECONDS) if not math.isnan(seconds) else None


def _trusted_certificates(ca_file: Path | None) -> ssl.SSLContext | bool:
    """Return the usual certificates, or with those of a private authority. Raises `LinkRefusedError` for a bad file."""
    if ca_file is None:
        return True
    context = ssl.create_default_context()
    try:
        context.load_verify_locations(ca_file)
    except (OSError, ssl.SSLError) as error:
        raise LinkRefusedError(f"the certificates in {ca_file} cannot be used: {error}") from None
    return context


def _hint(error: Exception) -> str:
    """Return what an operator can do about a failed connection; empty where that is unknown."""
    if isinstance(error, httpx.ProxyError) and "407" in str(error):
        return "; the proxy " + PROXY_LOGIN_HINT
    if "CERTIFICATE_VERIFY_FAILED" in str(error):
        return "; if a private authority signed the service's certificate, set ca_file to its certificate file"
    return ""


def _error_message(body: bytes) -> str:
    """Return the documented `errorMessage` of a reply in parentheses, sanitized; empty where there is none."""
    try:
        answer = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return ""
    message = answer.get("errorMessage") if isinstance(answer, dict) else None
    return f" ({shorten_line(message)})" if isinstance(message, str) and message else ""
