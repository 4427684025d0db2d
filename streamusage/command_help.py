"""Commands whose `--help` ends with their exit codes."""

from typing import Any

import click

from streamusage.core.exit_codes import CLIENT_EXIT_CODES, ExitCodes


class HelpfulCommand(click.Command):
    """A command with exit codes in its help: by default those of a client command."""

    def __init__(self, *arguments: Any, exit_codes: ExitCodes = CLIENT_EXIT_CODES, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.exit_codes = exit_codes

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the exit codes and the epilog into the help."""
        write_exit_codes(self.exit_codes, formatter)
        super().format_epilog(ctx, formatter)


class HelpfulGroup(click.Group):
    """A group with exit codes in its help; its subcommands are `HelpfulCommand`s."""

    command_class = HelpfulCommand

    def __init__(self, *arguments: Any, exit_codes: ExitCodes = CLIENT_EXIT_CODES, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.exit_codes = exit_codes

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the exit codes and the epilog into the help."""
        write_exit_codes(self.exit_codes, formatter)
        super().format_epilog(ctx, formatter)


def write_exit_codes(codes: ExitCodes, formatter: click.HelpFormatter) -> None:
    """Write a section of exit codes and their meanings."""
    with formatter.section("Exit codes"):
        formatter.write_dl([(str(int(code)), meaning) for code, meaning in codes.items()])
