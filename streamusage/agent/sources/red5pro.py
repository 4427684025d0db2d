"""A Red5 Pro server, by its server API: streams with their numbers of subscribers and the bytes that they received.

Subscribers are not distinguishable. The API reports no outgoing bytes, so none are counted. The start of a stream is an
absolute time of the server's clock, whose present time the `Date` of the responses shows. docs/sources/red5pro.md lists
what is exact and what is bounded.
"""

from typing import Annotated, NamedTuple

import msgspec
from pydantic import Field

from streamusage.agent.config.sources import PathName, ServerUrl, TokenSection
from streamusage.agent.reading import AudienceReading, CounterReading, PublishReading, Reading, SourceError
from streamusage.agent.sources.common.figures import FigureChecker
from streamusage.agent.sources.common.http_probe import HttpProbe, HttpStatusError, PolledSource, fetch_all
from streamusage.agent.sources.common.identifiers import limit_name, short_digest
from streamusage.agent.sources.common.kind import SourceContext, SourceKind, api_token
from streamusage.agent.sources.common.payloads import Count, Figure, Payload, decode_json
from streamusage.agent.sources.common.sample_time import Instant, ServerClock
from streamusage.client.http_options import HttpOptions
from streamusage.core.clock import Clock
from streamusage.core.reasons import RED5PRO_NUMBERS
from streamusage.core.secrets import Secret

PROTOCOL = "unknown"

DATE_LAG_MS = 1000
"""The server's Tomcat renews the `Date` of its responses once a second."""


class _Red5ProStreamNames(msgspec.Struct):
    data: list[str]


class _Red5ProStatistics(msgspec.Struct):
    creation_time: Count
    """UTC milliseconds."""
    active_subscribers: Figure
    total_subscribers: Figure
    bytes_received: Figure = 0


class _Red5ProStatisticsResponse(msgspec.Struct):
    data: _Red5ProStatistics


class _Red5ProRefusal(msgspec.Struct):
    """A refusal, which the server sends with HTTP status 200."""

    status: str
    code: int


class _Red5ProStream(NamedTuple):
    application: str
    name: str
    statistics: _Red5ProStatistics

    @property
    def life_id(self) -> str:
        """The id of one publish of the stream."""
        return f"{short_digest(self.application, self.name)}-{self.statistics.creation_time}"


class Red5ProConfig(TokenSection):
    """A Red5 Pro server."""

    url: ServerUrl
    applications: Annotated[tuple[PathName, ...], Field(min_length=1)] = ("live",)


class Red5ProSource(PolledSource):
    """A `streamusage.agent.reading.Source`."""

    def __init__(
        self,
        url: str,
        token: Secret,
        applications: tuple[str, ...],
        clock: Clock,
        *,
        options: HttpOptions | None = None,
    ) -> None:
        super().__init__(HttpProbe(url, "Red5 Pro", clock, options=options), clock)
        self._token = token
        self._applications = applications
        self._server_clock = ServerClock(clock, DATE_LAG_MS)
        self._figures = FigureChecker("Red5 Pro")

    async def read(self, cursor: str | None) -> Reading:
        """As `Source.read`."""
        streams = await self._fetch_streams()
        at = Instant.take(self._clock)
        server_time = self._server_clock.at(at)
        return Reading(
            at=at.wall_ms,
            elapsed_ms=at.elapsed_ms,
            boot="red5pro",
            started_at=0,
            counters=tuple(
                CounterReading(
                    key=stream.life_id,
                    bytes_in=self._figures.count(stream.statistics.bytes_received, "bytes_received"),
                    bytes_out=0,
                    scope=limit_name(stream.application),
                    name=limit_name(stream.name),
                )
                for stream in streams
            ),
            publishes=tuple(
                PublishReading(
                    publish_id=stream.life_id,
                    scope=limit_name(stream.application),
                    name=limit_name(stream.name),
                    age_ms=server_time.age_ms(stream.statistics.creation_time),
                )
                for stream in streams
            ),
            stream_traffic="measured",
            age_slack_ms=server_time.slack_ms,
            audiences=tuple(
                AudienceReading(
                    key=stream.life_id,
                    scope=limit_name(stream.application),
                    name=limit_name(stream.name),
                    protocol=PROTOCOL,
                    viewers=self._figures.count(stream.statistics.active_subscribers, "active_subscribers"),
                    joined=self._figures.count(stream.statistics.total_subscribers, "total_subscribers"),
                )
                for stream in streams
            ),
            cursor="red5pro",
            misses=self._figures.take_reason(RED5PRO_NUMBERS),
        )

    async def _fetch_streams(self) -> list[_Red5ProStream]:
        async def fetch_stream(application_and_name: tuple[str, str]) -> _Red5ProStream | None:
            application, name = application_and_name
            try:
                response = await self._fetch(_Red5ProStatisticsResponse, "applications", application, "streams", name)
            except HttpStatusError as error:
                if error.status in (400, 404):
                    return None  # it ended after the list was fetched
                raise
            return _Red5ProStream(application, name, response.data)

        listed: list[tuple[str, str]] = []
        for application in self._applications:
            try:
                names = (await self._fetch(_Red5ProStreamNames, "applications", application, "streams")).data
            except HttpStatusError as error:
                if error.status == 404:
                    continue  # the application has no streams yet
                raise
            listed += [(application, name) for name in dict.fromkeys(names)]
        return await fetch_all(fetch_stream, listed)

    async def _fetch(self, payload_type: type[Payload], *parts: str) -> Payload:
        response = await self._probe.get("api", "v1", *parts, query={"accessToken": self._token()})
        self._server_clock.observe(response)
        try:
            return decode_json(response.body, payload_type, "/".join(("/api/v1", *parts[:3:2])))
        except SourceError:
            refusal = _parse_refusal(response.body)
            if refusal:
                raise SourceError(
                    f"the server API of Red5 Pro refused the request: code {refusal.code}; "
                    "check its access token and hosts.txt"
                ) from None
            raise


def _parse_refusal(body: bytes) -> _Red5ProRefusal | None:
    try:
        refusal = msgspec.json.decode(body, type=_Red5ProRefusal)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return refusal if refusal.status == "error" else None


def _create(config: Red5ProConfig, context: SourceContext) -> Red5ProSource:
    token = api_token(config)
    return Red5ProSource(config.url, token, config.applications, context.clock, options=config.http_options)


SOURCE = SourceKind(
    kind="red5pro",
    server="Red5 Pro server",
    viewers="numbers, and a count of joins",
    traffic="incoming only",
    config=Red5ProConfig,
    create=_create,
    stream_traffic="measured",
)
