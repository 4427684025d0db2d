"""Sessions as columns: a row is a number, a figure an entry of an array. Pure.

A session as an object takes about a kilobyte; as a row of columns it takes about 200 bytes. `session` makes the object
of a row when it is needed, `ColumnReader` reads a row in place without making one.

Figures are 64-bit integers, of which the least stands for an unknown figure. A row with a figure beyond them, which
only a faulty service sends, is kept as an object beside the columns.
"""

from array import array
from collections.abc import Collection, Iterable, Iterator, Sequence
from copy import copy
from itertools import compress
from operator import not_
from sys import intern
from typing import cast, overload

from streamusage.api.extension import SessionRecord
from streamusage.core.coverage import IMPORTED, OWED, Provenance
from streamusage.core.usage import PartialUsageRecord, SessionKey, StreamId
from tui.model.sessions.session import ServiceSessionKey, Session, from_record, seen_subscribers

UNKNOWN = -(1 << 63)
"""The entry of an unknown figure."""
_LARGEST = (1 << 63) - 1
_UNKNOWN_BYTES = array("q", [UNKNOWN]).tobytes()

_USED, _LIVE, _RECORDED, _IMPORTED = 1, 2, 4, 8
_PROVENANCE = 16
_PROVENANCES: tuple[Provenance | None, ...] = (None, *Provenance)
_NUMBER_OF = {provenance: number for number, provenance in enumerate(_PROVENANCES)}
_OWED_FLAGS = frozenset(
    _PROVENANCE * _NUMBER_OF[provenance] + flags for provenance in OWED for flags in range(_PROVENANCE)
)
"""The flags of sessions of which a server owes newer figures."""
_OWED_ON_AIR = tuple(flags for flags in _OWED_FLAGS if flags & _LIVE)
_RECORDED_FLAGS = bytes(flags for flags in range(256) if flags & _RECORDED)
_ENDED_FLAGS = bytes(flags for flags in range(256) if not flags & _LIVE)
_FIGURES = ("start_time", "end_time", "duration_ms", "active", "peak", "lost", "total", "updated")


