"""Names, ids and protocol labels from media servers, limited to what a report can hold. Pure."""

import hashlib
import re

from streamusage.core.text import MAX_NAME_LENGTH as MAX_NAME_LENGTH
from streamusage.core.text import limit_name as limit_name

MAX_ID_LENGTH = 36


def limit_id(text: str) -> str:
    """Return a server's id if it is short and made of plain characters, else a digest of it."""
    if len(text) <= MAX_ID_LENGTH and re.fullmatch(r"[A-Za-z0-9._:-]+", text):
        return text
    return hashlib.blake2s(text.encode("utf-8", "surrogatepass"), digest_size=10).hexdigest()


def normalize_protocol(text: str) -> str:
    """Return a protocol's name as a lower-case label, or `unknown` for a text without usable characters."""
    return re.sub(r"[^a-z0-9+.-]", "", text.lower())[:32] or "unknown"


def short_digest(*texts: str) -> str:
    """Return twelve hexadecimal digits that identify several texts together."""
    joined = "\0".join(texts).encode("utf-8", "surrogatepass")
    return hashlib.blake2s(joined, digest_size=6).hexdigest()


def split_stream_path(path: str, root_scope: str) -> tuple[str, str]:
    """Return scope and name of a stream path, split at the last slash. Without a slash the scope is `root_scope`."""
    scope, _, name = path.strip("/").rpartition("/")
    return limit_name(scope or root_scope), limit_name(name)
