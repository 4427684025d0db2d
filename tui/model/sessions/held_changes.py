"""Changes of polls while the table is paused, merged so that they can be applied at once. Pure."""

from collections.abc import Iterable

from streamusage.core.usage import SessionKey
from tui.model.sessions.store import Session


class HeldChanges:
    """The newest state of each changed session. Bounded by the number of sessions."""

    def __init__(self) -> None:
        self._sessions: dict[SessionKey, Session | None] = {}
        self._reset = False

    def __len__(self) -> int:
        return len(self._sessions)

    def listed(self) -> list[SessionKey]:
        """Return the keys of the sessions that are waiting."""
        return [key for key, session in self._sessions.items() if session is not None]

    def add(self, changed: Iterable[Session], removed: Iterable[SessionKey], *, reset: bool) -> None:
        """Add the changes of a poll; `reset` drops those before it."""
        if reset:
            self._sessions.clear()
            self._reset = True
        self._sessions.update(dict.fromkeys(removed))
        self._sessions.update((session.key, session) for session in changed)

    def take(self) -> tuple[list[Session], list[SessionKey], bool]:
        """Return all changes as those of one poll: changed, removed, reset; and forget them."""
        sessions, reset = self._sessions, self._reset
        self._sessions, self._reset = {}, False
        changed = [session for session in sessions.values() if session is not None]
        return changed, [key for key, session in sessions.items() if session is None], reset
