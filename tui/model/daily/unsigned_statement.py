"""Statements of version 1, which have a digest and no signature. Pure.

Such a statement contains the closed figures and their coverage, but not when and by whom it was requested. Its digest
is the SHA-256 of the statement without digest and adjustments, as compact JSON with sorted keys, so that listing the
adjustments does not change it.
"""

from collections.abc import Iterable, Sequence
from datetime import date
from hashlib import sha256
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from streamusage.api.daily import CoveredTime, DailyFigures, DailyStatistics, LedgerEntry, VoidEntry
from streamusage.core.days import day_interval
from streamusage.core.figures import SUM_NAMES

KIND = "streamtop statement of daily statistics"
VERSION = 1
_APART = ("digest", "adjustments")
_LAST = ("coverage", "backfilled", "percentile_95")
_FIGURES_OF_DAY = (*(name for name in DailyFigures.__struct_fields__ if name not in _LAST), *_LAST)
_FIELDS_OF_ENTRY = (
    *("connections", "connections_by_protocol"),
    *(name for name in SUM_NAMES if name != "connections"),
    *("server", "day", "tz", "entry", "at"),
)
"""The orders of fields in version 1 of the statement, which differ from those of the API."""


class NotSignedOffError(ValueError):
    """The input is not a statement, or differs from what was signed off. The text says which."""


class _SignedDay(msgspec.Struct):
    """What the sums of a statement are computed from."""

    connections: int
    connections_by_protocol: dict[str, int]
    bytes_in: int
    bytes_out: int
    view_time_ms: int
    coverage: CoveredTime


def statement(
    days: Iterable[DailyStatistics],
    first: date,
    last: date,
    tz: ZoneInfo,
    server: str | None,
    entries: Sequence[LedgerEntry] | None = None,
) -> bytes:
    """Return the statement of closed days. A server unknown at the closing of its day is an adjustment, not a part.

    Earlier closings of these days that are void are listed and signed, if there are any.
    """
    closed = sorted(
        (day for day in days if day.closed is not None and day.closed.rule != "late"),
        key=lambda day: (day.day, day.server),
    )
    document: dict[str, Any] = {
        "kind": KIND,
        "version": VERSION,
        "rests_on": {
            "window": {
                "from": first.isoformat(),
                "to": last.isoformat(),
                "from_ms": day_interval(first, tz).from_ms,
                "to_ms": day_interval(last, tz).to_ms,
            },
            "tz": tz.key,
            "only_server": server,
            "servers": sorted({day.server for day in closed}),
            "days": len(closed),
            "coverage": _coverage(closed),
            "revision": max((day.closed.revision for day in closed if day.closed), default=0),
        },
        "totals": _totals(closed),
        "days": [_day(day) for day in closed],
    }
    voids = [_void(entry) for day in closed for entry in day.voids or ()]
    if voids:
        document["voids"] = voids
    document["digest"] = digest(document)
    if entries is not None:
        document["adjustments"] = [_entry(entry) for entry in entries if not entry.void_revision]
    return msgspec.json.format(msgspec.json.encode(document), indent=1) + b"\n"


def digest(document: dict[str, Any]) -> str:
    """Return the digest of a statement, with or without a digest in it."""
    signed = {name: part for name, part in document.items() if name not in _APART}
    return f"sha256:{sha256(msgspec.json.encode(signed, order='sorted')).hexdigest()}"


def verified(content: bytes) -> dict[str, Any]:
    """Return the statement in these bytes. Raises `NotSignedOffError` if it differs from what was signed off."""
    try:
        document = msgspec.json.decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise NotSignedOffError("it is not JSON") from None
    if not isinstance(document, dict) or document.get("kind") != KIND:
        raise NotSignedOffError("it is not a statement of daily statistics")
    if document.get("digest") != digest(document):
        raise NotSignedOffError("its figures are not those that were signed off: the digest does not match")
    try:
        days = msgspec.convert(document["days"], list[_SignedDay])
        totals, coverage = _totals(days), _coverage(days)
        stated = document["totals"], document["rests_on"]["coverage"]
    except (msgspec.ValidationError, KeyError, TypeError):
        raise NotSignedOffError("it does not have the form of a statement") from None
    if stated != (totals, coverage):
        raise NotSignedOffError("its totals do not follow from its days, although the digest matches")
    return document


def find_other_days(document: dict[str, Any], days: Iterable[DailyStatistics]) -> list[str]:
    """Return the days of a statement of which a service has other closed figures, or none."""
    known = {(day.server, day.day): msgspec.to_builtins(_day(day)) for day in days if day.closed is not None}
    return [
        f"{day['day']} of {day['server']}" for day in document["days"] if known.get((day["server"], day["day"])) != day
    ]


def voided_since(document: dict[str, Any], voids: Iterable[VoidEntry]) -> list[VoidEntry]:
    """Return the entries that make a closing in a statement void."""
    signed = {(day["server"], day["day"], day["closed"]["revision"]) for day in document["days"]}
    return [entry for entry in voids if (entry.server, entry.day, entry.revision) in signed]


def _day(day: DailyStatistics) -> dict[str, Any]:
    figures = _fields(day, _FIGURES_OF_DAY)
    return {"server": day.server, "day": day.day, **figures, "closed": msgspec.to_builtins(day.closed)}


def _entry(entry: LedgerEntry) -> dict[str, Any]:
    return {**_fields(entry, _FIELDS_OF_ENTRY), "figures": _fields(entry.figures, _FIGURES_OF_DAY)}


def _void(entry: VoidEntry) -> dict[str, Any]:
    return _fields(entry, ("server", "day", "revision", "at", "by", "reason"))


def _fields(row: msgspec.Struct, names: Iterable[str]) -> dict[str, Any]:
    return {name: msgspec.to_builtins(getattr(row, name)) for name in names}


def _coverage(days: Iterable[DailyStatistics | _SignedDay]) -> dict[str, int]:
    sums: dict[str, int] = {}
    for day in days:
        for name, length_ms in msgspec.to_builtins(day.coverage).items():
            sums[name] = sums.get(name, 0) + length_ms
    return sums


def _totals(days: Sequence[DailyStatistics | _SignedDay]) -> dict[str, Any]:
    sums = {name: sum(getattr(day, name) for day in days) for name in SUM_NAMES}
    by_protocol: dict[str, int] = {}
    for day in days:
        for name, count in day.connections_by_protocol.items():
            by_protocol[name] = by_protocol.get(name, 0) + count
    return {
        "connections": sums.pop("connections"),
        "connections_by_protocol": dict(sorted(by_protocol.items())),
        **sums,
    }
