"""Which sessions are shown and in which order: live ones first, then by a column. Pure.

The order is an index over the rows of the store. A poll moves the rows that it changed. Another order or filter builds
another index in steps, while the table shows the present one: `begin_…` begins, `steps` runs what is left. `sort`,
`show` and `at_time` run all steps at once.
"""

from array import array
from bisect import bisect_right
from collections.abc import Callable, Collection, Generator, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, cast

from streamusage.core.usage import SessionKey
from tui.model.sessions.columns import COLUMNS, STREAM, sorts_by_growth
from tui.model.sessions.filter import Filter, parse
from tui.model.sessions.ordered_index import Order, OrderedIndex
from tui.model.sessions.session import Session
from tui.model.sessions.session_columns import UNKNOWN, ColumnReader
from tui.model.sessions.store import Change, SessionStore, SessionTotals

_UNKNOWN = float("inf")
_STEP_ROWS = 1_000
"""Sessions that are filtered in one step."""
_SORTED_ANEW_FROM = 4
"""From this share of changed sessions on, building an index is faster than moving rows."""
_LEAST_SORTED_ANEW = 2_000


class Heading(NamedTuple):
    """The row above the sessions of a scope, in a grouped table."""

    scope: str
    sessions: int
    live: int
    watching: int


class _Goal(NamedTuple):
    """The index that is being built."""

    order: Order
    filter: Filter


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
        self._shown = OrderedIndex(self._order())
        self._shown_filter = self.filter
        self._all: OrderedIndex | None = self._shown
        """The index of all sessions in the order of `_shown`; `None` if there is none at the moment."""
        self._goal: _Goal | None = None
        self._job: Iterator[None] = iter(())
        self._touched: set[int] = set()
        """Rows that changed since the job began."""
        self.grouped = False
        self._grouped_rows: list[int | Heading] | None = None
        self._heading_places: list[int] = []
        self._totals: SessionTotals | None = None
        self._left_out: set[str] = set()
        self._place_of: dict[int, int] = {}

    def __len__(self) -> int:
        return len(self._by_scope()) if self.grouped else self.sessions

    @property
    def sessions(self) -> int:
        """Number of sessions shown, without headings."""
        return len(self._shown)

    def totals(self) -> SessionTotals:
        """Return the counts over the sessions shown, at the cost of a pass over them after a change."""
        if self._totals is None:
            columns = self._store.columns
            live, _ = columns.live_rows(list(self._shown))
            self._totals = SessionTotals(len(live), self.sessions, columns.watching(live, self._left_out))
        return self._totals

    def leave_out(self, services: Collection[str]) -> None:
        """Count nobody who watches at these services, neither in the totals nor under headings."""
        if set(services) != self._left_out:
            self._left_out = set(services)
            self._grouped_rows = self._totals = None

    def number(self, row: int) -> int | None:
        """Return the number of a row's session among those shown, from 1 on; `None` for a heading."""
        if not self.grouped:
            return row + 1
        if not isinstance(self.row(row), Session):
            return None
        return row + 1 - bisect_right(self._heading_places, row)

    def group(self, grouped: bool) -> None:
        """Group the sessions by scope under headings, or end the grouping."""
        self.grouped, self._grouped_rows = grouped, None

    def _by_scope(self) -> list[int | Heading]:
        """The rows of a grouped table: rebuilt after a change, at the cost of a pass over all sessions."""
        if self._grouped_rows is None:
            columns = self._store.columns
            scopes: dict[str, list[int]] = {}
            for row in self._shown:
                scopes.setdefault(columns.scopes[row], []).append(row)
            rows: list[int | Heading] = []
            for scope, found in sorted(scopes.items()):
                live, _ = columns.live_rows(found)
                rows.append(Heading(scope, len(found), len(live), columns.watching(live, self._left_out)))
                rows += found
            self._grouped_rows = rows
            self._place_of = {row: place for place, row in enumerate(rows) if isinstance(row, int)}
            self._heading_places = [place for place, row in enumerate(rows) if not isinstance(row, int)]
        return self._grouped_rows

    def all_sessions(self) -> Iterator[Session]:
        """Return every session shown, in the table's order. Completes an order or a filter that was begun."""
        self.finish()
        rows = (row for row in self._by_scope() if isinstance(row, int)) if self.grouped else self._shown
        return map(self._store.columns.session, rows)

    def all_keys(self) -> Iterable[tuple[str, str, int]]:
        """Return the keys of all sessions shown, in no order. Completes a filter that was begun."""
        self.finish()
        return self._store.columns.keys_of(self._shown.unordered())

    # Order and filter

    def sort(self, column: str, *, descending: bool) -> None:
        """Sort by a column, or by `STREAM`."""
        self.begin_sort(column, descending=descending)
        self.finish()

    def begin_sort(self, column: str, *, descending: bool) -> None:
        """Begin to sort by a column, or by `STREAM`."""
        self.column, self.descending = column, descending
        self._begin(self._order())

    @property
    def sorted_by_growth(self) -> bool:
        """Whether the order depends on figures of some minutes ago, which `grown_from` sets."""
        return sorts_by_growth(self.column)

    def grown_from(self, figures: Mapping[SessionKey, int]) -> None:
        """Set the earlier figures of live sessions: the order by trend is their growth since, until the next call."""
        self.begin_growth(figures)
        self.finish()

    def begin_growth(self, figures: Mapping[SessionKey, int]) -> None:
        """Begin to sort by the growth since earlier figures, where the order is by trend."""
        # The present index keeps the figures that it was built with.
        self._grown_from = figures
        if self.sorted_by_growth:
            self._begin(self._order())

    def growth(self, session: Session) -> int | None:
        """Return the growth of a live session in subscribers; below zero it shrank."""
        return _growth(session, self._grown_from)

    def show(self, chosen: Filter) -> None:
        """Show only the sessions that the filter matches."""
        self.begin_show(chosen)
        self.finish()

    def begin_show(self, chosen: Filter) -> None:
        """Begin to show only the sessions that the filter matches."""
        self.filter = chosen
        self._begin(self._goal.order if self._goal else self._shown.order)

    def at_time(self, now_ms: int) -> None:
        """Set the current instant for filters by time. Rows appear and disappear by it without other changes."""
        self.begin_time(now_ms)
        self.finish()

    def begin_time(self, now_ms: int) -> None:
        """Begin to show what a filter by time matches at an instant."""
        self._now_ms = now_ms
        if self.filter.by_time and self._goal is None:
            self.begin_show(self.filter)

    def begin_all(self) -> None:
        """Begin to arrange the sessions of a store that was filled at once."""
        self._begin(self._order())

    @property
    def is_arranging(self) -> bool:
        """Whether an order or a filter is not complete yet: the table shows the one before."""
        return self._goal is not None

    def steps(self) -> Iterator[None]:
        """Run the steps that are left; the table is consistent after each. What begins meanwhile takes over."""
        while self._goal is not None:
            next(self._job, None)
            yield

    def finish(self) -> None:
        """Run all steps that are left."""
        for _ in self.steps():
            pass

    def _begin(self, order: Order) -> None:
        self._goal = _Goal(order, self.filter)
        self._touched.clear()
        self._job = self._arrange(self._goal)

    def _arrange(self, goal: _Goal) -> Iterator[None]:
        same_order = goal.order is self._shown.order
        index: OrderedIndex | None = None
        if same_order and goal.filter.narrows(self._shown_filter) and not self._shown_filter.by_time:
            index = yield from self._narrow(self._shown, goal.filter)
        elif same_order and self._all is not None:
            index = self._all if not goal.filter else (yield from self._narrow(self._all, goal.filter))
        else:
            index = yield from self._build(goal)
        all_rows = self._all if same_order else None
        touched, self._touched = self._touched, set()
        self._goal = None
        if index is not all_rows:
            _move(index, touched, self._selector(goal.filter)(self._present(touched)))
        self._shown, self._shown_filter = index, goal.filter
        self._all = all_rows if goal.filter else index
        self._grouped_rows = self._totals = None

    def _narrow(self, index: OrderedIndex, chosen: Filter) -> Generator[None, None, OrderedIndex]:
        narrowed = OrderedIndex(index.order)
        yield from narrowed.build_from(index, self._selector(chosen))
        return narrowed

    def _build(self, goal: _Goal) -> Generator[None, None, OrderedIndex]:
        columns, select = self._store.columns, self._selector(goal.filter)
        live, ended = array("i"), array("i")
        last = len(columns)
        for first in range(0, last, _STEP_ROWS):
            on_air, others = columns.live_rows(select(columns.used_rows(first, min(last, first + _STEP_ROWS))))
            live.extend(on_air)
            ended.extend(others)
            yield
        index = OrderedIndex(goal.order)
        yield from index.build([((0,), live), ((1,), ended)], last)
        return index

    def _present(self, rows: Iterable[int]) -> list[int]:
        return list(filter(self._store.columns.is_used, rows))

    def _selector(self, chosen: Filter) -> Callable[[Sequence[int]], list[int]]:
        """Return the function that keeps those of some rows that a filter matches."""
        reader = ColumnReader(self._store.columns)
        return lambda rows: chosen.select(rows, reader, self._now_ms)

    # Changes of polls

    def update(self, changes: Iterable[Change]) -> None:
        """Apply the changes of a poll to the order, right after the store has applied it."""
        store, rows = self._store, set[int]()
        for change in changes:
            row = store.removed_row(change.key) if change.after is None else store.row(change.key)
            if row is not None:
                rows.add(row)
        if not rows:
            return
        self._grouped_rows = self._totals = None
        if len(rows) > max(_LEAST_SORTED_ANEW, len(self._shown) // _SORTED_ANEW_FROM):
            self._begin(self._order())
            self.finish()
            return
        self._touched |= rows
        present = self._present(rows)
        if self._all is not None and self._all is not self._shown:
            _move(self._all, rows, present)
        _move(self._shown, rows, self._selector(self._shown_filter)(present))

    # Rows

    def rows(self, first: int, last: int) -> Sequence[Session | Heading]:
        """Return the rows from `first` up to, but without, `last`."""
        session = self._store.columns.session
        if self.grouped:
            chosen = self._by_scope()[max(0, first) : max(0, last)]
            return [session(row) if isinstance(row, int) else row for row in chosen]
        return [session(row) for row in self._shown.slice(first, last)]

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
        row = self._store.row(key)
        if row is None:
            return None
        if self.grouped:
            self._by_scope()
            return self._place_of.get(row)
        return self._shown.place(row)

    def freeze_shown(self) -> Callable[[int], bool] | None:
        """Return the function of a row that returns whether it is shown now; `None` where all sessions are."""
        return self._shown.freeze_members() if self.hidden() else None

    def hidden(self) -> int:
        """Number of sessions that the filter hides."""
        return len(self._store) - self.sessions

    def _order(self) -> Order:
        """A total order; sessions of equal figures: live ones by name, ended ones newest first."""
        columns = self._store.columns
        is_live, text_of, scopes, names = columns.is_live, columns.text, columns.scopes, columns.names
        starts = columns.start_time
        if self.column == STREAM:
            text: Callable[[int], Any] = text_of
            if self.descending:
                text = lambda row: _Reversed(text_of(row))  # noqa: E731
            return Order(
                lambda row: (not is_live(row), text(row), scopes[row], names[row], -starts[row]),
                (
                    lambda row: not is_live(row),
                    text,
                    scopes.__getitem__,
                    names.__getitem__,
                    lambda row: -starts[row],
                ),
            )
        figure = self._figure()

        def key(row: int) -> tuple[Any, ...]:
            if is_live(row):
                return (0, figure(row), text_of(row), scopes[row], names[row], -starts[row])
            return (1, figure(row), -starts[row], text_of(row), scopes[row], names[row])

        return Order(
            key,
            (
                lambda row: not is_live(row),
                figure,
                lambda row: text_of(row) if is_live(row) else -starts[row],
                *(lambda row, part=part: key(row)[part] for part in (3, 4, 5)),
            ),
        )

    def _figure(self) -> Callable[[int], Any]:
        """Return the function of a row that the order is by, ascending and with unknown figures last."""
        sign = -1 if self.descending else 1
        if field := COLUMNS[self.column].sort_field:
            entries = self._store.columns.figures(field)
            return lambda row: _UNKNOWN if (entry := entries[row]) == UNKNOWN else sign * entry
        reader = ColumnReader(self._store.columns)
        session = cast("Session", reader)
        grown_from = self._grown_from
        value_of = COLUMNS[self.column].sort or (lambda session: _growth(session, grown_from))

        def figure(row: int) -> Any:
            reader.row = row
            value = value_of(session)
            return _UNKNOWN if value is None else sign * value

        return figure


def _move(index: OrderedIndex, gone: Iterable[int], come: Iterable[int]) -> None:
    index.discard(gone)
    index.add(come)


def _growth(session: Session, grown_from: Mapping[SessionKey, int]) -> int | None:
    # A figure that leaves a server out is no growth against one of all servers.
    before = grown_from.get(session.key) if session.live and not session.leaves_out_server else None
    return None if before is None or session.active is None else session.active - before


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
