"""Values of labels: names from outside as data, bounded in length and number. Pure.

A label value has only printable characters and at most `LONGEST_LABEL` of them; two names never share one. Names beyond
a limit are folded into `other`.
"""

from collections.abc import Sequence
from hashlib import blake2b

from streamusage.core.figures import NOT_BY_STREAM
from streamusage.core.text import escape_unprintable

OTHER = "other"
"""Label value of everything that a limit leaves out."""
LONGEST_LABEL = 120
_RESERVED = frozenset({OTHER, NOT_BY_STREAM})
_DIGEST_BYTES = 6


def label_value(name: str) -> str:
    """Return the label value of a name: the name itself, or an altered form that ends in a digest of the name. It is
    never empty: that would be no label.
    """
    shown = escape_unprintable(name)
    digest = blake2b(name.encode("utf-8", "surrogatepass"), digest_size=_DIGEST_BYTES).hexdigest()
    if name and shown == name and len(name) <= LONGEST_LABEL and name not in _RESERVED and not _ends_like_digest(name):
        return name
    return f"{shown[: LONGEST_LABEL - len(digest) - 2]}…#{digest}"


def _ends_like_digest(name: str) -> bool:
    return "…#" in name


class Labels:
    """The names of one kind that have series of their own: the first `limit` of them."""

    def __init__(self, names: Sequence[str], limit: int) -> None:
        self._values = {name: label_value(name) for name in names[:limit]}
        self.folded = max(0, len(names) - limit)
        """How many names are folded into `other`."""

    def has(self, name: str) -> bool:
        """Return whether a name has series of its own."""
        return name in self._values

    def of(self, name: str) -> str:
        """Return the label value of a name, which is `other` beyond the limit."""
        return self._values.get(name, OTHER)
