"""The live lists of a Red5 Pro Stream Manager 2, which keeps no usage records: an agent here gives them back.

It tells every stream with the number of its subscribers over all nodes, and for how long it is live; no bytes, and no
subscriber by itself. What is exact here and what is bounded stands in docs/sources/stream-manager-2.md.
"""

import msgspec

from streamusage.agent.config.secrets import Secret
from streamusage.agent.reading import AudienceReading, PublishReading, Reading
from streamusage.agent.sources.common.beginnings import Beginnings
from streamusage.agent.sources.common.http_probe import Asker, Count, a_name, decoded, digest_of, split_path
from streamusage.agent.sources.common.polled import PolledSource
from streamusage.core.clock import Clock
from streamusage.core.reasons import STREAM_MANAGER_NUMBERS

PROTOCOL = "unknown"


class _Stream(msgspec.Struct):
    streamGuid: str
    subscribers: Count = 0
    durationMs: Count = 0


class StreamManagerSource(PolledSource):
    """An `agent.source.Source`."""

    def __init__(
        self, url: str, token: Secret, node_groups: tuple[str, ...], clock: Clock, *, timeout_seconds: float = 5.0
    ) -> None:
        super().__init__(Asker(url, "the Stream Manager", timeout_seconds=timeout_seconds), clock)
        self._token = token
        self._node_groups = node_groups

    async def read(self, cursor: str | None) -> Reading:
        """As `Source.read`."""
        streams: dict[str, tuple[str, _Stream]] = {}
        for group in self._node_groups:
            for stream in await self._streams(group):
                streams[digest_of(group, stream.streamGuid)] = group, stream
        at = self._clock.now_ms()
        began = Beginnings.parse(cursor).now(at, {key: stream.durationMs for key, (_, stream) in streams.items()})
        publishes, audiences = [], []
        for key, (_, stream) in streams.items():
            scope, name = split_path(stream.streamGuid, "live")
            life = f"{key}-{began.began[key]}"
            publishes.append(
                PublishReading(publish_id=life, scope=scope, name=name, age_ms=max(0, at - began.began[key]))
            )
            audiences.append(
                # By name, not by life: whoever stays for the next publish is not counted again.
                AudienceReading(key=key, scope=scope, name=a_name(name), protocol=PROTOCOL, viewers=stream.subscribers)
            )
        return Reading(
            at=at,
            boot="stream-manager",
            started_at=0,
            publishes=tuple(publishes),
            audiences=tuple(audiences),
            cursor=str(began),
            misses=STREAM_MANAGER_NUMBERS,
        )

    async def _streams(self, group: str) -> list[_Stream]:
        """The streams of a node group, each once, its subscribers added up over the nodes."""
        body = await self._asker.get(
            *("as", "v1", "streams", "stream", group),
            query={"stats": "true", "aggregate": "true"},
            headers={"Authorization": f"Bearer {self._token()}", "Accept": "application/json"},
        )
        return decoded(body, list[_Stream], "/as/v1/streams/stream")
