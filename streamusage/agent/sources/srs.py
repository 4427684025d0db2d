"""SRS, by its HTTP API: each connected client, and the byte counters of each vhost.

A vhost's counters include clients that have left, and a vhost stays listed while the process runs; the counters of a
client or a stream disappear with it. All clients are fetched as one page, so that viewers who come and go meanwhile
change nothing. SRS does not escape names: where one makes the list unreadable, bytes are counted and viewers continue
later. docs/sources/srs.md lists what is exact and what is bounded.
"""

from typing import ClassVar, NamedTuple, TypeVar

import msgspec

from streamusage.agent.config.sources import OptionalPasswordSection, ServerUrl
from streamusage.agent.reading import CounterReading, PublishReading, Reading, SourceError, ViewerReading
from streamusage.agent.sources.common.figures import FigureChecker
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
from streamusage.agent.sources.common.ignored import IgnoringSection
from streamusage.agent.sources.common.kind import SourceContext, SourceKind, optional_password
from streamusage.agent.sources.common.payloads import Figure
from streamusage.agent.sources.common.sample_time import Instant
from streamusage.agent.sources.common.unescaped_json import UnreadableJsonError, decode_unescaped_json
from streamusage.client.http_options import HttpOptions
from streamusage.core.clock import Clock
from streamusage.core.reasons import POLLING_ONLY, SRS_LIST_INVALID, SRS_LIST_SHORT, SRS_NAME_REPAIRED, SRS_NO_BYTES
from streamusage.core.secrets import Secret

ALL_CLIENTS = 1_000_000
"""`count` of the request: more than any server has. SRS limits it from below only."""

MAX_ATTEMPTS = 3
"""How often clients and vhosts are fetched if another process responds in between."""

LEAST_COUNT = 10
"""SRS lists at least this many clients; version 2 ignores `count` and lists no more."""

LIST_INVALID = (
    "A stream's name makes the list invalid JSON, because this SRS does not escape names: bytes are counted, viewers "
    "are unknown until that stream has ended. End that publish, and refuse such names in `on_publish`"
)
NAME_REPAIRED = (
    "/api/v1/clients returned invalid JSON: a stream's name is not escaped, and its bytes that are no text are shown "
    "as %XX. Refuse such names in `on_publish`"
)
"""What an operator can do about names that SRS does not escape."""

STEP_MS = 3_000
"""SRS adds the traffic of its connections to its counters at this interval."""


class _SrsClient(msgspec.Struct):
    id: int | str
    url: str = ""
    """`/app/stream`."""
    ip: str | None = None
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
    send_bytes: Figure | None = None
    recv_bytes: Figure | None = None
    clients: Figure = 0
    """How many clients it has, of which `/api/v1/clients` of SRS 2 lists ten at most."""


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


class _ClientList(NamedTuple):
    """The clients of one process, or None where a name makes their list unreadable."""

    boot: str | None
    clients: list[_ListedClient] | None
    misses: str
    """Why figures of viewers are incomplete."""
    problem: str = ""
    """As `Reading.problem`."""


Response = TypeVar("Response", _SrsClients, _SrsVhosts)


class SrsConfig(OptionalPasswordSection, IgnoringSection):
    """SRS."""

    url: ServerUrl

    KNOWS_AGENTS: ClassVar[bool] = False


