"""Help of commands and groups, suggestions for mistyped ones, and options before a subcommand."""

import click
import pytest
from click.testing import CliRunner

from streamusage.command_help import HelpfulCommand, HelpfulGroup
from streamusage.core.exit_codes import CLIENT_EXIT_CODES, ExitCode


@click.group(cls=HelpfulGroup, invoke_without_command=True, exit_codes={ExitCode.SUCCESS: "all went well"})
@click.option("--level")
@click.option("--zone", default="UTC")
def estate(level: str | None, zone: str) -> None:
    """Change an estate."""
    click.echo(f"estate, level {level}, zone {zone}")


@estate.command()
@click.option("--level")
def rebuild(level: str | None) -> None:
    """Rebuild it."""
    click.echo(f"rebuild, level {level}")


def test_help_ends_with_the_exit_codes_of_the_command() -> None:
    shown = CliRunner().invoke(estate, ["--help"]).output
    assert shown.endswith("Exit codes:\n  0  all went well\n")


def test_subcommand_of_a_group_shows_the_codes_of_a_client_by_default() -> None:
    assert isinstance(rebuild, HelpfulCommand)
    assert rebuild.exit_codes == CLIENT_EXIT_CODES
    shown = CliRunner().invoke(estate, ["rebuild", "--help"]).output
    assert [f"  {code:d}  " in shown for code in CLIENT_EXIT_CODES] == [True] * 6


@pytest.mark.parametrize("command", [estate, rebuild])
def test_help_has_both_names_of_its_option_also_where_a_command_runs_without_its_program(
    command: click.Command,
) -> None:
    assert "  -h, --help " in CliRunner().invoke(command, ["-h"]).output


def test_exit_code_is_its_number() -> None:
    assert (ExitCode.UNAVAILABLE, f"{ExitCode.REFUSED}") == (3, "4")


def test_group_runs_itself_only_without_a_subcommand() -> None:
    assert CliRunner().invoke(estate, ["--level", "1"]).output == "estate, level 1, zone UTC\n"
    assert CliRunner().invoke(estate, ["rebuild", "--level", "1"]).output == "rebuild, level 1\n"


@pytest.mark.parametrize(
    ("typed", "hint"), [("rebild", "did you mean rebuild?"), ("zzz", "choose from rebuild"), ("--levl", "'--level'")]
)
def test_mistyped_word_is_refused_with_a_suggestion(typed: str, hint: str) -> None:
    refused = CliRunner().invoke(estate, [typed])
    assert (refused.exit_code, hint in refused.output) == (ExitCode.USAGE, True), refused.output


def test_option_before_a_subcommand_is_refused() -> None:
    refused = CliRunner().invoke(estate, ["--level", "1", "rebuild"])
    assert refused.exit_code == ExitCode.USAGE
    assert "--level is before rebuild; write it after: estate rebuild --level …" in refused.output


def test_option_before_a_subcommand_applies_to_it_where_the_group_allows_it() -> None:
    inheriting = HelpfulGroup("estate", params=estate.params, commands=estate.commands, inherit=True)
    assert CliRunner().invoke(inheriting, ["--level", "1", "rebuild"]).output == "rebuild, level 1\n"
    assert CliRunner().invoke(inheriting, ["--level", "1", "rebuild", "--level", "2"]).output == "rebuild, level 2\n"
