"""Which sessions are shown and in which order: live ones first, then by a column. Pure.

The order is updated from the changes of a poll instead of sorted again: at 100,000 sessions that is the difference
between a table that scrolls and one that stutters.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from streamusage.core.usage import SessionKey
from tui.model.sessions.columns import COLUMNS, STREAM, sorts_by_growth
from tui.model.sessions.filter import Filter, parse
from tui.model.sessions.store import Change, Session, SessionStore

SortKey = tuple[Any, ...]
_UNKNOWN = float("inf")


_SORTED_ANEW_FROM = 16
"""From this share of changed sessions on, sorting everything is faster than updating."""


class _Group:
    """Sessions in ascending order of their sort keys."""

    def __init__(self) -> None:
        self.sessions: list[Session] = []

    def update(self, gone: list[Session], come: list[Session], sort_key: Callable[[Session], SortKey]) -> None:
        """Remove sessions and insert others. Removed sessions are the same objects that were inserted."""
        if gone:
            left = set(map(id, gone))
            self.sessions = [session for session in self.sessions if id(session) not in left]
        if len(come) > len(self.sessions) // _SORTED_ANEW_FROM:
            self.sessions = sorted([*self.sessions, *come], key=sort_key)
            return
        merged: list[Session] = []
        start = 0
        for session in sorted(come, key=sort_key):
            place = bisect_left(self.sessions, sort_key(session), lo=start, key=sort_key)
            merged += self.sessions[start:place]
            merged.append(session)
            start = place
        self.sessions = merged + self.sessions[start:]


class Heading(NamedTuple):
    """The row above the sessions of a scope, in a grouped table."""

    scope: str
    sessions: int
    live: int
    watching: int


class SessionView:
    """The rows of the session table: sessions, and headings if grouped by scope."""

    def __init__(self, store: SessionStore) -> None:
        self._store = store
        self.column = "active"
        """Name of the column that the sessions are sorted by."""
        self.descending = True
        self.filter: Filter = parse("")
        self._now_ms = 0
        self._grown_from: Mapping[SessionKey, int] = {}
        self._live = _Group()
        self._ended = _Group()
        self.grouped = False
        self._grouped_rows: list[Session | Heading] | None = None
        self._row_by_key: dict[SessionKey, int] = {}

    def __len__(self) -> int:
        return len(self._by_scope()) if self.grouped else self.sessions

    @property
    def sessions(self) -> int:
        """Number of sessions shown, without headings."""
        return len(self._live.sessions) + len(self._ended.sessions)

    def group(self, grouped: bool) -> None:
        """Group the sessions by scope under headings, or end the grouping."""
        self.grouped, self._grouped_rows = grouped, None

    def _by_scope(self) -> list[Session | Heading]:
        """The rows of a grouped table: rebuilt after a change, at the cost of a pass over all sessions."""
        if self._grouped_rows is None:
            scopes: dict[str, list[Session]] = {}
            for session in (*self._live.sessions, *self._ended.sessions):
                scopes.setdefault(session.scope, []).append(session)
            rows: list[Session | Heading] = []
            for scope, sessions in sorted(scopes.items()):
                live = [session for session in sessions if session.live]
                rows.append(Heading(scope, len(sessions), len(live), sum(session.active or 0 for session in live)))
                rows += sessions
            self._grouped_rows = rows
            self._row_by_key = {row.key: number for number, row in enumerate(rows) if isinstance(row, Session)}
        return self._grouped_rows

    def all_sessions(self) -> Iterator[Session]:
        """Return every session shown, in the table's order."""
        rows = self._by_scope() if self.grouped else (*self._live.sessions, *self._ended.sessions)
        return (row for row in rows if isinstance(row, Session))

    def sort(self, column: str, *, descending: bool) -> None:
        """Sort by a column, or by `STREAM`."""
        self.column, self.descending = column, descending
        self._arrange()

    @property
    def sorted_by_growth(self) -> bool:
        """Whether the order depends on figures of some minutes ago, which `grown_from` sets."""
        return sorts_by_growth(self.column)

    def grown_from(self, figures: Mapping[SessionKey, int]) -> None:
        """Set the earlier figures of live sessions: the order by trend is their growth since, until the next call."""
        self._grown_from = figures
        if self.sorted_by_growth:
            self._arrange()

    def growth(self, session: Session) -> int | None:
        """Return the growth of a live session in subscribers; below zero it shrank."""
        before = self._grown_from.get(session.key) if session.live else None
        return None if before is None or session.active is None else session.active - before

    def show(self, chosen: Filter) -> None:
        """Show only the sessions that the filter matches."""
        self.filter = chosen
        self._arrange()

    def at_time(self, now_ms: int) -> None:
        """Set the current instant for filters by time. Rows appear and disappear by it without other changes."""
        if self.filter.by_time:
            self._now_ms = now_ms
            self._arrange()
        else:
            self._now_ms = now_ms

    def _matches(self, session: Session) -> bool:
        return self.filter.test(session, self._now_ms)

    def update(self, changes: Iterable[Change]) -> None:
        """Apply the changes of a poll to the order."""
        self._grouped_rows = None
        gone: tuple[list[Session], list[Session]] = ([], [])
        come: tuple[list[Session], list[Session]] = ([], [])
        matches = self._matches
        for change in changes:
            if change.before is not None and matches(change.before):
                gone[change.before.live].append(change.before)
            if change.after is not None and matches(change.after):
                come[change.after.live].append(change.after)
        for live, group in ((False, self._ended), (True, self._live)):
            if gone[live] or come[live]:
                group.update(gone[live], come[live], self._sort_key(live=live))

    def rows(self, first: int, last: int) -> Sequence[Session | Heading]:
        """Return the rows from `first` up to, but without, `last`."""
        if self.grouped:
            return self._by_scope()[max(0, first) : max(0, last)]
        live = self._live.sessions
        chosen = live[max(0, first) : max(0, last)]
        if last > len(live):
            chosen = chosen + self._ended.sessions[max(0, first - len(live)) : last - len(live)]
        return chosen

    def row(self, row: int) -> Session | Heading | None:
        """Return the session or heading of a row; `None` outside the table."""
        found = self.rows(row, row + 1) if row >= 0 else []
        return found[0] if found else None

    def at(self, row: int) -> Session | None:
        """Return the session of a row; `None` outside the table and for a heading."""
        found = self.row(row)
        return found if isinstance(found, Session) else None

    def row_of(self, key: SessionKey) -> int | None:
        """Return the row of a session; `None` if it is not shown."""
        session = self._store.get(key)
        if session is None or not self._matches(session):
            return None
        if self.grouped:
            self._by_scope()
            return self._row_by_key.get(key)
        group = self._live if session.live else self._ended
        sort_key = self._sort_key(live=session.live)
        place = bisect_left(group.sessions, sort_key(session), key=sort_key)
        if place >= len(group.sessions) or group.sessions[place].key != key:
            return None
        return place if session.live else place + len(self._live.sessions)

    def hidden(self) -> int:
        """Number of sessions that the filter hides."""
        return len(self._store) - self.sessions

    def _arrange(self) -> None:
        self._grouped_rows = None
        matches = self._matches
        for live, group in ((True, self._live), (False, self._ended)):
            group.sessions = [session for session in self._store if session.live is live and matches(session)]
            group.sessions.sort(key=self._sort_key(live=live))

    def _sort_key(self, *, live: bool) -> Callable[[Session], SortKey]:
        """A total order; sessions of equal figures: live ones by name, ended ones newest first."""
        sign = -1 if self.descending else 1
        if self.column == STREAM:
            if self.descending:
                return lambda s: (_Reversed(s.text), s.scope, s.name, -s.start_time)
            return lambda s: (s.text, s.scope, s.name, -s.start_time)
        figure = COLUMNS[self.column].sort or self.growth

        def by_figure(session: Session) -> SortKey:
            value = figure(session)
            known = _UNKNOWN if value is None else sign * value
            if live:
                return (known, session.text, session.scope, session.name, -session.start_time)
            return (known, -session.start_time, session.text, session.scope, session.name)

        return by_figure


class _Reversed:
    """A text that sorts in reverse."""

    __slots__ = ("text",)

    def __init__(self, text: str) -> None:
        self.text = text

    def __lt__(self, other: "_Reversed") -> bool:
        return other.text < self.text

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Reversed) and self.text == other.text

    def __hash__(self) -> int:
        return hash(self.text)
