"""The sessions that the console knows, by key. Pure.

`SessionStore` holds the result of the last polls; `view.py` decides what is shown and in which order.
"""

from bisect import bisect_right
from collections import Counter
from collections.abc import Collection, Container, Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import chain
from typing import NamedTuple

from streamusage.core.usage import SessionKey, StreamId
from tui.model.sessions.key_map import KeyMap
from tui.model.sessions.session import Session, from_record
from tui.model.sessions.session_batch import SessionBatch
from tui.model.sessions.session_columns import SessionColumns

__all__ = ["Change", "Session", "SessionStore", "SessionTotals", "from_record"]


class SessionTotals(NamedTuple):
    """The counts of the screen's second line; `None` where nobody knows which sessions are on air."""

    live: int | None
    sessions: int
    watching: int | None


class Change(NamedTuple):
    """One session before and after a poll; `before` is `None` for a new one, `after` for one that is gone."""

    key: SessionKey
    before: Session | None
    after: Session | None


_STEP_ROWS = 500
_ON_AIR = 1 << 63
"""The end of a session on air: after every instant."""


class StreamRows:
    """Rows of the sessions of one stream, newest first; it may have had tens of thousands.

    They are valid until one begins, is gone, or an ended one gets another end.
    """

    def __init__(self, columns: SessionColumns, rows: Iterable[int]) -> None:
        self._columns = columns
        self.rows = sorted(rows, key=columns.start_time.__getitem__, reverse=True)
        self._last_ends: list[int] = []
        """The latest end of each session and all older ones, as of now: a session on air may end earlier than that."""
        last_end = -_ON_AIR
        for row in reversed(self.rows):
            last_end = max(last_end, self._end(row, _ON_AIR))
            self._last_ends.append(last_end)
        self._last_ends.reverse()

    def on_air_times(self, from_ms: int, to_ms: int) -> list[tuple[int, int]]:
        """Return start and end of the sessions that were on air in a window, the newest first.

        One still on air ends with the window; one with an unknown end counts as one of no length.
        """
        starts, found = self._columns.start_time, list[tuple[int, int]]()
        first = bisect_right(self.rows, -to_ms, key=lambda row: -starts[row])
        for place in range(first, len(self.rows)):
            if self._last_ends[place] <= from_ms:
                break
            row = self.rows[place]
            if (end := self._end(row, to_ms)) > from_ms:
                found.append((starts[row], end))
        return found

    def _end(self, row: int, on_air: int) -> int:
        columns = self._columns
        return on_air if columns.is_live(row) else max(columns.start_time[row], columns.end_time[row])


