"""Delivery of gap alerts: bell, notification and command as the profile sets them."""

import os
import sys
from pathlib import Path

import msgspec
import pytest

from streamusage.client.usage_client import UsageClient
from tests.support.console.pilot import screen_lines, wait_for
from tests.support.console.scripted_service import scripted_service
from tui.app.alert_delivery import escape_sequences, run_command
from tui.app.console_app import ConsoleApp
from tui.config.profiles import Alerts
from tui.config.settings import ConnectionSettings
from tui.model.alerts import Alert

MINUTE = 60_000
BEGINS = 1_795_214_400_000
"""2026-11-20 22:40 UTC."""


def test_escape_sequences_follow_the_settings_and_carry_no_control_characters() -> None:
    alert = Alert("raised", "edge;\x1b]0;title\a\u202e", 4 * MINUTE)
    assert escape_sequences(alert, Alerts()) == ""
    assert escape_sequences(alert, Alerts(bell=True)) == "\a"
    notified = escape_sequences(alert, Alerts(notify="osc777"))
    assert notified.startswith("\x1b]777;notify;streamtop;edge,")
    assert notified.endswith(" owes 4m\a")
    assert notified[1:-1].isprintable()
    assert notified.count(";") == 3
    assert escape_sequences(alert, Alerts(notify="osc9")).startswith("\x1b]9;streamtop: edge,")
    assert escape_sequences(alert._replace(kind="cleared"), Alerts(bell=True)) == ""


async def test_command_receives_the_alert_by_environment_and_never_the_token(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in os.environ if name.startswith("STREAMTOP")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("STREAMTOP_TOKEN", "secret-of-this-test")
    out = tmp_path / "out"
    program = (
        "import json, os, sys; "
        "json.dump({k: v for k, v in os.environ.items() if k.startswith('STREAMTOP')}, open(sys.argv[1], 'w'))"
    )
    failures: list[str] = []
    alert = Alert("raised", "$(touch x); edge", 4 * MINUTE)
    monkeypatch.setenv("STREAMTOP_OF_PROD", "secret-of-prod")
    async with UsageClient("http://127.0.0.1:9", "secret-of-prod") as client:
        command = (sys.executable, "-c", program, str(out))
        await run_command(alert, command, failures.append, client.without_token)
    assert msgspec.json.decode(out.read_bytes()) == {
        "STREAMTOP_ALERT": "raised",
        "STREAMTOP_ALERT_SERVER": "$(touch x); edge",
        "STREAMTOP_ALERT_OWED_MS": "240000",
        "STREAMTOP_ALERT_TEXT": "$(touch x); edge owes 4m",
    }
    assert failures == []
    await run_command(alert, (sys.executable, "-c", "raise SystemExit(3)"), failures.append)
    await run_command(alert, (str(tmp_path / "nothing"),), failures.append)
    assert [text.partition(str(tmp_path))[0] or text for text in failures] == [
        f"the alert command {sys.executable} exited with 3",
        "the alert command ",
    ]


async def test_open_gap_rings_the_bell_and_is_shown_in_every_header(tmp_path: Path) -> None:
    async with scripted_service(tmp_path, BEGINS, "edge-1", "edge-2") as (service, client):
        await service.report_for(2, "edge-1", "edge-2")
        app = ConsoleApp(
            client,
            ConnectionSettings(
                profile="test", poll_interval_s=0.1, alerts=Alerts(after=120, bell=True, notify="osc777")
            ),
            clock=service.clock,
            journal_path=tmp_path / "deleted.ndjson",
        )
        written: list[str] = []
        app.write_escape = written.append  # type: ignore[method-assign]
        async with app.run_test(size=(110, 24)) as pilot:
            await wait_for(pilot, lambda: app.state.has_figures, "a poll")
            await service.report_for(2, "edge-1")
            app.poller.refresh()
            await wait_for(pilot, lambda: written, "the alert")
            await service.report_for(1, "edge-1")
            app.poller.refresh()
            await wait_for(pilot, lambda: written, "the alert")
            assert written == ["\a\x1b]777;notify;streamtop;edge-2 owes 2m\a"]
            await wait_for(pilot, lambda: "edge-2 owes 3m" in screen_lines(app)[0], "its age")
            for keys in ("g", "y", "enter"):
                await pilot.press(keys)
                await wait_for(pilot, lambda: "edge-2 owes 3m" in screen_lines(app)[0], keys)
            await service.agent("edge-2").sync_up()
            app.poller.refresh()
            await wait_for(pilot, lambda: len(written) == 2, "the cleared alert")
            assert "edge-2 has reported again" in written[1]
