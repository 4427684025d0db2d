"""The error of a failed command. Imports no heavy library, so that the command line starts fast."""

from streamusage.core.exit_codes import ExitCode


class CommandError(Exception):
    """Ends the command with an exit code and a message for the operator."""

    def __init__(self, message: str, exit_code: ExitCode) -> None:
        super().__init__(message)
        self.exit_code = exit_code
