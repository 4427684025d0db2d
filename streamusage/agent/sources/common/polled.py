"""What sources have in common that only ask one HTTP interface: without a log, what is not there is not known."""

from streamusage.agent.reading import EndedConnection
from streamusage.agent.sources.common.http_probe import Asker
from streamusage.core.clock import Clock


class PolledSource:
    """An `agent.source.Source` but for its `read`."""

    def __init__(self, asker: Asker, clock: Clock) -> None:
        self._asker = asker
        self._clock = clock

    async def ended_between(self, from_cursor: str, to_cursor: str) -> tuple[EndedConnection, ...]:
        """As `Source.ended_between`: there is no log."""
        return ()

    async def close(self) -> None:
        await self._asker.close()
