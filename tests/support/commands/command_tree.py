"""All commands of `streamtop`, found by walking its groups."""

from collections.abc import Iterator

import click

from tui.cli import streamtop


def every_command(group: click.Group = streamtop, path: tuple[str, ...] = ()) -> Iterator[tuple[str, click.Command]]:
    """Yield the words of each command after `streamtop`, and the command; groups before their commands."""
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        words = (*path, name)
        yield " ".join(words), command
        if isinstance(command, click.Group):
            yield from every_command(command, words)


def options_of(command: click.Command) -> dict[str, click.Option]:
    """Return the options of a command by each of their names."""
    return {name: option for option in command.params if isinstance(option, click.Option) for name in option.opts}
