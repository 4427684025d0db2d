"""The fast path of an ordinary report: from the connection to the writer, and the answer back.

Every other request falls through to the routes, body included, and is judged and answered there: a wrong token, a
large body. So the rules for who may report are in one place. No body is decompressed or decoded by both.
"""

import logging
import re
from collections.abc import Callable
from typing import NamedTuple

import msgspec
from sqlalchemy import Connection

from streamusage.api.report import Acknowledgement, Refusal
from streamusage.service.errors import LimitExceededError, PartsPendingError, ServiceError, StoreError
from streamusage.service.http.app import FAILED, log_request
from streamusage.service.http.context import Service
from streamusage.service.http.errors import ApiError, retry_after_seconds, status_of
from streamusage.service.http.replies import stamp_reply
from streamusage.service.http.report_decoding import decode_report
from streamusage.service.http.requests import BodyLimit, inflate
from streamusage.service.http.routes.agents import OTHER_SERVER, quarantine_reason
from streamusage.service.http.server.exchange import Exchange, Headers
from streamusage.service.ingest.reports import ingest_report, locks_of_report, locks_of_server, quarantine_report
from streamusage.service.store.engines.locks import LockSet

log = logging.getLogger(__name__)

LARGEST_BYTES = 64 * 1024
"""Largest body as received: what a connection reads before a handler takes it."""

_UNPACKED = BodyLimit(512 * 1024)
"""Largest body that is decompressed and decoded in the event loop: some milliseconds of work."""

_PATH = re.compile(rb"/api/v1/agents/([^/%?#\x80-\xff]+)/reports")
_ROUTE = "/api/v1/agents/{server:anything}/reports"
_UNUSUAL = frozenset({b"transfer-encoding", b"expect", b"upgrade"})
_ENCODER = msgspec.json.Encoder()


class _ReportHead(NamedTuple):
    """What the head of a request says about a report."""

    server: str
    compressed: bool
    """Whether the body is gzip-compressed."""


class DirectReports:
    """Ingests reports for the connections of one service. All of it runs in the service's event loop."""

    def __init__(self, service: Service) -> None:
        self._service = service

    def match(self, url: bytes, headers: Headers) -> _ReportHead | None:
        """Return the head of a report if this path handles the request and its token is valid for the server, else
        `None`.
        """
        path = _PATH.fullmatch(url)
        if path is None:
            return None
        length = authorization = encoding = b""
        for name, value in headers:
            if name in _UNUSUAL:
                return None
            if name == b"content-length":
                length = value
            elif name == b"authorization" and not authorization:
                authorization = value
            elif name == b"content-encoding":
                if value != b"gzip" or encoding:
                    return None
                encoding = value
        if not length.isdigit() or int(length) > LARGEST_BYTES:
            return None
        server = path[1].decode("ascii")
        identity = self._service.tokens.identify(_bearer(authorization))
        return _ReportHead(server, bool(encoding)) if identity is not None and identity.may_report_for(server) else None

    def handle(self, exchange: Exchange) -> bool:
        """Ingest the report of a request whose body has arrived. Return `False` to fall through to the application."""
        service, body = self._service, exchange.body
        head: _ReportHead = exchange.direct_subject
        broken: ApiError | LimitExceededError | None = None
        if head.compressed:
            if _unpacked_bytes(body) > _UNPACKED.size_bytes:
                return False
            try:
                body = inflate(body, _UNPACKED, service.limits)
            except ApiError as error:
                if error.status == 413:  # several members, of which the last one states its own size only
                    return False
                broken = error
            except LimitExceededError as error:
                broken = error
        now_ms = service.clock.now_ms()
        began = service.metrics.requests.begin()

        def finish(verdict: Acknowledgement | Refusal | None, error: BaseException | None) -> None:
            status = 0
            try:
                status = self._answer(exchange, verdict, error)
            finally:
                seconds = service.metrics.requests.end("POST", _ROUTE, status, began)
                log_request("POST", exchange.url, status, seconds)

        def finish_write(
            verdict: Acknowledgement | Refusal | PartsPendingError | None, error: BaseException | None
        ) -> None:
            service.in_flight.end(head.server)
            service.bodies.release(len(body))
            if isinstance(verdict, PartsPendingError):
                service.parts.announce_work()  # perhaps the process that accepted them has ended
                finish(None, verdict)
            else:
                finish(verdict, error)

        if broken is not None:
            finish(None, broken)
            return True
        try:
            write, locks = self._judge(head, body, now_ms)
            service.in_flight.begin(head.server)
        except (ApiError, ServiceError) as error:
            finish(None, error)
            return True
        if not service.bodies.reserve(len(body)):
            service.in_flight.end(head.server)
            finish(None, StoreError("too many bodies are being received; nothing was done; retry"))
            return True
        try:
            service.writer.submit_with_callback(write, finish_write, locks)
        except StoreError as error:
            finish_write(None, error)
        return True

    def _judge(
        self, head: _ReportHead, body: bytes, now_ms: int
    ) -> tuple[Callable[[Connection], Acknowledgement | Refusal | PartsPendingError], LockSet]:
        """Return the write of a report, and its locks. Raises `ApiError` or `LimitExceededError`."""
        try:
            report = decode_report(body, self._service.limits)
        except msgspec.ValidationError as error:
            reason = quarantine_reason(error)
            return lambda connection: quarantine_report(connection, head.server, body, reason, now_ms), locks_of_server(
                head.server
            )
        if report.server != head.server:
            raise ApiError(400, OTHER_SERVER)
        report = self._service.names.admit(report)
        self._service.clock.see_machine(report.server, report.machine)
        return lambda connection: ingest_report(connection, report, body, now_ms), locks_of_report(report)

    def _answer(
        self, exchange: Exchange, verdict: Acknowledgement | Refusal | None, error: BaseException | None
    ) -> int:
        """Send the answer and return its status, 0 if the client has disconnected."""
        more_headers = b""
        if verdict is not None:
            verdict = stamp_reply(verdict, exchange.received_at_ms, self._service.clock)
            refused = verdict.reason if isinstance(verdict, Refusal) else ""
            self._service.metrics.requests.count_report(refused or "acknowledged")
            status = (422 if refused == "held" else 409) if refused else 200
            body = _ENCODER.encode(verdict)
        else:
            status, message = _failure(error)
            if status == 500:
                log.error("could not ingest a report", exc_info=error)
            if isinstance(error, LimitExceededError):
                self._service.metrics.requests.count_refusal(error.limit)
            seconds = retry_after_seconds(status)
            more_headers = b"" if seconds is None else b"retry-after: %d\r\n" % seconds
            body = _ENCODER.encode({"errorMessage": message, "timestamp": self._service.clock.now_ms()})
        return status if exchange.answer(status, body, more_headers) else 0


def _bearer(authorization: bytes) -> str:
    """Return the token of an Authorization header as the routes read it; empty if the header has another form."""
    scheme, _, token = authorization.decode("latin-1").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def _failure(error: BaseException | None) -> tuple[int, str]:
    """Return status and message of a failure, as the routes answer it."""
    if isinstance(error, ApiError):
        return error.status, error.message
    status = status_of(error) if isinstance(error, ServiceError) else 500
    return status, FAILED if status == 500 else str(error)


def _unpacked_bytes(body: bytes) -> int:
    """Return the decompressed size that a gzip body states in its end. It may be wrong: `inflate` checks it."""
    return int.from_bytes(body[-4:], "little")
