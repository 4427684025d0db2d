"""The sums by stream of a closed day as the chain of closings covers them: by their hash. Pure."""

from collections.abc import Iterable
from hashlib import sha256

import msgspec

from streamusage.core.figures import StreamTraffic
from streamusage.evidence.canonical_json import encode


class SignedSums(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Sums by stream on one server in a closed day, of one stream or of several."""

    traffic: StreamTraffic
    """How the bytes are known, of several streams the least exact."""
    connections: int
    bytes_in: int
    bytes_out: int
    view_time_ms: int
    backfilled_connections: int
    backfilled_bytes_in: int
    backfilled_bytes_out: int
    backfilled_view_time_ms: int


class SignedStream(SignedSums, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Sums of one stream on one server in a closed day."""

    scope: str
    name: str


def hash_of_streams(streams: Iterable[SignedStream]) -> str | None:
    """Return the SHA-256 of the canonical JSON of the sums, by scope and name; `None` for none."""
    rows = sorted(streams, key=lambda row: (row.scope, row.name))
    return sha256(encode(rows)).hexdigest() if rows else None
