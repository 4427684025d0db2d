"""The lines below the gap view: why nothing can be shown is wrapped, not cut."""

from pathlib import Path

import pytest

from streamusage.client.usage_client import UsageClient
from tests.support.canned_answers import reply
from tests.support.console.pilot import console, screen_text, wait_for, wait_for_figures
from tests.support.plain_manager import ManagerOfBothLists, wire


@pytest.mark.usefixtures("fast_keys")
async def test_reasons_are_wrapped_in_80_columns(tmp_path: Path) -> None:
    async with ManagerOfBothLists(wire(), token="s3cret") as manager, UsageClient(manager.url, "s3cret") as client:
        app = console(client, tmp_path)
        async with app.run_test(size=(80, 24)) as pilot:
            await wait_for_figures(pilot)
            await pilot.press("g")
            await wait_for(pilot, lambda: "keeps that account." in " ".join(screen_text(app).split()), "the reason")
            assert "…" not in screen_text(app)
            await pilot.press("escape")


async def test_failure_is_wrapped_with_its_cause_first(tmp_path: Path) -> None:
    broken = reply(500, '{"errorMessage": "the store of this service cannot be read", "timestamp": 1}')
    async with ManagerOfBothLists(wire(), token="s3cret") as manager, UsageClient(manager.url, "s3cret") as client:
        manager.respond = lambda _: broken
        app = console(client, tmp_path)
        async with app.run_test(size=(80, 24)) as pilot:
            await wait_for_figures(pilot)
            await pilot.press("g")
            await wait_for(pilot, lambda: " HTTP 500, “the store of this" in screen_text(app), "the cause")
            assert f"at {client.host})" in screen_text(app), "its end"
            assert "loading" not in screen_text(app)
