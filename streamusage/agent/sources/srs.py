"""SRS, by its HTTP API: each connected client, and the byte counters of each vhost.

A vhost's counters include clients that have left, and a vhost stays listed while the process runs; the counters of a
client or a stream disappear with it. Pages of clients overlap by one client: if that client differs, the list has
changed meanwhile and is fetched again. docs/sources/srs.md lists what is exact and what is bounded.
"""

from typing import NamedTuple, TypeVar

import msgspec

from streamusage.agent.config.sources import OptionalPasswordSection, ServerUrl
from streamusage.agent.reading import CounterReading, PublishReading, Reading, SourceError, ViewerReading
from streamusage.agent.sources.common.http_probe import (
    HttpProbe,
    PolledSource,
    ProbeResponse,
    basic_auth_header,
)
from streamusage.agent.sources.common.identifiers import (
    limit_id,
    normalize_protocol,
    short_digest,
    split_stream_path,
)
from streamusage.agent.sources.common.kind import SourceContext, SourceKind, optional_password
from streamusage.agent.sources.common.payloads import Count, decode_json
from streamusage.agent.sources.common.sample_time import Instant
from streamusage.core.clock import Clock
from streamusage.core.reasons import SRS_NO_BYTES, SRS_POLLING
from streamusage.core.secrets import Secret

CLIENTS_PER_PAGE = 200
MAX_PAGES = 1000
MAX_ATTEMPTS = 3

STEP_MS = 3_000
"""SRS adds the traffic of its connections to its counters at this interval."""


class _SrsClient(msgspec.Struct):
    id: int | str
    url: str = ""
    """`/app/stream`."""
    type: str = ""
    publish: bool = False
    alive: float = 0.0
    """Seconds since it connected."""

    @property
    def is_publisher(self) -> bool:
        return self.publish or "publish" in self.type.lower()

    @property
    def age_ms(self) -> int:
        return int(min(max(0.0, self.alive), 1e10) * 1000)


class _ListedClient(NamedTuple):
    """A client, and the times of the page that lists it (`ProbeResponse`)."""

    client: _SrsClient
    first_byte_ms: int
    slack_ms: int

    def age_ms(self, at: Instant) -> int:
        """Return the least possible age at an instant."""
        return self.client.age_ms + at.elapsed_ms - self.first_byte_ms


class _SrsVhost(msgspec.Struct):
    id: int | str
    send_bytes: Count | None = None
    recv_bytes: Count | None = None


class _SrsResponse(msgspec.Struct):
    """Common fields of all responses."""

    code: int = 0
    server: int | str = ""
    service: int | str = ""
    pid: int | str = ""

    @property
    def boot(self) -> str:
        """The identity of the process that responded."""
        return short_digest(str(self.server), str(self.service), str(self.pid))


class _SrsClients(_SrsResponse, kw_only=True):
    clients: list[_SrsClient]


class _SrsVhosts(_SrsResponse, kw_only=True):
    vhosts: list[_SrsVhost]


Response = TypeVar("Response", _SrsClients, _SrsVhosts)


class SrsConfig(OptionalPasswordSection):
    """SRS."""

    url: ServerUrl


