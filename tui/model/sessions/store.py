"""The sessions that the console knows, by key and never by row number. Pure.

`SessionStore` holds the result of the last polls; `view.py` decides what is shown and in which order.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

import msgspec

from streamusage.api.extension import LiveStream, SessionRecord
from streamusage.core.coverage import IMPORTED, Provenance
from streamusage.core.usage import PartialUsageRecord, SessionKey, StreamId


class Session(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One publish of a stream as the console knows it. `None` is an unknown figure."""

    scope: str
    name: str
    start_time: int
    end_time: int | None
    duration_ms: int | None
    active: int | None
    peak: int | None
    lost: int | None
    total: int | None
    updated: int | None
    live: bool
    provenance: Provenance | None
    """Provenance of the newest figures; `None` from a plain Stream Manager and for an imported record."""
    recorded: bool
    """Whether the service has a usage record of it, which can be deleted."""
    text: str
    """`scope/name` in lower case, for the filter and for sorting."""
    imported: bool = False
    """Whether the record was imported: no server accounts for its figures."""

    @property
    def is_whole(self) -> bool:
        """Whether every documented figure is known, so that the record can be kept in full before a delete."""
        told = (self.end_time, self.duration_ms, self.active, self.peak, self.lost, self.total, self.updated)
        return self.recorded and self.start_time > 0 and None not in told

    @property
    def provenance_name(self) -> str:
        """The provenance as it is shown; empty from a plain Stream Manager."""
        return IMPORTED if self.imported else self.provenance.value if self.provenance else ""

    @property
    def key(self) -> SessionKey:
        """The key of the session."""
        return SessionKey(self.scope, self.name, self.start_time)

    @property
    def stream(self) -> StreamId:
        """The stream that was published."""
        return StreamId(self.scope, self.name)

    def lasted_ms(self, now_ms: int) -> int | None:
        """Duration so far, or of an ended session its whole duration."""
        if self.live:
            return max(0, now_ms - self.start_time) if self.start_time else None
        return self.duration_ms


def from_record(record: PartialUsageRecord) -> Session:
    """Return the session of a usage record. Nothing is repaired: contradictory figures are shown as received."""
    ours = record if isinstance(record, SessionRecord) else None
    return Session(
        scope=record.scope,
        name=record.name,
        start_time=record.start_time,
        end_time=record.end_time,
        duration_ms=record.duration,
        active=record.active_subscribers,
        peak=record.max_subscribers,
        lost=record.lost_subscribers,
        total=record.total_subscribers,
        updated=record.updated,
        live=ours.live if ours else False,
        provenance=ours.provenance if ours and not ours.imported else None,
        imported=bool(ours and ours.imported),
        recorded=True,
        text=f"{record.scope}/{record.name}".casefold(),
    )


def with_live_list(records: Mapping[SessionKey, Session], live: Iterable[LiveStream]) -> dict[SessionKey, Session]:
    """Return the live sessions of a plain Stream Manager: one a stream of its live list, summed over all servers.

    A usage record of the same key keeps its figures and becomes live; without one (it is written when the publish
    ends) only the current subscribers are known.
    """
    found: dict[SessionKey, Session] = {}
    started: dict[StreamId, int] = {}
    rows = list(live)
    for row in rows:
        if row.start_time:
            known = started.get(row.stream)
            started[row.stream] = row.start_time if known is None else min(known, row.start_time)
    for row in rows:
        stream = row.stream
        key = SessionKey(stream.scope, stream.name, started.get(stream, 0))
        before = found.get(key)
        if before is not None:
            active = (before.active or 0) + row.current_subscribers
        else:
            active = row.current_subscribers
            before = records.get(key)
        if before is None:
            before = Session(
                scope=stream.scope,
                name=stream.name,
                start_time=key.start_time,
                end_time=None,
                duration_ms=None,
                active=None,
                peak=None,
                lost=None,
                total=None,
                updated=None,
                live=True,
                provenance=None,
                recorded=False,
                text=f"{stream.scope}/{stream.name}".casefold(),
            )
        found[key] = msgspec.structs.replace(before, active=active, live=True)
    return found


class SessionTotals(NamedTuple):
    """The counts of the screen's second line."""

    live: int
    sessions: int
    watching: int


class Change(NamedTuple):
    """One session before and after a poll; `before` is `None` for a new one, `after` for one that is gone."""

    key: SessionKey
    before: Session | None
    after: Session | None


class SessionStore:
    """All sessions by key, with the streams they belong to."""

    def __init__(self) -> None:
        self._sessions: dict[SessionKey, Session] = {}
        self._streams: dict[StreamId, dict[SessionKey, None]] = {}
        self._live: dict[SessionKey, None] = {}
        self._watching = 0

    def __len__(self) -> int:
        return len(self._sessions)

    def __contains__(self, key: SessionKey) -> bool:
        return key in self._sessions

    def __iter__(self) -> Iterator[Session]:
        return iter(self._sessions.values())

    def get(self, key: SessionKey) -> Session | None:
        """Return the session of a key, or `None`."""
        return self._sessions.get(key)

    def live(self) -> Iterator[Session]:
        """Return the live sessions."""
        return (self._sessions[key] for key in self._live)

    def of_stream(self, stream: StreamId) -> list[Session]:
        """Return every session of a stream, newest first."""
        keys = self._streams.get(stream, {})
        return sorted((self._sessions[key] for key in keys), key=lambda session: -session.start_time)

    def totals(self) -> SessionTotals:
        """Return the counts over all sessions."""
        return SessionTotals(len(self._live), len(self._sessions), self._watching)

    def apply(
        self, changed: Iterable[Session], removed: Iterable[SessionKey] = (), *, reset: bool = False
    ) -> list[Change]:
        """Apply a poll and return the changes. `reset` drops every session that is not in `changed`."""
        changes: list[Change] = []
        changed = list(changed)
        if reset and self._sessions:
            kept = {session.key for session in changed}
            removed = [key for key in self._sessions if key not in kept]
        for key in removed:
            before = self._take_out(key)
            if before is not None:
                changes.append(Change(key, before, None))
        for session in changed:
            key = session.key
            known = self._sessions.get(key)
            if known == session:
                continue
            if known is not None:
                self._take_out(key)
            self._put_in(key, session)
            changes.append(Change(key, known, session))
        return changes

    def _put_in(self, key: SessionKey, session: Session) -> None:
        self._sessions[key] = session
        self._streams.setdefault(session.stream, {})[key] = None
        if session.live:
            self._live[key] = None
            self._watching += session.active or 0

    def _take_out(self, key: SessionKey) -> Session | None:
        session = self._sessions.pop(key, None)
        if session is None:
            return None
        keys = self._streams[session.stream]
        del keys[key]
        if not keys:
            del self._streams[session.stream]
        if session.live:
            del self._live[key]
            self._watching -= session.active or 0
        return session
