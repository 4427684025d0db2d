"""A command with subcommands that also runs by itself: `daily`, and `daily close`."""

from typing import Any

import click

from streamusage.command_help import HelpfulCommand


class WithSubcommands(HelpfulCommand):
    """Runs a subcommand if the first word names one, else itself."""

    def __init__(self, *arguments: Any, subcommands: dict[str, click.Command], **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.subcommands = subcommands

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        """Return the context of the subcommand or of the command itself."""
        below = self.subcommands.get(args[0]) if args else None
        if below is None:
            return super().make_context(info_name, args, parent, **extra)
        return below.make_context(f"{info_name} {args[0]}", args[1:], parent, **extra)
