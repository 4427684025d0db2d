"""Passwords and tokens of media servers, from a variable or a file. They appear in no text.

They are read at each use, so that they can be exchanged while the agent runs.
"""

import os
from collections.abc import Callable
from pathlib import Path

from streamusage.agent.source import SourceError

Secret = Callable[[], str]
"""Gives the secret as it is now. Raises `SourceError`."""


def secret_of(variable: str | None, file: Path | None) -> Secret | None:
    """The secret that a configuration names; `None` where it names none."""
    if file is not None:
        return lambda: _from_file(file)
    if variable is not None:
        return lambda: _from_variable(variable)
    return None


def _from_variable(variable: str) -> str:
    secret = os.environ.get(variable, "").strip()
    if not secret:
        raise SourceError(f"the environment variable {variable} is empty; set it to the media server's secret")
    return _checked(secret, f"the environment variable {variable}")


def _from_file(file: Path) -> str:
    try:
        secret = file.read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not text"
        raise SourceError(f"the file {file} with the media server's secret cannot be read: {reason}") from None
    if not secret:
        raise SourceError(f"the file {file} is empty; write the media server's secret into it")
    return _checked(secret, f"the file {file}")


def _checked(secret: str, where: str) -> str:
    if not secret.isprintable() or not secret.isascii():
        raise SourceError(f"{where} holds characters that no secret in a header can have")
    return secret
