"""A scripted outage of five of six servers: its reports, and the spans of each server that follow from them."""

from datetime import UTC, datetime

from streamusage.api.report import OutageRow, PhaseChange
from streamusage.core.coverage import Provenance
from tests.support.console.scripted_service import MINUTE, ScriptedService, slot_figures

START = int(datetime(2026, 11, 20, 22, 40, tzinfo=UTC).timestamp()) * 1000


OUTAGE_START = START + 20 * MINUTE


LOST_END = OUTAGE_START + 10 * MINUTE


OUTAGE_END = OUTAGE_START + 90 * MINUTE


SERVERS = ("held-1", "live-1", "lost-1", "owes-1", "part-1", "back-1")


ZONES = ("UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Pacific/Auckland")


BACK_OUTAGE = OutageRow(
    began_at=OUTAGE_START + 10_000,
    revision=0,
    phases=(
        PhaseChange("retrying", OUTAGE_START + 10_000),
        PhaseChange("accumulating", OUTAGE_START + 50_000),
        PhaseChange("recovering", OUTAGE_END),
    ),
    failed_attempts=23,
    error="cannot be reached (ConnectError)",
)


ExpectedSpan = tuple[int, int, Provenance]


async def run_outage(service: ScriptedService, minutes: int) -> None:
    """Advance the clock while only `live-1` reports."""
    await service.report_for(minutes, "live-1")


async def end_outage(service: ScriptedService) -> None:
    """At `OUTAGE_END`: one server backfills everything, one lost a span, one has a partial span, one is refused."""
    slots = [slot_figures(slot) for slot in range(OUTAGE_START, OUTAGE_END, MINUTE)]
    await service.agent("back-1").sync_up(*slots, BACK_OUTAGE)
    await service.agent("lost-1").sync_up(upto_ms=LOST_END, state="lost", reason="journal destroyed")
    await service.agent("lost-1").sync_up(*slots[10:])
    await service.agent("part-1").sync_up(*slots[:10], upto_ms=LOST_END, state="partial", reason="server restarted")
    await service.agent("part-1").sync_up(*slots[10:])
    shrunk = slot_figures(OUTAGE_START - MINUTE, 1)
    await service.agent("held-1").sync_up(shrunk, expect=422)


def expected_spans(server: str, now_ms: int) -> list[ExpectedSpan]:
    """Return the spans of a server by the script."""
    live: ExpectedSpan = (START, OUTAGE_START, Provenance.LIVE)
    if server == "live-1":
        return [(START, now_ms, Provenance.LIVE)]
    if now_ms < OUTAGE_END or server == "owes-1":
        return [live, (OUTAGE_START, now_ms, Provenance.MISSING)]
    rest: ExpectedSpan = (LOST_END, OUTAGE_END, Provenance.BACKFILLED)
    match server:
        case "back-1":
            return [live, (OUTAGE_START, OUTAGE_END, Provenance.BACKFILLED)]
        case "lost-1":
            return [live, (OUTAGE_START, LOST_END, Provenance.LOST), rest]
        case "part-1":
            return [live, (OUTAGE_START, LOST_END, Provenance.PARTIAL), rest]
        case _:
            return [live, (OUTAGE_START, OUTAGE_END, Provenance.HELD)]