class SessionColumns(Sequence[Session]):
    """Columns of sessions. As a sequence, it has the sessions in the order of their rows."""

    __slots__ = (
        "active",
        "duration_ms",
        "end_time",
        "flags",
        "folded",
        "lost",
        "names",
        "odd",
        "peak",
        "scopes",
        "service_names",
        "services",
        "start_time",
        "total",
        "updated",
    )

    def __init__(self) -> None:
        self.scopes: list[str] = []
        self.names: list[str] = []
        self.folded: list[str] = []
        """Names in lower case: the same objects where a name is in lower case."""
        self.start_time = array("q")
        self.end_time = array("q")
        self.duration_ms = array("q")
        self.active = array("q")
        self.peak = array("q")
        self.lost = array("q")
        self.total = array("q")
        self.updated = array("q")
        self.flags = bytearray()
        self.services = bytearray()
        """The number of each session's service in `service_names`."""
        self.service_names = [""]
        self.odd: dict[int, Session] = {}
        """Sessions that the columns cannot hold, by row: with figures that are clamped here, or another text."""

    def __len__(self) -> int:
        return len(self.names)

    @overload
    def __getitem__(self, row: int) -> Session: ...
    @overload
    def __getitem__(self, row: slice) -> list[Session]: ...
    def __getitem__(self, row: int | slice) -> Session | list[Session]:
        if isinstance(row, slice):
            return [self.session(number) for number in range(*row.indices(len(self)))]
        if not -len(self) <= row < len(self):
            raise IndexError(row)
        return self.session(row % len(self))

    def __iter__(self) -> Iterator[Session]:
        return map(self.session, range(len(self)))

    @classmethod
    def of(cls, sessions: Iterable[Session]) -> "SessionColumns":
        """Return columns of some sessions, in their order."""
        columns = cls()
        for session in sessions:
            columns.append(session)
        return columns

    def freeze(self) -> "SessionColumns":
        """Return a copy of all rows under their numbers, those not in use included: it costs some bytes a row."""
        frozen = SessionColumns()
        for name in self.__slots__:
            setattr(frozen, name, copy(getattr(self, name)))
        return frozen

    def distinct_services(self) -> list[str]:
        """Return the services of the sessions, sorted by name."""
        return sorted({self.service_names[number] for number in set(self.services)})

    def distinct_streams(self, rows: Sequence[int]) -> dict[tuple[str, str], None]:
        """Return scope and name of the streams of some rows, each once."""
        if part := _part_of(rows):
            scopes, names = self.scopes[part], self.names[part]
            if len(set(names)) == len(set(scopes)) == 1:
                return {(scopes[0], names[0]): None}
            return dict.fromkeys(zip(scopes, names, strict=True))
        return dict.fromkeys(zip(map(self.scopes.__getitem__, rows), map(self.names.__getitem__, rows), strict=True))

    def started_between(self, rows: Sequence[int]) -> tuple[int, int]:
        """Return when the first and the last of some rows started, UTC milliseconds."""
        part = _part_of(rows)
        starts = self.start_time[part] if part else list(map(self.start_time.__getitem__, rows))
        return min(starts), max(starts)

    def has_record(self, rows: Iterable[int]) -> bool:
        """Return whether the service has a usage record of any of some rows."""
        return any(self.flags[row] & _RECORDED for row in rows)

    def whole_rows(self, rows: Sequence[int]) -> tuple[list[int], list[int]]:
        """Return the rows of which every documented figure is known (`Session.is_whole`), and the other ones."""
        figures: tuple[array[int], ...] = self._figures()[1:]
        starts, flags, part = self.start_time, self.flags, _part_of(rows)
        if part:
            figures = tuple(column for column in figures if _UNKNOWN_BYTES in column[part].tobytes())
            is_whole = not (figures or self.odd or flags[part].translate(None, _RECORDED_FLAGS))
            if is_whole and min(starts[part]) > 0:
                return list(rows), []
        whole = [starts[row] > 0 and flags[row] & _RECORDED > 0 for row in rows]
        for column in figures:
            whole = [is_whole and column[row] != UNKNOWN for row, is_whole in zip(rows, whole, strict=True)]
        if self.odd:
            whole = [
                self.odd[row].is_whole if row in self.odd else is_whole
                for row, is_whole in zip(rows, whole, strict=True)
            ]
        return list(compress(rows, whole)), list(compress(rows, map(not_, whole)))

    def key(self, row: int) -> SessionKey:
        """Return the key of a row."""
        start_time = self.odd[row].start_time if row in self.odd else self.start_time[row]
        if service := self.services[row]:
            return ServiceSessionKey(self.scopes[row], self.names[row], start_time, self.service_names[service])
        return SessionKey(self.scopes[row], self.names[row], start_time)

    def keys_of(self, rows: Sequence[int]) -> Iterable[tuple[str, str, int]]:
        """Return the keys of some rows, each equal to that of `key`."""
        if self.odd or self.services.count(0) < len(self.services):
            return map(self.key, rows)
        of_row = (self.scopes.__getitem__, self.names.__getitem__, self.start_time.__getitem__)
        return zip(*(map(column, rows) for column in of_row), strict=True)

    def session(self, row: int) -> Session:
        """Return the session of a row."""
        if row in self.odd:
            return self.odd[row]
        flags = self.flags[row]
        end_time, duration_ms, updated = self.end_time[row], self.duration_ms[row], self.updated[row]
        active, peak, lost, total = self.active[row], self.peak[row], self.lost[row], self.total[row]
        return Session(
            scope=self.scopes[row],
            name=self.names[row],
            start_time=self.start_time[row],
            end_time=None if end_time == UNKNOWN else end_time,
            duration_ms=None if duration_ms == UNKNOWN else duration_ms,
            active=None if active == UNKNOWN else active,
            peak=None if peak == UNKNOWN else peak,
            lost=None if lost == UNKNOWN else lost,
            total=None if total == UNKNOWN else total,
            updated=None if updated == UNKNOWN else updated,
            live=flags & _LIVE > 0,
            provenance=_PROVENANCES[flags // _PROVENANCE],
            recorded=flags & _RECORDED > 0,
            text=self.text(row),
            imported=flags & _IMPORTED > 0,
            service=self.service_names[self.services[row]],
        )

    def text(self, row: int) -> str:
        """Return `scope/name` in lower case."""
        return f"{self.scopes[row].casefold()}/{self.folded[row]}"

    def append(self, session: Session) -> int:
        """Add a session and return its row."""
        row = len(self.names)
        self.scopes.append("")
        self.names.append("")
        self.folded.append("")
        for column in self._figures():
            column.append(UNKNOWN)
        self.flags.append(0)
        self.services.append(0)
        self.put(row, session)
        return row

    def share_name(self, row: int, other: int) -> None:
        """Use the name of another row, which is equal, so that one object serves both."""
        self.names[row], self.folded[row] = self.names[other], self.folded[other]

    def put(self, row: int, session: Session) -> None:
        """Replace a row by a session."""
        if self.names[row] != session.name or self.scopes[row] != session.scope:  # else the present objects stay
            self.scopes[row] = intern(session.scope)
            self.names[row] = session.name
            self.folded[row] = _fold(session.name)
        self.flags[row] = (
            _USED
            + _LIVE * session.live
            + _RECORDED * session.recorded
            + _IMPORTED * session.imported
            + _PROVENANCE * _NUMBER_OF[session.provenance]
        )
        if session.service != self.service_names[self.services[row]]:
            self.services[row] = self._service_number(session.service)
        self.odd.pop(row, None)
        try:
            self._put_figures(row, session)
        except OverflowError:
            self._put_odd(row, session)
        if session.text != self.text(row):
            self._put_odd(row, session)

    def _service_number(self, service: str) -> int:
        if service not in self.service_names:
            self.service_names.append(service)
        return self.service_names.index(service)

    def _put_figures(self, row: int, session: Session) -> None:
        self.start_time[row] = session.start_time
        self.end_time[row] = UNKNOWN if session.end_time is None else session.end_time
        self.duration_ms[row] = UNKNOWN if session.duration_ms is None else session.duration_ms
        self.active[row] = UNKNOWN if session.active is None else session.active
        self.peak[row] = UNKNOWN if session.peak is None else session.peak
        self.lost[row] = UNKNOWN if session.lost is None else session.lost
        self.total[row] = UNKNOWN if session.total is None else session.total
        self.updated[row] = UNKNOWN if session.updated is None else session.updated

    def _put_odd(self, row: int, session: Session) -> None:
        self.odd[row] = session
        values = (
            session.start_time,
            session.end_time,
            session.duration_ms,
            session.active,
            session.peak,
            session.lost,
            session.total,
            session.updated,
        )
        for column, value in zip(self._figures(), values, strict=True):
            column[row] = UNKNOWN if value is None else min(max(value, UNKNOWN + 1), _LARGEST)

    def _figures(self) -> tuple["array[int]", ...]:
        return (
            self.start_time,
            self.end_time,
            self.duration_ms,
            self.active,
            self.peak,
            self.lost,
            self.total,
            self.updated,
        )

    def clear_row(self, row: int) -> None:
        """Release a row: it is not in use until another session is put there."""
        self.scopes[row] = self.names[row] = self.folded[row] = ""
        self.flags[row] = 0
        self.odd.pop(row, None)

    def figures(self, field: str) -> "array[int]":
        """Return the column of a figure."""
        return dict(zip(_FIGURES, self._figures(), strict=True))[field]

    def is_live(self, row: int) -> bool:
        """Return whether a row is a session on air."""
        return self.flags[row] & _LIVE > 0

    def leaves_out_server(self) -> bool:
        """Return whether any session on air leaves out a server that owes newer figures."""
        return any(flags in self.flags for flags in _OWED_ON_AIR)

    def is_used(self, row: int) -> bool:
        """Return whether a row is a session."""
        return self.flags[row] > 0

    def used_rows(self, first: int, last: int) -> list[int]:
        """Return the rows in use from `first` up to, but without, `last`."""
        return [row for row, flags in enumerate(self.flags[first:last], first) if flags]

    def watching(self, rows: Sequence[int], left_out: Collection[str] = ()) -> int:
        """Return the sum of the known active subscribers of some rows, without those of the services left out."""
        if left_out:
            numbers = {number for number, name in enumerate(self.service_names) if name in left_out}
            rows = [row for row in rows if self.services[row] not in numbers]
        active, odd = self.active, self.odd
        known = sum(entry for row in rows if (entry := active[row]) != UNKNOWN and row not in odd)
        return known + sum(odd[row].active or 0 for row in rows if row in odd)

    def live_rows(self, rows: Sequence[int]) -> tuple[list[int], list[int]]:
        """Return the rows on air, and the other ones."""
        flags, part = self.flags, _part_of(rows)
        if part and not flags[part].translate(None, _ENDED_FLAGS):
            return [], list(rows)
        return [row for row in rows if flags[row] & _LIVE], [row for row in rows if not flags[row] & _LIVE]

    def extend_records(self, records: Sequence[PartialUsageRecord]) -> None:
        """Add the sessions of usage records: `append(from_record(record))` of each, column by column."""
        scopes = [intern(record.scope) for record in records]
        names = [record.name for record in records]
        flags = bytes(map(_flags, records))
        active = [record.active_subscribers for record in records]
        if not _OWED_FLAGS.isdisjoint(flags):
            active = list(map(seen_subscribers, records))
        try:
            columns = [
                array("q", [record.start_time for record in records]),
                array("q", cast("list[int]", [record.end_time for record in records])),
                array("q", cast("list[int]", [record.duration for record in records])),
                array("q", cast("list[int]", active)),
                array("q", cast("list[int]", [record.max_subscribers for record in records])),
                array("q", cast("list[int]", [record.lost_subscribers for record in records])),
                array("q", cast("list[int]", [record.total_subscribers for record in records])),
                array("q", cast("list[int]", [record.updated for record in records])),
            ]
        except (OverflowError, TypeError):  # beyond 64 bits, or unknown
            for record in records:
                self.append(from_record(record))
            return
        self.scopes += scopes
        self.names += names
        self.folded += map(_fold, names)
        for column, values in zip(self._figures(), columns, strict=True):
            column.extend(values)
        self.flags += flags
        self.services.extend(bytes(len(records)))


def _part_of(rows: Sequence[int]) -> slice | None:
    """Return the part of the columns that different rows are, in whatever order; `None` where there are others in it.

    A part is read at the speed of memory.
    """
    if not rows:
        return None
    first, last = min(rows), max(rows)
    return slice(first, last + 1) if last - first == len(rows) - 1 else None


def _fold(name: str) -> str:
    folded = name.casefold()
    return name if folded == name else folded


def _flags(record: PartialUsageRecord) -> int:
    if not isinstance(record, SessionRecord):
        return _USED + _RECORDED
    provenance = None if record.imported else record.provenance
    imported = _IMPORTED if record.imported else 0
    return _USED + _RECORDED + _LIVE * record.live + imported + _PROVENANCE * _NUMBER_OF[provenance]


class SessionRows(Sequence[Session]):
    """Some rows of columns, in an order, without a copy."""

    def __init__(self, columns: SessionColumns, rows: Sequence[int] = ()) -> None:
        self.columns, self.rows = columns, rows

    def __len__(self) -> int:
        return len(self.rows)

    @overload
    def __getitem__(self, place: int) -> Session: ...
    @overload
    def __getitem__(self, place: slice) -> list[Session]: ...
    def __getitem__(self, place: int | slice) -> Session | list[Session]:
        if isinstance(place, slice):
            return list(map(self.columns.session, self.rows[place]))
        return self.columns.session(self.rows[place])


class ColumnReader:
    """Reads the fields of a session from the columns. `row` selects the row: one reader serves all rows in turn."""

    __slots__ = ("columns", "row")

    def __init__(self, columns: SessionColumns) -> None:
        self.columns = columns
        self.row = 0

    @property
    def scope(self) -> str:
        """Scope of the stream."""
        return self.columns.scopes[self.row]

    @property
    def name(self) -> str:
        """Name of the stream."""
        return self.columns.names[self.row]

    @property
    def service(self) -> str:
        """Profile of the session's service."""
        return self.columns.service_names[self.columns.services[self.row]]

    @property
    def text(self) -> str:
        """`scope/name` in lower case."""
        return self.columns.text(self.row)

    @property
    def start_time(self) -> int:
        """Start of the publish."""
        return self.columns.start_time[self.row]

    @property
    def end_time(self) -> int | None:
        """End of the publish."""
        entry = self.columns.end_time[self.row]
        return None if entry == UNKNOWN else entry

    @property
    def duration_ms(self) -> int | None:
        """Duration of an ended session."""
        entry = self.columns.duration_ms[self.row]
        return None if entry == UNKNOWN else entry

    @property
    def active(self) -> int | None:
        """Subscribers now."""
        entry = self.columns.active[self.row]
        return None if entry == UNKNOWN else entry

    @property
    def peak(self) -> int | None:
        """Most simultaneous subscribers."""
        entry = self.columns.peak[self.row]
        return None if entry == UNKNOWN else entry

    @property
    def lost(self) -> int | None:
        """Subscribers that left."""
        entry = self.columns.lost[self.row]
        return None if entry == UNKNOWN else entry

    @property
    def total(self) -> int | None:
        """All subscribers."""
        entry = self.columns.total[self.row]
        return None if entry == UNKNOWN else entry

    @property
    def updated(self) -> int | None:
        """When the figures were updated."""
        entry = self.columns.updated[self.row]
        return None if entry == UNKNOWN else entry

    @property
    def live(self) -> bool:
        """Whether it is on air."""
        return self.columns.flags[self.row] & _LIVE > 0

    @property
    def recorded(self) -> bool:
        """Whether the service has a usage record of it."""
        return self.columns.flags[self.row] & _RECORDED > 0

    @property
    def imported(self) -> bool:
        """Whether the record was imported."""
        return self.columns.flags[self.row] & _IMPORTED > 0

    @property
    def provenance(self) -> Provenance | None:
        """Provenance of the newest figures."""
        return _PROVENANCES[self.columns.flags[self.row] // _PROVENANCE]

    @property
    def leaves_out_server(self) -> bool:
        """Whether the active subscribers are those of some servers only."""
        return self.live and self.provenance in OWED

    @property
    def provenance_name(self) -> str:
        """The provenance as it is shown."""
        return IMPORTED if self.imported else self.provenance.value if self.provenance else ""

    @property
    def is_whole(self) -> bool:
        """Whether every documented figure is known."""
        return self.columns.session(self.row).is_whole

    @property
    def key(self) -> SessionKey:
        """Key of the session."""
        return self.columns.key(self.row)

    @property
    def stream(self) -> StreamId:
        """The stream that was published."""
        return StreamId(self.scope, self.name)

    def lasted_ms(self, now_ms: int) -> int | None:
        """Duration so far, or of an ended session its whole duration."""
        if self.live:
            return max(0, now_ms - self.start_time) if self.start_time else None
        return self.duration_ms
