"""What the usage service answers: the shapes of docs/api.md, and how a long list of records is read. Pure.

Unknown fields are ignored everywhere. Times are UTC milliseconds.
"""

import re
from collections.abc import Iterator
from typing import Literal

import msgspec

from streamusage.coverage import Interval, Provenance
from streamusage.day_answers import BackfilledPart as BackfilledPart
from streamusage.day_answers import CoveredTime as CoveredTime
from streamusage.day_answers import Daily as Daily
from streamusage.day_answers import DailyStatistics as DailyStatistics
from streamusage.report import AgentPhase, PhaseChange, Role
from streamusage.usage import SessionKey, StreamId, UsageRecord


class SessionRecord(UsageRecord, frozen=True, kw_only=True):
    """A usage record as our own service tells it: with what the documented one leaves out."""

    live: bool
    provenance: Provenance
    """How the newest figures of the record came."""


class _DeletedSession(msgspec.Struct, frozen=True):
    scope: str
    name: str
    start_time: int = msgspec.field(name="startTime")


class Changes(msgspec.Struct, frozen=True, kw_only=True):
    """What changed or was deleted since a cursor."""

    now: int
    cursor: str
    reset: bool = False
    """The cursor was too old: drop what you have, this answer begins anew."""
    more: bool = False
    """There is more: ask again at once with the new cursor."""
    records: list[SessionRecord] = []
    deleted_sessions: list[_DeletedSession] = msgspec.field(name="deleted", default_factory=list)

    @property
    def deleted(self) -> list[SessionKey]:
        return [SessionKey(gone.scope, gone.name, gone.start_time) for gone in self.deleted_sessions]


class LiveStream(msgspec.Struct, frozen=True, kw_only=True):
    """A row of the live list: one stream on one media server."""

    name: str
    scope: str
    type: str = ""
    server_address: str = msgspec.field(name="serverAddress", default="")
    region: str = ""
    current_subscribers: int = msgspec.field(name="currentSubscribers", default=0)
    start_time: int | None = msgspec.field(name="startTime", default=None)

    @property
    def stream(self) -> StreamId:
        return StreamId(self.scope.removeprefix("/"), self.name)


class ServerState(msgspec.Struct, frozen=True, kw_only=True):
    """A media server as the service knows it."""

    server: str
    role: Role
    state: Literal["live", "unreachable", "removed"]
    since: int | None = None
    last_sync_at: int | None = None
    watermark: int | None = None
    """Before this instant the server owes nothing more."""
    sync_interval_ms: int = 10_000
    phase: AgentPhase = "online"
    epoch: int = 0
    revision: int = 0
    owed_ms: int = 0
    """How much time before now is not accounted for."""
    active_subscribers: int = 0
    clock_offset_ms: int | None = None
    removed: Literal["in order", "by force"] | None = None
    """How it was taken out of the estate: by force, its part of the sessions is not accounted for."""
    removed_at: int | None = None


class RemovedServer(msgspec.Struct, frozen=True, kw_only=True):
    """A server that was taken out just now."""

    now: int
    server: str
    removed: Literal["in order", "by force"]
    sessions: int = 0
    """How many sessions that changed."""


class Orphan(msgspec.Struct, frozen=True, kw_only=True):
    """What one server reported of a record after it was deleted or discarded."""

    scope: str
    name: str
    start_time: int = msgspec.field(name="startTime")
    server: str
    end_time: int = msgspec.field(name="endTime")
    active: int = 0
    highest: int = 0
    total: int = 0
    first_at: int
    last_at: int

    @property
    def stream(self) -> StreamId:
        return StreamId(self.scope, self.name)


class Orphans(msgspec.Struct, frozen=True, kw_only=True):
    """Orphans, newest first."""

    now: int
    more: bool = False
    """There are older ones; they can be asked for by their time."""
    orphans: list[Orphan]


class AuditEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One change of what the service keeps: who made it, by the token's name, and how many records it met."""

    at: int
    who: str
    operation: str
    scope: str = ""
    name: str = ""
    """The stream's, or the server's where a server was removed."""
    start_time: int | None = msgspec.field(name="startTime", default=None)
    records: int = 0


class Audit(msgspec.Struct, frozen=True, kw_only=True):
    """The audit log, newest first."""

    now: int
    more: bool = False
    entries: list[AuditEntry]


class Servers(msgspec.Struct, frozen=True, kw_only=True):
    now: int
    servers: list[ServerState]


