"""How a command that could not do its work ends. Imports nothing, so that the command line comes up at once."""

THIS_MACHINE, USAGE, REFUSED, NOT_FOUND = 1, 2, 4, 5
FOUND = 1
"""Exit codes. 1: the fault is here (a disk, an answer of no), or what a monitoring system asked for was found. 3, could
not reach, comes with the client's failures."""


class CommandError(Exception):
    """Ends the command with an exit code and words for the operator."""

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code
