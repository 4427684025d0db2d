"""A source whose readings are counted by the meter, without journal and service."""

from streamusage.agent.metering import meter
from streamusage.agent.metering.additions import SessionAddition
from streamusage.agent.reading import Source


class Counting:
    """A source whose readings are counted by the meter."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.sessions: dict[str, SessionAddition] = {}
        self.connections = self.bytes_in = 0

    async def begin(self) -> None:
        """Take the first reading."""
        self.state, _ = meter.start(await self.source.read(None))

    async def step(self) -> None:
        """Take another reading, and count what it adds."""
        self.state, added = meter.step(self.state, await self.source.read(self.state.baseline.cursor))
        self.sessions |= added.sessions
        self.connections += sum(sum(slot.connections.values()) for slot in added.slots.values())
        self.bytes_in += sum(slot.bytes_in for slot in added.slots.values())

    @property
    def live(self) -> list[str]:
        """Names of the sessions on air."""
        return sorted(session.name for session in self.sessions.values() if session.live)
