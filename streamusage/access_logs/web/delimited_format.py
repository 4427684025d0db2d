"""Logs with delimited fields under a `#Fields:` line: W3C, CloudFront, or an operator's own list of fields. Pure."""

import re
from collections.abc import Sequence

from streamusage.access_logs.web.field_plan import FieldPlan
from streamusage.access_logs.web.request import WebRequest

CLOUDFRONT_FIELDS = (
    *("date", "time", "x-edge-location", "sc-bytes", "c-ip", "cs-method", "cs(Host)", "cs-uri-stem", "sc-status"),
    *("cs(Referer)", "cs(User-Agent)", "cs-uri-query", "cs(Cookie)", "x-edge-result-type", "x-edge-request-id"),
    *("x-host-header", "cs-protocol", "cs-bytes", "time-taken", "x-forwarded-for", "ssl-protocol", "ssl-cipher"),
    *("x-edge-response-result-type", "cs-protocol-version", "fle-status", "fle-encrypted-fields", "c-port"),
    *("time-to-first-byte", "x-edge-detailed-result-type", "sc-content-type", "sc-content-len", "sc-range-start"),
    "sc-range-end",
)
"""Fields of CloudFront's standard logs; earlier ones end with the 24th, the 26th or between them."""

_FEWEST_CLOUDFRONT_FIELDS = 24
FIELDS = "#Fields:"
_DELIMITERS = "\t|;,"


def split_field_list(text: str) -> tuple[list[str], str]:
    """Return the names of a `#Fields:` line, and their delimiter; a space if it is no tab, `|`, `;` or comma."""
    names = text.strip().removeprefix(FIELDS).strip(" \r")
    delimiter = next((delimiter for delimiter in _DELIMITERS if delimiter in names), " ")
    parts = names.split(delimiter) if delimiter != " " else names.split()
    return [part.strip() for part in parts], delimiter


class DelimitedFormat:
    """A `LogFormat` of delimited fields. A `#Fields:` line in the log replaces the fields from there on."""

    def __init__(self, name: str, names: Sequence[str] = (), delimiter: str = "\t", fewest: int = 0) -> None:
        """`fewest` is the number of fields of earlier versions of the log, which lack the last ones."""
        self.name = name
        self._fewest = fewest
        self._delimiter = delimiter
        self._use(names)

    @property
    def missing(self) -> list[str]:
        """Needed fields that the list lacks, in words."""
        return self._plan.missing

    def _use(self, names: Sequence[str]) -> None:
        self._count = len(names)
        self._plan = FieldPlan(names)

    def parse(self, line: bytes) -> WebRequest | None:
        """As `LogFormat.parse`."""
        text = line.decode("utf-8", "backslashreplace").rstrip("\r\n")
        if text[:1] == "#":
            self._read_header(text)
            return None
        values = text.split(self._delimiter)
        if len(values) != self._count:
            if self._delimiter == " " and "\t" in text:
                values = text.split("\t")
            if '"' in text and self._delimiter != "\t":
                values = _split_quoted(text, self._delimiter)
            if self._fewest and self._fewest <= len(values) < self._count:
                values += ["-"] * (self._count - len(values))
            if len(values) != self._count:
                return None
        return None if self._plan.missing else self._plan.build(values)

    def is_comment(self, line: bytes) -> bool:
        """As `LogFormat.is_comment`."""
        return line[:1] == b"#" or not line.strip()

    def _read_header(self, text: str) -> None:
        if text.startswith(FIELDS):
            names, delimiter = split_field_list(text)
            # CloudFront delimits the names by spaces, the values by tabs.
            self._delimiter = "\t" if delimiter == " " and "x-edge-location" in names else delimiter
            self._fewest = 0
            self._use(names)


_QUOTED = {
    delimiter: re.compile(rf'(?:^|(?<={re.escape(delimiter)}))(?:"((?:[^"\\]|\\.|"")*)"|([^{re.escape(delimiter)}]*))')
    for delimiter in "|;, "
}


def _split_quoted(text: str, delimiter: str) -> list[str]:
    """Return the values of a line in which some are in quotation marks, because they contain the delimiter."""
    return [
        match[2] if match[1] is None else match[1].replace('""', '"') for match in _QUOTED[delimiter].finditer(text)
    ]


def create_cloudfront() -> DelimitedFormat:
    """Return CloudFront's standard log, with or without its header."""
    return DelimitedFormat("cloudfront", CLOUDFRONT_FIELDS, "\t", _FEWEST_CLOUDFRONT_FIELDS)
