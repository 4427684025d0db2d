"""Passwords and tokens, from a variable or a file. They appear in no text.

They are read at each use, so that they can be exchanged while the agent runs.
"""

import os
from collections.abc import Callable
from pathlib import Path

Secret = Callable[[], str]
"""Gives the secret as it is now, or raises the error that its reader was made with."""


def secret_of(
    variable: str | None, file: Path | None, what: str, error: type[Exception], *, one_word: bool = False
) -> Secret | None:
    """The secret that a configuration names; `None` where it names none.

    `what` it is, and the `error` to raise, are for the operator who has to put it there.
    """

    def read() -> str:
        if file is not None:
            where, secret = f"the file {file} with {what}", _content(file, what, error)
        else:
            where, secret = f"the environment variable {variable} with {what}", os.environ.get(variable or "", "")
        secret = secret.strip()
        if not secret:
            raise error(f"{where} is empty; put it there")
        if not (secret.isascii() and secret.isprintable()) or (one_word and " " in secret):
            raise error(f"{where} holds something else: it must be one line of printable ASCII")
        return secret

    return None if variable is None and file is None else read


def _content(file: Path, what: str, error: type[Exception]) -> str:
    try:
        return file.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as failure:
        reason = failure.strerror if isinstance(failure, OSError) else "it is not text"
        raise error(f"the file {file} with {what} cannot be read: {reason}") from None
