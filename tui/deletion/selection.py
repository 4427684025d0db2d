"""Sessions chosen by a key, frozen at its press. Pure.

At the press, whole columns are copied, at the speed of memory. Which rows are chosen is searched on the copy, in steps:
a poll that arrives meanwhile changes nothing, and however long a list is, the next key does not wait for it.
"""

from collections.abc import Callable, Collection, Generator, Sequence
from typing import Protocol

from msgspec.structs import replace

from streamusage.core.usage import StreamId
from tui.model.services.keys import service_of
from tui.model.sessions.session_columns import SessionColumns

STEP_ROWS = 1_000
"""Rows that are searched in one step. Fewer are searched at once, without a step."""

RowsOf = Callable[[int, int], list[int]]
"""Returns the chosen rows from a row up to, but without, another one."""
IsShown = Callable[[int], bool]


class ListedSessions(Protocol):
    """The sessions that the service lists."""

    @property
    def columns(self) -> SessionColumns:
        """Their columns."""

    def known_stream_rows(self, stream: StreamId, service: str) -> Sequence[int] | None:
        """Return the rows of a stream if they are known without a search."""

    def row(self, key: tuple[str, str, int]) -> int | None:
        """Return the row of a key, or `None`."""


class ShownSessions(Protocol):
    """The sessions of the table that the filter shows."""

    def freeze_shown(self) -> IsShown | None:
        """Return the function of a row that returns whether it is shown now; `None` where all are."""


class Selection:
    """Chosen sessions. `services` are the services that they are of, where there are several."""

    def __init__(
        self,
        columns: SessionColumns,
        rows_of: RowsOf | None = None,
        is_shown: IsShown | None = None,
        *,
        rows: Sequence[int] | None = None,
        services: Collection[str] = (),
    ) -> None:
        self.columns = columns
        self._rows_of = rows_of or columns.used_rows
        self._is_shown = is_shown
        self._rows = rows
        self.services = sorted(services)

    def __bool__(self) -> bool:
        """Return whether any session was listed."""
        return any(self.columns.flags)

    def row_steps(self) -> Generator[None, None, Sequence[int]]:
        """Return the chosen rows of the columns."""
        if self._rows is not None:
            return self._rows
        rows, last = list[int](), len(self.columns)
        for first in range(0, last, STEP_ROWS):
            rows += self._rows_of(first, min(last, first + STEP_ROWS))
            if first + STEP_ROWS < last:
                yield
        return rows

    def count_hidden(self, rows: Sequence[int]) -> int:
        """Return how many of some rows the filter hid."""
        return 0 if self._is_shown is None else len(rows) - sum(map(self._is_shown, rows))

    def of_service(self, service: str) -> "Selection":
        """Return the sessions of one of several services, under the keys by which it knows them itself."""
        columns = self.columns
        numbers = {number for number, name in enumerate(columns.service_names) if name == service}
        of_row, all_rows_of = columns.services, self._rows_of

        def rows_of(first: int, last: int) -> list[int]:
            return [row for row in all_rows_of(first, last) if of_row[row] in numbers]

        own = columns.freeze()
        own.services = bytearray(len(own))
        own.odd = {row: replace(session, service="") for row, session in own.odd.items()}
        rows = None if self._rows is None else [row for row in self._rows if of_row[row] in numbers]
        return Selection(own, rows_of, self._is_shown, rows=rows, services=(service,))


def select_session(columns: SessionColumns) -> Selection:
    """Return the one session of some columns, which is on the screen."""
    return Selection(columns, services=columns.distinct_services())


def select_all(listed: ListedSessions, shown: ShownSessions) -> Selection:
    """Return every session that is listed now."""
    columns = listed.columns.freeze()
    return Selection(columns, None, shown.freeze_shown(), services=columns.distinct_services())


def select_stream(listed: ListedSessions, shown: ShownSessions, stream: StreamId, service: str = "") -> Selection:
    """Return every session of a stream that is listed now; of a service where there are several."""
    columns = listed.columns.freeze()
    known = listed.known_stream_rows(stream, service)
    names, scopes, flags, services = columns.names, columns.scopes, columns.flags, columns.services
    (scope, name) = stream
    number = columns.service_names.index(service) if service in columns.service_names else None

    def rows_of(first: int, last: int) -> list[int]:
        if name not in names[first:last]:
            return []
        return [
            row
            for row in range(first, last)
            if names[row] == name and scopes[row] == scope and flags[row] and services[row] == number
        ]

    return Selection(columns, rows_of, shown.freeze_shown(), rows=known, services=(service,))


def select_marked(listed: ListedSessions, shown: ShownSessions, marks: Collection[tuple[str, str, int]]) -> Selection:
    """Return the marked sessions that are listed now. `marks` stay as they are: a set, or the like."""
    columns = listed.columns.freeze()
    services = set(map(service_of, marks)) if len(columns.service_names) > 1 else {""}
    rows = None
    if len(marks) <= STEP_ROWS:
        rows = [row for key in marks if (row := listed.row(key)) is not None]

    def rows_of(first: int, last: int) -> list[int]:
        used = columns.used_rows(first, last)
        return [row for row, key in zip(used, columns.keys_of(used), strict=True) if key in marks]

    return Selection(columns, rows_of, shown.freeze_shown(), rows=rows, services=services)
