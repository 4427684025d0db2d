"""The short way of a report that is as an agent sends it: from the connection to the writer, and its answer back.

Whatever is not plain in a request takes the ordinary way, body and all, and is judged and answered there: a wrong
token, a packed or large body, a report that is not of the known form. So who may report is told of in one place.
"""

import logging
from collections.abc import Iterable
from typing import Any

import msgspec
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, RequestResponseCycle

from streamusage.report import Acknowledgement, Refusal, Report
from streamusage.service.app import FAILED, log_request
from streamusage.service.context import Service
from streamusage.service.reports import take_report
from streamusage.service.store import StoreError

log = logging.getLogger(__name__)

LARGEST_BYTES = 64 * 1024
"""Of a body: what a connection reads before anything asks for it."""

_BEFORE, _AFTER = b"/api/v1/agents/", b"/reports"
_ROUTE = "/api/v1/agents/{server:anything}/reports"
_UNUSUAL = frozenset({b"transfer-encoding", b"content-encoding", b"expect", b"upgrade"})
_REPORT = msgspec.json.Decoder(Report)
_ENCODER = msgspec.json.Encoder()


class DirectReports:
    """Takes in reports for the connections of one service. All of it runs in the service's loop."""

    def __init__(self, service: Service) -> None:
        self._service = service

    def takes(self, scope: Any) -> bool:
        """Whether a request looks plain, by its head."""
        path: bytes = scope["raw_path"]
        if scope["method"] != "POST" or not path.startswith(_BEFORE) or not path.endswith(_AFTER):
            return False
        length = b""
        for name, value in scope["headers"]:
            if name in _UNUSUAL:
                return False
            if name == b"content-length":
                length = value
        return not scope["query_string"] and length.isdigit() and int(length) <= LARGEST_BYTES

    def begin(self, cycle: RequestResponseCycle) -> bool:
        """Takes in the report of a request whose body is all there; `False` where it is not plain after all."""
        service = self._service
        scope = cycle.scope
        server = scope["raw_path"][len(_BEFORE) : -len(_AFTER)].decode("ascii")
        who = service.tokens.identify(_bearer(scope["headers"]))
        if "/" in server or "%" in server or who is None or not who.may_report_for(server):
            return False
        body = bytes(cycle.body)
        try:
            report = _REPORT.decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return False
        if report.server != server or not service.bodies.hold(len(body)):
            return False
        now_ms = service.clock.now_ms()
        began_ms, began = service.clock.elapsed_ms(), service.metrics.request_began()

        def done(verdict: Acknowledgement | Refusal | None, error: BaseException | None) -> None:
            status = 0
            service.bodies.release(len(body))
            try:
                status = self._answer(cycle, verdict, error)
            finally:
                service.metrics.request_ended("POST", _ROUTE, status, began)
                log_request(scope, status, service.clock.elapsed_ms() - began_ms)

        try:
            service.writer.call(lambda connection: take_report(connection, report, body, now_ms), done)
        except StoreError as error:
            done(None, error)
        return True

    def _answer(
        self, cycle: RequestResponseCycle, verdict: Acknowledgement | Refusal | None, error: BaseException | None
    ) -> int:
        """Sends the answer; returns its status, 0 where nobody is there any more."""
        extra = b""
        if verdict is not None:
            refused = verdict.reason if isinstance(verdict, Refusal) else ""
            self._service.metrics.report(refused or "acknowledged")
            status = (422 if refused == "held" else 409) if refused else 200
            body = _ENCODER.encode(verdict)
        else:
            status = 503 if isinstance(error, StoreError) else 500
            if status == 500:
                log.error("a report could not be taken in", exc_info=error)
            said = str(error) if status == 503 else FAILED
            extra = b"retry-after: 5\r\n" if status == 503 else b""
            body = _ENCODER.encode({"errorMessage": said, "timestamp": self._service.clock.now_ms()})
        return status if _send(cycle, status, extra, body) else 0


def _bearer(headers: Iterable[tuple[bytes, bytes]]) -> str:
    """The token of the first Authorization, as the ordinary way reads it; empty where it is of no such form."""
    value = next((value for name, value in headers if name == b"authorization"), b"")
    scheme, _, token = value.decode("latin-1").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def _send(cycle: RequestResponseCycle, status: int, extra: bytes, body: bytes) -> bool:
    """Writes an answer in one piece and lets the connection go on to its next request."""
    if cycle.disconnected or cycle.transport.is_closing():
        return False
    head = [STATUS_LINE[status]]
    for name, value in cycle.default_headers:
        head += (name, b": ", value, b"\r\n")
    if not cycle.keep_alive:
        head.append(b"connection: close\r\n")
    head.append(b"content-length: %d\r\ncontent-type: application/json\r\n%b\r\n" % (len(body), extra))
    cycle.response_started = cycle.response_complete = True
    cycle.transport.write(b"".join(head) + body)
    if not cycle.keep_alive:
        cycle.transport.close()
    cycle.on_response()
    return True
