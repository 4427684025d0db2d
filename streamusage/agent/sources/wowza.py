"""Wowza Streaming Engine, by its REST interface and, if configured, its connection counts.

Each application reports its bytes since it was loaded, each stream the number of its viewers by protocol. Viewers are
not distinguishable. docs/sources/wowza.md lists what is exact and what is bounded.
"""

from typing import Annotated

import msgspec
from pydantic import Field

from streamusage.agent.config.sources import PasswordSection, PathName, ServerUrl
from streamusage.agent.reading import AudienceReading, CounterReading, PublishReading, Reading
from streamusage.agent.sources.common.cursors import JsonCursor, LifeStarts
from streamusage.agent.sources.common.figures import FigureChecker
from streamusage.agent.sources.common.http_auth import ChallengedAuth
from streamusage.agent.sources.common.http_probe import (
    HttpProbe,
    HttpStatusError,
    PolledSource,
    ProbeResponse,
    fetch_all,
)
from streamusage.agent.sources.common.identifiers import limit_name, normalize_protocol, short_digest
from streamusage.agent.sources.common.kind import SourceContext, SourceKind, password
from streamusage.agent.sources.common.payloads import (
    Figure,
    Payload,
    SignedCount,
    decode_json,
    parse_child_count,
    parse_xml,
)
from streamusage.agent.sources.common.sample_time import Instant
from streamusage.client.http_options import HttpOptions
from streamusage.core.clock import Clock, boot_id
from streamusage.core.reasons import WOWZA_NUMBERS, WOWZA_RISES
from streamusage.core.secrets import Secret

PROTOCOLS = {"CUPERTINO": "hls", "MPEGDASH": "dash", "SANJOSE": "hds", "RTP": "rtp", "RTMP": "rtmp", "WEBM": "webm"}
"""Common names of protocols by Wowza's name; other names are converted to lower case."""


UPTIME_UNIT_MS = 1000

REST_HINTS = {
    401: "the user or the password is wrong: compare `user` and the password with the users in conf/admin.password of "
    "Wowza, and `AuthenticationMethod` of `RESTInterface` in conf/Server.xml (basic and digest are supported)",
    403: "allow the agent's address in `IPWhiteList` of `RESTInterface` in conf/Server.xml",
    404: "check `url` and `vhost`, and `Enable` of `RESTInterface` in conf/Server.xml",
}
COUNTS_HINTS = {
    401: "the user or the password is wrong: `connectioncounts` takes those of `AuthenticationMethod` of its "
    "HTTPProvider in conf/VHost.xml, which may be others than those of the REST interface",
    404: "check `connection_counts_url`, and the HTTPProvider `connectioncounts*` in conf/VHost.xml",
}
"""What an operator can do about a refusal of each interface, by HTTP status."""


class _WowzaMonitoring(msgspec.Struct, rename="camel"):
    uptime: SignedCount = 0
    """Whole seconds since the application or stream was loaded."""
    bytes_in: Figure = 0
    bytes_out: Figure = 0
    connection_count: dict[str, Figure] = {}


class _WowzaIncomingStream(msgspec.Struct, rename="camel"):
    name: str
    is_connected: bool = True


class _WowzaInstance(msgspec.Struct, rename="camel"):
    name: str = "_definst_"
    incoming_streams: list[_WowzaIncomingStream] = []


class _WowzaInstances(msgspec.Struct, rename="camel"):
    instance_list: list[_WowzaInstance] = []


class _WowzaStream(msgspec.Struct):
    application: str
    instance: str
    name: str
    monitoring: _WowzaMonitoring
    first_byte_ms: int
    """As `ProbeResponse.first_byte_ms`, of the response with `monitoring`."""
    slack_ms: int

    def age_ms(self, at: Instant) -> int:
        """Return the least possible age at an instant."""
        return max(0, self.monitoring.uptime * 1000) + at.elapsed_ms - self.first_byte_ms

    @property
    def scope(self) -> str:
        is_default = self.instance == "_definst_"
        return limit_name(self.application if is_default else f"{self.application}/{self.instance}")

    @property
    def key(self) -> str:
        return short_digest(self.application, self.instance, self.name)


