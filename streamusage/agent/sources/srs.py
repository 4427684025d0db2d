"""SRS, read by its HTTP API: every client as long as it is connected, and the bytes of every vhost.

A vhost's counters keep what its clients moved after they left, and it is never taken off the list while the process
lives; a client's counters, and a stream's, go with it. Pages of clients overlap by one: where that one is not the same,
the list moved meanwhile and is read again. What is exact here and what is bounded stands in docs/sources/srs.md.
"""

from typing import TypeVar

import msgspec

from streamusage.agent.config.secrets import Secret
from streamusage.agent.reading import CounterReading, PublishReading, Reading, SourceError, ViewerReading
from streamusage.agent.sources.common.http_probe import (
    Asker,
    Count,
    a_protocol,
    an_id,
    basic_auth,
    decoded,
    digest_of,
    split_path,
)
from streamusage.agent.sources.common.polled import PolledSource
from streamusage.core.clock import Clock
from streamusage.core.reasons import SRS_NO_BYTES, SRS_POLLING

CLIENTS_A_PAGE = 200
MOST_PAGES = 1000
ATTEMPTS = 3

STEP_MS = 3_000
"""SRS adds up what its connections moved every three seconds."""


class _Client(msgspec.Struct):
    id: int | str
    url: str = ""
    """`/app/stream`."""
    type: str = ""
    publish: bool = False
    alive: float = 0.0
    """Seconds."""


class _Vhost(msgspec.Struct):
    id: int | str
    send_bytes: Count | None = None
    recv_bytes: Count | None = None


class _Answer(msgspec.Struct):
    """What every answer begins with."""

    code: int = 0
    server: int | str = ""
    service: int | str = ""
    pid: int | str = ""

    @property
    def boot(self) -> str:
        """The process that answered."""
        return digest_of(str(self.server), str(self.service), str(self.pid))


class _Clients(_Answer, kw_only=True):
    clients: list[_Client]


class _Vhosts(_Answer, kw_only=True):
    vhosts: list[_Vhost]


Wanted = TypeVar("Wanted", _Clients, _Vhosts)


class SrsSource(PolledSource):
    """An `agent.source.Source`."""

    def __init__(
        self, url: str, user: str | None, password: Secret | None, clock: Clock, *, timeout_seconds: float = 5.0
    ) -> None:
        super().__init__(Asker(url, "SRS", timeout_seconds=timeout_seconds), clock)
        self._user, self._password = user, password

    async def read(self, cursor: str | None) -> Reading:
        """As `Source.read`."""
        boot, clients, vhosts = await self._of_one_process()
        at = self._clock.now_ms()
        counters = tuple(
            CounterReading(key=f"{boot}-{an_id(str(vhost.id))}", bytes_in=vhost.recv_bytes, bytes_out=vhost.send_bytes)
            for vhost in vhosts
            if vhost.recv_bytes is not None and vhost.send_bytes is not None
        )
        return Reading(
            at=at,
            boot=boot,
            started_at=0,
            counters=counters,
            publishes=tuple(_publish(each, _age_ms(each)) for each in clients if _publishes(each)),
            viewers=tuple(_viewer(each, _age_ms(each)) for each in clients if not _publishes(each) and each.url),
            cursor=boot,
            misses=SRS_POLLING if len(counters) == len(vhosts) else SRS_NO_BYTES,
            step_ms=STEP_MS,
        )

    async def _of_one_process(self) -> tuple[str, list[_Client], list[_Vhost]]:
        """The process's identity, all of its clients, and its vhosts."""
        for _ in range(ATTEMPTS):
            found = await self._clients()
            if found is not None:
                boot, clients = found
                answer = await self._ask(_Vhosts, "vhosts")
                if answer.boot == boot:
                    return boot, clients, answer.vhosts
        raise SourceError("/api/v1/clients changed each time its pages were turned; the next reading tries again")

    async def _clients(self) -> tuple[str, list[_Client]] | None:
        """All clients, and whose they are; `None` where the list moved, or the process did."""
        found: dict[str, _Client] = {}
        boots = set()
        last: str | None = None
        for number in range(MOST_PAGES):
            page = await self._ask(_Clients, "clients", start=number * (CLIENTS_A_PAGE - 1), count=CLIENTS_A_PAGE)
            boots.add(page.boot)
            ids = [str(each.id) for each in page.clients]
            if len(boots) > 1 or (last is not None and ids[:1] != [last]):
                return None
            found |= {str(each.id): each for each in page.clients}
            if len(ids) < CLIENTS_A_PAGE:
                return boots.pop(), list(found.values())
            last = ids[-1]
        return None

    async def _ask(self, form: type[Wanted], what: str, **query: int) -> Wanted:
        headers = basic_auth(self._user, self._password)
        asked = {name: str(value) for name, value in query.items()}
        answer = decoded(
            await self._asker.get("api", "v1", what, "", query=asked, headers=headers), form, f"/api/v1/{what}"
        )
        if answer.code != 0:
            raise SourceError(f"/api/v1/{what} answered code {answer.code}; the log of SRS says why")
        return answer


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
