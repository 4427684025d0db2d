"""The error of a failed command and its exit codes. Imports nothing, so that the command line starts fast."""

THIS_MACHINE, USAGE, REFUSED, NOT_FOUND = 1, 2, 4, 5
FOUND = 1
"""Exit codes. 1: a fault on this machine (a disk, a declined question), or a monitored condition holds. 3 (not reached)
is part of the client's errors."""


class CommandError(Exception):
    """Ends the command with an exit code and a message for the operator."""

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code
