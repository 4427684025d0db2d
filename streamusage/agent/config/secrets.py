"""Secrets (passwords and tokens) from an environment variable or a file.

A secret is read at each use, so it can be rotated while the agent runs. No error text contains a secret.
"""

import os
from collections.abc import Callable
from pathlib import Path

Secret = Callable[[], str]
"""Returns the current secret, or raises the error type that was given to `make_secret`."""


def make_secret(
    variable: str | None, file: Path | None, description: str, error: type[Exception], *, one_word: bool = False
) -> Secret | None:
    """Return a reader of the configured secret, or None if neither a variable nor a file is configured.

    The reader raises `error` when the secret is missing, empty or not printable ASCII (with `one_word`, also when it
    contains a space). `description` names the secret in the error text, for example "the token of this agent".
    """

    def read_secret() -> str:
        if file is not None:
            location, secret = f"file {file} ({description})", _read_secret_file(file, description, error)
        else:
            location = f"environment variable {variable} ({description})"
            secret = os.environ.get(variable or "", "")
        secret = secret.strip()
        if not secret:
            raise error(f"{location} is empty or not set; store the secret there")
        if not (secret.isascii() and secret.isprintable()) or (one_word and " " in secret):
            raise error(f"{location} has invalid content; it must be one line of printable ASCII")
        return secret

    return None if variable is None and file is None else read_secret


def _read_secret_file(file: Path, description: str, error: type[Exception]) -> str:
    try:
        return file.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as failure:
        detail = failure.strerror if isinstance(failure, OSError) else "it is not UTF-8 text"
        raise error(f"file {file} ({description}) cannot be read: {detail}") from None