class SrsSource(PolledSource):
    """A `streamusage.agent.reading.Source`."""

    def __init__(
        self, url: str, user: str | None, password: Secret | None, clock: Clock, *, options: HttpOptions | None = None
    ) -> None:
        super().__init__(HttpProbe(url, "SRS", clock, options=options), clock)
        self._user, self._password = user, password
        self._figures = FigureChecker("SRS")

    async def read(self, cursor: str | None) -> Reading:
        """As `Source.read`."""
        client_list, vhosts = await self._fetch_process()
        at = Instant.take(self._clock)
        counters = tuple(
            CounterReading(
                key=f"{vhosts.boot}-{limit_id(str(vhost.id))}",
                bytes_in=self._figures.count(vhost.recv_bytes, "recv_bytes"),
                bytes_out=self._figures.count(vhost.send_bytes, "send_bytes"),
            )
            for vhost in vhosts.vhosts
            if vhost.recv_bytes is not None and vhost.send_bytes is not None
        )
        clients = client_list.clients or []
        return Reading(
            at=at.wall_ms,
            elapsed_ms=at.elapsed_ms,
            boot=vhosts.boot,
            started_at=0,
            counters=counters,
            publishes=tuple(_publish(listed, at) for listed in clients if listed.client.is_publisher),
            viewers=tuple(
                _viewer(listed, at) for listed in clients if not listed.client.is_publisher and listed.client.url
            ),
            age_slack_ms=max((listed.slack_ms for listed in clients), default=0),
            lists_connections=client_list.clients is not None,
            cursor=vhosts.boot,
            misses=self._figures.take_reason(
                client_list.misses if len(counters) == len(vhosts.vhosts) else SRS_NO_BYTES
            ),
            problem=client_list.problem,
            step_ms=STEP_MS,
        )

    async def _fetch_process(self) -> tuple[_ClientList, _SrsVhosts]:
        """Return the clients and the vhosts of one process."""
        for _ in range(MAX_ATTEMPTS):
            client_list = await self._fetch_clients()
            vhosts, _ = await self._fetch(_SrsVhosts, "vhosts")
            if client_list.boot in (vhosts.boot, None):
                return self._complete(client_list, vhosts), vhosts
        raise SourceError(
            "/api/v1/clients and /api/v1/vhosts were answered by different processes each time: SRS restarts, or "
            "several servers respond at this URL; the next reading tries again"
        )

    async def _fetch_clients(self) -> _ClientList:
        try:
            page, response, is_repaired = await self._fetch_unescaped(
                _SrsClients, "clients", start=0, count=ALL_CLIENTS
            )
        except UnreadableJsonError as error:
            return _ClientList(None, None, SRS_LIST_INVALID, f"{error}. {LIST_INVALID}")
        by_id = {
            str(client.id): _ListedClient(client, response.first_byte_ms, response.slack_ms) for client in page.clients
        }
        clients = list(by_id.values())
        if is_repaired:
            return _ClientList(page.boot, clients, SRS_NAME_REPAIRED, NAME_REPAIRED)
        return _ClientList(page.boot, clients, POLLING_ONLY)

    def _complete(self, client_list: _ClientList, vhosts: _SrsVhosts) -> _ClientList:
        """Return the list with the reason for which it is incomplete, if this version of SRS lists ten clients only."""
        listed = len(client_list.clients or ())
        if listed == LEAST_COUNT < sum(vhost.clients for vhost in vhosts.vhosts):
            return client_list._replace(misses=SRS_LIST_SHORT)
        return client_list

    async def _fetch(
        self, response_type: type[Response], resource: str, **parameters: int
    ) -> tuple[Response, ProbeResponse]:
        content, response, _ = await self._fetch_unescaped(response_type, resource, **parameters)
        return content, response

    async def _fetch_unescaped(
        self, response_type: type[Response], resource: str, **parameters: int
    ) -> tuple[Response, ProbeResponse, bool]:
        """Return a response, its times, and whether a name in it had to be repaired."""
        headers = basic_auth_header(self._user, self._password)
        query = {name: str(value) for name, value in parameters.items()}
        endpoint = f"/api/v1/{resource}"
        response = await self._probe.get("api", "v1", resource, "", query=query, headers=headers)
        content, is_repaired = decode_unescaped_json(response.body, response_type, endpoint)
        if content.code != 0:
            raise SourceError(f"{endpoint} responded with code {content.code}; the log of SRS has the cause")
        return content, response, is_repaired


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
        address=client.ip or "",
    )


def _create(config: SrsConfig, context: SourceContext) -> SrsSource:
    secret = optional_password(config)
    return SrsSource(config.url, config.user, secret, context.clock, options=config.http_options)


SOURCE = SourceKind(
    kind="srs",
    server="SRS",
    viewers="polled",
    traffic="exact, per vhost",
    config=SrsConfig,
    create=_create,
)
