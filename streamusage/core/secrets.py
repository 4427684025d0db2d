"""Secrets (passwords and tokens) from an environment variable or a file.

`parse_secret` is the grammar and pure; the other functions read the variable or the file. White space around a secret
is removed, except with `EXACT`. No error text contains a secret: it names the place, what is allowed, and what to do.

    | form    | content                                      | used for                          |
    |---------|----------------------------------------------|-----------------------------------|
    | `EXACT` | any text, white space around it included     | `value_env` of the tokens file    |
    | `TEXT`  | any text                                     | the service's own admin token     |
    | `LINE`  | one line of printable ASCII, with spaces     | passwords of media servers        |
    | `WORD`  | one word of printable ASCII                  | tokens of the agent and console   |
"""

import os
import stat
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from streamusage.core.errors import StreamUsageError
from streamusage.core.open_files import describe_readable, others_can_read

LONGEST_SECRET = 65_536

Secret = Callable[[], str]
"""Returns the current secret, or raises the error type that was given to `make_secret`."""


class SecretForm(NamedTuple):
    """The characters that a secret may have."""

    allowed: str
    """In words, for error texts."""
    is_ascii_line: bool = True
    has_spaces: bool = False
    keeps_space_around: bool = False
    longest: int = LONGEST_SECRET
    """Most characters."""


EXACT = SecretForm("text", is_ascii_line=False, has_spaces=True, keeps_space_around=True)
TEXT = SecretForm("text", is_ascii_line=False, has_spaces=True)
LINE = SecretForm("one line of printable ASCII", has_spaces=True)
WORD = SecretForm("one line of printable ASCII without spaces")


class SecretError(StreamUsageError):
    """A secret is missing or has another form. The text names its place and never contains it."""


class SecretFile(NamedTuple):
    """The secret of a file."""

    secret: str
    others_can_read: bool
    """Whether other users of this machine can read the file."""


def parse_secret(text: str, place: str, form: SecretForm) -> str:
    """Return the secret of a text. `place` names its source for the error.

    Raises `SecretError`.
    """
    secret = text if form.keeps_space_around else text.strip()
    if not secret:
        raise SecretError(f"{place} is empty or not set; store the secret there")
    if (
        len(secret) > form.longest
        or (form.is_ascii_line and not (secret.isascii() and secret.isprintable()))
        or (not form.has_spaces and " " in secret)
    ):
        raise SecretError(f"{place} has invalid content; it must be {form.allowed}, at most {form.longest} characters")
    return secret


def read_secret_variable(name: str, place: str, form: SecretForm, environment: Mapping[str, str] | None = None) -> str:
    """Return the secret of an environment variable. Raises `SecretError`."""
    return parse_secret((os.environ if environment is None else environment).get(name, ""), place, form)


def read_secret_file(path: Path, place: str, form: SecretForm) -> SecretFile:
    """Return the secret of a file. Raises `SecretError`."""
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            content = file.read(4 * LONGEST_SECRET + 1)
        text = content.decode()
    except OSError as error:
        raise SecretError(f"{place} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise SecretError(f"{place} cannot be read: it is not UTF-8 text") from None
    return SecretFile(parse_secret(text, place, form), bool(mode & (stat.S_IRGRP | stat.S_IROTH)))


def find_readable_secrets(paths: Iterable[Path], environment: Mapping[str, str] | None = None) -> list[str]:
    """Return a warning for each of these files that other users of this machine can read.

    The mode of a credential of systemd shows an access list, not who can read it.
    """
    return [
        describe_readable(path, "credentials")
        for path in dict.fromkeys(paths)
        if others_can_read(path) and not is_credential(path, environment)
    ]


def is_credential(path: Path, environment: Mapping[str, str] | None = None) -> bool:
    """Return whether a file is a credential of this process: a copy that systemd made when it started the unit."""
    own = (os.environ if environment is None else environment).get("CREDENTIALS_DIRECTORY")
    return bool(own) and path.absolute().is_relative_to(str(own))


def make_secret(
    variable: str | None, file: Path | None, description: str, error: type[Exception], form: SecretForm = LINE
) -> Secret | None:
    """Return a reader of the configured secret, or None if neither a variable nor a file is configured.

    The secret is read at each use, so it can be replaced while the program runs. The reader raises `error`.
    `description` names the secret in the error text, for example "the token of this agent".
    """

    def read_secret() -> str:
        try:
            if file is not None:
                return read_secret_file(file, f"file {file} ({description})", form).secret
            return read_secret_variable(variable or "", f"environment variable {variable} ({description})", form)
        except SecretError as failure:
            raise error(str(failure)) from None

    return None if variable is None and file is None else read_secret
