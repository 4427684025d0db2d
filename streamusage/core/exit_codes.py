"""The exit codes of all commands: console, service and agent. `docs/commands.md` has this table, which a test checks.

A code has one general meaning. A command may give a more specific one in its help, never another number.
"""

from collections.abc import Mapping
from enum import IntEnum


class ExitCode(IntEnum):
    """An exit code: its name, number and general meaning."""

    meaning: str

    def __new__(cls, number: int, meaning: str) -> "ExitCode":
        """Return a member that is the number and carries the meaning."""
        code = int.__new__(cls, number)
        code._value_ = number
        code.meaning = meaning
        return code

    SUCCESS = 0, "success"
    FAILURE = 1, "fault on this machine (for example a disk that cannot be written), or you declined"
    USAGE = 2, "wrong usage or configuration, or a missing extra; nothing was sent"
    UNAVAILABLE = 3, "the service, the store, the journal or the port is unavailable"
    REFUSED = (
        4,
        "refused: the token, a read-only profile, a day that is not final, or a plain Stream Manager that does not "
        "support the operation",
    )
    NOT_FOUND = 5, "no such stream, session or server"
    HANGUP = 129, "the terminal was closed (SIGHUP), or its parent process ended"
    INTERRUPTED = 130, "stopped by ctrl+c"
    CLOSED_PIPE = 141, "the reader of the output closed it"
    TERMINATED = 143, "stopped by SIGTERM"


ExitCodes = Mapping[ExitCode, str]
"""The exit codes of a command and what they mean there."""


def exit_codes(*codes: ExitCode) -> dict[ExitCode, str]:
    """Return codes with their general meanings."""
    return {code: code.meaning for code in codes}


CLIENT_EXIT_CODES: ExitCodes = {
    **exit_codes(ExitCode.SUCCESS, ExitCode.FAILURE, ExitCode.USAGE),
    ExitCode.UNAVAILABLE: "the service could not be reached, or the address belongs to another program",
    **exit_codes(ExitCode.REFUSED, ExitCode.NOT_FOUND),
}
"""The codes of a command that sends requests to a service."""
LOCAL_EXIT_CODES: ExitCodes = exit_codes(ExitCode.SUCCESS, ExitCode.FAILURE, ExitCode.USAGE)
"""The codes of a command that sends no request."""
