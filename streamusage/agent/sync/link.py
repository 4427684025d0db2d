"""The agent's way to the service: one request, one answer or one error; when to try again is decided elsewhere.

Only an answer that the service itself wrote counts as an answer. Whatever else may stand between (a proxy's error page,
a hotel's login page, half an answer) is `LinkDownError`: try again later, nothing was acknowledged.
"""

import asyncio
import gzip
import ssl
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import TypeVar
from urllib.parse import quote

import httpx
import msgspec

from streamusage.agent.config.secrets import Secret, make_secret
from streamusage.api.report import Acknowledgement, EpochIssued, EpochRequest, Refusal, Report
from streamusage.client.errors import UNUSABLE_PROXY
from streamusage.core.clock import Clock, SystemClock

LARGEST_ANSWER_BYTES = 64 << 20
"""An answer carries at most the open viewers of one server. A larger one is not the service's."""

LONGEST_RETRY_AFTER_SECONDS = 3600.0

GZIP_FROM_BYTES = 1024

KEPT_SECONDS = 60.0
"""How long the connection is kept between two sync-ups: one to a sync-up would cost more than the report."""

WANTS_LOGIN = (
    "wants a name and a password: give both in the environment's HTTPS_PROXY or HTTP_PROXY, and leave `proxy` out"
)

NO_PROXY = f"{UNUSABLE_PROXY}. Correct them and start the agent again, or give `proxy` in [service]"

Answer = TypeVar("Answer")


class LinkError(Exception):
    """The service did not take a request. The text is for an operator and never holds a token."""


class LinkDownError(LinkError):
    """The service is away, overloaded or cut off: worth trying again, not before `retry_after_seconds` where given."""

    def __init__(self, text: str, retry_after_seconds: float | None = None) -> None:
        super().__init__(text)
        self.retry_after_seconds = retry_after_seconds


class LinkRefusedError(LinkError):
    """The service, or the agent's own setup, says no until an operator changes something. `status` is HTTP's."""

    def __init__(self, text: str, status: int | None = None) -> None:
        super().__init__(text)
        self.status = status


def token_of(variable: str | None, file: Path | None) -> Secret:
    """The agent's token, which raises `LinkRefusedError` where there is none."""
    token = make_secret(variable, file, "the token of this agent", LinkRefusedError, one_word=True)
    if token is None:
        raise LinkRefusedError("the configuration names no token for this agent")
    return token


