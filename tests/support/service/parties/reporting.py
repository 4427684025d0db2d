"""Builds an agent's reports, on the test's own clock, and sends them over HTTP."""

import httpx
import msgspec

from streamusage.api.report import (
    Based,
    Baseline,
    OutageRow,
    PeakWindow,
    Report,
    Role,
    SampleRow,
    SessionRow,
    SlotRow,
    SpanRow,
    StreamSlotRow,
    ViewerRow,
)
from tests.streamusage.service.conftest import NOW, Estate

Rows = SlotRow | SpanRow | SessionRow | SampleRow | ViewerRow | OutageRow | StreamSlotRow


class ReportingAgent:
    """Numbers rows with revisions and stores the acknowledged revision, as a journal does."""

    def __init__(self, estate: Estate, server: str = "edge-1", role: Role = "standalone", life: str = "j1.1") -> None:
        self.estate = estate
        self.server = server
        self.role = role
        self.life = life
        self.epoch = 0
        self.revision = 0
        self.acknowledged = 0
        self.based_on: Based | None = None
        self.watermark = NOW

    async def request(self, path: str, content: bytes, **headers: str) -> httpx.Response:
        return await self.estate.request(
            "POST",
            f"/api/v1/agents/{self.server}/{path}",
            token=f"{self.server}-token",
            content=content,
            headers=headers,
        )

    async def begin(self) -> dict[str, object]:
        answer = await self.request("epochs", msgspec.json.encode({"journal": self.life.partition(".")[0]}))
        assert answer.status_code == 200, answer.text
        issued = answer.json()
        self.epoch, self.based_on = issued["epoch"], Based(**issued["based_on"])
        return issued  # type: ignore[no-any-return]

    def report(self, *rows: Rows, upto_ms: int | None = None, state: str = "counted", reason: str = "") -> Report:
        """Return a report of these rows that covers the time up to `upto_ms` (by default the estate's current time)."""
        upto_ms = self.estate.clock.now if upto_ms is None else upto_ms
        span = SpanRow(from_ms=self.watermark, to_ms=upto_ms, revision=0, state=state, reason=reason)  # type: ignore[arg-type]
        numbered: list[Rows] = []
        of_streams: dict[int, int] = {}
        """The revision of the streams of each slot, which they share."""
        for row in (span, *rows):
            self.revision += 1
            revision = (
                of_streams.setdefault(row.slot, self.revision) if isinstance(row, StreamSlotRow) else self.revision
            )
            numbered.append(msgspec.structs.replace(row, revision=revision))
        self.watermark = upto_ms

        def of(kind: type[Rows]) -> tuple[Rows, ...]:
            return tuple(row for row in numbered if isinstance(row, kind))

        return Report(
            server=self.server,
            role=self.role,
            life=self.life,
            epoch=self.epoch,
            since=self.acknowledged,
            upto=self.revision,
            sent_at=self.estate.clock.now,
            sync_interval_ms=10_000,
            baseline=Baseline(
                at=upto_ms,
                boot="boot-1",
                started_at=NOW - 60_000,
                since=NOW,
                bytes_in=0,
                bytes_out=0,
                window=PeakWindow(upto_ms, 0, 0),
            ),
            based_on=self.based_on,
            slots=of(SlotRow),  # type: ignore[arg-type]
            spans=of(SpanRow),  # type: ignore[arg-type]
            sessions=of(SessionRow),  # type: ignore[arg-type]
            samples=of(SampleRow),  # type: ignore[arg-type]
            viewers=of(ViewerRow),  # type: ignore[arg-type]
            outages=of(OutageRow),  # type: ignore[arg-type]
            stream_slots=of(StreamSlotRow),  # type: ignore[arg-type]
        )

    async def send(self, report: Report) -> httpx.Response:
        answer = await self.request("reports", msgspec.json.encode(report))
        if answer.status_code == 200:
            self.acknowledged, self.based_on = answer.json()["acknowledged"], None
        return answer

    async def sync_up(self, *rows: Rows, **options: object) -> None:
        if not self.epoch:
            await self.begin()
        answer = await self.send(self.report(*rows, **options))  # type: ignore[arg-type]
        assert answer.status_code == 200, answer.text


def a_session(publish_id: str = "p1", **figures: object) -> SessionRow:
    values = {
        "publish_id": publish_id,
        "revision": 0,
        "scope": "live",
        "name": "stream1",
        "start_time": NOW,
        "end_time": NOW + 1_000,
        "live": True,
        "active": 2,
        "highest": 3,
        "total": 5,
    }
    return SessionRow(**values | figures)  # type: ignore[arg-type]


async def an_origin_and_an_edge(estate: Estate) -> tuple[ReportingAgent, ReportingAgent]:
    """One stream: 1 active subscriber at the origin, 3 of 4 at the edge."""
    origin = ReportingAgent(estate, "origin-1", "origin", life="o.1")
    edge = ReportingAgent(estate, "edge-1", "edge", life="e.1")
    estate.clock.now += 10_000
    await origin.sync_up(a_session("o", active=1, highest=2, total=2))
    await edge.sync_up(a_session("e", start_time=NOW + 900, active=3, highest=4, total=4))
    return origin, edge