class SessionStore:
    """All sessions by key, as rows of columns. A row keeps its number as long as its session is known."""

    def __init__(self) -> None:
        self.columns = SessionColumns()
        self._rows = KeyMap()
        self._free: list[int] = []
        self._removed: dict[SessionKey, int] = {}
        """Rows of the sessions that the last `apply` removed. They are reused after the next one."""
        self._count = self._live = self._watching = 0
        self.watching_of: Counter[str] = Counter()
        """Active subscribers by service, where there are several."""
        self._stream: tuple[StreamId, str] | None = None
        """The last stream that was looked up, until its rows are no longer valid."""
        self._stream_rows = StreamRows(self.columns, ())

    def __len__(self) -> int:
        return self._count

    def __contains__(self, key: SessionKey | tuple[str, str, int]) -> bool:
        return key in self._rows

    def __iter__(self) -> Iterator[Session]:
        return map(self.columns.session, self._used())

    def _used(self) -> list[int]:
        return self.columns.used_rows(0, len(self.columns))

    def row(self, key: SessionKey | tuple[str, str, int]) -> int | None:
        """Return the row of a key, or `None`."""
        return self._rows.get(key)

    def removed_row(self, key: SessionKey) -> int | None:
        """Return the row that a key had before the last `apply` removed its session."""
        return self._removed.get(key)

    def get(self, key: SessionKey) -> Session | None:
        """Return the session of a key, or `None`."""
        row = self.row(key)
        return None if row is None else self.columns.session(row)

    def live(self) -> Iterator[Session]:
        """Return the live sessions."""
        return chain.from_iterable(self.live_parts())

    def live_parts(self) -> Iterator[Iterator[Session]]:
        """Return the live sessions in parts of some hundred sessions."""
        for first in range(0, len(self.columns), _STEP_ROWS):
            live, _ = self.columns.live_rows(range(first, min(first + _STEP_ROWS, len(self.columns))))
            yield map(self.columns.session, live)

    def live_streams(self, service: str = "") -> Iterator[set[StreamId]]:
        """Return the streams of the live sessions in parts; of a service where there are several."""
        columns = self.columns
        number = {known: at for at, known in enumerate(columns.service_names)}.get(service)
        for first in range(0, len(columns), _STEP_ROWS):
            live, _ = columns.live_rows(range(first, min(first + _STEP_ROWS, len(columns))))
            yield {StreamId(columns.scopes[row], columns.names[row]) for row in live if columns.services[row] == number}

    def of_stream(self, stream: StreamId, service: str = "") -> list[Session]:
        """Return every session of a stream, newest first; of a service where there are several."""
        return list(map(self.columns.session, self.stream_rows(stream, service)))

    def known_stream_rows(self, stream: StreamId, service: str = "") -> Sequence[int] | None:
        """Return `stream_rows` if they are known without a search; they are never changed in place."""
        return self._stream_rows.rows if self._stream == (stream, service) else None

    def stream_rows(self, stream: StreamId, service: str = "") -> Sequence[int]:
        """Return the rows of the sessions of a stream, newest first. They are searched once for the same stream."""
        return self._of_stream(stream, service).rows

    def on_air_times(self, session: Session, from_ms: int, to_ms: int) -> list[tuple[int, int]]:
        """Return start and end of the sessions of a session's stream that were on air in a window."""
        return self._of_stream(session.stream, session.service).on_air_times(from_ms, to_ms)

    def _of_stream(self, stream: StreamId, service: str) -> StreamRows:
        if self._stream != (stream, service):
            self._stream = (stream, service)
            self._stream_rows = StreamRows(self.columns, self._find_stream(stream, service))
        return self._stream_rows

    def _find_stream(self, stream: StreamId, service: str) -> list[int]:
        """Return the rows of a stream, at the cost of a search through all names."""
        columns, (scope, name), rows = self.columns, stream, list[int]()
        names, scopes, flags, services = columns.names, columns.scopes, columns.flags, columns.services
        number = {known: at for at, known in enumerate(columns.service_names)}.get(service)
        at = 0
        with suppress(ValueError):
            while True:  # half the time of a comprehension
                at = names.index(name, at)
                if scopes[at] == scope and flags[at] and services[at] == number:
                    rows.append(at)
                at += 1
        return rows

    def totals(self, left_out: Collection[str] = ()) -> SessionTotals:
        """Return the counts over all sessions. Who watches at the services left out is not counted."""
        watching = self._watching - sum(self.watching_of[service] for service in left_out)
        return SessionTotals(self._live, self._count, watching)

    def adopt(self, batch: SessionBatch) -> Iterator[None]:
        """Take over a batch as the sessions of an empty store, with a step after each yield."""
        self.columns, self._rows = batch.columns, batch.rows
        self._free, self._removed = [], {}
        self._stream = None
        for first in range(0, len(self.columns), _STEP_ROWS):
            last = min(first + _STEP_ROWS, len(self.columns))
            used = self.columns.used_rows(first, last)
            if len(used) < last - first:
                self._free += set(range(first, last)).difference(used)
            live, _ = self.columns.live_rows(used)
            self._live += len(live)
            self._watching += self.columns.watching(live)
            yield
        self._count = len(batch)

    def keys_without(self, kept: Container[object]) -> Iterator[list[SessionKey]]:
        """Return the keys of the sessions that are not among others, in parts."""
        for first in range(0, len(self.columns), _STEP_ROWS):
            rows = self.columns.used_rows(first, min(first + _STEP_ROWS, len(self.columns)))
            yield [key for row in rows if (key := self.columns.key(row)) not in kept]

    def apply(
        self, changed: Iterable[Session], removed: Iterable[SessionKey] = (), *, reset: bool = False
    ) -> list[Change]:
        """Apply a poll and return the changes. `reset` drops every session that is not in `changed`."""
        changes: list[Change] = []
        self._free += self._removed.values()
        self._removed = {}
        if reset and self._count:
            changed = list(changed)
            kept = {session.key for session in changed}
            removed = [key for keys in self.keys_without(kept) for key in keys]
        for key in removed:
            before = self._remove(key)
            if before is not None:
                changes.append(Change(key, before, None))
        for session in changed:
            key = session.key
            row = self.row(key)
            known = None if row is None else self.columns.session(row)
            if known == session:
                continue
            self._put(key, row, session, known)
            changes.append(Change(key, known, session))
        return changes

    def _put(self, key: SessionKey, row: int | None, session: Session, known: Session | None) -> None:
        if known is not None and known.live:
            self._live -= 1
            self._watching -= known.active or 0
            if known.service:
                self.watching_of[known.service] -= known.active or 0
        if row is None:
            if self._free:
                row = self._free.pop()
                self.columns.put(row, session)
            else:
                row = self.columns.append(session)
            self._rows.put(key, row)
            self._count += 1
            self._forget_stream(key)
        else:
            self.columns.put(row, session)
            if known is not None and not known.live and (session.live or session.end_time != known.end_time):
                self._forget_stream(key)
        if session.live:
            self._live += 1
            self._watching += session.active or 0
            if session.service:
                self.watching_of[session.service] += session.active or 0

    def _remove(self, key: SessionKey) -> Session | None:
        row = self._rows.pop(key)
        if row is None:
            return None
        session = self.columns.session(row)
        self.columns.clear_row(row)
        self._removed[key] = row
        self._count -= 1
        self._forget_stream(key)
        if session.live:
            self._live -= 1
            self._watching -= session.active or 0
            if session.service:
                self.watching_of[session.service] -= session.active or 0
        return session

    def _forget_stream(self, key: SessionKey) -> None:
        if self._stream is not None and self._stream[0] == key[:2]:
            self._stream = None
