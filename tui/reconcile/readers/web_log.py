"""HTTP access logs of web servers and content delivery networks: nginx, Apache, CloudFront, Fastly and others. Pure."""

import re
from collections.abc import Callable

from streamusage.access_logs.web.format import LogFormat
from streamusage.access_logs.web.request import WebRequest
from streamusage.access_logs.web.values import Remembered
from tui.reconcile.entries import Basis, Entry, EntryKind

StreamRule = Callable[[str], str]
"""Returns the stream of a request target; empty for a file of no stream."""

_BASIS = {
    "streamtop": Basis.RESPONSE,
    "combined": Basis.BODY,
    "common": Basis.BODY,
    "cloudfront": Basis.RESPONSE,
    "w3c": Basis.RESPONSE,
}
_BODILESS_STATUS = frozenset((204, 304))
_ABORTED = 499
"""nginx: the client closed the connection. What was sent before is traffic."""


class WebLogReader:
    """A `LineReader` of an HTTP access log. It has bytes only: requests are no connections."""

    def __init__(self, log_format: LogFormat, stream_of: StreamRule, text: str = "") -> None:
        """`text` is the `log_format` of nginx that describes the lines, if it was given."""
        self._format = log_format
        self._streams = Remembered(stream_of, 50_000)
        self.name = log_format.name
        self.basis = _basis(log_format.name, text)

    def read(self, line: bytes) -> Entry | None:
        """As `LineReader.read`."""
        request = self._format.parse(line)
        if request is None:
            return None
        return Entry(
            request.at,
            _kind(request),
            stream=self._streams[request.target],
            bytes_out=request.bytes_out,
            is_bodiless=request.status in _BODILESS_STATUS or (request.method == "HEAD" and request.status < 400),
        )

    def is_comment(self, line: bytes) -> bool:
        """As `LineReader.is_comment`."""
        return self._format.is_comment(line)


def _kind(request: WebRequest) -> EntryKind:
    """Return the kind of a request. Status 0 is a connection that was closed before or while a response was sent."""
    if request.method == "HEAD":
        return "HEAD"
    is_error = request.status >= 400 and request.status != _ABORTED
    return "error" if is_error or not request.method else "request"


def _basis(name: str, text: str) -> Basis:
    if re.search(r"\$\{?bytes_sent", text):
        return Basis.RESPONSE
    if re.search(r"\$\{?body_bytes_sent", text):
        return Basis.BODY
    return _BASIS.get(name, Basis.UNKNOWN)
