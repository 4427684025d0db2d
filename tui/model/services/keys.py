"""Keys of sessions among those of several services, which may have equal streams and start times. Pure."""

from collections.abc import Iterator, Sequence
from operator import itemgetter
from typing import overload

import msgspec

from streamusage.core.usage import SessionKey
from tui.model.sessions.session import ServiceSessionKey, Session

_service = itemgetter(3)


def service_of(key: tuple[str, str, int]) -> str:
    """Return the service of a key; empty where the console shows one service."""
    return str(_service(key)) if isinstance(key, ServiceSessionKey) else ""


def plain_key(key: SessionKey) -> SessionKey:
    """Return the key as its service knows it."""
    return SessionKey(key.scope, key.name, key.start_time)


def in_service(key: SessionKey, service: str) -> SessionKey:
    """Return the key of a session of a service among those of several."""
    return ServiceSessionKey(key.scope, key.name, key.start_time, service)


class SessionsOfService(Sequence[Session]):
    """The sessions of a poll as those of a service among several. Each is made when it is read."""

    def __init__(self, sessions: Sequence[Session], service: str) -> None:
        self._sessions = sessions
        self._service = service

    def __len__(self) -> int:
        return len(self._sessions)

    @overload
    def __getitem__(self, at: int) -> Session: ...
    @overload
    def __getitem__(self, at: slice) -> list[Session]: ...
    def __getitem__(self, at: int | slice) -> Session | list[Session]:
        if isinstance(at, slice):
            return [self._labelled(session) for session in self._sessions[at]]
        return self._labelled(self._sessions[at])

    def __iter__(self) -> Iterator[Session]:
        return map(self._labelled, self._sessions)

    def _labelled(self, session: Session) -> Session:
        return msgspec.structs.replace(session, service=self._service)
