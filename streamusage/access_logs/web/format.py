"""Forms of access logs: by name, by a description of the operator, or detected from lines. Pure."""

from collections.abc import Callable, Iterable
from functools import cache
from itertools import islice
from typing import Protocol

from streamusage.access_logs.web.common_formats import create_combined, create_common, create_streamtop
from streamusage.access_logs.web.delimited_format import (
    FIELDS,
    DelimitedFormat,
    create_cloudfront,
    split_field_list,
)
from streamusage.access_logs.web.errors import LogFormatError
from streamusage.access_logs.web.json_format import JsonFormat
from streamusage.access_logs.web.nginx_format import create_nginx_format
from streamusage.access_logs.web.request import WebRequest

__all__ = ["FORMAT_NAMES", "LogFormat", "LogFormatError", "detect", "find_format"]

SAMPLE_LINES = 200
"""How many lines decide about the form of a log."""


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


class _EitherFormat:
    """A log whose lines are JSON or Common Log Format, as the operator of Fastly chooses."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._json, self._combined, self._common = JsonFormat(name), create_combined(), create_common()

    def parse(self, line: bytes) -> WebRequest | None:
        """As `LogFormat.parse`."""
        line = line.rstrip(b"\r")
        if line[-1:] == b"}":
            return self._json.parse(line)
        return (self._combined if line[-1:] == b'"' else self._common).parse(line)

    def is_comment(self, line: bytes) -> bool:
        """As `LogFormat.is_comment`."""
        return self._json.is_comment(line)


_DETECTED: dict[str, Callable[[], LogFormat]] = {
    "streamtop": create_streamtop,
    "combined": create_combined,
    "common": create_common,
    "json": JsonFormat,
    "w3c": lambda: DelimitedFormat("w3c"),
    "cloudfront": create_cloudfront,
}
"""In this order where several read as many lines."""

_WITH_HEADER = ("w3c", "cloudfront")

_NAMED: dict[str, Callable[[], LogFormat]] = _DETECTED | {
    "akamai": lambda: JsonFormat("akamai"),
    "fastly": lambda: _EitherFormat("fastly"),
}

FORMAT_NAMES = tuple(_NAMED)


def find_format(text: str) -> LogFormat:
    """Return the format of a name of `FORMAT_NAMES`, of a `log_format` of nginx, or of a `#Fields:` line.

    Raises `LogFormatError` with the way out.
    """
    text = text.strip(" \r\n")
    if text.startswith(FIELDS):
        names, delimiter = split_field_list(text)
        fields = DelimitedFormat("fields", names, delimiter)
        if fields.missing:
            raise LogFormatError(f"the list of fields has none for: {', '.join(fields.missing)}")
        return fields
    if "$" in text:
        return create_nginx_format(text)
    create = _NAMED.get(text.lower())
    if create is None:
        raise LogFormatError(
            f"unknown log format {text[:100]!r}; allowed are auto, {', '.join(FORMAT_NAMES)}, a log_format of nginx "
            "(with $ before its variables) and a list of fields that begins with #Fields:"
        )
    return create()


def detect(lines: Iterable[bytes]) -> LogFormat | None:
    """Return the format by which most of the first lines can be read; None where no line can be read by any.

    To be called once for a log, never for single lines later: a truncated line looks like one of another form.
    """
    sample = list(islice(lines, SAMPLE_LINES))
    best: LogFormat | None = None
    best_count = 0
    for name, create in _DETECTED.items():
        # Formats with a header change with it, so each of these is used for one log only.
        candidate = create() if name in _WITH_HEADER else _prototype(name)
        count = sum(candidate.parse(line) is not None for line in sample)
        if count > best_count:
            best, best_count = candidate if name in _WITH_HEADER else create(), count
    return best or _detect_header(sample)


def _detect_header(sample: list[bytes]) -> LogFormat | None:
    """Return the format of a log that has only its header yet."""
    found = DelimitedFormat("w3c")
    for line in sample:
        found.parse(line)
    return None if found.missing else found


@cache
def _prototype(name: str) -> LogFormat:
    return _DETECTED[name]()
