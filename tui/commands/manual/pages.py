"""The man pages of all commands of a program, and what the main page says of its environment and files."""

from collections.abc import Iterator, Sequence

import click

from streamusage.command_help import HelpfulCommand, HelpfulGroup
from tui.commands.manual.roff import ManPage, Subcommand, man_page

ENVIRONMENT = (
    ("STREAMTOP_URL", "URL of the service, where neither --url nor --profile is given."),
    ("STREAMTOP_TOKEN", "The token of the service."),
    (
        "STREAMTOP_CA_FILE, STREAMTOP_CLIENT_CERT, STREAMTOP_CLIENT_KEY, STREAMTOP_PROXY",
        "Certificates, a client certificate with its key, and a proxy for the service.",
    ),
    ("STREAMTOP_DISPLAY_STAGE", "Whether the console sends only the cells that changed: on or off."),
    ("STREAMTOP_COMPLETION_SECONDS", "How long the completion of a shell waits for the service: 1 by default."),
    ("NO_COLOR", "The console uses no colours."),
)
FILES = (
    ("~/.config/streamtop/config.toml", "Profiles and keys; streamtop config prints the settings in effect."),
    ("~/.local/state/streamtop/deleted.ndjson", "The records deleted from this machine; see streamtop journal."),
)


def man_pages(program: click.Group) -> Iterator[ManPage]:
    """Yield the page of the program, and one for each command and subcommand."""
    name = program.name or ""
    yield from _pages((name,), program, {"ENVIRONMENT": ENVIRONMENT, "FILES": FILES})


def _pages(
    path: tuple[str, ...], command: click.Command, sections: dict[str, Sequence[tuple[str, str]]] | None = None
) -> Iterator[ManPage]:
    context = click.Context(command, info_name=path[-1])
    below: list[tuple[str, click.Command]] = []
    if isinstance(command, click.Group):
        found = ((name, command.get_command(context, name)) for name in command.list_commands(context))
        below = [(name, child) for name, child in found if child is not None and not child.hidden]
    codes = command.exit_codes if isinstance(command, HelpfulCommand | HelpfulGroup) else {}
    yield man_page(
        path,
        command,
        subcommands=[Subcommand(name, child.get_short_help_str(limit=200)) for name, child in below],
        exit_codes={int(code): meaning for code, meaning in codes.items()},
        sections=sections,
        see_also=["-".join(path[:-1])] if len(path) > 1 else [],
    )
    for name, child in below:
        yield from _pages((*path, name), child)
