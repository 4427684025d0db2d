"""Forms of access logs: by name, by a description of the operator, or detected from lines. Pure."""

from collections.abc import Callable, Iterable
from typing import Protocol

from streamusage.agent.sources.common.web_log.common_formats import create_combined, create_common, create_streamtop
from streamusage.agent.sources.common.web_log.request import WebRequest


class LogFormatError(ValueError):
    """A form that is unknown or lacks fields. The text states what is needed."""


class LogFormat(Protocol):
    """The form of the lines of one log."""

    name: str
    """Name for messages."""

    def parse(self, line: bytes) -> WebRequest | None:
        """Return the request of a line without its line end; None for a line that cannot be read.

        Whatever a client wrote into its request, the line is readable.
        """
        ...

    def is_comment(self, line: bytes) -> bool:
        """Return whether a line that `parse` does not read reports no request by design: a header or an empty line."""
        ...


_NAMED: dict[str, Callable[[], LogFormat]] = {
    "streamtop": create_streamtop,
    "combined": create_combined,
    "common": create_common,
}


def find_format(text: str) -> LogFormat:
    """Return the format of a name or of a description. Raises `LogFormatError` with the way out."""
    create = _NAMED.get(text.strip().lower())
    if create is None:
        raise LogFormatError(f"unknown log format {text!r}; known names: {', '.join(_NAMED)}")
    return create()


def detect(lines: Iterable[bytes]) -> LogFormat | None:
    """Return the format by which most of the lines can be read; None where no line can be read by any."""
    sample = list(lines)
    best: LogFormat | None = None
    best_count = 0
    for create in _NAMED.values():
        candidate = create()
        count = sum(candidate.parse(line) is not None for line in sample)
        if count > best_count:
            best, best_count = candidate, count
    return best
