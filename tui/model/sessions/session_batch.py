"""All sessions of a first poll, collected part by part as columns. Pure."""

from collections.abc import Iterator, Sequence
from typing import overload

from streamusage.core.usage import PartialUsageRecord, SessionKey
from tui.model.sessions.key_map import KeyMap
from tui.model.sessions.session import Session, from_record
from tui.model.sessions.session_columns import SessionColumns

SMALL_LIST = 1_000
"""A first poll of so many sessions is passed on as objects."""


class SessionBatch(Sequence[Session]):
    """Sessions by key, as rows of columns. An empty `SessionStore` takes them over as they are."""

    def __init__(self) -> None:
        self.columns = SessionColumns()
        self.rows = KeyMap()
        self.repeated: set[tuple[str, str, int]] = set()
        """Keys of which several records were added. The last one of them counts."""

    def __len__(self) -> int:
        return len(self.rows)

    @overload
    def __getitem__(self, row: int) -> Session: ...
    @overload
    def __getitem__(self, row: slice) -> list[Session]: ...
    def __getitem__(self, row: int | slice) -> Session | list[Session]:
        used = self.columns.used_rows(0, len(self.columns))[row]
        return self.columns.session(used) if isinstance(used, int) else [self.columns.session(one) for one in used]

    def __iter__(self) -> Iterator[Session]:
        return map(self.columns.session, self.columns.used_rows(0, len(self.columns)))

    def __contains__(self, key: object) -> bool:
        return isinstance(key, tuple) and key in self.rows

    def get(self, key: SessionKey) -> Session | None:
        """Return the session of a key, or `None`."""
        row = self.rows.get(key)
        return None if row is None else self.columns.session(row)

    def put(self, session: Session) -> None:
        """Add a session, or replace the one with its key."""
        row = self.rows.get(session.key)
        if row is None:
            self.rows.put(session.key, self.columns.append(session))
        else:
            self.columns.put(row, session)

    def discard(self, key: SessionKey) -> None:
        """Remove the session of a key, if there is one."""
        row = self.rows.pop(key)
        if row is not None:
            self.columns.clear_row(row)

    def extend_records(self, records: Sequence[PartialUsageRecord], keys: Sequence[tuple[str, str, int]]) -> None:
        """Add the sessions of usage records. `keys` has their keys."""
        first = len(self.columns)
        known = self.rows.add_new(keys, first)
        if not known:
            self.columns.extend_records(records)
            return
        for row, key in enumerate(keys, first):
            if row not in known:
                self.rows.pop(key)
        self.repeated.update(keys[row - first] for row in known)
        for record in records:
            self.put(from_record(record))
