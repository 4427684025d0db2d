"""Secrets taken out of what leaves the console for other eyes. Pure.

The console's own token is known and hidden by its client; here go the secrets of others that stand in names, filters
and messages: users and passwords in URLs, tokens and keys in queries, what follows `Bearer`.
"""

import re

HIDDEN = "•••"

_USER_IN_URL = re.compile(r"(?<=://)[^/?#\s@\"'<>\\]+(?=@)")
_IN_QUERY = re.compile(
    r"(?i)(\b[a-z_-]*(?:token|passw(?:or)?d|secret|api_?key|signature|credentials?)(?:=|%3d))[^&\s\"'<>#\\]+"
)
_AUTHORIZATION = re.compile(r"(?i)\b(bearer|basic)((?:\s|&#160;|%20)+)[a-z0-9._~+/=-]{6,}")


def redacted(text: str) -> str:
    """The text with whatever looks like a secret as `•••`; what stood beside it can still be read."""
    text = _USER_IN_URL.sub(HIDDEN, text)
    text = _IN_QUERY.sub(rf"\1{HIDDEN}", text)
    return _AUTHORIZATION.sub(rf"\1\2{HIDDEN}", text)
