"""`streamtop man`: prints a man page, or writes the pages of all commands."""

from pathlib import Path

import click

from streamusage.command_help import HelpfulCommand
from streamusage.core.exit_codes import LOCAL_EXIT_CODES, ExitCode
from tui.commands.errors import CommandError
from tui.commands.manual.pages import man_pages
from tui.commands.shell import counted, print_message
from tui.model.suggestions import did_you_mean


@click.command(cls=HelpfulCommand, exit_codes=LOCAL_EXIT_CODES)
@click.argument("words", metavar="[COMMAND]...", nargs=-1)
@click.option(
    "--directory",
    metavar="DIR",
    type=click.Path(path_type=Path, file_okay=False),
    help="Write the pages of all commands there, as DIR/streamtop-COMMAND.1.",
)
def man(words: tuple[str, ...], directory: Path | None) -> None:
    """Print the man page of a command as roff, or write the pages of all commands.

    Without a command, the page of streamtop itself is printed.

    \b
    Examples:
      streamtop man ls | man -l -
      streamtop man daily corrections | mandoc -a
      streamtop man --directory ~/.local/share/man/man1
    """
    if directory is not None and words:
        raise click.UsageError("--directory writes all pages; leave COMMAND out")
    pages = list(man_pages(_program()))
    if directory is None:
        wanted = "-".join(("streamtop", *words))
        text = next((page.text for page in pages if page.name == wanted), None)
        if text is None:
            known = [" ".join(page.name.split("-")[1:]) for page in pages]
            typed = " ".join(words)
            raise CommandError(f"there is no command {typed!r}{did_you_mean(typed, known)}", ExitCode.USAGE)
        click.echo(text, nl=False)
        return
    try:
        directory.mkdir(parents=True, exist_ok=True)
        for page in pages:
            (directory / f"{page.name}.1").write_text(page.text, encoding="utf-8")
    except OSError as error:
        raise CommandError(f"cannot write {error.filename}: {error.strerror}", ExitCode.FAILURE) from None
    print_message(f"wrote {counted(len(pages), 'man page')} to {directory}")


def _program() -> click.Group:
    program = click.get_current_context().find_root().command
    assert isinstance(program, click.Group)
    return program
