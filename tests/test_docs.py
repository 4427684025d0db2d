"""Statements of the documentation that a program can check: commands, keys, links, paths and targets."""

import importlib
import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from streamusage.agent.sources.nginx_rtmp.access_log import LOG_FORMAT
from streamusage.command_help import HelpfulCommand, HelpfulGroup
from streamusage.core.exit_codes import CLIENT_EXIT_CODES, ExitCode
from tests.support.program import REPOSITORY
from tui.app.actions import ACTIONS, Context, available
from tui.cli import COMMANDS, streamtop
from tui.model.sessions.filter import parse
from tui.styles.themes import THEMES

README = (REPOSITORY / "README.md").read_text()
HANDBOOK = (REPOSITORY / "docs" / "console.md").read_text()
CONTRIBUTING = (REPOSITORY / "CONTRIBUTING.md").read_text()

DOCS = sorted((REPOSITORY / "docs").rglob("*.md"))
PAGES = sorted([*REPOSITORY.glob("*.md"), *DOCS, REPOSITORY / "bench/README.md", REPOSITORY / "screenshots/README.md"])
PAGES_WITH_PATHS = ["CONTRIBUTING.md", "SECURITY.md", "docs/architecture.md", "docs/releasing.md", "docs/api.md"]

TOP_LEVEL = ("streamusage/", "tui/", "tests/", "docs/", "bench/", "screenshots/", ".ci/", ".github/")
PLACEHOLDER = re.compile(r"[A-Z]{3,}")


def name_of(page: Path) -> str:
    return page.relative_to(REPOSITORY).as_posix()


def code_spans(text: str) -> list[str]:
    """The code spans of a page and the words of its code blocks."""
    blocks = re.findall(r"```\w*\n(.*?)```", text, re.DOTALL)
    prose = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
    return [*re.findall(r"`([^`\n]+)`", prose), *(word for block in blocks for word in block.split())]


def link_targets(page: Path) -> Iterator[str]:
    """Targets of a page's links and pictures inside the repository, without anchors."""
    text = re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL)
    for target in re.findall(r"\[[^\]]*\]\(([^)#\s]*)[^)]*\)", text):
        if target and not re.match(r"\w+:", target):
            yield target


@pytest.mark.parametrize("name", ["demo", "tests"])
def test_readme_has_one_self_contained_command(name: str) -> None:
    command = re.search(rf"<!-- run by .ci/run: {name} -->\n```sh\n(.+)\n```", README)
    assert command is not None
    assert command[1].startswith("python3 -m venv .venv && .venv/bin/pip install ")


@pytest.mark.parametrize("page", ["README.md", "docs/commands.md"])
def test_page_names_every_command(page: str) -> None:
    text = (REPOSITORY / page).read_text()
    assert {name for name in COMMANDS if f"`streamtop {name}" not in text} == set()


def visible_options(command: click.Command) -> Iterator[str]:
    """The first long option of every parameter of a command and its subcommands that the help shows."""
    for parameter in command.params:
        if isinstance(parameter, click.Option) and not parameter.hidden:
            yield from [option for option in parameter.opts if option.startswith("--")][:1]
    if isinstance(command, click.Group):
        for subcommand in command.commands.values():
            yield from visible_options(subcommand)


@pytest.mark.parametrize("name", ["", *COMMANDS])
def test_docs_name_every_option(name: str) -> None:
    text = "".join(page.read_text() for page in DOCS)
    if name:
        module, _, attribute = COMMANDS[name][0].partition(":")
        command = getattr(importlib.import_module(module), attribute)
    else:
        command = streamtop
    assert {option for option in visible_options(command) if option not in text} == set()


def helpful_commands(name: str, command: click.Command) -> Iterator[tuple[str, HelpfulCommand | HelpfulGroup]]:
    """A command and its subcommands, each with its full name."""
    assert isinstance(command, HelpfulCommand | HelpfulGroup), f"{name} has no exit codes in its help"
    yield name, command
    if isinstance(command, click.Group):
        context = click.Context(command)
        for subcommand in command.list_commands(context):
            found = command.get_command(context, subcommand)
            assert found is not None
            yield from helpful_commands(f"{name} {subcommand}", found)


