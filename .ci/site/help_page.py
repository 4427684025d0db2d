"""The help of every command as one page. Pure."""

from collections.abc import Iterator

import click

WIDTH = 80


def help_page(root: click.Group) -> str:
    """Return the page of a command and all of its subcommands."""
    parts = [
        "# Help of every command",
        "`streamtop COMMAND --help` prints the same. [The command line](../commands.md) has what they share.",
    ]
    for name, command, context in commands_of("streamtop", root, None):
        level = min(6, 2 + max(0, name.count(" ") - 1))
        parts += [f"{'#' * level} {name}", "```text", command.get_help(context), "```"]
    return "\n\n".join(parts).replace("```text\n\n", "```text\n").replace("\n\n```\n", "\n```\n") + "\n"


def commands_of(
    name: str, command: click.Command, parent: click.Context | None
) -> Iterator[tuple[str, click.Command, click.Context]]:
    """Yield a command and its subcommands with their full names."""
    settings = {**command.context_settings, "terminal_width": WIDTH, "max_content_width": WIDTH}
    context = click.Context(command, parent, info_name=name.rpartition(" ")[2], **settings)
    yield name, command, context
    if isinstance(command, click.Group):
        for subname in command.list_commands(context):
            subcommand = command.get_command(context, subname)
            if subcommand is not None and not subcommand.hidden:
                yield from commands_of(f"{name} {subname}", subcommand, context)
