"""Formats given as nginx's `log_format`: its variables become a parser. Pure."""

import json
import re

from streamusage.access_logs.web.common_formats import parse_address_list
from streamusage.access_logs.web.errors import LogFormatError
from streamusage.access_logs.web.field_names import find_fields, missing_fields
from streamusage.access_logs.web.json_format import JsonFormat
from streamusage.access_logs.web.text_format import TextFormat

_VARIABLE = re.compile(r"\$(?:\{(\w+)\}|(\w+))", re.ASCII)
_DIRECTIVE = re.compile(r"\s*log_format\s+\S+\s+(.*?);?\s*\Z", re.DOTALL)
_ESCAPE_PARAMETER = re.compile(r"\s*escape=(\w+)\s+")
_PIECE = re.compile(r"""\s*(?:'((?:[^'\\]|\\.)*)'|"((?:[^"\\]|\\.)*)")\s*""", re.DOTALL)

_CONTENT = r'[^"\\]*+(?:\\.[^"\\]*+)*+'
"""A variable in quotation marks: those inside of it are escaped."""

_OWN_PATTERNS = {
    "msec": r"\d{1,12}\.\d{3}",
    "time_local": r"\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d [+-]\d{4}",
    "time_iso8601": r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d\d:\d\d",
    "status": r"\d{3}|-",
    "bytes_sent": r"\d{1,15}|-",
    "body_bytes_sent": r"\d{1,15}|-",
    "request_time": r"\d{1,10}\.\d{3}|-",
    "remote_addr": r"[0-9A-Fa-f.:]+(?:, ?[0-9A-Fa-f.:]+)*|unix:[^ \"]*",
    "is_args": r"\??",
    "request_method": r"[A-Z_-]*",
}
"""Variables that the server writes in a form of its own."""

_CLIENT_TEXT = re.compile(
    r"(?:http|arg|cookie)_\w+|request|request_uri|uri|document_uri|args|query_string|remote_user|request_body"
    r"|proxy_add_x_forwarded_for|sent_http_location|upstream_http_\w+|request_filename"
)
"""Variables with texts that clients choose."""


def create_nginx_format(text: str) -> TextFormat | JsonFormat:
    """Return the format of a `log_format`: the directive, its strings, or the text of them.

    Raises `LogFormatError` for one without the needed variables, and for one in which clients could forge fields.
    """
    template = _join_pieces(text)
    if template.lstrip().startswith("{"):
        return _create_json(template)
    template = template.replace("$uri$is_args$args", "$request_uri").replace(
        "$document_uri$is_args$args", "$request_uri"
    )
    variables = [match[1] or match[2] for match in _VARIABLE.finditer(template)]
    places = find_fields(variables)
    if missing := missing_fields(places):
        raise LogFormatError(f"the log_format has no variable for: {', '.join(missing)}")
    groups = {place: field for field, place in places.items() if field not in ("start",)}
    unquoted_texts = 0
    pattern = ""
    end = 0
    matches = list(_VARIABLE.finditer(template))
    for place, match in enumerate(matches):
        literal = template[end : match.start()]
        end = match.end()
        following = template[end : matches[place + 1].start() if place + 1 < len(matches) else None]
        content, is_unsafe = _pattern(variables[place], literal[-1:], following)
        unquoted_texts += is_unsafe
        name = groups.get(place)
        pattern += re.escape(literal) + (f"(?P<{name}>{content})" if name else f"(?:{content})")
    if unquoted_texts > 1:
        raise LogFormatError(
            "clients can write several of the variables that are not in quotation marks, so fields could be forged; "
            "put variables such as $request and $http_user_agent in quotation marks, or use a tab between them"
        )
    return TextFormat("log_format", pattern + re.escape(template[end:]), parse_address_list)


def _join_pieces(text: str) -> str:
    directive = _DIRECTIVE.match(text)
    if directive is not None:
        text = directive[1]
    if parameter := _ESCAPE_PARAMETER.match(text):
        if parameter[1] == "none":
            raise LogFormatError("escape=none lets clients forge the fields of a line; remove it from the log_format")
        text = text[parameter.end() :]
    pieces = list(_PIECE.finditer(text))
    is_strings = sum(len(match[0]) for match in pieces) == len(text)
    if pieces and is_strings and (len(pieces) > 1 or text.lstrip()[0] == "'"):
        return "".join(_unquote_piece(match) for match in pieces)
    return re.sub(r"[ \r]*\n[ \r]*", " ", text.strip(" \r\n"))


def _unquote_piece(match: re.Match[str]) -> str:
    inner = match[1] if match[1] is not None else match[2]
    return re.sub(r"\\(.)", lambda escape: {"t": "\t", "n": "\n", "r": "\r"}.get(escape[1], escape[1]), inner)


def _pattern(variable: str, before: str, following: str) -> tuple[str, bool]:
    """Return the pattern of a variable between two literals, and whether a client's text could contain what follows."""
    own = _OWN_PATTERNS.get(variable)
    after = following[:1]
    if before == '"' and after == '"':
        return (own if own is not None and variable != "remote_addr" else _CONTENT), False
    if own is not None and variable != "remote_addr":
        return own, False
    if after and (ord(after) < 0x20):
        return rf"[^{after}]*", False
    if variable == "remote_addr":
        return (own or ""), False
    if _CLIENT_TEXT.fullmatch(variable) is None:
        return rf'[^"{re.escape(after)}]*' if after else r"\S*", False
    return r'[^"]*', True


def _create_json(template: str) -> JsonFormat:
    try:
        document = json.loads(re.sub(r"(:\s*)(\$\w+|\$\{\w+\})", r'\1"\2"', template))
    except ValueError as error:
        raise LogFormatError(f"the log_format begins as JSON, but is not: {error}") from None
    variables = dict(_variables_of(document))
    if missing := missing_fields(find_fields(list(variables.values()))):
        raise LogFormatError(f"the log_format has no variable for: {', '.join(missing)}")
    return JsonFormat("log_format", variables)


def _variables_of(document: dict[str, object], prefix: str = "") -> list[tuple[str, str]]:
    """Return the path of each field with its variable; its own path where it is made of several."""
    found = []
    for key, value in document.items():
        if isinstance(value, dict):
            found += _variables_of(value, f"{prefix}{key}.")
        elif isinstance(value, str):
            variable = _VARIABLE.fullmatch(value)
            found.append((prefix + key, variable[1] or variable[2] if variable else prefix + key))
    return found
