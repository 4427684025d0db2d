"""What a delete needs to know of the console, and the part of it that belongs to one of several services.

A delete uses keys as its service knows them; a table of several services has them under the service's name.
"""

from collections.abc import Iterable
from datetime import tzinfo
from typing import Protocol

from streamusage.core.clock import Clock
from streamusage.core.usage import SessionKey
from tui.app.state import ConsoleState
from tui.model.services.keys import in_service


class KnownSessions(Protocol):
    """The sessions that the service lists."""

    def __contains__(self, key: SessionKey) -> bool: ...


class MarkedSessions(Protocol):
    """The marks of the table."""

    def forget(self, keys: Iterable[SessionKey]) -> None:
        """Remove the marks of some sessions."""


class DeletionScope(Protocol):
    """What is known of the service that is deleted from."""

    @property
    def host(self) -> str:
        """Host and port of the service."""

    @property
    def clock(self) -> Clock:
        """The console's clock."""

    @property
    def tz(self) -> tzinfo | None:
        """The zone in which times are shown."""

    @property
    def store(self) -> KnownSessions:
        """What the service lists."""

    @property
    def marks(self) -> MarkedSessions:
        """The marks."""

    def now_ms(self) -> int:
        """Return the service's time."""

    def is_read_only(self) -> bool:
        """Whether deletes are disabled."""

    def deletes_disabled_reason(self) -> str:
        """Return why nothing can be deleted at the moment; empty where it can."""


class ServiceScope:
    """The part of a table of several services that belongs to one of them, under its own keys."""

    def __init__(self, service: str, table: ConsoleState) -> None:
        self._service, self._table, self._part = service, table, table.parts[service]
        self.store = self.marks = self

    @property
    def host(self) -> str:
        """Host and port of the service."""
        return self._part.host

    @property
    def clock(self) -> Clock:
        """The console's clock."""
        return self._table.clock

    @property
    def tz(self) -> tzinfo | None:
        """The zone in which times are shown."""
        return self._table.tz

    def now_ms(self) -> int:
        """Return the service's time."""
        return self._part.now_ms()

    def is_read_only(self) -> bool:
        """Whether deletes are disabled at this service."""
        return self._part.is_read_only()

    def deletes_disabled_reason(self) -> str:
        """Return why nothing can be deleted from this service at the moment; empty where it can."""
        reason = self._part.deletes_disabled_reason()
        if reason:
            return f"{self._service}: {reason}"
        return self._table.timing_forbids_deletes()

    def __contains__(self, key: SessionKey) -> bool:
        return in_service(key, self._service) in self._table.store

    def forget(self, keys: Iterable[SessionKey]) -> None:
        """Remove the marks of some sessions of this service."""
        self._table.marks.forget(in_service(key, self._service) for key in keys)
