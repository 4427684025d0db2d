"""Silences of the console against running services: begun, ended, refused, and at the right one of several."""

from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot

from streamusage.api.alerts import AlertStatus, Silence
from streamusage.client.usage_client import UsageClient
from streamusage.core.clock import SystemClock
from streamusage.service.server import run_service
from tests.streamusage.service.conftest import TOKENS
from tests.support.console.pilot import console, screen_text, wait_for, wait_for_figures
from tests.support.console.several_services import console_of
from tests.support.plain_manager import PlainManager
from tests.support.service.alerts.settings import a_rule, alert_settings
from tui.app.console_app import ConsoleApp
from tui.app.state import ConsoleState
from tui.config.settings import ConnectionSettings
from tui.screens.alerts.alerts import AlertsScreen
from tui.screens.alerts.silence_dialogs import ConfirmEnd, ConfirmSilence
from tui.silencing.flow import SilencingFlow, SilencingService
from tui.silencing.plan import EndPlan, SilencePlan, SilenceRequested

pytestmark = pytest.mark.usefixtures("fast_keys")

RULE = a_rule("no-publisher", name="off air", streams=("live/a", "live/b"), for_ms=0, receivers=())


@asynccontextmanager
async def firing(directory: Path, name: str = "one") -> AsyncIterator[UsageClient]:
    """A service with two alerts that fire, and the client of an admin."""
    store_url = f"sqlite:///{directory / name}.db"
    settings = alert_settings("http://127.0.0.1:1/", RULE, every_ms=300)
    async with (
        run_service(store_url=store_url, tokens=TOKENS, clock=SystemClock(), alerts=settings) as running,
        UsageClient(running.url, "admin-token") as client,
    ):
        yield client


async def silences(client: UsageClient) -> list[Silence]:
    return (await client.alerts.silences()).silences


async def open_alerts(pilot: Pilot[int], seen: str = "live/b") -> ConsoleApp:
    app = await wait_for_figures(pilot)
    await pilot.press("a")
    await wait_for(pilot, lambda: isinstance(app.screen, AlertsScreen) and seen in screen_text(app), "alerts")
    return app


async def test_alert_is_silenced_and_its_silence_ended(tmp_path: Path) -> None:
    async with firing(tmp_path) as client, console(client, tmp_path).run_test(size=(80, 24)) as pilot:
        app = await open_alerts(pilot)
        assert "▸ warning  nobody publishes live/a" in screen_text(app)
        # In one write: each key belongs to the dialog, and none to the page.
        await pilot.press("j", "s", *"30m", "enter", *"disks q", "enter")
        await wait_for(pilot, lambda: "silenced until" in screen_text(app), "the notice")
        (silence,) = await silences(client)
        assert silence.matchers == {"rule": "off air", "stream": "live/b"}
        assert (silence.ends_at - silence.created_at, silence.reason, silence.by) == (1_800_000, "disks q", "boss")
        await wait_for(pilot, lambda: " SILENCED" in screen_text(app), "the page")
        assert f"{silence.id} rule=" in screen_text(app)
        assert "boss: disks q" in screen_text(app)
        await wait_for(pilot, lambda: "! 1 alert" in screen_text(app).splitlines()[0], "the header's mark")
        await pilot.press("e", "escape")
        await wait_for(pilot, lambda: isinstance(app.screen, AlertsScreen), "the page again")
        assert await silences(client) == [silence]
        await pilot.press("e")
        await wait_for(pilot, lambda: isinstance(app.screen, ConfirmEnd), "the dialog")
        assert "Still fires, sent to its receivers then: nobody publishes live/b" in screen_text(app)
        await pilot.press("right", "enter")
        await wait_for(pilot, lambda: "ended, what was kept back is sent: rule=" in screen_text(app), "the notice")
        assert await silences(client) == []
        await wait_for(pilot, lambda: "SILENCES" not in screen_text(app), "the page")