def test_commands_page_has_the_exit_codes_of_every_command() -> None:
    rows = [f"| {code:d} | {code.name} | {code.meaning} |" for code in ExitCode]
    for name, command in helpful_commands("streamtop", streamtop):
        rows += [
            f"| `{name}` | {code:d} | {meaning} |"
            for code, meaning in command.exit_codes.items()
            if meaning not in (code.meaning, CLIENT_EXIT_CODES.get(code))
        ]
    text = (REPOSITORY / "docs" / "commands.md").read_text()
    section = text.partition("## Exit codes")[2].partition("\n## ")[0]
    assert [line for line in section.splitlines() if re.match(r"\| [`0-9]", line)] == rows


def test_configuration_page_names_every_environment_variable() -> None:
    text = (REPOSITORY / "docs" / "configuration.md").read_text()
    sources = [path for package in ("streamusage", "tui") for path in (REPOSITORY / package).rglob("*.py")]
    used = {name for path in sources for name in re.findall(r"STREAMTOP_[A-Z_]+", path.read_text())}
    assert used - set(re.findall(r"STREAMTOP_[A-Z_]+", text)) == set()


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_link_leads_to_a_file(page: Path) -> None:
    assert [target for target in link_targets(page) if not (page.parent / target).exists()] == []


def test_every_docs_page_is_linked_from_another_page() -> None:
    linked = {
        (page.parent / target).resolve()
        for page in PAGES
        for target in link_targets(page)
        if (page.parent / target).resolve() != page
    }
    assert [name_of(page) for page in DOCS if page not in linked] == []


@pytest.mark.parametrize("page", PAGES_WITH_PATHS)
def test_page_names_only_paths_that_exist(page: str) -> None:
    paths = [
        span.partition(":")[0]
        for span in code_spans((REPOSITORY / page).read_text())
        if span.startswith(TOP_LEVEL) and not PLACEHOLDER.search(span.partition(":")[0].replace("README", ""))
    ]
    assert [path for path in paths if not (REPOSITORY / path).exists()] == []


@pytest.mark.parametrize("page", ["CONTRIBUTING.md", "docs/architecture.md", "docs/releasing.md"])
def test_page_names_only_targets_of_the_makefile(page: str) -> None:
    makefile = (REPOSITORY / "Makefile").read_text()
    targets = set(re.findall(r"^([a-z]+):", makefile, re.MULTILINE))
    named = set(re.findall(r"(?:^|`)make ([a-z]+)", (REPOSITORY / page).read_text(), re.MULTILINE))
    assert named
    assert named - targets == set()


def test_contributing_names_every_target_that_checks() -> None:
    assert [
        target for target in ("check", "test", "lint", "types", "contracts") if f"make {target}" not in CONTRIBUTING
    ] == []


def test_architecture_names_every_folder_of_the_packages() -> None:
    architecture = (REPOSITORY / "docs" / "architecture.md").read_text()
    folders = [
        folder
        for package in ("streamusage", "streamusage/agent", "streamusage/service", "tui")
        for folder in sorted((REPOSITORY / package).iterdir())
        if folder.is_dir() and any(folder.glob("*.py"))
    ]
    missing = [
        name_of(f) for f in folders if f"{name_of(f)}/" not in architecture and f"/{f.name}/" not in architecture
    ]
    assert missing == []


def test_operating_page_has_the_log_format_that_the_agent_reads() -> None:
    assert LOG_FORMAT in (REPOSITORY / "docs" / "operating.md").read_text()


def test_console_parses_every_filter_of_the_handbook() -> None:
    table = HANDBOOK.split("| filter | matches |")[1].split("\n\n")[0]
    filters = [text for line in table.splitlines() for text in re.findall(r"`([^`]+)`", line.split(" | ")[0])]
    assert len(filters) > 8
    for text in filters:
        parse(text.replace("( )", "(a)"))


def test_handbook_names_every_key_and_only_existing_commands() -> None:
    commands = {action.command for action in ACTIONS if action.command}
    for typed in re.findall(r"(?<![\w`])`:([a-z][^`]*)`", HANDBOOK):
        assert any(typed == name or typed.startswith(f"{name} ") for name in commands), typed
    for action in available(Context.SESSIONS, read_only=False):
        if action.name.startswith(("move", "first", "last", "palette", "back", "quit", "gaps", "servers", "days")):
            continue
        expected = f"`{action.shown}`" if action.keys else f":{action.command}"
        assert expected in HANDBOOK or f"`:{action.command}" in HANDBOOK, f"{action.name}: {expected}"


@pytest.mark.parametrize("theme", THEMES)
def test_handbook_names_every_theme(theme: str) -> None:
    assert theme in HANDBOOK