class ServiceLink:
    """The link of one server's agent. `close` it when done; it closes only an HTTP client that it made itself."""

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
        self._shown = url
        self._token = token
        self._timeout_seconds = timeout_seconds
        self._timeout = httpx.Timeout(timeout_seconds, connect=min(connect_timeout_seconds, timeout_seconds))
        self._clock = clock or SystemClock()
        self._own_http = http is None
        self._http = http
        self._ca_file = ca_file
        self._proxy = proxy

    async def issue_epoch(self, request: EpochRequest) -> EpochIssued:
        """A new epoch's number and the state to continue from; has no effect at the service. Raises `LinkError`."""
        status, body, _ = await self._post("/epochs", msgspec.json.encode(request))
        if status == 200:
            return self._decode(body, EpochIssued)
        raise self._refused(status, body)

    async def send(self, report: Report) -> Acknowledgement | Refusal:
        """Sends a report. A `Refusal` is an answer of the protocol, everything else raises `LinkError`."""
        status, body, from_service = await self._post("/reports", msgspec.json.encode(report))
        if status == 200:
            return self._decode(body, Acknowledgement)
        if status in {409, 422} and from_service:
            try:
                return msgspec.json.decode(body, type=Refusal)
            except (msgspec.DecodeError, UnicodeDecodeError):
                pass
        raise self._refused(status, body)

    async def close(self) -> None:
        if self._own_http and self._http is not None:
            await self._http.aclose()

    def _client(self) -> httpx.AsyncClient:
        """Made at the first use: certificates that cannot be read yet are no reason not to count."""
        if self._http is None:
            limits, trust = httpx.Limits(keepalive_expiry=KEPT_SECONDS), _trust(self._ca_file)
            try:
                self._http = httpx.AsyncClient(verify=trust, proxy=self._proxy, limits=limits)
            except (ValueError, ImportError, httpx.InvalidURL):  # whose texts may hold the proxy's login
                raise LinkRefusedError(NO_PROXY) from None
        return self._http

    async def _post(self, path: str, content: bytes) -> tuple[int, bytes, bool]:
        """Status and body of an answer, and whether it is JSON. Answers that call for a retry raise `LinkDownError`."""
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
                    if len(body) > LARGEST_ANSWER_BYTES:
                        raise LinkDownError(
                            f"{self._shown} answered more than {LARGEST_ANSWER_BYTES >> 20} MiB: not our service"
                        )
        except TimeoutError:
            raise LinkDownError(f"{self._shown} did not answer within {self._timeout_seconds:g} s") from None
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            said = f"{self._shown} cannot be reached ({type(error).__name__}: {_told(str(error))})"
            raise LinkDownError(said + _hint(error)) from None
        status = response.status_code
        if status >= 500 or status in {408, 425, 429}:
            raise LinkDownError(
                f"{self._shown} answered HTTP {status}{_error_message(bytes(body))}",
                self._retry_after_seconds(response.headers.get("Retry-After")),
            )
        return status, bytes(body), "json" in response.headers.get("Content-Type", "")

    def _decode(self, body: bytes, answer: type[Answer]) -> Answer:
        try:
            return msgspec.json.decode(body, type=answer)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise LinkDownError(
                f"{self._shown} answered something that the usage service does not write ({_told(str(error))}); is "
                "there a proxy or a login page in between?"
            ) from None

    def _refused(self, status: int, body: bytes) -> LinkError:
        hints = {
            400: "the service could not read the request; are agent and service of the same version?",
            401: "the token is missing, wrong or withdrawn; give this agent a valid one",
            403: "the token is not one for this server's agent; see role and server in the service's tokens file",
            404: "there is no such path; is this the address of the usage service?",
            407: "a proxy on the way " + WANTS_LOGIN,
            413: "the report is larger than the service takes; raise its limit",
        }
        hint = hints.get(status, "it stays so until the service or the agent is set up differently")
        return LinkRefusedError(f"{self._shown} refused with HTTP {status}{_error_message(body)}: {hint}", status)

    def _retry_after_seconds(self, value: str | None) -> float | None:
        """Seconds from a `Retry-After`, which is a number or a date; `None` where there is none that makes sense."""
        if value is None:
            return None
        try:
            seconds = float(value)
        except ValueError:
            try:
                seconds = parsedate_to_datetime(value).timestamp() - self._clock.now_ms() / 1000
            except (ValueError, TypeError, OverflowError, OSError):
                return None
        return min(max(0.0, seconds), LONGEST_RETRY_AFTER_SECONDS) if seconds == seconds else None


def _trust(ca_file: Path | None) -> ssl.SSLContext | bool:
    """The usual certificates, and those of a private authority. Raises `LinkRefusedError` where its file is no good."""
    if ca_file is None:
        return True
    context = ssl.create_default_context()
    try:
        context.load_verify_locations(ca_file)
    except (OSError, ssl.SSLError) as error:
        raise LinkRefusedError(f"the certificates in {ca_file} cannot be used: {error}") from None
    return context


def _hint(error: Exception) -> str:
    """What an operator can do about a failed connection, where that is known."""
    if isinstance(error, httpx.ProxyError) and "407" in str(error):
        return "; the proxy " + WANTS_LOGIN
    if "CERTIFICATE_VERIFY_FAILED" in str(error):
        return "; where the service's certificate is signed by a private authority, name its file in ca_file"
    return ""


def _error_message(body: bytes) -> str:
    """The documented `errorMessage` of an answer, made safe to show; nothing where there is none."""
    try:
        answer = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return ""
    message = answer.get("errorMessage") if isinstance(answer, dict) else None
    return f" ({_told(message)})" if isinstance(message, str) and message else ""


def _told(text: str) -> str:
    """Text from outside on one short line, without anything that a terminal could act on."""
    line = "".join(character if character.isprintable() else " " for character in text[:300])
    return " ".join(line.split())
