"""How an answer full of usage records is read: in slices, so that an event loop lives meanwhile. Pure.

A record that lacks something is read as far as it goes. What cannot be read is an `UnreadableError` that says what is
wrong, and where in the answer.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from streamusage.core.usage import PartialUsageRecord, UsageRecord


class UnreadableError(ValueError):
    """An answer that is not what the API promises. The text says what is wrong, and where."""


SLICE_BYTES = 256 * 1024
"""About a millisecond of decoding: what an event loop with a keyboard can spare at a time."""

_CUTS_TRIED = 4
_BOUNDARY = re.compile(rb"\}\s*,")
_POSITION = re.compile(r"\(byte (\d+)\)$")
_INDEX = re.compile(r"\$\[(\d+)\]")


class _Loose(msgspec.Struct, frozen=True):
    """A record that may lack what is documented, and whose subscribers may be spelled as meant."""

    name: str | None = None
    scope: str | None = None
    startTime: int | None = None
    endTime: int | None = None
    duration: int | None = None
    maxSubscribers: int | None = None
    lostSubscribers: int | None = None
    totalSubscribers: int | None = None
    updated: int | None = None
    aciveSubscribers: int | None = None
    activeSubscribers: int | None = None

    @property
    def has_a_key(self) -> bool:
        return None not in (self.name, self.scope, self.startTime)


_records = msgspec.json.Decoder(list[UsageRecord])
_loose = msgspec.json.Decoder(list[_Loose])


def decode_record(body: bytes) -> PartialUsageRecord:
    """One usage record, given alone or as the only element of a list. Raises `UnreadableError`."""
    if body.lstrip()[:1] == b"[":
        records = [record for records in decode_records(body) for record in records]
    else:
        records = decode_records_once(b"[" + body + b"]", first=0, at_byte=-1)
    if len(records) != 1:
        raise UnreadableError(f"one usage record was expected, {len(records)} came")
    return records[0]


def decode_records(body: bytes, slice_bytes: int = SLICE_BYTES) -> Iterator[list[PartialUsageRecord]]:
    """The records of a list, a slice at a time, so that an event loop can do other work between slices.

    A slice ends at a `}` followed by `,`. Where that lies inside a string or a nested value the slice cannot decode,
    and is tried again up to the next such place; after a few of them at twice its length, so that the work stays in
    proportion to the answer. Raises `UnreadableError` with the position; what came before was right.
    """
    start = _opening_bracket(body) + 1
    look_from, tries, count = start + slice_bytes, 0, 0
    while True:
        boundary = _BOUNDARY.search(body, min(look_from, len(body)))
        end = len(body) if boundary is None else boundary.start() + 1
        part = b"[" + body[start:end] + (b"" if boundary is None else b"]")
        try:
            records = decode_records_once(part, first=count, at_byte=start - 1)
        except _CutShortError:
            if boundary is None:
                raise
            tries += 1
            look_from = boundary.end() if tries % _CUTS_TRIED else start + 2 * (boundary.end() - start)
            continue
        if boundary is None and not records and count:
            raise UnreadableError(f"broken JSON: nothing follows the last comma (byte {start})")
        yield records
        if boundary is None:
            return
        count += len(records)
        start, tries = boundary.end(), 0
        look_from = start + slice_bytes


class _CutShortError(UnreadableError):
    """The text ends before the value does."""


def decode_records_once(part: bytes, *, first: int, at_byte: int) -> list[PartialUsageRecord]:
    """A list of records in one go. `first` and `at_byte` say where the part lies, for messages."""
    records: Sequence[PartialUsageRecord]
    try:
        records = _records.decode(part)
    except msgspec.ValidationError as error:
        records = _decode_loosely(part, _INDEX.sub(lambda m: f"$[{int(m[1]) + first}]", str(error)))
    except msgspec.DecodeError as error:
        raise _broken(str(error), part, at_byte) from None
    except UnicodeDecodeError:
        raise UnreadableError(f"broken JSON: not UTF-8 (byte {_not_utf8_at(part) + at_byte})") from None
    return [
        msgspec.structs.replace(record, scope=record.scope.lstrip("/")) if record.scope[:1] == "/" else record
        for record in records
    ]


def _decode_loosely(part: bytes, error_text: str) -> Sequence[PartialUsageRecord]:
    """Records of which some are not as documented. A list without any record that has a key is none of this API."""
    try:
        loose = _loose.decode(part)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise UnreadableError(error_text) from None
    if not any(record.has_a_key for record in loose):
        raise UnreadableError(error_text)
    return [_told(record) for record in loose]


def _told(record: _Loose) -> PartialUsageRecord:
    active = record.activeSubscribers if record.aciveSubscribers is None else record.aciveSubscribers
    told: dict[str, Any] = {
        "name": record.name,
        "scope": record.scope,
        "start_time": record.startTime,
        "end_time": record.endTime,
        "duration": record.duration,
        "active_subscribers": active,
        "max_subscribers": record.maxSubscribers,
        "lost_subscribers": record.lostSubscribers,
        "total_subscribers": record.totalSubscribers,
        "updated": record.updated,
    }
    if None not in told.values():
        return UsageRecord(**told)
    told |= {"name": record.name or "", "scope": record.scope or "", "start_time": record.startTime or 0}
    return PartialUsageRecord(**told)


def _opening_bracket(body: bytes) -> int:
    at = 3 if body.startswith(b"\xef\xbb\xbf") else 0
    while body[at : at + 1] in (b" ", b"\t", b"\r", b"\n"):
        at += 1
    if body[at : at + 1] != b"[":
        raise UnreadableError(f"a JSON list was expected, the answer {described(body)}")
    return at


def described(body: bytes) -> str:
    """How a body begins, in words that an operator can act on."""
    head = body[:512].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if not head:
        return "is empty"
    if head.startswith((b"<!doctype", b"<html", b"<?xml", b"<")):
        return "is a web page"
    if head.startswith(b"{"):
        return "is a JSON object"
    return "is not JSON"


def _broken(error_text: str, part: bytes, at_byte: int) -> UnreadableError:
    found = _POSITION.search(error_text)
    if found is None:
        return _CutShortError(f"broken JSON: the answer breaks off (byte {at_byte + len(part)})")
    position = int(found[1])
    what = error_text[: found.start()].removeprefix("JSON is malformed: ").strip()
    text = f"broken JSON: {what} (byte {position + at_byte})"
    # Malformed at the very bracket that closed the slice: the cut may be to blame.
    return _CutShortError(text) if position >= len(part) - 1 else UnreadableError(text)


def _not_utf8_at(part: bytes) -> int:
    try:
        part.decode()
    except UnicodeDecodeError as error:
        return error.start
    return len(part)
