"""What the documents promise and a program can check."""

import re

import pytest

from streamusage.agent.sources.nginx_log import LOG_FORMAT
from tests.program import REPOSITORY
from tui.cli import COMMANDS

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
