"""The message of an error body: the documented one, and those of gateways and frameworks before a service. Pure.

| body                                                        | documented | quoted         |
|-------------------------------------------------------------|------------|----------------|
| `{"errorMessage": "no stream", "timestamp": …}`             | no stream  | no stream      |
| `{"message": "no route", "status": 404}`                    |            | no route       |
| `{"error": "invalid_token", "error_description": "expired"}`|            | expired        |
| `{"error": {"code": 401, "message": "bad token"}}`          |            | bad token      |
| `{"records": []}`, `[…]`, a web page                        |            |                |
"""

from typing import Any

import msgspec

_DOCUMENTED = "errorMessage"


class _DocumentedBody(msgspec.Struct):
    """A documented error body. Other fields are skipped: of a large reply they took ten times as long to decode."""

    message: object = msgspec.field(name=_DOCUMENTED, default=None)


_OTHER_FIELDS = (_DOCUMENTED, "message", "error_description", "detail", "error", "title", "reason")
"""Fields that hold the message of an error, the most precise first."""
_MOST_LEVELS = 3


def documented_message(body: bytes) -> str | None:
    """Return the message of a documented error body, whatever its timestamp; `None` for any other body."""
    try:
        found = msgspec.json.decode(_without_mark(body), type=_DocumentedBody).message
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return found if isinstance(found, str) else None


def quoted_message(body: bytes) -> str:
    """Return the message of an error body of whatever shape; empty where there is none."""
    return _find(_decode(body), _MOST_LEVELS)


def _decode(body: bytes) -> dict[str, Any]:
    try:
        return msgspec.json.decode(_without_mark(body), type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return {}


def _without_mark(body: bytes) -> bytes:
    """Return a body without the byte order mark that some services send first."""
    return body.lstrip(b"\xef\xbb\xbf")


def _find(value: object, levels: int) -> str:
    if isinstance(value, str):
        return value.strip()
    if not isinstance(value, dict) or not levels:
        return ""
    found = (_find(value[field], levels - 1) for field in _OTHER_FIELDS if field in value)
    return next(filter(None, found), "")
