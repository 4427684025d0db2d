"""Removes secrets from text that leaves the console. Pure.

The client hides the console's own token. This module hides secrets of others in names, filters and messages: users
and passwords in URLs, tokens and keys in queries, and credentials after `Bearer`.
"""

import re

HIDDEN = "•••"

_USER_IN_URL = re.compile(r"(?<=://)[^/?#\s@\"'<>\\]+(?=@)")
_IN_QUERY = re.compile(
    r"(?i)(\b[a-z_-]*(?:token|passw(?:or)?d|secret|api_?key|signature|credentials?)(?:=|%3d))[^&\s\"'<>#\\]+"
)
_AUTHORIZATION = re.compile(r"(?i)\b(bearer|basic)((?:\s|&#160;|%20)+)[a-z0-9._~+/=-]{6,}")


def redacted(text: str) -> str:
    """Return the text with everything that looks like a secret replaced by `•••`; the rest stays readable."""
    text = _USER_IN_URL.sub(HIDDEN, text)
    text = _IN_QUERY.sub(rf"\1{HIDDEN}", text)
    return _AUTHORIZATION.sub(rf"\1\2{HIDDEN}", text)
