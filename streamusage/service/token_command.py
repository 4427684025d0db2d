"""`streamtop token`: tokens for the service, of which its file has digests only."""

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import click

from streamusage.command_help import HelpfulCommand, HelpfulGroup
from streamusage.core.exit_codes import LOCAL_EXIT_CODES, ExitCode
from streamusage.core.open_files import OWNER_ONLY

if TYPE_CHECKING:
    from streamusage.service.tokens import Role

_LONGEST_NAME = 64
_SERVER = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,63}")


@click.group(cls=HelpfulGroup, exit_codes=LOCAL_EXIT_CODES)
def token() -> None:
    """Make tokens for the service's tokens file.

    \b
    Examples:
      streamtop token new --role admin
      streamtop token new --server edge-1 --tokens tokens.toml --token-file edge-1.token
    """


@token.command(cls=HelpfulCommand, exit_codes=LOCAL_EXIT_CODES)
@click.option(
    "--role",
    type=click.Choice(["admin", "viewer", "agent"]),
    help="What the token may do: admin reads, deletes and imports, viewer reads, agent reports for its own server. By "
    "default agent with --server, else viewer.",
)
@click.option("--server", metavar="NAME", help="The server that an agent reports for; required for that role.")
@click.option(
    "--customer", metavar="NAME", help="The customer whose daily sums a viewer may read, instead of everything."
)
@click.option("--name", help="How the audit log names the token. By default the server or the customer, else the role.")
@click.option(
    "--tokens",
    "tokens_file",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Append the entry to this tokens file instead of printing it. A new file can be read by its owner only.",
)
@click.option(
    "--token-file",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Write the token to this new file, which only its owner can read, instead of printing it.",
)
def new(
    role: "Role | None",
    server: str | None,
    customer: str | None,
    name: str | None,
    tokens_file: Path | None,
    token_file: Path | None,
) -> None:
    """Print a new random token, once, and its entry for the tokens file.

    The entry has a digest, from which the token cannot be computed: keep the token where it is used. A service that
    runs reads its tokens file again at SIGHUP.
    """
    from streamusage.service.tokens import TokensError, add_entry, format_entry, new_token

    role = role or ("agent" if server is not None else "viewer")
    _check(role, server, customer, name)
    secret = new_token()
    entry = format_entry(secret, role, name=name or server or customer or role, server=server, customer=customer)
    if token_file is not None:
        _write_token(token_file, secret)
    if tokens_file is not None:
        try:
            count = add_entry(tokens_file, entry)
        except TokensError as error:
            if token_file is not None:
                token_file.unlink(missing_ok=True)
            _fail(error, ExitCode.USAGE)
    if token_file is None:
        click.echo("The token. It is shown this once and stored nowhere:\n", err=True)
        click.echo(secret)
    else:
        click.echo(f"streamtop: the token is in {token_file}, which only its owner can read", err=True)
    if tokens_file is None:
        click.echo("\nIts entry for the tokens file (streamtop serve --tokens FILE):\n", err=True)
        click.echo(entry, nl=False)
    else:
        click.echo(
            f"streamtop: added a token with the role {role} to {tokens_file}, which has {count} now; a service that "
            "runs reads it at SIGHUP, or at its next start",
            err=True,
        )


def _check(role: "Role", server: str | None, customer: str | None, name: str | None) -> None:
    """Raise `click.UsageError` if an entry of the tokens file would be refused, or its server by the agent."""
    if (role == "agent") != (server is not None):
        raise click.UsageError(
            "an agent's token needs --server NAME, the server that it reports for"
            if server is None
            else f"--server is for agents; a token with the role {role} has no server"
        )
    if customer is not None and role != "viewer":
        raise click.UsageError(f"--customer is for viewers; a token with the role {role} has no customer")
    if server is not None and not _SERVER.fullmatch(server):
        raise click.UsageError(
            "--server must be letters, digits, '.', '_', ':' and '-', at most 64, beginning with a letter or a digit"
        )
    for option, value in (("--customer", customer), ("--name", name)):
        if value is not None and not (0 < len(value) <= _LONGEST_NAME and value.isprintable()):
            raise click.UsageError(f"{option} must be 1 to {_LONGEST_NAME} printable characters")


def _write_token(path: Path, secret: str) -> None:
    """Write the token to a new file. An existing one may be in use, so it is kept."""
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, OWNER_ONLY)
        with os.fdopen(handle, "w", encoding="ascii") as file:
            file.write(secret + "\n")
            file.flush()
            os.fsync(handle)
    except FileExistsError:
        _fail(f"{path} exists and is kept; no token was made; name another file, or remove it first", ExitCode.USAGE)
    except OSError as error:
        _fail(f"cannot write {path}: {error.strerror}; no token was made", ExitCode.FAILURE)


def _fail(error: object, code: ExitCode) -> NoReturn:
    click.echo(f"streamtop: {error}", err=True)
    raise SystemExit(code)
