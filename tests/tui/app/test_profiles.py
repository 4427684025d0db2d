"""Switching to a profile that cannot be used: the console explains it and continues."""

from pathlib import Path

import pytest

from tests.support.console.pilot import open_console, screen_text, wait_for
from tui.app.actions import Context
from tui.commands.console import why_unusable
from tui.config.settings import Flags

CONFIG = """
[profiles.good]
url = "http://good.example.net"

[profiles.no-token]
url = "http://bad.example.net"
token_file = "missing"

[profiles.no-authority]
url = "https://bad.example.net"
ca_file = "missing.pem"
"""


@pytest.mark.usefixtures("fast_keys")
async def test_profile_that_cannot_be_used_does_not_end_the_console(store_of_an_hour: Path, tmp_path: Path) -> None:
    async with open_console(store_of_an_hour, tmp_path, Context.SESSIONS) as (pilot, app):
        app.check_profile = lambda name: f"token file {name} cannot be read"
        await pilot.press("colon", *"profile lab", "enter")
        await wait_for(pilot, lambda: "token file lab cannot be read" in screen_text(app), "the reason")
        assert "lab cannot be used; nothing was changed." in screen_text(app)
        await pilot.press("escape", "j")
        assert (app.screen, app.next_profile) == (app.sessions_screen, "")
        app.check_profile = lambda name: ""
        await pilot.press("colon", *"profile lab", "enter")
        await wait_for(pilot, lambda: app.next_profile == "lab", "the switch")


@pytest.mark.parametrize(
    ("profile", "reason"),
    [
        ("good", ""),
        ("no-token", "missing cannot be read"),
        ("no-authority", "missing.pem cannot be used"),
        ("good,no-token", "missing cannot be read"),
        ("nobody", "no profile is named"),
    ],
)
def test_reason_of_an_unusable_profile(
    profile: str, reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    (tmp_path / "streamtop").mkdir()
    (tmp_path / "streamtop" / "config.toml").write_text(CONFIG)
    found = why_unusable(Flags(profile=profile))
    assert reason in found
    assert bool(found) == bool(reason)
    assert capsys.readouterr() == ("", ""), "the console is on the screen"
