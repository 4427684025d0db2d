"""Canonical JSON: the one sequence of bytes that stands for a document, so that it can be signed and compared. Pure.

UTF-8 without a byte order mark, no white space, keys sorted by code point, whole numbers only, each string with the
shortest escapes: the rules of RFC 8785 where all keys are ASCII and there are no fractions. A document that was decoded
here has exactly the bytes that `encode` returns for it.
"""

from typing import Any

import msgspec


class NotCanonicalError(ValueError):
    """The bytes are not canonical JSON. The text says why."""


def encode(document: Any) -> bytes:
    """Return the canonical bytes of builtin values or msgspec structs.

    Raises `NotCanonicalError` for a number that is not whole.
    """
    builtins = msgspec.to_builtins(document)
    _refuse_fractions(builtins)
    return msgspec.json.encode(builtins, order="sorted")


def decode(content: bytes) -> Any:
    """Return the document of canonical bytes. Raises `NotCanonicalError` for any other bytes."""
    try:
        document = msgspec.json.decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise NotCanonicalError(f"it is not JSON: {error}") from None
    if encode(document) != content:
        raise NotCanonicalError("it is JSON in another form than the one that is signed: a byte was changed or added")
    return document


def _refuse_fractions(value: Any) -> None:
    if isinstance(value, float):
        raise NotCanonicalError(f"it has the number {value}, which is not whole")
    if isinstance(value, dict):
        for item in value.values():
            _refuse_fractions(item)
    elif isinstance(value, list):
        for item in value:
            _refuse_fractions(item)
