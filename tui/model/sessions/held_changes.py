"""What polls said while the table was held: put together, so that it can be taken in at once. Pure."""

from collections.abc import Iterable

from streamusage.core.usage import SessionKey
from tui.model.sessions.store import Session


class HeldChanges:
    """The newest of each session that changed. Bounded by the number of sessions."""

    def __init__(self) -> None:
        self._sessions: dict[SessionKey, Session | None] = {}
        self._reset = False

    def __len__(self) -> int:
        return len(self._sessions)

    def add(self, changed: Iterable[Session], removed: Iterable[SessionKey], *, reset: bool) -> None:
        if reset:
            self._sessions.clear()
            self._reset = True
        self._sessions.update(dict.fromkeys(removed))
        self._sessions.update((session.key, session) for session in changed)

    def take(self) -> tuple[list[Session], list[SessionKey], bool]:
        """All of it as one poll would have said it: changed, removed, reset."""
        sessions, reset = self._sessions, self._reset
        self._sessions, self._reset = {}, False
        changed = [session for session in sessions.values() if session is not None]
        return changed, [key for key, session in sessions.items() if session is None], reset
