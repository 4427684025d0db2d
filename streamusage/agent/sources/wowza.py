"""Wowza Streaming Engine, read by its REST interface and, where it is given, its connection counts.

Each application tells its bytes since it was loaded, each stream the number of its viewers by protocol; viewers cannot
be told apart. What is exact here and what is bounded stands in docs/sources/wowza.md.
"""

import httpx
import msgspec

from streamusage.agent.config.secrets import Secret
from streamusage.agent.reading import AudienceReading, CounterReading, PublishReading, Reading
from streamusage.agent.sources.common.beginnings import Beginnings
from streamusage.agent.sources.common.cursors import JsonCursor
from streamusage.agent.sources.common.http_probe import (
    Answer,
    Asker,
    Count,
    StatusError,
    a_name,
    a_protocol,
    answers_of,
    count_in,
    decoded,
    digest_of,
    xml_root,
)
from streamusage.agent.sources.common.polled import PolledSource
from streamusage.core.clock import Clock
from streamusage.core.reasons import WOWZA_NUMBERS, WOWZA_RISES

PROTOCOLS = {"CUPERTINO": "hls", "MPEGDASH": "dash", "SANJOSE": "hds", "RTP": "rtp", "RTMP": "rtmp", "WEBM": "webm"}
"""Wowza's names of protocols that have a more common one; others are taken in small letters."""


class _Monitoring(msgspec.Struct):
    uptime: Count = 0
    """Seconds since it was loaded."""
    bytesIn: Count = 0
    bytesOut: Count = 0
    connectionCount: dict[str, Count] = {}


class _Incoming(msgspec.Struct):
    name: str
    isConnected: bool = True


class _Instance(msgspec.Struct):
    name: str = "_definst_"
    incomingStreams: list[_Incoming] = []


class _Instances(msgspec.Struct):
    instanceList: list[_Instance] = []


class _Stream(msgspec.Struct):
    application: str
    instance: str
    name: str
    monitoring: _Monitoring

    @property
    def scope(self) -> str:
        is_default = self.instance == "_definst_"
        return a_name(self.application if is_default else f"{self.application}/{self.instance}")

    @property
    def key(self) -> str:
        return digest_of(self.application, self.instance, self.name)


class WowzaCursor(JsonCursor, frozen=True):
    """What the journal keeps for this source."""

    began: str = ""
    published: int = 0
    """Publishes seen so far: the server's count of connections has them as well."""


class WowzaSource(PolledSource):
    """An `agent.source.Source`."""

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
        timeout_seconds: float = 5.0,
    ) -> None:
        super().__init__(Asker(url, "Wowza", timeout_seconds=timeout_seconds), clock)
        self._user, self._password = user, password
        self._auth: tuple[str, httpx.DigestAuth] | None = None
        self._applications = applications
        self._place = ("v2", "servers", "_defaultServer_", "vhosts", vhost, "applications")
        self._vhost = vhost
        self._counts = (
            None
            if connection_counts_url is None
            else Asker(connection_counts_url, "Wowza's connection counts", timeout_seconds=timeout_seconds)
        )

    async def close(self) -> None:
        await super().close()
        if self._counts is not None:
            await self._counts.close()

    async def read(self, cursor: str | None) -> Reading:
        """As `Source.read`."""
        before = WowzaCursor.parse(cursor)
        accepted = None if self._counts is None else await self._accepted(self._counts)
        applications = {
            name: loaded for name in self._applications if (loaded := await self._application(name)) is not None
        }
        streams = [stream for name in applications for stream in await self._streams(name)]
        at = self._clock.now_ms()
        known = Beginnings.parse(before.began)
        began = known.now(
            at,
            {digest_of(name): loaded.uptime * 1000 for name, loaded in applications.items()}
            | {stream.key: stream.monitoring.uptime * 1000 for stream in streams},
        )
        new = sum(known.began.get(stream.key) != began.began[stream.key] for stream in streams)
        published = before.published + new
        return Reading(
            at=at,
            boot="wowza",
            started_at=0,
            counters=tuple(
                CounterReading(
                    key=f"{digest_of(name)}-{began.began[digest_of(name)]}",
                    bytes_in=loaded.bytesIn,
                    bytes_out=loaded.bytesOut,
                )
                for name, loaded in applications.items()
            ),
            publishes=tuple(
                PublishReading(
                    publish_id=f"{stream.key}-{began.began[stream.key]}",
                    scope=stream.scope,
                    name=a_name(stream.name),
                    age_ms=max(0, at - began.began[stream.key]),
                )
                for stream in streams
            ),
            audiences=tuple(audience for stream in streams for audience in _audiences(stream)),
            accepted=None if accepted is None else max(0, accepted - published),
            cursor=str(WowzaCursor(str(began), published)),
            misses=WOWZA_NUMBERS if self._counts is not None else WOWZA_RISES,
        )

    async def _application(self, name: str) -> _Monitoring | None:
        """An application's sums; `None` for one that is not loaded."""
        try:
            return await self._ask(_Monitoring, name, "monitoring", "current")
        except StatusError as error:
            if error.status == 404:
                return None
            raise

    async def _streams(self, application: str) -> list[_Stream]:
        async def one(asked: tuple[str, str]) -> _Stream | None:
            instance, name = asked
            try:
                monitoring = await self._ask(
                    _Monitoring,
                    *(application, "instances", instance, "incomingstreams", name, "monitoring", "current"),
                )
            except StatusError as error:
                if error.status == 404:
                    return None  # it ended since the list was read
                raise
            return _Stream(application, instance, name, monitoring)

        try:
            instances = (await self._ask(_Instances, application, "instances")).instanceList
        except StatusError as error:
            if error.status == 404:
                return []
            raise
        named = {
            (instance.name, incoming.name)
            for instance in instances
            for incoming in instance.incomingStreams
            if incoming.isConnected
        }
        return await answers_of(one, sorted(named))

    async def _accepted(self, counts: Asker) -> int:
        """How many connections the watched applications accepted since the server started."""
        where = "connectioncounts"
        body = await counts.get(where, auth=self._digest())
        root = xml_root(body, where)
        return sum(
            count_in(application, "ConnectionsTotalAccepted", where)
            for vhost in root.iterfind("VHost")
            if vhost.findtext("Name") == self._vhost
            for application in vhost.iterfind("Application")
            if application.findtext("Name") in self._applications
        )

    async def _ask(self, form: type[Answer], *parts: str) -> Answer:
        # Without this header it answers XML.
        body = await self._asker.get(*self._place, *parts, auth=self._digest(), headers={"Accept": "application/json"})
        return decoded(body, form, "the REST interface of Wowza")

    def _digest(self) -> httpx.Auth:
        """The answer to the server's challenge, which is good for many requests."""
        password = self._password()
        if self._auth is None or self._auth[0] != password:
            self._auth = password, httpx.DigestAuth(self._user, password)
        return self._auth[1]


def _audiences(stream: _Stream) -> list[AudienceReading]:
    return [
        AudienceReading(
            key=f"{stream.key}-{protocol}",
            scope=stream.scope,
            name=a_name(stream.name),
            protocol=protocol,
            viewers=viewers,
        )
        for protocol, viewers in {
            PROTOCOLS.get(wowza, a_protocol(wowza)): viewers
            for wowza, viewers in sorted(stream.monitoring.connectionCount.items())
        }.items()
    ]
