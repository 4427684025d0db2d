"""JSON of servers that write names into it without escaping them. Pure: bytes in, values or a `SourceError` out.

Most of such names can still be read: a backslash that begins no escape is a backslash, and a byte that is no UTF-8 is
shown as `%XX`, so that two names stay different. A quotation mark, or a backslash at the end of a name, changes the
structure of the document, which is then not used.
"""

import re

import msgspec

from streamusage.agent.reading import UnreadableAnswerError
from streamusage.agent.sources.common.payloads import Payload, decode_json

_BACKSLASH = re.compile(r"\\([\"\\/bfnrt]|u[0-9a-fA-F]{4})?")
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f]")
_SURROGATE = re.compile("[\udc80-\udcff]")


class UnreadableJsonError(UnreadableAnswerError):
    """The body is a JSON document whose structure a name has changed."""


def decode_unescaped_json(body: bytes, payload_type: type[Payload], endpoint: str) -> tuple[Payload, bool]:
    """Return a JSON body as the given type, and whether it had to be repaired.

    Raises `UnreadableJsonError` for an object that cannot be repaired, and `SourceError` for anything else.
    """
    try:
        return msgspec.json.decode(body, type=payload_type), False
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        if isinstance(error, msgspec.ValidationError) or not body.lstrip().startswith(b"{"):
            return decode_json(body, payload_type, endpoint), False
        return _decode_repaired(body, payload_type, endpoint, error), True


def _decode_repaired(body: bytes, payload_type: type[Payload], endpoint: str, error: Exception) -> Payload:
    repaired = _escape(body.decode("utf-8", "surrogateescape")).encode()
    try:
        return msgspec.json.decode(repaired, type=payload_type)
    except msgspec.ValidationError:
        return decode_json(repaired, payload_type, endpoint)
    except (msgspec.DecodeError, RecursionError):
        raise UnreadableJsonError(f"{endpoint} returned invalid JSON: {error}") from None


def _escape(text: str) -> str:
    text = _SURROGATE.sub(lambda byte: f"%{ord(byte[0]) - 0xDC00:02X}", text)
    text = _CONTROL.sub(lambda byte: f"%{ord(byte[0]):02X}", text)
    return _BACKSLASH.sub(lambda escape: escape[0] if escape[1] else "\\\\", text)
