"""The live list of a plain Stream Manager, merged with its usage records. Pure."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Protocol

import msgspec

from streamusage.core.usage import SessionKey, StreamId
from tui.model.sessions.session import Session

UNREADABLE = "live list unreadable"
"""Begins the sentence about a live list that cannot be read, which is more important than other notices."""
_STEP_ROWS = 500


class LiveRow(Protocol):
    """A row of a live list: one stream on one media server."""

    @property
    def stream(self) -> StreamId:
        """The stream."""

    @property
    def current_subscribers(self) -> int | None:
        """Its subscribers there; `None` where they are not known."""

    @property
    def start_time(self) -> int | None:
        """When it was published; `None` where that is not known."""


class SessionLookup(Protocol):
    """Sessions by key."""

    def get(self, key: SessionKey, /) -> Session | None:
        """Return the session of a key, or `None`."""


def with_live_list(records: Mapping[SessionKey, Session], live: Iterable[LiveRow]) -> dict[SessionKey, Session]:
    """Return the live sessions of a plain Stream Manager: one a stream of its live list, summed over all servers.

    A usage record of the same key keeps its figures and becomes live; without one (it is written when the publish
    ends) only the current subscribers are known.
    """
    found: dict[SessionKey, Session] = {}
    for _ in merge_live_list(records, live, found):
        pass
    return found


def merge_live_list(
    records: SessionLookup, live: Iterable[LiveRow], found: dict[SessionKey, Session]
) -> Iterator[None]:
    """Add to `found` what `with_live_list` returns, with a step after each yield."""
    started: dict[StreamId, int] = {}
    rows = list(live)
    for row in rows:
        if row.start_time:
            known = started.get(row.stream)
            started[row.stream] = row.start_time if known is None else min(known, row.start_time)
    for number, row in enumerate(rows):
        if number % _STEP_ROWS == 0:
            yield
        stream = row.stream
        key = SessionKey(stream.scope, stream.name, started.get(stream, 0))
        before = found.get(key)
        if before is not None:
            active = _sum(before.active, row.current_subscribers)
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


def _sum(one: int | None, other: int | None) -> int | None:
    """Return the sum of two figures; unknown if one of them is."""
    return None if one is None or other is None else one + other