async def test_token_of_a_viewer_is_refused_with_what_is_needed(tmp_path: Path) -> None:
    async with (
        firing(tmp_path) as admin,
        UsageClient(admin.base_url, "viewer-token") as client,
        console(client, tmp_path).run_test(size=(80, 24)) as pilot,
    ):
        app = await open_alerts(pilot)
        await pilot.press("s", "enter", *"disks", "enter")
        await wait_for(pilot, lambda: "silences need an admin's token" in screen_text(app), "the refusal, not cut")
        assert "nothing was silenced" in screen_text(app)
        await admin.alerts.silence({"rule": "off air"}, 60_000, "later")
        await wait_for(pilot, lambda: " SILENCED" in screen_text(app), "the silence of another")
        await pilot.press("e", "right", "enter")
        await wait_for(pilot, lambda: "no silence was ended: this token may not" in screen_text(app), "the refusal")
        assert len(await silences(admin)) == 1


async def test_read_only_console_has_no_such_keys_until_it_is_armed(tmp_path: Path) -> None:
    async with firing(tmp_path) as client, console(client, tmp_path, read_only=True).run_test(size=(80, 24)) as pilot:
        app = await open_alerts(pilot)
        assert "s silence" not in screen_text(app)
        await pilot.press("s")
        await wait_for(pilot, lambda: "nothing was silenced: read-only; :arm 5m" in screen_text(app), "why not")
        await pilot.press(":", *"arm 5m", "enter")
        await pilot.press("s")
        await wait_for(pilot, lambda: isinstance(app.screen, ConfirmSilence), "the dialog")


async def test_plain_stream_manager_has_no_such_keys(tmp_path: Path) -> None:
    async with (
        PlainManager() as manager,
        UsageClient(manager.url, "xyz123") as client,
        console(client, tmp_path).run_test(size=(80, 24)) as pilot,
    ):
        app = await open_alerts(pilot, "has no alerts")
        assert "silence" not in screen_text(app).splitlines()[-1]
        await pilot.press("s")
        await wait_for(pilot, lambda: "nothing to silence: no service here has alert rules" in screen_text(app), "why")
        await pilot.press(":", *"silence")
        await wait_for(pilot, lambda: screen_text(app).count("no service here has alert rules") >= 1, "why, in words")


async def test_silence_goes_to_the_service_of_its_alert(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        clients = {name: await stack.enter_async_context(firing(tmp_path, name)) for name in ("eu", "us")}
        app = console_of(clients, tmp_path, read_only=("eu",))
        pilot = await stack.enter_async_context(app.run_test(size=(100, 40)))
        await open_alerts(pilot)
        await wait_for(pilot, lambda: screen_text(app).count("nobody publishes live/a") == 2, "both services")
        await pilot.press("s")
        await wait_for(pilot, lambda: "nothing was silenced: eu is read-only" in screen_text(app), "why not there")
        await pilot.press("j", "j", "s")
        await wait_for(pilot, lambda: isinstance(app.screen, ConfirmSilence), "the dialog")
        assert "Silence this alert at us, 127.0.0.1" in screen_text(app)
        await pilot.press("enter", *"disks", "enter")
        await wait_for(pilot, lambda: "us: silenced until" in screen_text(app), "the notice")
        assert await silences(clients["eu"]) == []
        assert [silence.matchers["stream"] for silence in await silences(clients["us"])] == ["live/a"]


class _AtOnce:
    """Dialogs that confirm what they are opened for."""

    def confirm_silence(self, plan: SilencePlan, confirmed: Callable[[SilenceRequested | None], None]) -> None:
        confirmed(SilenceRequested(60_000, "disks"))

    def confirm_end(self, plan: EndPlan, confirmed: Callable[[bool | None], None]) -> None:
        confirmed(True)


async def test_request_without_an_answer_is_not_called_refused() -> None:
    started: list[Coroutine[Any, Any, None]] = []
    notices: list[str] = []
    async with UsageClient("http://127.0.0.1:1", "t") as client:
        state = ConsoleState(clock=SystemClock(), host=client.host, settings=ConnectionSettings())
        flow = SilencingFlow(
            {"": SilencingService(client, state)},
            start=started.append,
            list_again=lambda: None,
            show_notice=lambda text, ink: notices.append(text),
        )
        alert = AlertStatus(
            id="1", episode=0, rule="off air", kind="no-publisher", severity="info", phase="firing", labels={},
            summary="off air", since=0,
        )  # fmt: skip
        flow.request_silence("", alert, _AtOnce())
        silence = Silence(id="5f0c", matchers={"rule": "off air"}, created_at=0, ends_at=1, by="boss", reason="disks")
        flow.request_end("", silence, [], _AtOnce())
        for work in started:
            await work
    assert len([text for text in notices if text.startswith("no answer, see the list: ")]) == 2
