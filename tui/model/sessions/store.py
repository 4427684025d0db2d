"""The sessions that the console knows, by key. Pure.

`SessionStore` holds the result of the last polls; `view.py` decides what is shown and in which order.
"""

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
        self._stream_rows: tuple[tuple[StreamId, str] | None, list[int]] = (None, [])
        """The last stream of `stream_rows` and its rows, until a session of it begins or is gone."""

    def __len__(self) -> int:
        return self._count

    def __contains__(self, key: SessionKey) -> bool:
        return key in self._rows

    def __iter__(self) -> Iterator[Session]:
        return map(self.columns.session, self._used())

    def _used(self) -> list[int]:
        return self.columns.used_rows(0, len(self.columns))

    def row(self, key: SessionKey) -> int | None:
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

    def of_stream(self, stream: StreamId, service: str = "") -> list[Session]:
        """Return every session of a stream, newest first; of a service where there are several."""
        return list(map(self.columns.session, self.stream_rows(stream, service)))

    def stream_rows(self, stream: StreamId, service: str = "") -> Sequence[int]:
        """Return the rows of the sessions of a stream, newest first. They are searched once for the same stream."""
        if self._stream_rows[0] != (stream, service):
            rows = self._find_stream(stream, service)
            rows.sort(key=self.columns.start_time.__getitem__, reverse=True)
            self._stream_rows = ((stream, service), rows)
        return self._stream_rows[1]

    def on_air_times(self, session: Session, from_ms: int, to_ms: int) -> list[tuple[int, int]]:
        """Return start and end of the sessions of a session's stream that were on air in a window.

        One still on air ends with the window; one with an unknown end counts as one of no length.
        """
        columns, found = self.columns, list[tuple[int, int]]()
        starts, ends = columns.start_time, columns.end_time
        for row in self.stream_rows(session.stream, session.service):
            start = starts[row]
            end = to_ms if columns.is_live(row) else max(start, ends[row])
            if start < to_ms and end > from_ms:
                found.append((start, end))
        return found

    def _find_stream(self, stream: StreamId, service: str) -> list[int]:
        """Return the rows of a stream, at the cost of a search through all names."""
        columns, (scope, name), rows = self.columns, stream, list[int]()
        names, scopes, flags, services = columns.names, columns.scopes, columns.flags, columns.services
        number = {known: at for at, known in enumerate(columns.service_names)}.get(service)
        at = 0
        with suppress(ValueError):
            while True:
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
        self._stream_rows = (None, [])
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
        if self._stream_rows[0] is not None and self._stream_rows[0][0] == key[:2]:
            self._stream_rows = (None, [])