class SrsSource(PolledSource):
    """A `streamusage.agent.reading.Source`."""

    def __init__(
        self, url: str, user: str | None, password: Secret | None, clock: Clock, *, timeout_seconds: float = 5.0
    ) -> None:
        super().__init__(HttpProbe(url, "SRS", clock, timeout_seconds=timeout_seconds), clock)
        self._user, self._password = user, password

    async def read(self, cursor: str | None) -> Reading:
        """As `Source.read`."""
        boot, clients, vhosts = await self._fetch_process()
        at = Instant.take(self._clock)
        counters = tuple(
            CounterReading(
                key=f"{boot}-{limit_id(str(vhost.id))}", bytes_in=vhost.recv_bytes, bytes_out=vhost.send_bytes
            )
            for vhost in vhosts
            if vhost.recv_bytes is not None and vhost.send_bytes is not None
        )
        return Reading(
            at=at.wall_ms,
            elapsed_ms=at.elapsed_ms,
            boot=boot,
            started_at=0,
            counters=counters,
            publishes=tuple(_publish(listed, at) for listed in clients if listed.client.is_publisher),
            viewers=tuple(
                _viewer(listed, at) for listed in clients if not listed.client.is_publisher and listed.client.url
            ),
            age_slack_ms=max((listed.slack_ms for listed in clients), default=0),
            cursor=boot,
            misses=SRS_POLLING if len(counters) == len(vhosts) else SRS_NO_BYTES,
            step_ms=STEP_MS,
        )

    async def _fetch_process(self) -> tuple[str, list[_ListedClient], list[_SrsVhost]]:
        """Return the identity, all clients and all vhosts of one process."""
        for _ in range(MAX_ATTEMPTS):
            boot_and_clients = await self._fetch_clients()
            if boot_and_clients is not None:
                boot, clients = boot_and_clients
                vhosts, _ = await self._fetch(_SrsVhosts, "vhosts")
                if vhosts.boot == boot:
                    return boot, clients, vhosts.vhosts
        raise SourceError(
            "/api/v1/clients changed each time while its pages were fetched; the next reading tries again"
        )

    async def _fetch_clients(self) -> tuple[str, list[_ListedClient]] | None:
        """Return the process and all of its clients; None if the list or the process changed meanwhile."""
        clients: dict[str, _ListedClient] = {}
        boots = set()
        last_id: str | None = None
        for page_number in range(MAX_PAGES):
            page, response = await self._fetch(
                _SrsClients, "clients", start=page_number * (CLIENTS_PER_PAGE - 1), count=CLIENTS_PER_PAGE
            )
            boots.add(page.boot)
            ids = [str(client.id) for client in page.clients]
            if len(boots) > 1 or (last_id is not None and ids[:1] != [last_id]):
                return None
            clients |= {
                str(client.id): _ListedClient(client, response.first_byte_ms, response.slack_ms)
                for client in page.clients
            }
            if len(ids) < CLIENTS_PER_PAGE:
                return boots.pop(), list(clients.values())
            last_id = ids[-1]
        return None

    async def _fetch(
        self, response_type: type[Response], resource: str, **parameters: int
    ) -> tuple[Response, ProbeResponse]:
        headers = basic_auth_header(self._user, self._password)
        query = {name: str(value) for name, value in parameters.items()}
        endpoint = f"/api/v1/{resource}"
        response = await self._probe.get("api", "v1", resource, "", query=query, headers=headers)
        content = decode_json(response.body, response_type, endpoint)
        if content.code != 0:
            raise SourceError(f"{endpoint} responded with code {content.code}; the log of SRS has the cause")
        return content, response


def _publish(listed: _ListedClient, at: Instant) -> PublishReading:
    client = listed.client
    scope, name = split_stream_path(client.url, "srs")
    return PublishReading(publish_id=limit_id(str(client.id)), scope=scope, name=name, age_ms=listed.age_ms(at))


def _viewer(listed: _ListedClient, at: Instant) -> ViewerReading:
    client = listed.client
    scope, name = split_stream_path(client.url, "srs")
    protocol, _, action = client.type.lower().partition("-")
    return ViewerReading(
        viewer_id=limit_id(str(client.id)),
        scope=scope,
        name=name,
        protocol=normalize_protocol(protocol) if action == "play" else "rtmp",
        age_ms=listed.age_ms(at),
    )


def _create(config: SrsConfig, context: SourceContext) -> SrsSource:
    secret = optional_password(config)
    return SrsSource(config.url, config.user, secret, context.clock, timeout_seconds=config.timeout_seconds)


SOURCE = SourceKind(
    kind="srs",
    server="SRS",
    viewers="polled",
    traffic="exact, per vhost",
    config=SrsConfig,
    create=_create,
)
