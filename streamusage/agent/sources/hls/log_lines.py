"""From lines of an access log to the requests of viewers, in whatever known form the lines are."""

from collections.abc import Callable

from streamusage.agent.sources.common.line_form import LineForms
from streamusage.agent.sources.common.web_log.format import LogFormat, detect, find_format
from streamusage.agent.sources.common.web_log.quick_formats import STREAMTOP
from streamusage.agent.sources.common.web_log.request import WebRequest
from streamusage.agent.sources.hls.requests import HlsRequest, RequestRules

AUTOMATIC = "auto"

LOG_FORM = (
    f"`log_format streamtop {STREAMTOP!r};` in nginx, or another form that docs/sources/hls.md lists; "
    "`streamtop agent check --log FILE` prints how it understands a log"
)

_SAMPLE_LINES = 100
_DETECTIONS = 5
"""How often the form is detected anew in one batch of lines: a stranger may write many lines in no form."""


class RequestParser:
    """The requests of viewers in the lines of one log."""

    def __init__(self, rules: RequestRules, log_format: str = AUTOMATIC) -> None:
        """Raise `LogFormatError` for an unknown format."""
        self._rules = rules
        self._is_fixed = log_format != AUTOMATIC
        self.format: LogFormat | None = find_format(log_format) if self._is_fixed else None
        """The form of the lines; None until it is detected."""

    def parse_lines(
        self,
        lines: list[bytes],
        forms: LineForms,
        observe: Callable[[bytes, WebRequest | None, HlsRequest | None], None] | None = None,
    ) -> list[HlsRequest]:
        """Return the requests for files of streams, and add each line to the forms.

        `observe` is called with each line and what was found in it.
        """
        requests: list[HlsRequest] = []
        if self.format is None:
            self.format = detect(lines[:_SAMPLE_LINES])
        detections = 0
        parse = self.format.parse if self.format is not None else None
        for line in lines:
            request = None if parse is None else parse(line)
            if request is None:
                if self.format is not None and self.format.is_comment(line):
                    continue
                if not self._is_fixed and detections < _DETECTIONS:
                    detections += 1
                    request = self._detect_anew(line)
                    parse = self.format.parse if self.format is not None else None
            if request is None:
                forms.add_unreadable()
                if observe is not None:
                    observe(line, None, None)
                continue
            forms.add_readable(request.at)
            viewer_request = self._rules.apply(request)
            if viewer_request is not None:
                requests.append(viewer_request)
            if observe is not None:
                observe(line, request, viewer_request)
        return requests

    def _detect_anew(self, line: bytes) -> WebRequest | None:
        """Return the request of a line in another known form, which is expected from now on."""
        other = detect([line])
        request = None if other is None else other.parse(line)
        if request is not None:
            self.format = other
        return request
