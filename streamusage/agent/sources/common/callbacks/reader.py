"""Session ends from a media server's callbacks: the spool is read in order from a position that the journal stores."""

from collections.abc import Callable
from typing import Generic, NamedTuple, Protocol, TypeVar

from streamusage.agent.reading import EndedConnection
from streamusage.agent.sources.common.callbacks.spool import CallbackSpool, SpooledCallback
from streamusage.agent.sources.common.logs.follower import LogPosition
from streamusage.agent.sources.common.logs.line_form import LineForms
from streamusage.core.reasons import CALLBACKS_LOST


class UnreadableCallbackError(ValueError):
    """A request with a body that is no callback of the media server."""


class OpenSessions(Protocol):
    """The open sessions at a position in the sequence of callbacks."""

    def apply(self, callback: SpooledCallback) -> EndedConnection | None:
        """Apply the next callback. Returns the session that it ended, if any. Raises `UnreadableCallbackError`."""
        ...


class SessionEnds(NamedTuple):
    """Sessions that ended since a position of a log or spool, and the position after them."""

    ended: tuple[EndedConnection, ...]
    position: LogPosition | None
    logs_ends: bool
    """As `Reading.logs_ends`."""
    misses: str
    """As `Reading.misses`."""


Sessions = TypeVar("Sessions", bound=OpenSessions)


class CallbackReader(Generic[Sessions]):
    """Reads the callbacks of one media server. The caller stores the position, and may read from one again."""

    def __init__(self, spool: CallbackSpool, create_sessions: Callable[[], Sessions]) -> None:
        """`create_sessions` returns the sessions before the first callback."""
        self.open_sessions = create_sessions()
        self._create_sessions = create_sessions
        self._spool = spool
        self._sessions_position: LogPosition | None = None

    async def start(self, stored_position: LogPosition | None) -> LogPosition:
        """Start to listen. Returns where to read from: the stored position, or else the present end of the spool."""
        await self._spool.start()
        return stored_position or await self._spool.end_position()

    async def read_ends(self, stored_position: LogPosition | None, position: LogPosition) -> SessionEnds:
        """Return the sessions that ended since `position`. `stored_position` is the argument that `start` received.

        Without a stored position this is a journal's first reading, and nobody listened before it: callbacks may be
        lost.
        """
        if position != self._sessions_position:
            self.open_sessions, self._sessions_position = await self._sessions_at(position), position
        batch = await self._spool.read_callbacks(position)
        self._sessions_position = batch.position
        ended = _apply_all(self.open_sessions, batch.callbacks)
        misses = CALLBACKS_LOST if batch.lost or stored_position is None else ""
        return SessionEnds(ended, batch.position, not batch.lost, misses)

    async def ends_between(self, start: LogPosition | None, end: LogPosition | None) -> tuple[EndedConnection, ...]:
        """Return the sessions that ended between two positions. Raises `LogGoneError`."""
        callbacks = await self._spool.callbacks_between(start, end)
        sessions = self._create_sessions() if start is None else await self._sessions_at(start)
        return _apply_all(sessions, callbacks)

    async def close(self) -> None:
        """Stop listening and close the spool."""
        await self._spool.close()

    async def _sessions_at(self, position: LogPosition) -> Sessions:
        """Return the open sessions at a position, as far back as the spool goes."""
        sessions = self._create_sessions()
        _apply_all(sessions, await self._spool.callbacks_before(position))
        return sessions


def _apply_all(sessions: OpenSessions, callbacks: list[SpooledCallback]) -> tuple[EndedConnection, ...]:
    """Apply callbacks. Returns the sessions that they ended, and those that cannot be read as unreadable lines."""
    forms = LineForms()
    ended = []
    for callback in callbacks:
        try:
            connection = sessions.apply(callback)
        except UnreadableCallbackError:
            forms.add_unreadable(callback.at)
            continue
        forms.add_readable(callback.at)
        if connection is not None:
            ended.append(connection)
    return (*ended, *forms.entries())
