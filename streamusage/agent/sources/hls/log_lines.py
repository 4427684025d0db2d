"""From lines of an access log to the requests of viewers, in whatever known form the lines are."""

from collections.abc import Callable

from streamusage.access_logs.web.format import LogFormat, detect, find_format
from streamusage.access_logs.web.quick_formats import STREAMTOP
from streamusage.access_logs.web.request import WebRequest
from streamusage.agent.sources.common.logs.line_form import LineForms
from streamusage.agent.sources.hls.requests import HlsRequest, RequestRules

AUTOMATIC = "auto"

LEAST_LINES = 5
"""So many unreadable lines in a row, at the beginning of a batch, show that the form of a log was changed."""

LOG_FORM = (
    f"`log_format streamtop {STREAMTOP!r};` in nginx, or another form that docs/sources/hls.md lists; "
    "`streamtop agent check --log FILE` prints how it understands a log"
)


class RequestParser:
    """The requests of viewers in the lines of one log."""

    def __init__(self, rules: RequestRules, log_format: str = AUTOMATIC) -> None:
        """Raise `LogFormatError` for an unknown format."""
        self._rules = rules
        self._is_automatic = log_format == AUTOMATIC
        self.format: LogFormat | None = None if self._is_automatic else find_format(log_format)
        """Form of the lines; None until it is detected."""

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
        if self.format is None or (self._is_automatic and self._has_changed(lines)):
            self.format = detect(lines) or self.format
        parse = self.format.parse if self.format is not None else None
        for line in lines:
            request = None if parse is None else parse(line)
            if request is None:
                if self.format is not None and self.format.is_comment(line):
                    continue
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

    def _has_changed(self, lines: list[bytes]) -> bool:
        """Return whether the log has another form now. Single lines prove none: a truncated line looks like another."""
        sample = lines[:LEAST_LINES]
        return len(sample) == LEAST_LINES and not any(self.format and self.format.parse(line) for line in sample)
