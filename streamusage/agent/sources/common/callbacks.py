"""The ends of sessions by a media server's callbacks: the spool, read in order from a place that the journal keeps."""

from collections.abc import Callable
from typing import Generic, NamedTuple, Protocol, TypeVar

from streamusage.agent.reading import EndedConnection
from streamusage.agent.sources.common.callback_spool import Hook, HookSpool
from streamusage.agent.sources.common.log_follower import LogPosition
from streamusage.core.reasons import CALLBACKS_LOST


class OpenSessions(Protocol):
    """What callbacks have told so far of sessions that are open."""

    def take(self, hook: Hook) -> EndedConnection | None:
        """Takes one callback; gives the session that it ended."""
        ...


class Told(NamedTuple):
    """What a log or callbacks told since a position."""

    ended: tuple[EndedConnection, ...]
    position: LogPosition | None
    logs_ends: bool
    """As `Reading.logs_ends`."""
    misses: str
    """As `Reading.misses`."""


Open = TypeVar("Open", bound=OpenSessions)


class Callbacks(Generic[Open]):
    """One media server's callbacks. The position is the caller's to keep, and to read from again if it likes."""

    def __init__(self, spool: HookSpool, begin: Callable[[], Open]) -> None:
        """`begin` gives the sessions before any callback."""
        self.open = begin()
        self._begin = begin
        self._spool = spool
        self._open_at: LogPosition | None = None

    async def start(self, known: LogPosition | None) -> LogPosition:
        """Listens, and tells from where to read: from the known position, else from what comes next."""
        await self._spool.start()
        return known or await self._spool.end()

    async def read(self, known: LogPosition | None, position: LogPosition) -> Told:
        """The sessions that ended since a position. `known` is what `start` was given.

        Who begins to read has not listened before: what was called back between its predecessor and it may be lost.
        """
        if position != self._open_at:
            self.open, self._open_at = await self._open_before(position), position
        if known is None:
            return Told((), position, True, CALLBACKS_LOST)
        read = await self._spool.read(position)
        self._open_at = read.position
        ended = [line for hook in read.hooks if (line := self.open.take(hook)) is not None]
        return Told(tuple(ended), read.position, not read.lost, CALLBACKS_LOST if read.lost else "")

    async def between(self, start: LogPosition | None, end: LogPosition | None) -> tuple[EndedConnection, ...]:
        """The sessions that ended between two positions. Raises `LogGoneError`."""
        hooks = await self._spool.between(start, end)
        sessions = self._begin() if start is None else await self._open_before(start)
        return tuple(line for hook in hooks if (line := sessions.take(hook)) is not None)

    async def close(self) -> None:
        await self._spool.close()

    async def _open_before(self, position: LogPosition) -> Open:
        sessions = self._begin()
        for hook in await self._spool.before(position):
            sessions.take(hook)
        return sessions
