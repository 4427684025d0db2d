"""The help of commands: exit codes at its end."""

import click
from click.testing import CliRunner

from streamusage.command_help import HelpfulCommand, HelpfulGroup
from streamusage.core.exit_codes import CLIENT_EXIT_CODES, ExitCode


@click.group(cls=HelpfulGroup, exit_codes={ExitCode.SUCCESS: "all went well"})
def estate() -> None:
    """Change an estate."""


@estate.command()
def rebuild() -> None:
    """Rebuild it."""


def test_help_ends_with_the_exit_codes_of_the_command() -> None:
    shown = CliRunner().invoke(estate, ["--help"]).output
    assert shown.endswith("Exit codes:\n  0  all went well\n")


def test_subcommand_of_a_group_shows_the_codes_of_a_client_by_default() -> None:
    assert isinstance(rebuild, HelpfulCommand)
    assert rebuild.exit_codes == CLIENT_EXIT_CODES
    shown = CliRunner().invoke(estate, ["rebuild", "--help"]).output
    assert [f"  {code:d}  " in shown for code in CLIENT_EXIT_CODES] == [True] * 6


def test_exit_code_is_its_number() -> None:
    assert (ExitCode.UNAVAILABLE, f"{ExitCode.REFUSED}") == (3, "4")
