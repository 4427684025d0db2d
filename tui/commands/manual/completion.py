"""`streamtop completion`: prints what a shell needs to complete commands, options and names."""

import click
from click.shell_completion import BashComplete, FishComplete, ShellComplete, ZshComplete

from streamusage.command_help import HelpfulCommand
from streamusage.core.exit_codes import LOCAL_EXIT_CODES


class _FishComplete(FishComplete):
    """Fish's completion for values with commas, such as lists of columns: only the first comma ends the type."""

    source_template = FishComplete.source_template.replace('string split ","', 'string split -m 1 ","')


COMPLETE_VARIABLE = "_STREAMTOP_COMPLETE"
"""In the environment of a call of the shell that asks what continues the command line."""

SHELLS: dict[str, type[ShellComplete]] = {"bash": BashComplete, "zsh": ZshComplete, "fish": _FishComplete}


@click.command(cls=HelpfulCommand, exit_codes=LOCAL_EXIT_CODES)
@click.argument("shell", type=click.Choice(list(SHELLS)))
def completion(shell: str) -> None:
    """Print the completion of a shell: commands, options, choices, columns, profiles, time zones, servers, streams.

    Names of servers and streams come from the service of the command line, within a second; without an answer there
    are none.

    \b
    For every new shell:
      bash  streamtop completion bash > ~/.local/share/bash-completion/completions/streamtop
      zsh   streamtop completion zsh > ~/.zfunc/_streamtop
            (in ~/.zshrc, before compinit: fpath+=~/.zfunc)
      fish  streamtop completion fish > ~/.config/fish/completions/streamtop.fish

    \b
    For this shell only:
      bash, zsh  eval "$(streamtop completion bash)", or zsh
      fish       streamtop completion fish | source
    """
    program = click.get_current_context().find_root().command
    click.echo(SHELLS[shell](program, {}, "streamtop", COMPLETE_VARIABLE).source())
