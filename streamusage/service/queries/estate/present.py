"""Who is present now: subscribers and publishes by server and scope, open connections by server and protocol."""

from typing import NamedTuple

from sqlalchemy import Connection, func, select

from streamusage.service.store.schema import server_sessions, servers, viewers


class ScopeAudience(NamedTuple):
    """Live publishes of a scope, and their subscribers, over the servers that are reachable."""

    publishes: int
    subscribers: int


class Present(NamedTuple):
    """Who is present at the servers that are reachable and part of the estate."""

    publishes: dict[str, int]
    """Live publishes by server."""
    scopes: dict[str, ScopeAudience]
    viewers: dict[str, dict[str, int]]
    """Open connections by server and protocol, where the agent knows them one by one."""


_REACHABLE = (servers.c.unreachable == 0, servers.c.removed == "")


def count_present(connection: Connection) -> Present:
    """Return who is present."""
    table = server_sessions.c
    query = (
        select(table.server, table.scope, func.count(), func.sum(table.active))
        .join(servers, servers.c.server == table.server)
        .where(table.live == 1, table.epoch == servers.c.epoch, *_REACHABLE)
        .group_by(table.server, table.scope)
    )
    publishes: dict[str, int] = {}
    scopes: dict[str, ScopeAudience] = {}
    for server, scope, count, active in connection.execute(query):
        publishes[server] = publishes.get(server, 0) + int(count)
        before = scopes.get(scope, ScopeAudience(0, 0))
        scopes[scope] = ScopeAudience(before.publishes + int(count), before.subscribers + int(active))
    watching = (
        select(viewers.c.server, viewers.c.protocol, func.count())
        .join(servers, servers.c.server == viewers.c.server)
        .where(*_REACHABLE)
        .group_by(viewers.c.server, viewers.c.protocol)
    )
    found: dict[str, dict[str, int]] = {}
    for server, protocol, count in connection.execute(watching):
        found.setdefault(server, {})[protocol] = int(count)
    return Present(publishes, scopes, found)
