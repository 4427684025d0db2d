"""A source whose readings are counted by the agent's meter, merged as its journal merges them."""

from streamusage.agent.journal.rows import merge, rows_of
from streamusage.agent.metering import meter
from streamusage.agent.metering.additions import SpanAddition
from streamusage.agent.reading import Reading, Source
from streamusage.api.report import SessionRow


class Counting:
    """The totals of all readings after the first."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.sessions: dict[str, SessionRow] = {}
        self.spans: list[SpanAddition] = []
        self.connections = self.bytes_in = self.bytes_out = self.view_time_ms = 0

    async def begin(self) -> None:
        self.state, _ = meter.start(await self.source.read(None))

    async def step(self) -> Reading:
        """Count one reading and return it."""
        reading = await self.source.read(self.state.baseline.cursor)
        self.state, added = meter.step(self.state, reading)
        for row in rows_of(added, 1):
            if isinstance(row, SessionRow):
                older = self.sessions.get(row.publish_id)
                merged = row if older is None else merge(older, row)
                assert isinstance(merged, SessionRow)
                self.sessions[row.publish_id] = merged
        self.spans += added.spans
        for slot in added.slots.values():
            self.connections += sum(slot.connections.values())
            self.bytes_in += slot.bytes_in
            self.bytes_out += slot.bytes_out
            self.view_time_ms += slot.view_time_ms
        return reading

    @property
    def live(self) -> list[str]:
        return sorted(session.name for session in self.sessions.values() if session.live)