class WowzaCursor(JsonCursor, frozen=True):
    """What the journal stores for this source."""

    began: str = ""
    """The `LifeStarts` of applications and streams."""
    published: int = 0
    """Number of publishes so far, which the server's count of connections includes."""


class WowzaConfig(PasswordSection):
    """Wowza Streaming Engine."""

    url: ServerUrl
    connection_counts_url: ServerUrl | None = None
    vhost: PathName = "_defaultVHost_"
    applications: Annotated[tuple[PathName, ...], Field(min_length=1)]


class WowzaSource(PolledSource):
    """A `streamusage.agent.reading.Source`."""

    def __init__(
        self,
        url: str,
        user: str,
        password: Secret,
        vhost: str,
        applications: tuple[str, ...],
        connection_counts_url: str | None,
        clock: Clock,
        *,
        options: HttpOptions | None = None,
    ) -> None:
        super().__init__(HttpProbe(url, "Wowza", clock, options=options, hints=REST_HINTS), clock)
        self._user, self._password = user, password
        self._auths: dict[str, tuple[str, ChallengedAuth]] = {}
        """The password and the authentication at each of the two interfaces, which may request different kinds."""
        self._figures = FigureChecker("Wowza")
        self._applications = applications
        self._applications_path = ("v2", "servers", "_defaultServer_", "vhosts", vhost, "applications")
        self._vhost = vhost
        self._counts_probe = (
            None
            if connection_counts_url is None
            else HttpProbe(
                connection_counts_url,
                "Wowza's connection counts",
                clock,
                options=options,
                hints=COUNTS_HINTS,
            )
        )

    async def close(self) -> None:
        """As `Source.close`."""
        await super().close()
        if self._counts_probe is not None:
            await self._counts_probe.close()

    async def read(self, cursor: str | None) -> Reading:
        """As `Source.read`."""
        before = WowzaCursor.parse(cursor)
        accepted = None if self._counts_probe is None else await self._fetch_accepted(self._counts_probe)
        applications = {
            name: monitoring
            for name in self._applications
            if (monitoring := await self._fetch_application(name)) is not None
        }
        streams = [stream for name in applications for stream in await self._fetch_streams(name)]
        at = Instant.take(self._clock)
        starts_before = LifeStarts.parse(before.began)
        starts = starts_before.update(
            at,
            {short_digest(name): monitoring.uptime * 1000 for name, monitoring in applications.items()}
            | {stream.key: stream.monitoring.uptime * 1000 for stream in streams},
            boot_id(),
        )
        new_publishes = sum(starts_before.began.get(stream.key) != starts.began[stream.key] for stream in streams)
        published = before.published + new_publishes
        return Reading(
            at=at.wall_ms,
            elapsed_ms=at.elapsed_ms,
            boot="wowza",
            started_at=0,
            counters=tuple(
                CounterReading(
                    key=f"{short_digest(name)}-{starts.began[short_digest(name)]}",
                    bytes_in=self._figures.count(monitoring.bytes_in, "bytesIn"),
                    bytes_out=self._figures.count(monitoring.bytes_out, "bytesOut"),
                )
                for name, monitoring in applications.items()
            ),
            publishes=tuple(
                PublishReading(
                    publish_id=f"{stream.key}-{starts.began[stream.key]}",
                    scope=stream.scope,
                    name=limit_name(stream.name),
                    age_ms=stream.age_ms(at),
                )
                for stream in streams
            ),
            age_slack_ms=max((UPTIME_UNIT_MS + stream.slack_ms for stream in streams), default=0),
            audiences=tuple(audience for stream in streams for audience in self._audiences(stream)),
            accepted=None if accepted is None else max(0, accepted - published),
            cursor=str(WowzaCursor(str(starts), published)),
            misses=self._figures.take_reason(WOWZA_NUMBERS if self._counts_probe is not None else WOWZA_RISES),
        )

    def _audiences(self, stream: _WowzaStream) -> list[AudienceReading]:
        viewers_by_protocol = {
            PROTOCOLS.get(wowza_name, normalize_protocol(wowza_name)): viewers
            for wowza_name, viewers in sorted(stream.monitoring.connection_count.items())
        }
        return [
            AudienceReading(
                key=f"{stream.key}-{protocol}",
                scope=stream.scope,
                name=limit_name(stream.name),
                protocol=protocol,
                viewers=self._figures.count(viewers, f"connectionCount {protocol}"),
            )
            for protocol, viewers in viewers_by_protocol.items()
        ]

    async def _fetch_application(self, name: str) -> _WowzaMonitoring | None:
        """Return the counters of an application; None if it is not loaded."""
        try:
            return (await self._fetch(_WowzaMonitoring, name, "monitoring", "current"))[0]
        except HttpStatusError as error:
            if error.status == 404:
                return None
            raise

    async def _fetch_streams(self, application: str) -> list[_WowzaStream]:
        async def fetch_stream(instance_and_name: tuple[str, str]) -> _WowzaStream | None:
            instance, name = instance_and_name
            try:
                monitoring, response = await self._fetch(
                    _WowzaMonitoring,
                    *(application, "instances", instance, "incomingstreams", name, "monitoring", "current"),
                )
            except HttpStatusError as error:
                if error.status == 404:
                    return None  # it ended after the list was fetched
                raise
            return _WowzaStream(application, instance, name, monitoring, response.first_byte_ms, response.slack_ms)

        try:
            instances, _ = await self._fetch(_WowzaInstances, application, "instances")
        except HttpStatusError as error:
            if error.status == 404:
                return []
            raise
        listed = {
            (instance.name, incoming.name)
            for instance in instances.instance_list
            for incoming in instance.incoming_streams
            if incoming.is_connected
        }
        return await fetch_all(fetch_stream, sorted(listed))

    async def _fetch_accepted(self, counts_probe: HttpProbe) -> int:
        """Return how many connections the configured applications have accepted since the server started."""
        endpoint = "connectioncounts"
        response = await counts_probe.get(endpoint, auth=self._auth("connectioncounts"))
        root = parse_xml(response.body, endpoint)
        return sum(
            parse_child_count(application, "ConnectionsTotalAccepted", endpoint)
            for vhost in root.iterfind("VHost")
            if vhost.findtext("Name") == self._vhost
            for application in vhost.iterfind("Application")
            if application.findtext("Name") in self._applications
        )

    async def _fetch(self, payload_type: type[Payload], *parts: str) -> tuple[Payload, ProbeResponse]:
        # Without this header the interface returns XML.
        headers = {"Accept": "application/json"}
        response = await self._probe.get(*self._applications_path, *parts, auth=self._auth("rest"), headers=headers)
        return decode_json(response.body, payload_type, "the REST interface of Wowza"), response

    def _auth(self, interface: str) -> ChallengedAuth:
        """Return the authentication at an interface, with the password as it is now."""
        password = self._password()
        known = self._auths.get(interface)
        if known is None or known[0] != password:
            known = self._auths[interface] = password, ChallengedAuth(self._user, password)
        return known[1]


def _create(config: WowzaConfig, context: SourceContext) -> WowzaSource:
    return WowzaSource(
        config.url,
        config.user,
        password(config),
        config.vhost,
        config.applications,
        config.connection_counts_url,
        context.clock,
        options=config.http_options,
    )


SOURCE = SourceKind(
    kind="wowza",
    server="Wowza Streaming Engine",
    viewers="numbers only",
    traffic="per application",
    config=WowzaConfig,
    create=_create,
)
