"""The state of the estate as the rules need it. Values only; `estate_rows` reads them from the store."""

from typing import NamedTuple


class WatchedServer(NamedTuple):
    """A server that is part of the estate."""

    name: str
    missing_since: int | None
    """Since when its figures are overdue; `None` while they are not."""
    last_sync_at: int | None
    source_error: str = ""
    """Why its agent cannot read the media server, in the agent's words."""
    is_refused: bool = False
    """Its reports are refused because they cover time after trusted time."""


class LostGap(NamedTuple):
    """Time of a server that was declared lost."""

    server: str
    from_ms: int
    to_ms: int
    reason: str


class OpenDay(NamedTuple):
    """A day of an account zone that is over and not final."""

    zone: str
    day: str
    ended_at: int
    owing: tuple[str, ...]
    """Servers that it waits for."""


class OpenDisagreement(NamedTuple):
    """Figures whose newest compared hour disagrees."""

    kind: str
    server: str
    stream: str
    found_at: int
    text: str


class WatchedStream(NamedTuple):
    """A stream that is on air, at the servers that are seen or at others."""

    name: str
    """`scope/name`."""
    servers: tuple[str, ...]
    """Seen servers that carry it."""
    unseen: tuple[str, ...]
    """Servers that carried it when they reported last, and owe newer figures."""
    viewers: int
    """At the seen servers."""


class DoubtfulClock(NamedTuple):
    """A machine of the service whose clock is in doubt."""

    machine: str
    since_ms: int
    text: str


class WatchedEstate(NamedTuple):
    """Everything that rules look at, as of `now_ms` in trusted time."""

    now_ms: int
    servers: tuple[WatchedServer, ...] = ()
    lost: tuple[LostGap, ...] = ()
    days: tuple[OpenDay, ...] = ()
    disagreements: tuple[OpenDisagreement, ...] = ()
    streams: tuple[WatchedStream, ...] = ()
    clocks: tuple[DoubtfulClock, ...] = ()
    store_faults: tuple[str, ...] = ()
    """Why the store cannot be used, in this process."""
    store: str = ""
    """URL of the store, without a password."""
