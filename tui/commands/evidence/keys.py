"""`streamtop key`: keys that sign statements."""

from pathlib import Path

import click

from streamusage.command_help import HelpfulCommand, HelpfulGroup
from streamusage.core.clock import SystemClock
from streamusage.core.exit_codes import LOCAL_EXIT_CODES, ExitCode
from streamusage.evidence.key_files import create_key_file, read_public_key, read_statement_key, replace_key_file
from streamusage.evidence.keys import PublicKey, StatementKeyError, new_key, parse_public_key, rotate
from tui.commands.errors import CommandError
from tui.commands.shell import print_message

_FILE = click.argument("file", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE")


@click.group(cls=HelpfulGroup, exit_codes=LOCAL_EXIT_CODES)
def key() -> None:
    """Make, show and rotate the keys that sign statements.

    The service signs statements of closed days with a private key (serve --statement-key FILE). Who receives a
    statement checks it with the public key (daily verify --key FILE), which you give them by another way than the
    statement.

    \b
    Examples:
      streamtop key new /etc/streamtop/statement.key
      streamtop key show /etc/streamtop/statement.key > statement.pub
      streamtop key rotate /etc/streamtop/statement.key
    """


@key.command(cls=HelpfulCommand, exit_codes=LOCAL_EXIT_CODES, short_help="Make a key.")
@_FILE
def new(file: Path) -> None:
    """Make a private key in FILE, which must not exist. Only its owner can read the file.

    Give it to the service with serve --statement-key FILE, and keep a copy where the store's backups are not: who has
    the key can sign, and without it later statements have another key.
    """
    made = new_key()
    try:
        create_key_file(file, made)
    except StatementKeyError as error:
        raise CommandError(str(error), ExitCode.FAILURE) from None
    print_message(f"made {made.public.name} in {file}; give others its public key: streamtop key show {file}")


@key.command(cls=HelpfulCommand, exit_codes=LOCAL_EXIT_CODES, short_help="Print a public key.")
@_FILE
def show(file: Path) -> None:
    """Print the public key of FILE as PEM, with its rotations. FILE has a private or a public key."""
    try:
        found = read_public_key(file)
    except StatementKeyError as error:
        raise CommandError(str(error), ExitCode.FAILURE) from None
    click.echo(found.to_pem(), nl=False)
    print_message(found.name)


@key.command("rotate", cls=HelpfulCommand, exit_codes=LOCAL_EXIT_CODES, short_help="Replace a key by a new one.")
@_FILE
def rotate_key(file: Path) -> None:
    """Replace the private key in FILE by a new one. The rotation is signed by both keys and kept with the new one.

    Who trusts the old key can verify statements of the new one, and the other way. The old key moves to
    FILE.until-TIME, for the case that the service must go back; delete it once the service has started with the new
    one. If somebody else may have read the old key, warn those who trust it: a rotation does not protect them.
    """
    try:
        old = read_statement_key(file)
        at_ms = SystemClock().now_ms()
        fresh = rotate(old, at_ms)
        kept = file.with_name(f"{file.name}.until-{at_ms}")
        create_key_file(kept, old)
        replace_key_file(file, fresh)
    except StatementKeyError as error:
        raise CommandError(str(error), ExitCode.FAILURE) from None
    print_message(f"{fresh.public.name} in {file} replaces {old.public.name}, which is kept in {kept}")
    print_message("restart the service, and give others the new public key: streamtop key show")


def read_trusted_key(text: str | None) -> PublicKey | None:
    """Return the key of an option: a file, or the name of a key. Raises `CommandError`."""
    if text is None:
        return None
    try:
        return parse_public_key(text) if text.startswith("ed25519:") else read_public_key(Path(text))
    except StatementKeyError as error:
        raise CommandError(str(error), ExitCode.USAGE) from None
