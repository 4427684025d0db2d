"""`streamtop store`: commands for the store of the usage service, on the machine that has it."""

import click

from streamusage.command_help import HelpfulGroup
from streamusage.core.exit_codes import ExitCode
from streamusage.service.accept_time_command import accept_time


@click.group(
    cls=HelpfulGroup,
    exit_codes={
        ExitCode.SUCCESS: "success",
        ExitCode.UNAVAILABLE: "the store cannot be read or written",
    },
)
def store() -> None:
    """Commands for the store of the usage service.

    \b
    Examples:
      streamtop store accept-time
    """


store.add_command(accept_time)
