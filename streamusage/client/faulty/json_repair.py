"""Make the values of a JSON text readable that no JSON parser accepts, and nothing else. Pure.

| value                                                       | replaced by                    |
|-------------------------------------------------------------|--------------------------------|
| `NaN`, `-Infinity`, `007`, `+5`, `.5`, `0x1F`               | `{"unreadable value": "NaN"}`  |
| `1e400`, a number of more than 40 characters                | the same                       |
| a text with a lone surrogate, such as `"a\\ud800"`           | the same, with `a\\ud800`       |
| a name of a field with a lone surrogate                     | the name with `\\ufffd`         |

Braces, brackets, commas and quotes stay as they are, so that the text has the same structure or none. The cost is in
proportion to its length.
"""

import re
from typing import Any

_KEY = b"unreadable value"
_FIELD = _KEY.decode()
_TOKEN = re.compile(
    rb"""
    (   (?: "[^"\\]*+" | [\s\[\]{}:,]++ | -?(?:0|[1-9][0-9]{0,18})(?![0-9A-Za-z_.+-]) | (?:true|false|null)(?!\w) )*+  )
    (   "[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\\?\Z) | [^\s\[\]{}:,"]+ | \Z  )
    """,
    re.DOTALL | re.VERBOSE,
)
"""What needs no repair, and then a value that may."""
_NUMBER = re.compile(rb"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_NUMBER_LIKE = re.compile(rb"[+-]?(?:[0-9.][0-9A-Za-z_.+-]*|NaN|nan|Infinity|Inf|inf)")
_LONGEST_NUMBER = 40
_MOST_KEPT_BYTES = 200
_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")
_PAIR_OR_LONE = re.compile(
    rb"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(\\u[dD][89a-fA-F][0-9a-fA-F]{2})|\\."
)
_FIELD_NAME_END = re.compile(rb"\s*:")


def mark_unreadable_values(text: bytes) -> bytes:
    """Return a JSON text in which every unreadable value is an object that `unreadable_value` recognizes."""

    def repair(found: re.Match[bytes]) -> bytes:
        readable, token = found.groups()
        if not token:
            return readable
        if token[0] == 0x22:
            if not _SURROGATE.search(token):
                return found[0]
            is_field_name = _FIELD_NAME_END.match(text, found.end()) is not None
            return readable + _repair_text(token, is_field_name=is_field_name)
        return found[0] if _is_readable(token) else readable + _mark(token[:_MOST_KEPT_BYTES])

    return _TOKEN.sub(repair, text)


def unreadable_value(value: Any) -> str | None:
    """Return the text of a value that was replaced; `None` for any other value."""
    if isinstance(value, dict) and len(value) == 1:
        text = value.get(_FIELD)
        return text if isinstance(text, str) else None
    return None


def is_unreadable(value: Any) -> bool:
    """Return whether a value was replaced."""
    return unreadable_value(value) is not None


def _is_readable(token: bytes) -> bool:
    """Return whether a token without quotes is a number within the range of floats, or nothing like a number."""
    if _NUMBER.fullmatch(token):
        return len(token) <= _LONGEST_NUMBER and abs(float(token)) != float("inf")
    return _NUMBER_LIKE.fullmatch(token) is None


def _repair_text(token: bytes, *, is_field_name: bool) -> bytes:
    if not any(found[1] for found in _PAIR_OR_LONE.finditer(token)):
        return token
    if is_field_name:
        return _PAIR_OR_LONE.sub(lambda found: b"\\ufffd" if found[1] else found[0], token)
    return _mark(token[1:-1][:_MOST_KEPT_BYTES])


def _mark(shown: bytes) -> bytes:
    if not shown.isascii():
        shown = shown.decode("utf-8", "replace").encode()  # the last character may be cut
    return b'{"%s":"%s"}' % (_KEY, shown.replace(b"\\", b"\\\\").replace(b'"', b'\\"'))
