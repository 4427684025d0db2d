"""SRS, read by its HTTP API: every client with its bytes, as long as it is connected.

Pages overlap by one client: where that one is not the same, the list moved meanwhile and is read again. What is exact
here and what is bounded stands in docs/sources/srs.md.
"""

import msgspec

from streamusage.agent.source import (
    CounterReading,
    EndedConnection,
    PublishReading,
    Reading,
    SourceError,
    ViewerReading,
)
from streamusage.agent.sources.asking import Asker, Count, a_protocol, an_id, basic_auth, decoded, digest_of, split_path
from streamusage.agent.sources.secrets import Secret
from streamusage.clock import Clock

CLIENTS_A_PAGE = 200
MOST_PAGES = 1000
ATTEMPTS = 3

MISSES = (
    "polled only: what a client moved after its last reading, and viewers who came and went between two readings, "
    "are not known"
)
NO_BYTES = "; this version of SRS tells no bytes of clients, so no traffic is counted"


class _Client(msgspec.Struct):
    id: int | str
    url: str = ""
    """`/app/stream`."""
    type: str = ""
    publish: bool = False
    alive: float = 0.0
    """Seconds."""
    send_bytes: Count | None = None
    recv_bytes: Count | None = None


class _Clients(msgspec.Struct):
    clients: list[_Client]
    code: int = 0
    server: int | str = ""
    service: int | str = ""
    pid: int | str = ""


class SrsSource:
    """An `agent.source.Source`."""

    def __init__(
        self, url: str, user: str | None, password: Secret | None, clock: Clock, *, timeout_seconds: float = 5.0
    ) -> None:
        self._clock = clock
        self._user, self._password = user, password
        self._asker = Asker(url, "SRS", timeout_seconds=timeout_seconds)

    async def close(self) -> None:
        await self._asker.close()

    async def read(self, cursor: str | None) -> Reading:
        """As `Source.read`."""
        boot, clients = await self._clients()
        at = self._clock.now_ms()
        tells_bytes = all(each.send_bytes is not None for each in clients)
        return Reading(
            at=at,
            boot=boot,
            started_at=0,
            counters=tuple(
                CounterReading(
                    key=f"{boot}-{an_id(str(each.id))}", bytes_in=each.recv_bytes or 0, bytes_out=each.send_bytes or 0
                )
                for each in clients
                if each.send_bytes is not None
            ),
            publishes=tuple(_publish(each, _age_ms(each)) for each in clients if _publishes(each)),
            viewers=tuple(_viewer(each, _age_ms(each)) for each in clients if not _publishes(each) and each.url),
            cursor=boot,
            misses=MISSES if tells_bytes else MISSES + NO_BYTES,
        )

    async def ended_between(self, from_cursor: str, to_cursor: str) -> tuple[EndedConnection, ...]:
        """As `Source.ended_between`: there is no log."""
        return ()

    async def _clients(self) -> tuple[str, list[_Client]]:
        """The process's identity and all of its clients."""
        for _ in range(ATTEMPTS):
            found: dict[str, _Client] = {}
            boots = set()
            last: str | None = None
            start = 0
            for _ in range(MOST_PAGES):
                page = await self._page(start)
                boots.add(digest_of(str(page.server), str(page.service), str(page.pid)))
                ids = [str(each.id) for each in page.clients]
                if last is not None and ids[:1] != [last]:
                    break  # the list moved
                found |= {str(each.id): each for each in page.clients}
                if len(ids) < CLIENTS_A_PAGE:
                    if len(boots) == 1:
                        return boots.pop(), list(found.values())
                    break
                last = ids[-1]
                start += CLIENTS_A_PAGE - 1
        raise SourceError("/api/v1/clients changed each time its pages were turned; the next reading tries again")

    async def _page(self, start: int) -> _Clients:
        query = {"start": str(start), "count": str(CLIENTS_A_PAGE)}
        headers = basic_auth(self._user, self._password)
        body = await self._asker.get("api", "v1", "clients", "", query=query, headers=headers)
        page = decoded(body, _Clients, "/api/v1/clients")
        if page.code != 0:
            raise SourceError(f"/api/v1/clients answered code {page.code}; the log of SRS says why")
        return page


def _publishes(client: _Client) -> bool:
    return client.publish or "publish" in client.type.lower()


def _age_ms(client: _Client) -> int:
    return int(min(max(0.0, client.alive), 1e10) * 1000)


def _publish(client: _Client, age_ms: int) -> PublishReading:
    scope, name = split_path(client.url, "srs")
    return PublishReading(publish_id=an_id(str(client.id)), scope=scope, name=name, age_ms=age_ms)


def _viewer(client: _Client, age_ms: int) -> ViewerReading:
    scope, name = split_path(client.url, "srs")
    kind, _, play = client.type.lower().partition("-")
    return ViewerReading(
        viewer_id=an_id(str(client.id)),
        scope=scope,
        name=name,
        protocol=a_protocol(kind) if play == "play" else "rtmp",
        age_ms=age_ms,
    )
