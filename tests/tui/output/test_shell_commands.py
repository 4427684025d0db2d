"""Commands that are pasted into a shell: they run as they are shown, and the token is not in them."""

import asyncio
import json
import os
import shlex
import sys
from pathlib import Path

import pytest

from tests.support.console.pilot import console, screen_text, wait_for_figures
from tests.support.console.records import TOKEN, recent, record, service_with, session
from tests.support.program import REPOSITORY
from tui.config.hidden_token import HiddenToken
from tui.config.settings import ConnectionSettings
from tui.model.text import width
from tui.output.shell_commands import curl_command, describe_token, ls_command, wrap_command
from tui.screens.page import CommandPage

CAM = session("cam 4's $(feed)", scope="live/room1")


async def run_in_shell(script: str, home: Path) -> str:
    """Run a script with `streamtop` as this program, and return what it prints."""
    program = f'streamtop() {{ {shlex.quote(sys.executable)} -m tui "$@"; }}\n'
    environment = {"PATH": os.environ["PATH"], "HOME": str(home), "PYTHONPATH": str(REPOSITORY), "LC_ALL": "C.UTF-8"}
    shell = await asyncio.create_subprocess_exec("bash", "-c", program + script, env=environment, stdout=-1, stderr=-1)
    out, errors = await shell.communicate()
    assert shell.returncode == 0, errors.decode()
    return out.decode()


async def test_pasted_command_prints_the_stream(tmp_path: Path) -> None:
    records = [record(CAM.name, recent(60), scope=CAM.scope), record("cam 4", recent(30), scope=CAM.scope)]
    token_file = tmp_path / "a token"
    token_file.write_text(f"{TOKEN}\n")
    token_file.chmod(0o600)
    async with service_with(tmp_path, records) as client:
        settings = ConnectionSettings(url=client.base_url, token=HiddenToken(TOKEN), token_file=token_file)
        for command in (ls_command(settings, CAM), curl_command(settings, client.base_url, CAM)):
            assert TOKEN not in command
            for cells in (30, 80, 400):
                lines = wrap_command(command, cells)
                assert cells < 100 or len(lines) == 1
                assert all(len(line) <= cells or " " not in line.removesuffix(" \\") or "'" in line for line in lines)
            printed = json.loads(await run_in_shell("\n".join(wrap_command(command, 60)), tmp_path))
            assert [entry["name"] for entry in printed] == [CAM.name]


@pytest.mark.parametrize("cells", [24, 40, 80])
@pytest.mark.parametrize(
    "command",
    [
        "curl -G http://sm.example.net:5080/streammanager/api/4.0/admin/event/usage/live/" + "%E6%97%A5" * 40,
        "streamtop ls --format json "
        + shlex.quote('scope="live/日本"')
        + " "
        + shlex.quote("name=" + "it's 日本 " * 20),
        shlex.quote("'" * 90),
        f"curl 'a {'b' * 100}'",
    ],
)
async def test_long_words_are_split_where_a_shell_joins_them(command: str, cells: int, tmp_path: Path) -> None:
    lines = wrap_command(command, cells)
    assert all(width(line) <= cells for line in lines)
    printed = await run_in_shell("printf '%s\\n' " + "\n".join(lines), tmp_path)
    assert printed.split("\n")[:-1] == shlex.split(command)


def test_command_reads_the_variable_of_the_profile() -> None:
    settings = ConnectionSettings(url="http://sm", token=HiddenToken("secret"), token_env="PROD_TOKEN")
    assert '"accessToken=$PROD_TOKEN"' in curl_command(settings, settings.url, CAM)
    assert "variable PROD_TOKEN." in describe_token(settings)


def test_command_names_the_profile_or_the_source_of_the_token() -> None:
    of_profile = ConnectionSettings(
        url="https://sm.example.net", url_from="profile prod", profile="prod", token=HiddenToken("secret"),
        token_from="profile prod", token_file=Path("/etc/prod.token"), ca_file=Path("/etc/ca.pem"),
        route_from={"ca_file": "profile prod"},
    )  # fmt: skip
    assert shlex.split(ls_command(of_profile, CAM))[:6] == ["streamtop", "ls", "--profile", "prod", "--format", "json"]
    assert "$(cat /etc/prod.token)" in curl_command(of_profile, of_profile.url, CAM)
    assert "--cacert /etc/ca.pem" in curl_command(of_profile, of_profile.url, CAM)
    assert describe_token(of_profile) == ""
    of_environment = ConnectionSettings(token=HiddenToken("secret"), token_from="STREAMTOP_TOKEN")
    assert "STREAMTOP_TOKEN" in describe_token(of_environment)
    assert "$STREAMTOP_TOKEN" in curl_command(of_environment, of_environment.url, CAM)
    assert "accessToken" not in curl_command(ConnectionSettings(), "http://sm", CAM)
    by_flags = ConnectionSettings(
        url="https://sm.example.net", url_from="--url", profile="prod", token=HiddenToken("secret"),
        token_from="--token-file", token_file=Path("/tmp/t"), proxy="http://proxy", route_from={"proxy": "--proxy"},
    )  # fmt: skip
    assert shlex.split(ls_command(by_flags, CAM))[2:8] == [
        "--url", "https://sm.example.net", "--token-file", "/tmp/t", "--proxy", "http://proxy",
    ]  # fmt: skip


@pytest.mark.usefixtures("fast_keys")
async def test_page_of_commands_has_no_frame_at_its_sides_and_copies(tmp_path: Path) -> None:
    async with (
        service_with(tmp_path, [record("cam", recent(60))]) as client,
        console(client, tmp_path).run_test(size=(80, 24)) as pilot,
    ):
        app = await wait_for_figures(pilot)
        await pilot.press("c")
        assert isinstance(app.screen, CommandPage)
        lines = screen_text(app).split("\n")
        assert any(line.startswith("streamtop ls --url http") for line in lines)
        assert any(line.startswith("curl -sS -G") for line in lines)
        await pilot.press("Y")
        assert app.screen is app.sessions_screen
        assert "copied command" in str(app.sessions_screen.notice)
