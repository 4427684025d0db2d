"""The live lists of a Red5 Pro Stream Manager 2, which keeps no usage records: an agent creates them from the lists.

A list has each stream with its number of subscribers over all nodes and its duration, but no bytes and no individual
subscribers. docs/sources/stream-manager-2.md lists what is exact and what is bounded.
"""

from typing import Annotated, NamedTuple

import msgspec
from pydantic import Field

from streamusage.agent.config.sources import PathName, ServerUrl, TokenSection
from streamusage.agent.reading import AudienceReading, PublishReading, Reading
from streamusage.agent.sources.common.cursors import LifeStarts
from streamusage.agent.sources.common.figures import FigureChecker
from streamusage.agent.sources.common.http_probe import HttpProbe, PolledSource
from streamusage.agent.sources.common.identifiers import limit_name, short_digest, split_stream_path
from streamusage.agent.sources.common.kind import SourceContext, SourceKind, api_token
from streamusage.agent.sources.common.payloads import Figure, SignedCount, decode_json
from streamusage.agent.sources.common.sample_time import Instant
from streamusage.client.http_options import HttpOptions
from streamusage.core.clock import Clock, boot_id
from streamusage.core.reasons import STREAM_MANAGER_NUMBERS
from streamusage.core.secrets import Secret

PROTOCOL = "unknown"


class _StreamManagerStream(msgspec.Struct, rename="camel"):
    stream_guid: str
    subscribers: Figure = 0
    duration_ms: SignedCount = 0


class _ListedStream(NamedTuple):
    """A stream, and the times of the list that has it (`ProbeResponse`)."""

    stream: _StreamManagerStream
    first_byte_ms: int
    slack_ms: int

    def age_ms(self, at: Instant) -> int:
        """Return the least possible age at an instant."""
        return max(0, self.stream.duration_ms) + at.elapsed_ms - self.first_byte_ms


class StreamManagerConfig(TokenSection):
    """The live list of a Red5 Pro Stream Manager 2."""

    url: ServerUrl
    node_groups: Annotated[tuple[PathName, ...], Field(min_length=1)]


class StreamManagerSource(PolledSource):
    """A `streamusage.agent.reading.Source`."""

    def __init__(
        self, url: str, token: Secret, node_groups: tuple[str, ...], clock: Clock, *, options: HttpOptions | None = None
    ) -> None:
        super().__init__(HttpProbe(url, "the Stream Manager", clock, options=options), clock)
        self._token = token
        self._node_groups = node_groups
        self._figures = FigureChecker("the Stream Manager")

    async def read(self, cursor: str | None) -> Reading:
        """As `Source.read`."""
        streams: dict[str, _ListedStream] = {}
        for node_group in self._node_groups:
            for listed in await self._fetch_streams(node_group):
                streams[short_digest(node_group, listed.stream.stream_guid)] = listed
        at = Instant.take(self._clock)
        durations_ms = {key: listed.stream.duration_ms for key, listed in streams.items()}
        starts = LifeStarts.parse(cursor).update(at, durations_ms, boot_id())
        publishes, audiences = [], []
        for key, listed in streams.items():
            stream = listed.stream
            scope, name = split_stream_path(stream.stream_guid, "live")
            publishes.append(
                PublishReading(
                    publish_id=f"{key}-{starts.began[key]}", scope=scope, name=name, age_ms=listed.age_ms(at)
                )
            )
            audiences.append(
                # Keyed by stream, not by publish: a viewer who stays for the next publish is not counted again.
                AudienceReading(
                    key=key,
                    scope=scope,
                    name=limit_name(name),
                    protocol=PROTOCOL,
                    viewers=self._figures.count(stream.subscribers, "subscribers"),
                )
            )
        return Reading(
            at=at.wall_ms,
            elapsed_ms=at.elapsed_ms,
            boot="stream-manager",
            started_at=0,
            publishes=tuple(publishes),
            stream_traffic="none",
            audiences=tuple(audiences),
            age_slack_ms=max((listed.slack_ms for listed in streams.values()), default=0),
            cursor=str(starts),
            misses=self._figures.take_reason(STREAM_MANAGER_NUMBERS),
        )

    async def _fetch_streams(self, node_group: str) -> list[_ListedStream]:
        """Return the streams of a node group, each once, with its subscribers summed over the nodes."""
        response = await self._probe.get(
            *("as", "v1", "streams", "stream", node_group),
            query={"stats": "true", "aggregate": "true"},
            headers={"Authorization": f"Bearer {self._token()}", "Accept": "application/json"},
        )
        streams = decode_json(response.body, list[_StreamManagerStream], "/as/v1/streams/stream")
        return [_ListedStream(stream, response.first_byte_ms, response.slack_ms) for stream in streams]


def _create(config: StreamManagerConfig, context: SourceContext) -> StreamManagerSource:
    token = api_token(config)
    return StreamManagerSource(config.url, token, config.node_groups, context.clock, options=config.http_options)


SOURCE = SourceKind(
    kind="stream-manager-2",
    server="Red5 Pro Stream Manager 2",
    viewers="numbers only",
    traffic="none",
    config=StreamManagerConfig,
    create=_create,
    stream_traffic="none",
)
