"""An outage of one of two servers, against a real service: what is still seen stays useful, as a lower bound."""

import re
from datetime import UTC
from pathlib import Path

from textual.pilot import Pilot

from streamusage.api.report import SampleRow
from tests.support.console.pilot import screen_lines, screen_text, wait_for
from tests.support.console.scripted_service import MINUTE, ScriptedService, scripted_service, slot_figures
from tests.support.service.parties.reporting import a_session
from tui.app.console_app import ConsoleApp
from tui.config.profiles import Alerts
from tui.config.settings import ConnectionSettings
from tui.model.sessions.columns import COLUMNS, text
from tui.screens.confirm_delete import ConfirmDelete

BEGINS = 1_795_214_400_000
"""2026-11-20 22:40 UTC."""
ORIGIN, EDGE = "origin-1", "edge-3"
WATCHING = {ORIGIN: 251, EDGE: 437}
BLOCKS = "▁▂▃▄▅▆▇█"


async def report(service: ScriptedService, minutes: int, *servers: str) -> None:
    """Let these servers report twice a minute; each counts another subscriber a minute."""
    for _ in range(2 * minutes):
        service.clock.at_ms += MINUTE // 2
        for server in servers:
            await sync_up(service, server, [(service.clock.at_ms - 1) // MINUTE * MINUTE])


async def sync_up(service: ScriptedService, server: str, slots: list[int]) -> None:
    role = "origin" if server == ORIGIN else "edge"
    active, now_ms = WATCHING[server], service.clock.at_ms
    total = active + (now_ms - BEGINS) // MINUTE
    rows = [row for slot in slots for row in (slot_figures(slot, min(MINUTE, now_ms - slot)), sample(slot, active))]
    session = a_session(
        server, name="stage", start_time=BEGINS, end_time=now_ms, active=active, highest=active, total=total
    )
    await service.agent(server, role).sync_up(*rows, session)


def sample(slot: int, active: int) -> SampleRow:
    return SampleRow(slot=slot, scope="live", name="stage", revision=0, active=active, highest=active)


class OutageConsole:
    """A console over the service."""

    def __init__(self, app: ConsoleApp, pilot: Pilot[int]) -> None:
        self.app, self.pilot = app, pilot

    def line(self, start: str) -> str:
        return next((line for line in screen_lines(self.app) if line.lstrip(" ▸·▒").startswith(start)), "")

    def figure(self, column: str) -> str:
        (session,) = self.app.state.store
        return text(COLUMNS[column], session, 9, self.app.state.now_ms(), UTC).strip()

    async def shows(self, *expected: str) -> None:
        def all_shown() -> bool:
            self.app.poller.refresh()
            shown = "\n".join(screen_lines(self.app))
            return all(part in shown for part in expected)

        await wait_for(self.pilot, all_shown, ", ".join(expected))

    def trend(self) -> str:
        found = re.search(f"[{BLOCKS}·▒≈×]{{8}}", self.line("live/stage"))
        return found.group() if found else ""


async def test_outage_of_one_server_keeps_the_rest_useful(tmp_path: Path) -> None:
    async with scripted_service(tmp_path, BEGINS, ORIGIN, EDGE) as (service, client):
        await report(service, 12, ORIGIN, EDGE)
        app = ConsoleApp(
            client,
            ConnectionSettings(profile="test", poll_interval_s=60, tz=UTC, alerts=Alerts(after=60)),
            clock=service.clock,
            journal_path=tmp_path / "deleted.ndjson",
        )
        async with app.run_test(size=(100, 24)) as pilot:
            console = OutageConsole(app, pilot)
            await console.shows("1 on air of 1 session   688 watching ", "████████")
            lost, total = int(console.figure("lost")), int(console.figure("total"))

            await report(service, 5, ORIGIN)
            await console.shows(
                "≥ 251 watching (edge-3 unseen since 22:52: had 437)", "≥ 251    688", f"{EDGE} owes 5m; g: gaps"
            )
            assert console.figure("active") == "≥ 251"
            assert int(console.figure("total")) >= total
            assert int(console.figure("lost")) == lost + 5, "nobody knows whether those of the silent server left"
            await wait_for(pilot, lambda: re.fullmatch("█+▄+", console.trend()), "the trend of what was seen")

            await report(service, 21, ORIGIN)
            await console.shows(f"{EDGE} owes 26m; g: gaps", f"{EDGE} owes 26m ")
            assert set(console.trend()) <= set(BLOCKS), "the servers that are seen are drawn"

            lost, total = int(console.figure("lost")), int(console.figure("total"))
            unseen = range(BEGINS + 12 * MINUTE, service.clock.at_ms, MINUTE)
            await sync_up(service, EDGE, [*unseen])
            await sync_up(service, ORIGIN, [unseen[-1]])
            await console.shows("688 watching ", "edge-3 has reported again")
            assert "≥" not in "\n".join(screen_lines(app))
            await wait_for(pilot, lambda: console.trend() == "████████", "the backfilled heights")
            table = app.sessions_screen.table.render_line(1)
            assert any(part.style and part.style.underline and "█" in part.text for part in table), "marked below"
            assert int(console.figure("total")) >= total
            assert int(console.figure("lost")) >= lost


async def test_deleted_record_of_a_stream_on_air_leaves_a_mark_until_the_stream_ends(tmp_path: Path) -> None:
    async with scripted_service(tmp_path, BEGINS, ORIGIN) as (service, client):
        await report(service, 3, ORIGIN)
        app = ConsoleApp(
            client,
            ConnectionSettings(profile="test", poll_interval_s=60, tz=UTC),
            clock=service.clock,
            journal_path=tmp_path / "deleted.ndjson",
        )
        async with app.run_test(size=(100, 24)) as pilot:
            console = OutageConsole(app, pilot)
            await console.shows("1 on air of 1 session   251 watching ")
            await pilot.press("d")
            await wait_for(pilot, lambda: isinstance(app.screen, ConfirmDelete), "the dialog")
            assert "Without a record it is not listed or counted here any more until it begins" in screen_text(app)
            await pilot.press("right", "enter")
            await console.shows("0 on air of 0 sessions   0 watching   1 on air without a record")
            service.clock.at_ms += MINUTE
            await sync_up(service, ORIGIN, [service.clock.at_ms - MINUTE])
            await console.shows("1 on air without a record")
            ended = a_session(ORIGIN, name="stage", start_time=BEGINS, end_time=service.clock.at_ms, live=False)
            service.clock.at_ms += MINUTE
            await service.agent(ORIGIN).sync_up(ended)

            def is_gone() -> bool:
                app.poller.refresh()
                return "without a record" not in "\n".join(screen_lines(app))

            await wait_for(pilot, is_gone, "no mark of a stream that has ended")


async def test_console_that_starts_after_the_delete_counts_the_stream_without_a_record_too(tmp_path: Path) -> None:
    async with scripted_service(tmp_path, BEGINS, ORIGIN) as (service, client):
        await report(service, 3, ORIGIN)
        (record,) = await client.usage()
        await client.delete_session(record.key)
        app = ConsoleApp(
            client,
            ConnectionSettings(profile="test", poll_interval_s=0.1, tz=UTC),
            clock=service.clock,
            journal_path=tmp_path / "deleted.ndjson",
        )
        async with app.run_test(size=(100, 24)) as pilot:
            await OutageConsole(app, pilot).shows("0 on air of 0 sessions   0 watching   1 on air without a record")
            ended = a_session(ORIGIN, name="stage", start_time=BEGINS, end_time=service.clock.at_ms, live=False)
            service.clock.at_ms += MINUTE
            await service.agent(ORIGIN).sync_up(ended)
            service.clock.at_ms += MINUTE
            await wait_for(
                pilot, lambda: "without a record" not in "\n".join(screen_lines(app)), "no mark of an ended stream"
            )
