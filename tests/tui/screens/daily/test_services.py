"""The days view of several services by group: their rows beside each other, and what one of them lacks."""

from contextlib import AsyncExitStack
from pathlib import Path

from streamusage.client.usage_client import UsageClient
from streamusage.service.rules.customers import CustomerRules, DatedRule
from tests.support.console.pilot import screen_text, wait_for
from tests.support.console.records import recent
from tests.support.console.scripted_service import ADMIN, MINUTE, scripted_service, slot_with_streams
from tests.support.console.several_services import console_of
from tests.support.plain_manager import PlainManager, wire
from tui.screens.days import DaysScreen

DAY_MS = 86_400_000
RULES = CustomerRules([DatedRule(name="Acme", streams=("live/a",))])


def names(screen: object) -> list[str]:
    """Return the names of the rows that are shown, without the sum."""
    assert isinstance(screen, DaysScreen)
    return [] if screen._groups.rows is None else [row.name for row in screen._groups.rows]


async def test_groups_of_all_services_are_listed_with_their_sum(tmp_path: Path) -> None:
    at_ms = recent(0) // DAY_MS * DAY_MS
    async with AsyncExitStack() as stack:
        clients, stacks = {}, {}
        for name, minutes in (("eu", 3), ("us", 2)):
            (tmp_path / name).mkdir()
            stacks[name] = await stack.enter_async_context(AsyncExitStack())
            service, client = await stacks[name].enter_async_context(
                scripted_service(tmp_path / name, at_ms, "edge-1", customers=RULES)
            )
            for _ in range(minutes):
                slot, service.clock.at_ms = service.clock.at_ms, service.clock.at_ms + MINUTE
                await service.agent("edge-1").sync_up(*slot_with_streams(slot, 1_000, a=60_000, b=5_000))
            clients[name] = await stack.enter_async_context(UsageClient(client.base_url, ADMIN))
        async with console_of(clients, tmp_path).run_test(size=(160, 40)) as pilot:
            app = pilot.app
            await wait_for(pilot, lambda: len(app.state.servers or ()) == 2, "the servers of both services")
            await pilot.press("y")
            await wait_for(pilot, lambda: "330 kB" in screen_text(app), "the month")
            await pilot.press("tab")
            await wait_for(pilot, lambda: len(names(app.screen)) == 6, "the streams of both")
            assert names(app.screen) == [
                "eu:live/a", "eu:live/b", "us:live/a", "us:live/b", "eu:not by stream", "us:not by stream",
            ]  # fmt: skip
            text = screen_text(app)
            assert "180 kB" in text
            assert "120 kB" in text
            assert "330 kB" in text, "the sum of both"
            await pilot.press("home")  # the cursor is at the first row of the service that answered first
            assert app.screen.service_under_cursor == "eu"
            await pilot.press("shift+tab", "shift+tab")
            await wait_for(pilot, lambda: {"eu:Acme", "us:Acme"} <= {*names(app.screen)}, "the customers of both")
            assert names(app.screen)[:4] == ["eu:Acme", "us:Acme", "eu:no customer", "us:no customer"]
            await stacks["us"].aclose()
            app.screen.action_refresh()
            await wait_for(pilot, lambda: " us: " in screen_text(app), "why the days of us cannot be fetched")
            assert "us:Acme" in names(app.screen), "its figures are those of its last answer"


async def test_groups_beside_a_plain_manager_are_lower_bounds(tmp_path: Path) -> None:
    (tmp_path / "eu").mkdir()
    async with (
        scripted_service(tmp_path / "eu", recent(0) // DAY_MS * DAY_MS, "edge-1") as (service, eu),
        PlainManager(wire("keynote")) as manager,
        UsageClient(manager.url, manager.token) as plain,
    ):
        slot, service.clock.at_ms = service.clock.at_ms, service.clock.at_ms + MINUTE
        await service.agent("edge-1").sync_up(*slot_with_streams(slot, 0, a=60_000))
        async with console_of({"eu": eu, "lab": plain}, tmp_path).run_test(size=(120, 30)) as pilot:
            app = pilot.app
            await wait_for(pilot, lambda: app.state.parts["lab"].cannot_show, "the plain manager")
            await pilot.press("y")
            await wait_for(pilot, lambda: "≥ 60.0 kB" in screen_text(app), "a lower bound")
            await pilot.press("tab")
            await wait_for(pilot, lambda: names(app.screen) == ["eu:live/a"], "the streams of eu")
            assert "without lab" in screen_text(app)
            assert "≥ 60.0 kB" in screen_text(app), "the sum leaves a service out"
            assert not any("daily" in request.target for request in manager.requests)
