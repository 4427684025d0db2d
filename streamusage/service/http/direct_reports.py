"""The fast path of an ordinary report: from the connection to the writer, and the answer back.

Every other request falls through to the routes, body included, and is judged and answered there: a wrong token, a
large body, a report of an unknown form. So the rules for who may report are in one place.
"""

import logging
import re
from typing import NamedTuple

import msgspec

from streamusage.api.report import Acknowledgement, Refusal, Report
from streamusage.service.errors import StoreError
from streamusage.service.http.app import FAILED, log_request
from streamusage.service.http.context import Service
from streamusage.service.http.errors import ApiError
from streamusage.service.http.exchange import Exchange, Headers
from streamusage.service.http.replies import stamp_reply
from streamusage.service.http.requests import inflate
from streamusage.service.ingest.reports import ingest_report

log = logging.getLogger(__name__)

LARGEST_BYTES = 64 * 1024
"""Largest body as received: what a connection reads before a handler takes it."""

LARGEST_UNPACKED_BYTES = 512 * 1024
"""Largest body that is decompressed and decoded in the event loop: some milliseconds of work."""

_PATH = re.compile(rb"/api/v1/agents/([^/%?#\x80-\xff]+)/reports")
_ROUTE = "/api/v1/agents/{server:anything}/reports"
_UNUSUAL = frozenset({b"transfer-encoding", b"expect", b"upgrade"})
_REPORT = msgspec.json.Decoder(Report)
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
        try:
            if head.compressed:
                body = inflate(body, LARGEST_UNPACKED_BYTES)
            report = _REPORT.decode(body)
        except (ApiError, msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return False
        if report.server != head.server or not service.bodies.reserve(len(body)):
            return False
        service.clock.see_machine(report.server, report.machine)
        now_ms = service.clock.now_ms()
        began = service.metrics.requests.begin()

        def finish(verdict: Acknowledgement | Refusal | None, error: BaseException | None) -> None:
            status = 0
            service.bodies.release(len(body))
            try:
                status = self._answer(exchange, verdict, error)
            finally:
                seconds = service.metrics.requests.end("POST", _ROUTE, status, began)
                log_request("POST", exchange.url, status, seconds)

        try:
            service.writer.submit_with_callback(
                lambda connection: ingest_report(connection, report, body, now_ms), finish
            )
        except StoreError as error:
            finish(None, error)
        return True

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
            status = 503 if isinstance(error, StoreError) else 500
            if status == 500:
                log.error("could not ingest a report", exc_info=error)
            message = str(error) if status == 503 else FAILED
            more_headers = b"retry-after: 5\r\n" if status == 503 else b""
            body = _ENCODER.encode({"errorMessage": message, "timestamp": self._service.clock.now_ms()})
        return status if exchange.answer(status, body, more_headers) else 0


def _bearer(authorization: bytes) -> str:
    """Return the token of an Authorization header as the routes read it; empty if the header has another form."""
    scheme, _, token = authorization.decode("latin-1").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""
