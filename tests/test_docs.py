"""What the documents promise and a program can check."""

import re

import pytest

from streamusage.agent.sources.nginx_rtmp.access_log import LOG_FORMAT
from tests.support.program import REPOSITORY
from tui.app.actions import ACTIONS, Context, available
from tui.cli import COMMANDS
from tui.model.sessions.filter import parse
from tui.styles.themes import THEMES

README = (REPOSITORY / "README.md").read_text()


@pytest.mark.parametrize("name", ["demo", "tests"])
def test_the_readme_gives_one_command_that_stands_alone(name: str) -> None:
    command = re.search(rf"<!-- command: {name} -->\n```sh\n(.+)\n```", README)
    assert command is not None
    assert command[1].startswith("python3 -m venv .venv && .venv/bin/pip install ")


def test_the_readme_names_every_command() -> None:
    assert {name for name in COMMANDS if f"`streamtop {name}" not in README} == set()


def test_every_link_leads_somewhere() -> None:
    pages = [REPOSITORY / "README.md", *sorted((REPOSITORY / "docs").glob("*.md"))]
    for page in pages:
        for target in re.findall(r"(?<!!)\[[^\]]*\]\(([^)#:]+)\)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


def test_the_nginx_configuration_is_what_the_agent_reads() -> None:
    assert LOG_FORMAT in (REPOSITORY / "docs" / "operating.md").read_text()


HANDBOOK = (REPOSITORY / "docs" / "console.md").read_text()


def test_the_handbook_s_filters_are_read_by_the_console() -> None:
    table = HANDBOOK.split("| filter | matches |")[1].split("\n\n")[0]
    filters = [text for line in table.splitlines() for text in re.findall(r"`([^`]+)`", line.split(" | ")[0])]
    assert len(filters) > 8
    for text in filters:
        parse(text.replace("( )", "(a)"))


def test_the_handbook_names_every_key_and_no_command_that_is_not_there() -> None:
    commands = {action.command for action in ACTIONS if action.command}
    for typed in re.findall(r"(?<![\w`])`:([a-z][^`]*)`", HANDBOOK):
        assert any(typed == name or typed.startswith(f"{name} ") for name in commands), typed
    for action in available(Context.SESSIONS, read_only=False):
        if action.name.startswith(("move", "first", "last", "palette", "back", "quit", "gaps", "servers", "days")):
            continue
        told = f"`{action.shown}`" if action.keys else f":{action.command}"
        assert told in HANDBOOK or f"`:{action.command}" in HANDBOOK, f"{action.name}: {told}"


@pytest.mark.parametrize("theme", THEMES)
def test_the_handbook_names_every_theme(theme: str) -> None:
    assert theme in HANDBOOK
