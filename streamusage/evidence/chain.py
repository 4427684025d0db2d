"""The chain of what changes billed figures: closings of days, void entries and approved corrections. Pure.

Each entry contains the hash of the one before it, so that an entry cannot be changed, left out or put between others
without changing every later hash. Reports are not part of the chain: what they change in a closed day is pending until
a correction is approved.

The hash of an entry is the SHA-256 of `HASH_PREFIX` and its canonical JSON. The first entry has the random name of the
chain; its hash names the service in statements (`service_of`).
"""

from collections.abc import Iterable, Mapping
from hashlib import sha256
from typing import Any, Literal, NamedTuple

import msgspec

from streamusage.api.daily import CoveredTime, DailyFigures
from streamusage.evidence.canonical_json import encode
from streamusage.evidence.signed_customers import ClosingCustomers

HASH_PREFIX = b"streamtop-chain-v1\0"
NOTHING_BEFORE = "0" * 64
"""The hash before the first entry."""

EntryKind = Literal["beginning", "closing", "void", "correction"]


class ChainedEntry(NamedTuple):
    """An entry at its place in the chain."""

    number: int
    hash: str
    """64 hexadecimal digits."""
    content: dict[str, Any]
    """Its fields, with `kind`, `number` and `previous`."""


class SignedFigures(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The figures of a closed day as they are hashed and signed: whole numbers.

    The average view time is not among them: it follows from view time and connections.
    """

    connections: int
    connections_by_protocol: dict[str, int]
    bytes_in: int
    bytes_out: int
    view_time_ms: int
    peak_in_bps: int | None
    peak_in_at: int | None
    peak_out_bps: int | None
    peak_out_at: int | None
    percentile_95_in_bps: int | None
    percentile_95_out_bps: int | None
    percentile_95_samples: int
    percentile_95_expected_samples: int
    coverage: CoveredTime
    backfilled_connections: int
    backfilled_bytes_in: int
    backfilled_bytes_out: int
    backfilled_view_time_ms: int


def signed_figures(figures: DailyFigures) -> SignedFigures:
    """Return the figures of a closed day as they are hashed and signed."""
    percentile = figures.percentile_95
    return SignedFigures(
        connections=figures.connections,
        connections_by_protocol=dict(sorted(figures.connections_by_protocol.items())),
        bytes_in=figures.bytes_in,
        bytes_out=figures.bytes_out,
        view_time_ms=figures.view_time_ms,
        peak_in_bps=figures.peak_in_bps,
        peak_in_at=figures.peak_in_at,
        peak_out_bps=figures.peak_out_bps,
        peak_out_at=figures.peak_out_at,
        percentile_95_in_bps=None if percentile is None else percentile.in_bps,
        percentile_95_out_bps=None if percentile is None else percentile.out_bps,
        percentile_95_samples=0 if percentile is None else percentile.samples,
        percentile_95_expected_samples=0 if percentile is None else percentile.expected_samples,
        coverage=figures.coverage,
        backfilled_connections=figures.backfilled.connections,
        backfilled_bytes_in=figures.backfilled.bytes_in,
        backfilled_bytes_out=figures.backfilled.bytes_out,
        backfilled_view_time_ms=figures.backfilled.view_time_ms,
    )


def chained(kind: EntryKind, fields: Mapping[str, Any], number: int, previous: str) -> ChainedEntry:
    """Return an entry at its place after the entry with the hash `previous`."""
    content = {**fields, "kind": kind, "number": number, "previous": previous}
    return ChainedEntry(number, hash_of(content), content)


def hash_of(content: Mapping[str, Any]) -> str:
    """Return the hash of an entry."""
    return sha256(HASH_PREFIX + encode(content)).hexdigest()


def closing_fields(
    *,
    tz: str,
    day: str,
    server: str,
    from_ms: int,
    to_ms: int,
    revision: int,
    rule: str,
    closed_at: int,
    closed_by: str,
    watermark: int | None,
    program: str,
    zone_data: str,
    figures: SignedFigures,
    streams: str | None,
    customers: ClosingCustomers | None,
    disagreements: str | None,
) -> dict[str, Any]:
    """Return the fields of a closing in the chain.

    `program` is the version that wrote the entry, `zone_data` the version of the time zone database that it had.
    `streams` is the hash of its sums by stream (`hash_of_streams`), and `customers` has the hashes of its sums by
    customer and of their rules; `disagreements` is the hash of those that were open. A closing without any has no such
    field.
    """
    return {
        "tz": tz,
        "day": day,
        "server": server,
        "from_ms": from_ms,
        "to_ms": to_ms,
        "revision": revision,
        "rule": rule,
        "closed_at": closed_at,
        "closed_by": closed_by,
        "watermark": watermark,
        "program": program,
        "zone_data": zone_data,
        "figures": sha256(encode(figures)).hexdigest(),
        **({} if streams is None else {"streams": streams}),
        **({} if customers is None else {"customers": msgspec.to_builtins(customers)}),
        **({} if disagreements is None else {"disagreements": disagreements}),
    }


def void_fields(*, tz: str, day: str, server: str, revision: int, at: int, by: str, reason: str) -> dict[str, Any]:
    """Return the fields of a void entry in the chain."""
    return {"tz": tz, "day": day, "server": server, "revision": revision, "at": at, "by": by, "reason": reason}


def find_break(entries: Iterable[ChainedEntry]) -> str | None:
    """Return what is wrong in entries that are in the order of their numbers, or `None`.

    Every entry must have its own hash. Where two numbers follow each other, the later entry must contain the hash of
    the earlier one.
    """
    before: ChainedEntry | None = None
    for entry in entries:
        if entry.hash != hash_of(entry.content):
            return f"entry {entry.number} does not have the hash of its content"
        if before is not None and entry.number <= before.number:
            return f"entry {entry.number} comes after entry {before.number}"
        if before is not None and entry.number == before.number + 1 and entry.content["previous"] != before.hash:
            return f"entry {entry.number} does not continue entry {before.number}"
        before = entry
    return None


def service_of(first_hash: str) -> str:
    """Return the name of the service whose chain begins with an entry of this hash."""
    return first_hash[:32]
