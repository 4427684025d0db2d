"""Logs with one JSON object a line: nginx, Caddy, Traefik, content delivery networks, or any known names. Pure."""

import re
from collections.abc import Mapping

import msgspec

from streamusage.access_logs.web.field_plan import FieldPlan
from streamusage.access_logs.web.request import WebRequest

_MAX_PLANS = 500
_MAX_DEPTH = 4
_SYSLOG = re.compile(rb"[^{]{0,200}?[\w\]]: (?=\{)")

_decode = msgspec.json.Decoder().decode


class JsonFormat:
    """A `LogFormat` of JSON objects. Fields are found by name in each line: a server omits those without a value."""

    def __init__(self, name: str = "json", variables: Mapping[str, str] | None = None) -> None:
        """`variables` are the server's names of the fields whose keys an operator has chosen, by path."""
        self.name = name
        self._variables = variables or {}
        self._plans: dict[tuple[str, ...], FieldPlan] = {}

    def parse(self, line: bytes) -> WebRequest | None:
        """As `LogFormat.parse`."""
        document = _decode_object(line)
        if document is None:
            return None
        plan = self._plan(document)
        return None if plan.missing else plan.build(list(document.values()))

    def is_comment(self, line: bytes) -> bool:
        """As `LogFormat.is_comment`: also a message of the server, which has no part of a request."""
        if not line.strip():
            return True
        document = _decode_object(line)
        if document is None:
            return False
        logger = document.get("logger")
        is_other_log = isinstance(logger, str) and not logger.startswith("http.log.access")
        return is_other_log or len(self._plan(document).missing) >= 4

    def _plan(self, document: dict[str, object]) -> FieldPlan:
        names = tuple(document)
        plan = self._plans.get(names)
        if plan is None:
            if len(self._plans) >= _MAX_PLANS:
                self._plans.clear()
            plan = self._plans[names] = FieldPlan([self._variables.get(name, name) for name in names])
        return plan


def _decode_object(line: bytes) -> dict[str, object] | None:
    """Return the values of a line's object, those of nested objects by their path: `request.headers.User-Agent`."""
    if line[:1] != b"{":
        line = line.strip()
        if line[:1] != b"{":
            prefix = _SYSLOG.match(line)
            if prefix is None:
                return None
            line = line[prefix.end() :]
    try:
        document = _decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        try:
            document = _decode(repair_json(line))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return None
    if type(document) is not dict:
        return None
    if dict in map(type, document.values()):
        return _flatten(document)
    return document


def _flatten(document: Mapping[str, object], prefix: str = "", depth: int = 1) -> dict[str, object]:
    flat: dict[str, object] = {}
    for key, value in document.items():
        if isinstance(value, dict):
            if depth < _MAX_DEPTH and key not in ("tls", "resp_headers"):
                flat |= _flatten(value, f"{prefix}{key}.", depth + 1)
        elif prefix != "request.headers." or key in _HEADERS:
            flat[prefix + key] = value
    return flat


_HEADERS = frozenset(("User-Agent", "X-Forwarded-For", "Cookie", "Via", "Cmcd-Session"))

_TOKEN = re.compile(rb'"((?:[^"\\]++|\\.)*+)(?:"|\\?\Z)|(:\s*+)-?\s*+(?=[,}])', re.DOTALL)
"""A text, also one without its end, or a value that is left out."""
_ESCAPE = re.compile(rb"\\(x[0-9A-Fa-f]{2}|.)", re.DOTALL)
_NOT_UTF8 = re.compile("[\udc80-\udcff]")
_JSON_ESCAPES = frozenset(b'"\\/bfnrtu')


def repair_json(line: bytes) -> bytes:
    r"""Return what templates for JSON write as JSON: `\xHH` in texts, bytes that are not UTF-8, numbers left out.

    nginx writes these without `escape=json`, and where a variable without quotation marks is empty.
    """
    line = _TOKEN.sub(_repair_token, line)
    text = line.decode("utf-8", "surrogateescape")
    return _NOT_UTF8.sub(lambda match: f"\\\\x{ord(match[0]) - 0xDC00:02x}", text).encode("utf-8", "replace")


def _repair_token(match: re.Match[bytes]) -> bytes:
    if match[2] is not None:
        return match[2] + b"null"
    return b'"%b"' % _ESCAPE.sub(_repair_escape, match[1])


def _repair_escape(match: re.Match[bytes]) -> bytes:
    code = match[1]
    if len(code) == 3:
        byte = int(code[1:], 16)
        return b"\\u%04x" % byte if byte < 0x20 or byte in b'"\\' else bytes((byte,))
    return match[0] if code[0] in _JSON_ESCAPES else b"\\\\" + code