class Delta(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What a span brought when it was filled."""

    connections: int = 0
    connections_by_protocol: dict[str, int] = {}
    bytes_in: int = 0
    bytes_out: int = 0
    peak_in_bps: int | None = None
    peak_in_at: int | None = None
    peak_out_bps: int | None = None
    peak_out_at: int | None = None
    view_time_ms: int = 0


class Span(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """An interval of one server and how it is accounted for."""

    from_ms: int = msgspec.field(name="from")
    to_ms: int = msgspec.field(name="to")
    state: Provenance
    detected_at: int | None = None
    filled_at: int | None = None
    reason: str | None = None
    delta: Delta | None = None

    @property
    def interval(self) -> Interval:
        return Interval(self.from_ms, self.to_ms)


class Outage(msgspec.Struct, frozen=True, kw_only=True):
    """A stretch in which an agent's sync-ups failed, as the agent itself told it once it got through again."""

    from_ms: int = msgspec.field(name="from")
    """When the first sync-up failed."""
    to_ms: int = msgspec.field(name="to")
    """When the newest of its phases began."""
    phases: list[PhaseChange]
    failed_attempts: int
    error: str = ""
    """What the last attempt failed of."""
    left_out: int = 0
    """How many phases after the first are not told."""


class ServerCoverage(msgspec.Struct, frozen=True, kw_only=True):
    """The spans of one server, oldest first, inside the window that was asked for."""

    server: str
    since: int | None = None
    watermark: int | None = None
    spans: list[Span] = []
    outages: list[Outage] = []


class Coverage(msgspec.Struct, frozen=True, kw_only=True):
    now: int
    from_ms: int = msgspec.field(name="from")
    to_ms: int = msgspec.field(name="to")
    servers: list[ServerCoverage]


class Carrier(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A publish that a server carried. `to_ms` of `None`: it was live when the server was last heard of."""

    scope: str
    name: str
    server: str
    from_ms: int = msgspec.field(name="from")
    to_ms: int | None = msgspec.field(name="to", default=None)

    @property
    def stream(self) -> StreamId:
        return StreamId(self.scope, self.name)


class Carriers(msgspec.Struct, frozen=True, kw_only=True):
    now: int
    carriers: list[Carrier]


class HistoryPoint(msgspec.Struct, frozen=True, kw_only=True):
    """Subscribers of a stream over one step. `None` where nothing is known, which is not a zero."""

    at: int
    active: int | None = None
    highest: int | None = None
    """An upper bound of the true simultaneous maximum."""
    state: Provenance | None = None
    """`None` where no server that carried the stream was in service."""


class ServerShare(msgspec.Struct, frozen=True, kw_only=True):
    """What one server contributes to a stream now."""

    server: str
    active: int | None = None
    state: str = ""


class History(msgspec.Struct, frozen=True, kw_only=True):
    now: int
    step_ms: int
    points: list[HistoryPoint]
    servers: list[ServerShare] = []


class Trend(msgspec.Struct, frozen=True, kw_only=True):
    """Subscribers of one live stream, an entry a step. `None` is not known, and a state of `None` not in service."""

    scope: str
    name: str
    active: list[int | None]
    state: list[Provenance | None]

    @property
    def stream(self) -> StreamId:
        return StreamId(self.scope, self.name)


class Trends(msgspec.Struct, frozen=True, kw_only=True):
    """The trends of every stream that is live, from the same instant on."""

    now: int
    from_ms: int = msgspec.field(name="from")
    step_ms: int
    streams: list[Trend]


class ImportResult(msgspec.Struct, frozen=True, kw_only=True):
    imported: int
    kept: int
    """Records that were there already, kept as they were."""


class ErrorBody(msgspec.Struct, frozen=True):
    """The documented shape of a failure."""

    error_message: str = msgspec.field(name="errorMessage")
    timestamp: int | float | None = None


class UnreadableError(ValueError):
    """An answer that is not what the API promises. The text says what is wrong, and where."""


SLICE_BYTES = 256 * 1024
"""About a millisecond of decoding: what an event loop with a keyboard can spare at a time."""

_CUTS_TRIED = 4
_BOUNDARY = re.compile(rb"\}\s*,")
_POSITION = re.compile(r"\(byte (\d+)\)$")
_INDEX = re.compile(r"\$\[(\d+)\]")


class _EitherSpelling(msgspec.Struct, frozen=True):
    """A record whose subscribers are spelled as documented or as meant."""

    name: str
    scope: str
    startTime: int
    endTime: int
    duration: int
    maxSubscribers: int
    lostSubscribers: int
    totalSubscribers: int
    updated: int
    aciveSubscribers: int | None = None
    activeSubscribers: int | None = None


_record = msgspec.json.Decoder(UsageRecord)
_records = msgspec.json.Decoder(list[UsageRecord])
_either_spelling = msgspec.json.Decoder(list[_EitherSpelling])


def decode_record(body: bytes) -> UsageRecord:
    """One usage record, given alone or as the only element of a list. Raises `UnreadableError`."""
    if body.lstrip()[:1] == b"[":
        records = [record for records in decode_records(body) for record in records]
    else:
        records = decode_records_once(b"[" + body + b"]", first=0, at_byte=-1)
    if len(records) != 1:
        raise UnreadableError(f"one usage record was expected, {len(records)} came")
    return records[0]


def decode_records(body: bytes, slice_bytes: int = SLICE_BYTES) -> Iterator[list[UsageRecord]]:
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


def decode_records_once(part: bytes, *, first: int, at_byte: int) -> list[UsageRecord]:
    """A list of records in one go. `first` and `at_byte` say where the part lies, for messages."""
    try:
        records = _records.decode(part)
    except msgspec.ValidationError as error:
        records = _decode_either_spelling(part, _INDEX.sub(lambda m: f"$[{int(m[1]) + first}]", str(error)))
    except msgspec.DecodeError as error:
        raise _broken(str(error), part, at_byte) from None
    except UnicodeDecodeError:
        raise UnreadableError(f"broken JSON: not UTF-8 (byte {_not_utf8_at(part) + at_byte})") from None
    return [
        msgspec.structs.replace(record, scope=record.scope.lstrip("/")) if record.scope[:1] == "/" else record
        for record in records
    ]


def _decode_either_spelling(part: bytes, error_text: str) -> list[UsageRecord]:
    try:
        either = _either_spelling.decode(part)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise UnreadableError(error_text) from None
    records = []
    for record in either:
        active = record.activeSubscribers if record.aciveSubscribers is None else record.aciveSubscribers
        if active is None:
            raise UnreadableError(error_text)
        records.append(
            UsageRecord(
                name=record.name,
                scope=record.scope,
                start_time=record.startTime,
                end_time=record.endTime,
                duration=record.duration,
                active_subscribers=active,
                max_subscribers=record.maxSubscribers,
                lost_subscribers=record.lostSubscribers,
                total_subscribers=record.totalSubscribers,
                updated=record.updated,
            )
        )
    return records


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
