"""HTTP link from the agent to the service: one request, one reply or one exception. `schedule` decides about retries.

Only a reply of the service itself counts. Everything else (the error page of a proxy, a login page, a truncated reply)
is an `UnreachableError` or `InvalidAnswerError`: nothing was acknowledged. A `RefusedError` or `InvalidAddressError`
stays until an operator changes something. The agent repeats the request later in each case.
"""

import asyncio
import gzip
from pathlib import Path
from urllib.parse import quote

import msgspec

from streamusage.api.report import (
    Acknowledgement,
    ClockQuestion,
    ClockReading,
    EpochIssued,
    EpochRequest,
    Refusal,
    Report,
)
from streamusage.client.errors import InvalidAddressError, RefusedError, UnreachableError
from streamusage.client.http_options import PROXY_NEEDS_LOGIN, HttpOptions
from streamusage.client.network.retry_after import retry_after_seconds as parse_retry_after
from streamusage.client.reply_decoding import decode_content, error_message
from streamusage.client.requests import ApiRequest, Reply
from streamusage.client.transport import HttpTransport
from streamusage.core.clock import Clock, SystemClock
from streamusage.core.secrets import WORD, Secret, make_secret

LARGEST_REPLY_BYTES = 64 << 20
"""A reply contains at most the open viewers of one server. A larger one is not from the service."""

GZIP_FROM_BYTES = 1024

KEEPALIVE_SECONDS = 60.0
"""How long an idle connection is kept: a new connection for each sync would cost more than the report."""

CONNECT_SECONDS = 5.0

_HINTS = {
    400: "the service cannot decode the request; do agent and service have the same version?",
    401: "the token is missing, wrong or revoked; configure a valid token",
    403: "the token is not valid for this server; check role and server in the service's tokens file",
    404: "not found; is this the address of the usage service?",
    407: PROXY_NEEDS_LOGIN,
    413: "the report exceeds the size limit of the service; raise that limit",
}


def load_token(variable: str | None, file: Path | None) -> Secret:
    """Return the agent's token, read at each use. Raises `InvalidAddressError` where none is configured."""
    token = make_secret(variable, file, "the token of this agent", InvalidAddressError, WORD)
    if token is None:
        raise InvalidAddressError("no token is configured for this agent; set token_file or token_env in [service]")
    return token


def token_version(file: Path | None) -> str:
    """Return a text that changes when the file of a token is replaced or written; empty without a readable file."""
    try:
        found = file and file.stat()
    except OSError:
        return ""
    return f"{found.st_mtime_ns}-{found.st_ino}-{found.st_size}" if found else ""


class ServiceLink:
    """Link of one server's agent."""

    def __init__(
        self,
        url: str,
        server: str,
        token: Secret,
        *,
        timeout_seconds: float = 30.0,
        clock: Clock | None = None,
        ca_file: Path | None = None,
        proxy: str | None = None,
    ) -> None:
        self._path = f"/api/v1/agents/{quote(server, safe='')}"
        self._url = url.rstrip("/")
        self._token = token
        self._clock = clock or SystemClock()
        self._options = HttpOptions(
            connect_seconds=min(CONNECT_SECONDS, timeout_seconds),
            silence_seconds=timeout_seconds,
            answer_seconds=timeout_seconds,
            keepalive_seconds=KEEPALIVE_SECONDS,
            largest_answer_bytes=LARGEST_REPLY_BYTES,
            ca_file=ca_file,
            proxy=proxy,
        )
        self._transport: HttpTransport | None = None

    async def issue_epoch(self, request: EpochRequest) -> EpochIssued:
        """Return a new epoch's number and the state to continue from. No effect at the service.

        Raises `RequestError`.
        """
        action = "get an epoch"
        transport, reply = await self._post("/epochs", action, msgspec.json.encode(request))
        if reply.status == 200:
            return decode_content(transport, reply, action, EpochIssued)
        raise self._refusal_error(transport, reply, action)

    async def send(self, report: Report) -> Acknowledgement | Refusal:
        """Send a report and return the reply. A `Refusal` is part of the protocol.

        Raises `RequestError` for other failures.
        """
        action = "send the report"
        transport, reply = await self._post("/reports", action, msgspec.json.encode(report))
        if reply.status == 200:
            return decode_content(transport, reply, action, Acknowledgement)
        if reply.status in {409, 422} and "json" in reply.headers.get("Content-Type", ""):
            try:
                return msgspec.json.decode(reply.body, type=Refusal)
            except (msgspec.DecodeError, UnicodeDecodeError):
                pass
        raise self._refusal_error(transport, reply, action)

    async def read_clock(self, question: ClockQuestion) -> ClockReading:
        """Return the service's clock. No effect at the service.

        Raises `RequestError`; a service of an earlier version refuses with status 404.
        """
        action = "get the time"
        transport, reply = await self._post("/clock", action, msgspec.json.encode(question))
        if reply.status == 200:
            return decode_content(transport, reply, action, ClockReading)
        raise self._refusal_error(transport, reply, action)

    async def close(self) -> None:
        """Close the connections."""
        if self._transport is not None:
            await self._transport.close()

    def _opened(self) -> HttpTransport:
        """Return the transport, created at its first use: unreadable certificates must not prevent counting."""
        if self._transport is None:
            self._transport = HttpTransport(self._url, self._token, self._options)
            self._transport.host = self._url  # `outages.remove_address` recognizes it
        return self._transport

    async def _post(self, path: str, action: str, content: bytes) -> tuple[HttpTransport, Reply]:
        """Return the reply, and the transport that received it. A reply that calls for a retry raises."""
        transport = self._opened()
        headers = {}
        if len(content) >= GZIP_FROM_BYTES:
            content = await asyncio.to_thread(gzip.compress, content, 6, mtime=0)
            headers["Content-Encoding"] = "gzip"
        reply = await transport.send(
            ApiRequest("POST", self._path + path, action, body=content, bearer=True, headers=headers, repeatable=True)
        )
        if reply.status >= 500 or reply.status in {408, 425, 429}:
            raise UnreachableError(
                transport.host,
                action,
                f"HTTP {reply.status}{_quoted_message(transport, reply)}",
                status=reply.status,
                retry_after_seconds=parse_retry_after(reply.headers.get("Retry-After"), self._clock.now_ms()),
            )
        return transport, reply

    def _refusal_error(self, transport: HttpTransport, reply: Reply, action: str) -> RefusedError:
        hint = _HINTS.get(reply.status, "change the configuration of the service or of the agent")
        cause = f"HTTP {reply.status}{_quoted_message(transport, reply)}: {hint}"
        return RefusedError(transport.host, action, cause, status=reply.status)


def _quoted_message(transport: HttpTransport, reply: Reply) -> str:
    """Return the documented `errorMessage` of a reply in quotes; empty where there is none."""
    message = error_message(transport, reply)
    return f", “{message}”" if message else ""
