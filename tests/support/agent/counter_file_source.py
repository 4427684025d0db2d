"""A source in a package of its own: an imaginary media server that writes its counters to a JSON file.

`tests.support.agent.plugin` installs this module as the package `counter-file-source`. It uses only what a package
outside streamtop may use: configuration types, readings and the registration.
"""

import asyncio
from pathlib import Path

import msgspec

from streamusage.agent.config.sources import SourceSection, UserPath
from streamusage.agent.reading import EndedConnection, PublishReading, Reading, SourceError
from streamusage.agent.sources.common.kind import SourceContext, SourceKind
from streamusage.agent.sources.common.payloads import Count
from streamusage.core.clock import Clock


class CounterFileConfig(SourceSection):
    """A media server that writes its counters to a file."""

    path: UserPath


class Counters(msgspec.Struct):
    """Content of the file."""

    boot: str
    started_at: Count
    stream: str
    bytes_in: Count
    bytes_out: Count


class CounterFileSource:
    """A `streamusage.agent.reading.Source`."""

    def __init__(self, path: Path, clock: Clock) -> None:
        self._path, self._clock = path, clock

    async def read(self, cursor: str | None) -> Reading:
        """As `Source.read`."""
        try:
            content = await asyncio.to_thread(self._path.read_bytes)
        except FileNotFoundError:
            raise SourceError(f"{self._path} does not exist; is the media server running?") from None
        try:
            counters = msgspec.json.decode(content, type=Counters)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise SourceError(f"{self._path} is no file of counters ({error}); check `path`") from None
        at = self._clock.now_ms()
        return Reading(
            at=at,
            boot=counters.boot,
            started_at=counters.started_at,
            bytes_in=counters.bytes_in,
            bytes_out=counters.bytes_out,
            publishes=(
                PublishReading(
                    publish_id=counters.boot, scope="live", name=counters.stream, age_ms=at - counters.started_at
                ),
            ),
            cursor=counters.boot,
            misses="the counter file lists no viewers",
        )

    async def ended_between(self, from_cursor: str, to_cursor: str) -> tuple[EndedConnection, ...]:
        """As `Source.ended_between`: the file has no log."""
        return ()

    async def close(self) -> None:
        """As `Source.close`."""


def _create(config: CounterFileConfig, context: SourceContext) -> CounterFileSource:
    return CounterFileSource(config.path, context.clock)


SOURCE = SourceKind(
    kind="counter-file",
    server="a file of counters",
    viewers="none",
    traffic="exact",
    config=CounterFileConfig,
    create=_create,
)
