"""A Red5 Pro server, read by its server API: streams with numbers of subscribers, and the bytes that they received.

Subscribers cannot be told apart, and no bytes are told that went out: none are counted. What is exact here and what is
bounded stands in docs/sources/red5pro.md.
"""

import msgspec

from streamusage.agent.config.secrets import Secret
from streamusage.agent.reading import AudienceReading, CounterReading, PublishReading, Reading, SourceError
from streamusage.agent.sources.common.http_probe import (
    Answer,
    Asker,
    Count,
    StatusError,
    a_name,
    answers_of,
    decoded,
    digest_of,
)
from streamusage.agent.sources.common.polled import PolledSource
from streamusage.core.clock import Clock
from streamusage.core.reasons import RED5PRO_NUMBERS

PROTOCOL = "unknown"


class _Names(msgspec.Struct):
    data: list[str]


class _Stream(msgspec.Struct):
    creation_time: Count
    active_subscribers: Count
    total_subscribers: Count
    bytes_received: Count = 0


class _StreamAnswer(msgspec.Struct):
    data: _Stream


class Red5ProSource(PolledSource):
    """An `agent.source.Source`."""

    def __init__(
        self, url: str, token: Secret, applications: tuple[str, ...], clock: Clock, *, timeout_seconds: float = 5.0
    ) -> None:
        super().__init__(Asker(url, "Red5 Pro", timeout_seconds=timeout_seconds), clock)
        self._token = token
        self._applications = applications

    async def read(self, cursor: str | None) -> Reading:
        """As `Source.read`."""
        streams = await self._streams()
        at = self._clock.now_ms()
        return Reading(
            at=at,
            boot="red5pro",
            started_at=0,
            counters=tuple(
                CounterReading(key=_key(*each), bytes_in=each[2].bytes_received, bytes_out=0) for each in streams
            ),
            publishes=tuple(
                PublishReading(
                    publish_id=_key(scope, name, stream),
                    scope=a_name(scope),
                    name=a_name(name),
                    age_ms=max(0, at - stream.creation_time),
                )
                for scope, name, stream in streams
            ),
            audiences=tuple(
                AudienceReading(
                    key=_key(scope, name, stream),
                    scope=a_name(scope),
                    name=a_name(name),
                    protocol=PROTOCOL,
                    viewers=stream.active_subscribers,
                    joined=stream.total_subscribers,
                )
                for scope, name, stream in streams
            ),
            cursor="red5pro",
            misses=RED5PRO_NUMBERS,
        )

    async def _streams(self) -> list[tuple[str, str, _Stream]]:
        async def one(asked: tuple[str, str]) -> tuple[str, str, _Stream] | None:
            application, name = asked
            try:
                answer = await self._ask(_StreamAnswer, "applications", application, "streams", name)
            except StatusError as error:
                if error.status in (400, 404):
                    return None  # it ended since the list was read
                raise
            return application, name, answer.data

        named = []
        for application in self._applications:
            try:
                names = (await self._ask(_Names, "applications", application, "streams")).data
            except StatusError as error:
                if error.status == 404:
                    continue  # the application has no streams yet
                raise
            named += [(application, name) for name in dict.fromkeys(names)]
        return await answers_of(one, named)

    async def _ask(self, form: type[Answer], *parts: str) -> Answer:
        body = await self._asker.get("api", "v1", *parts, query={"accessToken": self._token()})
        try:
            return decoded(body, form, "/".join(("/api/v1", *parts[:3:2])))
        except SourceError:
            refusal = _refusal(body)
            if refusal:
                raise SourceError(
                    f"the server API of Red5 Pro refused: code {refusal.code}; check its access token and hosts.txt"
                ) from None
            raise


class _Refusal(msgspec.Struct):
    status: str
    code: int


def _refusal(body: bytes) -> _Refusal | None:
    try:
        refusal = msgspec.json.decode(body, type=_Refusal)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return refusal if refusal.status == "error" else None


def _key(scope: str, name: str, stream: _Stream) -> str:
    return f"{digest_of(scope, name)}-{stream.creation_time}"
