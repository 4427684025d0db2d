"""What is known of several services together: their servers, and which of the services do not answer. Pure.

While a service does not answer, every sum over services is a lower bound.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

import msgspec

from streamusage.api.extension import ServerStatus
from tui.model.text import sanitize, shortened
from tui.model.unseen import UnseenServers, is_unseen, outdated_subscribers

_NAME_CELLS = 16


class SilentService(NamedTuple):
    """A service whose figures are too old to be added."""

    name: str
    since_ms: int | None
    """When it answered last; `None` where it never did."""
    watched: int
    """Active subscribers by its last answer."""


class ServerOfService(ServerStatus, frozen=True, kw_only=True):
    """State of a server of one of several services. `server` is unique among all of them: `eu:edge-3`."""

    service: str
    own_name: str
    """The server's name at its service."""


def qualified_name(service: str, name: str) -> str:
    """Return the name of a server or stream of a service that none of another service has."""
    return f"{service}:{name}"


def split_name(name: str, services: Iterable[str]) -> tuple[str, str]:
    """Return the service and the own name of a qualified name. Raises `ValueError` for a name of none of them."""
    for service in sorted(services, key=len, reverse=True):
        if name.startswith(prefix := qualified_name(service, "")):
            return service, name.removeprefix(prefix)
    raise ValueError(f"{name} is of no known service")


def qualified(service: str, servers: Sequence[ServerStatus]) -> list[ServerOfService]:
    """Return servers of a service under names that no server of another service has."""
    return [
        ServerOfService(
            **msgspec.structs.asdict(server) | {"server": qualified_name(service, server.server)},
            service=service,
            own_name=server.server,
        )
        for server in servers
    ]


class UnseenInServices(UnseenServers):
    """The servers that are not seen at services that answer, and the services that do not.

    `answering` returns the newest servers of the services that answer, by service; `watched` how many watched at those
    that are not seen, of each service that has some, and 0 where that is not known.
    """

    def __init__(
        self,
        silent: Callable[[], Sequence[SilentService]],
        answering: Callable[[], Mapping[str, Sequence[ServerStatus]]],
        watched: Callable[[], Sequence[int]],
    ) -> None:
        super().__init__()
        self._silent = silent
        self._answering = answering
        self._watched_at_servers = watched

    def __bool__(self) -> bool:
        return bool(self._silent()) or bool(self._servers())

    def _servers(self) -> Sequence[ServerStatus]:
        """Return the servers that are not seen, the one that owes most first, under qualified names."""
        found = [
            server
            for service, servers in self._answering().items()
            for server in qualified(service, [server for server in servers if is_unseen(server)])
        ]
        return sorted(found, key=lambda server: -server.owed_ms)

    @property
    def owing_most(self) -> ServerStatus | None:
        """The server that owes the longest time."""
        return next(iter(self._servers()), None)

    @property
    def outdated(self) -> int:
        """Subscribers that the records of services that answer still count on these servers."""
        return sum(map(outdated_subscribers, self._servers()))

    @property
    def services(self) -> Collection[str]:
        """The services that do not answer."""
        return [one.name for one in self._silent()]

    def names(self) -> str:
        """Return the names of services and servers, safe to draw."""
        names = [one.name for one in self._silent()] + [server.server for server in self._servers()]
        shown = [shortened(sanitize(name), _NAME_CELLS) for name in names]
        return ", ".join(shown) if len(shown) < 3 else f"{shown[0]} and {len(shown) - 1} more"

    def _seen_until(self) -> Sequence[int | None]:
        return [one.since_ms for one in self._silent()] + [server.watermark for server in self._servers()]

    def watched_there(self) -> int:
        """Return how many watched there when they were seen last; 0 where that is not known of all."""
        at_servers = self._watched_at_servers()
        return 0 if 0 in at_servers else sum(one.watched for one in self._silent()) + sum(at_servers)
